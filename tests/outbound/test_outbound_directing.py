"""What steps may do together: a demand is never weakened, nobody who was reached is touched, nothing is half done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.outbound.amending import amended
from danelaw.outbound.directing import Course, Misdirection, course_of, in_one_line
from danelaw.outbound.outcome import Outcome, RecipientOutcome, settlement_of
from danelaw.outbound.steps import Amendment, Directions, Hold, Then, Wait, Way
from danelaw.queue import HostVerdict, QueuedMessage, QueuedRecipient, RecipientState, RetrySchedule, RoutingKey, Work
from danelaw.replies import shipped
from danelaw.tlspolicy import SenderDemand

NOW = 1_795_000_000.0
CLASSES = shipped().file.classes


def work(demand: SenderDemand = SenderDemand.NONE, count: int = 3) -> Work:
    key = RoutingKey("example.org", demand.word, "t", "j", 1)
    recipients = tuple(QueuedRecipient(number, f"r{number}@example.org", key, due=NOW) for number in range(count))
    message = QueuedMessage(7, NOW - 60, NOW + 86400, "bob@shop.example", recipients, 100, count)
    return Work(key, message, b"x", message.expires, NOW, probe=False)


def directed(one: Work, *said: Directions) -> Course:
    course = Course()
    for directions in said:
        course = course_of(course, one, directions, {}, ("boxes",))
    return course


demands = st.sampled_from(list(SenderDemand))


@given(demands, st.lists(demands, max_size=5))
def test_a_demand_is_never_weakened_by_any_sequence_of_steps(before: SenderDemand, said: list[SenderDemand]) -> None:
    one = work(before)
    course = Course()
    for demand in said:
        try:
            course = course_of(course, one, Directions(demand=demand, next_hop="other.example"), {}, ())
        except Misdirection:
            assert demand is SenderDemand.TLS_REQUIRED_NO or (demand.requiretls and not before.requiretls)
            continue
        assert course.key is not None
        now = SenderDemand.from_word(course.key.demand)
        assert now.with_demand(demand) is now
    if course.key is not None:
        final = SenderDemand.from_word(course.key.demand)
        assert final.with_demand(before) is final
        assert final.requiretls == before.requiretls


def test_of_two_words_on_the_same_the_later_counts_and_the_rest_stays() -> None:
    course = directed(
        work(),
        Directions(next_hop="a.example", job="one", way=Way(local=("192.0.2.1",), helo="a.example"), most_recipients=5),
        Directions(next_hop="carrier:boxes", priority=-1, way=Way(helo="b.example"), most_recipients=9),
    )
    assert course.key == RoutingKey("carrier:boxes", "", "t", "one", -1)
    assert course.way == Way(("192.0.2.1",), "b.example", "")
    assert course.most_recipients == 5


def test_next_hops_are_taken_in_their_usual_form() -> None:
    assert directed(work(), Directions(next_hop="EXAMPLE.net")).key == RoutingKey("example.net", "", "t", "j", 1)
    assert directed(work(), Directions(end=Hold("x"))).key == work().key


@pytest.mark.parametrize("hop", ["carrier:other", "carrier:", "carrier:../x", "pipe:/bin/sh", "maildir:/etc", "a b"])
def test_no_step_names_a_program_or_folder_of_its_own(hop: str) -> None:
    with pytest.raises(Misdirection):
        directed(work(), Directions(next_hop=hop))


def test_what_a_step_says_is_one_bounded_line() -> None:
    assert in_one_line("a\r\nb\x0bc\u2028 d") == "a b c d"
    assert len(in_one_line("x" * 9999)) == 500


STATES = [RecipientState.DELIVERED, RecipientState.RELAYED, RecipientState.FAILED, RecipientState.QUEUED,
          RecipientState.HELD]  # fmt: skip
amendments = st.builds(
    Amendment,
    recipients=st.none() | st.frozensets(st.integers(0, 4)),
    then=st.sampled_from(list(Then)),
    at=st.none() | st.floats(allow_nan=False),
    bounce=st.sampled_from(["", *CLASSES]),
    text=st.text(max_size=20),
    context=st.none() | st.text(max_size=20),
    because=st.text(max_size=20),
)


@given(st.lists(st.sampled_from(STATES), min_size=3, max_size=3), st.lists(amendments, max_size=4))
def test_who_was_reached_stays_reached_and_nobody_waits_beyond_the_lifetime(
    states: list[RecipientState], said: list[Amendment]
) -> None:
    one = work()
    outcome = Outcome()
    for number, state in enumerate(states):
        outcome.recipients[number] = RecipientOutcome(number, state, "2.0.0" if state in STATES[:2] else "4.2.0")
    before = dict(outcome.recipients)
    for amendment in said:
        amended(one, outcome, amendment, "step", CLASSES, NOW)
    for number, end in outcome.recipients.items():
        if states[number] in (*STATES[:2], RecipientState.HELD):
            assert end == before[number]
        assert end.state in STATES
        if end.state is RecipientState.FAILED and states[number] is not RecipientState.FAILED:
            assert end.status.startswith("5.")
    outcome.recipients = {number: replace(end, notice="") for number, end in outcome.recipients.items()}
    settlement = settlement_of(one, outcome, RetrySchedule(), NoNotices(), NOW, lambda: 0.5)  # type: ignore[arg-type]
    assert settlement is not None
    for result in settlement.results:
        if result.state is RecipientState.QUEUED:
            assert NOW + 1 <= result.due <= one.message.expires


class NoNotices:
    def owes(self, message: QueuedMessage) -> bool:
        return False

    def for_outcome(self, message: QueuedMessage, outcome: Outcome, now: float) -> tuple[()]:
        return ()


def test_an_amendment_that_cannot_be_followed_changes_nothing() -> None:
    outcome = Outcome(HostVerdict.DOWN, "no host")
    with pytest.raises(Misdirection):
        amended(work(), outcome, Amendment(then=Then.RETURN, context="{}", bounce="no-such"), "step", CLASSES, NOW)
    assert (outcome.verdict, outcome.recipients, outcome.context) == (HostVerdict.DOWN, {}, None)


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(Misdirection, match="time of the next try"):
        amended(work(), Outcome(), Amendment(at=float("nan")), "step", CLASSES, NOW)
    with pytest.raises(Misdirection, match="time to wait until"):
        directed(work(), Directions(end=Wait(float("nan"), "x")))


def test_notes_alone_leave_the_verdict_on_the_host() -> None:
    outcome = Outcome(HostVerdict.DOWN, "no host")
    assert amended(work(), outcome, Amendment(context="{}", because="x"), "step", CLASSES, NOW) == []
    assert (outcome.verdict, outcome.context) == (HostVerdict.DOWN, "{}")
    changed = amended(work(), outcome, Amendment(then=Then.HOLD, recipients=frozenset({1})), "step", CLASSES, NOW)
    assert changed == ["r1@example.org"]
    assert outcome.verdict is HostVerdict.UNKNOWN
    assert outcome.recipients[1].reason == "no host"
