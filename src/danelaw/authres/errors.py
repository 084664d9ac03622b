"""What can be wrong with a field that reports authentication."""

from __future__ import annotations

from danelaw.errors import DanelawError


class FieldTooLarge(DanelawError, ValueError):
    """A field from outside is larger than is read."""


class UnwritableField(DanelawError, ValueError):
    """A value cannot stand in the field: control characters, a name that is no keyword, or too long for a line."""
