"""The one place that assembles the parts into a running gateway."""
