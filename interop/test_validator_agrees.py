"""danelaw's validator, libunbound and delv get the same answers: never do they say bogus where we say secure."""

from __future__ import annotations

import random
import time
from functools import partial
from pathlib import Path

import pytest
from interop import libunbound
from interop.delv import Delv
from interop.libunbound import Unbound
from interop.recursive import Serve, serving
from interop.report import Report
from interop.validators import Tally, lab_zones, ours, world_zones
from tests.dnssec.damage import MUTATIONS, Zones

from danelaw.dnsdata import Question
from danelaw.dnssec import TrustAnchors, Validator

pytestmark = [
    pytest.mark.needs("delv"),
    pytest.mark.skipif(not libunbound.available(), reason="libunbound is not installed"),
    pytest.mark.timeout(420),
]
SECTION = "The validator beside libunbound and delv"
DAMAGED_CASES = 1250
SHIFTED_CASES = 250
DELV_EVERY = 25
_DAY = 86400
HEADS = ("peer", "danelaw", "peer says", "cases", "why different")


@pytest.fixture(scope="module", params=["lab", "tests"])
def zones(request: pytest.FixtureRequest) -> Zones:
    """The zones of the lab, and those of the validator's tests."""
    return lab_zones(time.time()) if request.param == "lab" else world_zones(time.time())


def _tell(report: Report, title: str, tallies: tuple[Tally, ...]) -> None:
    counts = "; ".join(f"{tally.peer}: {tally.cases} cases, {tally.same} the same" for tally in tallies)
    serious = sum(len(tally.serious) for tally in tallies)
    backed = sum(tally.backed for tally in tallies)
    report.text(
        SECTION,
        f"{title}. {counts}. A peer says bogus where we say secure: {backed + serious}; of these the other peer, asked "
        f"the same, sides with us in {backed}, and nobody in {serious}.",
    )
    rows = [row for tally in tallies for row in tally.rows()]
    if rows:
        report.table(SECTION, HEADS, rows)
    for tally in tallies:
        assert not tally.serious, "\n".join(tally.serious)
        assert not tally.unexplained, "\n".join(tally.unexplained)


def test_every_name_and_type(zones: Zones, tmp_path: Path, report: Report, request: pytest.FixtureRequest) -> None:
    """Genuine answers, with memories kept from question to question as in a running gateway."""
    with_unbound, with_delv = Tally("libunbound", genuine=True), Tally("delv", genuine=True)
    validator = Validator(TrustAnchors.from_text(zones.anchor))
    now = time.time()
    with serving(zones.wire) as port, Unbound(port, zones.anchor) as unbound:
        delv = Delv(tmp_path, port, zones.anchor)
        for number, question in enumerate(zones.questions):
            answer = ours(zones, question, zones.wire, now, validator)
            with_unbound.add(answer, unbound.verdict(question), str(question), partial(delv.verdict, question))
            if number % DELV_EVERY == 0:
                with_delv.add(answer, delv.verdict(question), f"{question} {delv.said}")
    _tell(report, f"Every name and type of the {_name(request)} zones", (with_unbound, with_delv))


def test_damaged_answers(zones: Zones, tmp_path: Path, report: Report, request: pytest.FixtureRequest) -> None:
    """One answer is damaged, the one asked for or one of the chain, the same for everybody; no memories."""
    chance = random.Random(20261123)
    with_unbound, with_delv = Tally("libunbound"), Tally("delv")
    current: list[Serve] = [zones.wire]
    failed = 0
    with serving(lambda asked: current[0](asked)) as port:
        delv = Delv(tmp_path, port, zones.anchor)
        for number in range(DAMAGED_CASES):
            question = chance.choice(zones.questions)
            current[0] = _damaged(chance, number, question, zones)
            answer = ours(zones, question, current[0], time.time())
            failed += answer.failed
            what = f"case {number} {question}"
            with Unbound(port, zones.anchor) as unbound:
                with_unbound.add(answer, unbound.verdict(question), what, partial(delv.verdict, question))
            if number % DELV_EVERY == 0:
                with Unbound(port, zones.anchor) as unbound:
                    with_delv.add(
                        answer, delv.verdict(question), f"{what} {delv.said}", partial(unbound.verdict, question)
                    )
    assert failed > DAMAGED_CASES // 5
    _tell(report, f"Damaged answers of the {_name(request)} zones", (with_unbound, with_delv))


def test_shifted_clock(zones: Zones, report: Report, request: pytest.FixtureRequest) -> None:
    """Clocks from weeks before the signatures begin until weeks after they end."""
    chance = random.Random(1123)
    tally = Tally("libunbound")
    with serving(zones.wire) as port:
        for number in range(SHIFTED_CASES):
            question = chance.choice(zones.questions)
            now = time.time() + chance.uniform(-40 * _DAY, 40 * _DAY)
            answer = ours(zones, question, zones.wire, now)
            with Unbound(port, zones.anchor, now=now) as unbound:
                tally.add(answer, unbound.verdict(question), f"case {number} {question} at {now}")
    _tell(report, f"Shifted clock over the {_name(request)} zones", (tally,))


def _name(request: pytest.FixtureRequest) -> str:
    parameter: str = request.node.callspec.params["zones"]
    return "lab's" if parameter == "lab" else "validator tests'"


def _damaged(chance: random.Random, number: int, question: Question, zones: Zones) -> Serve:
    """The zones with one damaged answer among those the question leads to."""
    asked: list[Question] = []

    def listening(one: Question) -> bytes:
        asked.append(one)
        return zones.wire(one)

    ours(zones, question, listening, time.time())
    victim = question if chance.random() < 0.4 else chance.choice(asked)
    wire = MUTATIONS[number % len(MUTATIONS)](chance, victim, zones)
    return lambda one: wire if one == victim else zones.wire(one)
