"""Numbers of hooks as metrics: they never go back, and names are bounded."""

from __future__ import annotations

import asyncio

from danelaw.filters.breaker import Breaker
from danelaw.scripting.numbers import MOST_NAMES, OTHER, HookNumbers
from danelaw.scripting.running import Tally
from danelaw.scripting.shadowing.comparing import Difference
from danelaw.scripting.shadowing.differences import Differences
from danelaw.telemetry import Metrics

Tallies = dict[tuple[str, str], Tally]


def tally(hook: str, calls: int, *, running: int = 0) -> Tally:
    one = Tally("rcpt_to", hook, Breaker(3, 1.0), asyncio.Semaphore(1), running=running)
    for _ in range(calls):
        one.took("none", 0.5)
    return one


def calls(metrics: Metrics, hook: str) -> float:
    return dict(metrics.policy_calls.samples()).get((hook, "none"), 0.0)


def test_sums_stay_when_a_version_goes_and_a_running_call_keeps_its_tally() -> None:
    metrics = Metrics()
    numbers = HookNumbers(metrics)
    tallies: Tallies = {("v1", "a"): tally("a", 3), ("v1", "b"): tally("b", 1, running=1), ("v2", "a"): tally("a", 2)}
    numbers.show(tallies.items(), None)
    assert calls(metrics, "a") == 5
    assert dict(metrics.policy_running.samples())["b",] == 1
    numbers.retire(tallies, {"v2"})
    assert set(tallies) == {("v1", "b"), ("v2", "a")}
    numbers.show(tallies.items(), None)
    assert (calls(metrics, "a"), calls(metrics, "b")) == (5, 1)
    assert dict(metrics.policy_seconds.samples())["a",] == 2.5


def test_names_are_bounded_over_all_versions() -> None:
    metrics = Metrics()
    numbers = HookNumbers(metrics)
    for version in range(3):
        tallies: Tallies = {(f"v{version}", f"h{version}-{one}"): tally("h", 1) for one in range(MOST_NAMES)}
        numbers.show(tallies.items(), None)
        numbers.retire(tallies, ())
        assert tallies == {}
    numbers.show((), None)
    assert len(dict(metrics.policy_calls.samples())) == MOST_NAMES + 1
    assert calls(metrics, OTHER) == 2 * MOST_NAMES


def test_shadows_add_up() -> None:
    metrics = Metrics()
    numbers = HookNumbers(metrics)
    found = Differences(steps=4, dropped=1)
    found.add([Difference("rcpt_to", "verdict", "none", "reject 550")] * 2, "m")
    numbers.retire_shadow(found)
    numbers.show((), found)
    assert dict(metrics.shadow_steps.samples())[()] == 8
    assert dict(metrics.shadow_dropped.samples())[()] == 2
    assert dict(metrics.shadow_differences.samples())["verdict",] == 4
