"""Metrics count, and their text form is OpenMetrics."""

from __future__ import annotations

import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from danelaw.errors import DanelawError
from danelaw.telemetry import Counter, Gauge, Histogram, Metrics
from danelaw.telemetry.metrics import reference


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = metrics.to_openmetrics().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counters_gauges_and_histograms_are_exported() -> None:
    metrics = Metrics()
    metrics.inbound_messages.add()
    metrics.inbound_messages.cell().value += 2
    metrics.outbound_recipients.add("delivered", "DANE", by=3)
    metrics.queue_messages.set(7, "waiting")
    metrics.spool_free.read_from(lambda: 42.0)
    for seconds in (0.0005, 0.004, 100.0):
        metrics.spool_commit_seconds.observe(seconds)
    found = samples(metrics)
    assert found["danelaw_inbound_messages_total", ()] == 3
    assert found["danelaw_outbound_recipients_total", (("outcome", "delivered"), ("protection", "DANE"))] == 3
    assert found["danelaw_queue_messages", (("state", "waiting"),)] == 7
    assert found["danelaw_spool_free_bytes", ()] == 42
    assert found["danelaw_spool_commit_seconds_bucket", (("le", "0.001"),)] == 1
    assert found["danelaw_spool_commit_seconds_bucket", (("le", "0.005"),)] == 2
    assert found["danelaw_spool_commit_seconds_bucket", (("le", "+Inf"),)] == 3
    assert found["danelaw_spool_commit_seconds_count", ()] == 3


def test_the_text_ends_as_openmetrics_wants() -> None:
    assert Metrics().to_openmetrics().endswith(b"# EOF\n")


def test_two_gateways_do_not_share_numbers() -> None:
    first, second = Metrics(), Metrics()
    first.inbound_messages.add()
    assert second.inbound_messages.cell().value == 0


def test_labels_must_fit_the_declaration() -> None:
    counter = Counter("danelaw_x", "…", "a")
    with pytest.raises(DanelawError, match="takes the labels"):
        counter.add()
    with pytest.raises(DanelawError, match="takes the labels"):
        Gauge("danelaw_y", "…", "a").read_from(lambda: 1.0)


def test_a_value_on_a_bound_belongs_below_it() -> None:
    histogram = Histogram("danelaw_h", "…", (1.0, 2.0))
    for value in (1.0, 1.5, 2.0, 3.0):
        histogram.observe(value)
    assert histogram.buckets() == [("1.0", 1.0), ("2.0", 3.0), ("+Inf", 4.0)]


def test_names_follow_the_conventions_and_are_unique() -> None:
    instruments = list(Metrics().instruments())
    names = [instrument.name for instrument in instruments]
    assert len(set(names)) == len(names)
    for instrument in instruments:
        assert re.fullmatch(r"danelaw_[a-z][a-z0-9_]*", instrument.name)
        assert not instrument.name.endswith("_total")
        assert f"`{instrument.name}" in reference()
