"""The deckard scenarios (CZ-NIC, BSD): every step's flags, response code and answer, or a listed reason."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.rcode
import pytest
from tests.dnssec.deckard import Entry, Scenario, ScriptedRecursor, read
from tests.dnssec.driving import drive
from tests.dnssec.resigned import resigned

from danelaw.dnsdata import Answer, DNSSECStatus
from danelaw.dnssec import AlgorithmPolicy, TrustAnchorError, TrustAnchors, Validator, ValidatorLimits

pytestmark = pytest.mark.corpus

_GROUPS: dict[str, dict[str, str]] = tomllib.loads((Path(__file__).parent / "differences.toml").read_text("utf-8"))
DIFFERENCES: dict[str, str] = _GROUPS["recursor"] | _GROUPS["decision"]
# What holds only for the signatures as recorded.
DIFFERENCES_AS_RECORDED: dict[str, str] = DIFFERENCES | _GROUPS["unsupported-anchor"]


@functools.cache
def scenarios(directory: Path) -> tuple[Scenario, ...]:
    """Those with a trust anchor and a clock."""
    return tuple(_scenarios(directory))


def _scenarios(directory: Path) -> Iterator[Scenario]:
    for path in sorted((directory / "deckard" / "resolver").glob("*.rpl")):
        scenario = read(path)
        if usable(scenario):
            yield scenario


def usable(scenario: Scenario) -> bool:
    """It has a trust anchor and a clock."""
    return bool(scenario.anchors) and scenario.clock is not None


def play(scenario: Scenario, policy: AlgorithmPolicy) -> Iterator[tuple[Entry, Entry, Answer]]:
    """Yield what was asked, what is expected, and what the validator says, for each checked step.

    As `danelaw.resolver` does, a bogus answer is asked for once more, of another recursor and without memory.
    """
    anchors = TrustAnchors.from_text("\n".join(scenario.anchors) + "\n")
    limits = ValidatorLimits(policy=policy)
    validator = Validator(anchors, limits=limits)
    recursors = (ScriptedRecursor(scenario), ScriptedRecursor(scenario, contrary=True))
    asked: Entry | None = None
    assert scenario.clock is not None
    for step in scenario.steps:
        for recursor in recursors:
            recursor.now += step.elapse
        if step.kind == "QUERY" and step.entry is not None and step.entry.question is not None:
            asked = step.entry
            for recursor in recursors:
                recursor.step = step.number
        elif step.kind == "CHECK_ANSWER" and asked is not None and step.entry is not None:
            assert asked.question is not None
            now = scenario.clock + recursors[0].now
            answer = drive(validator.resolve(asked.question, now), recursors[0].answer)
            if answer.status is DNSSECStatus.BOGUS:
                again = drive(Validator(anchors, limits=limits).resolve(asked.question, now), recursors[1].answer)
                answer = answer if again.failed else again
            yield asked, step.entry, answer


def complaint(asked: Entry, expected: Entry, answer: Answer) -> str | None:
    """How the answer differs from the step's expectation; None when it does not."""
    if "CD" in asked.reply:
        return None
    if expected.rcode == dns.rcode.SERVFAIL:
        return None if answer.failed else f"{asked.question}: {answer.status.value} instead of a failure"
    if answer.failed:
        return f"{asked.question}: {answer.status.value}, {answer.reason}"
    if expected.match & {"rcode", "all"} and answer.rcode != expected.rcode:
        return f"{asked.question}: {dns.rcode.to_text(answer.rcode)}"
    if expected.match & {"flags", "all"}:
        wants, can_tell = "AD" in expected.reply, asked.reply & {"DO", "AD"}
        if wants != answer.secure and (wants or can_tell):
            return f"{asked.question}: {answer.status.value}, {answer.reason}"
    if expected.match & {"answer", "all"} and asked.question is not None:
        rdtype = asked.question.rdtype
        wanted = {rdata for rrset in expected.sections["ANSWER"] if rrset.rdtype == rdtype for rdata in rrset}
        if wanted != set(answer.records):
            return f"{asked.question}: other records"
    return None


def complaints(scenario: Scenario, policy: AlgorithmPolicy) -> list[str]:
    try:
        found = [complaint(*step) for step in play(scenario, policy)]
    except TrustAnchorError as error:
        return [error.reason]
    return [text for text in found if text is not None]


def test_every_scenario_passes_or_is_listed_with_a_reason(corpus: Callable[[str], Path]) -> None:
    """With SHA-1 allowed, since most scenarios are older than RFC 9905."""
    results = {s.name: complaints(s, AlgorithmPolicy.with_sha1()) for s in scenarios(corpus("dnssec"))}
    unexpected = {name: found for name, found in results.items() if bool(found) != (name in DIFFERENCES_AS_RECORDED)}
    assert unexpected == {}
    assert len(results) >= 120
    assert sum(1 for found in results.values() if not found) >= 113


def test_every_scenario_passes_signed_again_under_the_default_policy(corpus: Callable[[str], Path]) -> None:
    """Old algorithms replaced by today's, so that also the eight of DSA count; the same ones differ."""
    directory = corpus("dnssec") / "deckard" / "resolver"
    default = AlgorithmPolicy()
    results = {
        s.name: complaints(resigned(s), default) for s in map(read, sorted(directory.glob("*.rpl"))) if usable(s)
    }
    assert {name: found for name, found in results.items() if bool(found) != (name in DIFFERENCES)} == {}
    assert sum(1 for found in results.values() if not found) >= 120


def test_without_sha1_nothing_becomes_more_secure(corpus: Callable[[str], Path]) -> None:
    """RFC 9905: zones signed with SHA-1 only become insecure; no verdict may rise or turn to accepted data."""
    lowered = 0
    for scenario in scenarios(corpus("dnssec")):
        if scenario.name in DIFFERENCES_AS_RECORDED:
            continue
        old = [answer for _, _, answer in play(scenario, AlgorithmPolicy.with_sha1())]
        new = [answer for _, _, answer in play(scenario, AlgorithmPolicy())]
        for before, after in zip(old, new, strict=True):
            if after.secure:
                assert before.secure, scenario.name
            lowered += before.secure and after.status is DNSSECStatus.INSECURE
    assert lowered >= 10


def test_an_anchor_of_sha1_only_is_insecure(corpus: Callable[[str], Path]) -> None:
    scenario = read(corpus("dnssec") / "deckard" / "resolver" / "val_nx.rpl")
    (answer,) = [answer for _, _, answer in play(scenario, AlgorithmPolicy())]
    assert answer.status is DNSSECStatus.INSECURE
    assert answer.nxdomain
    assert answer.ede == 1
