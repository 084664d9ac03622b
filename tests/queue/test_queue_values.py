"""Ids, schedules, attempts."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.queue import (
    Attempt,
    InvalidQueueId,
    InvalidSchedule,
    QueueIds,
    RecipientState,
    RecordReason,
    RetrySchedule,
    UnreadableAttempt,
    floor_id,
    id_from_text,
    id_to_text,
)

NOW = 1_795_000_000.0


@given(st.lists(st.floats(NOW - 100, NOW + 100), min_size=1, max_size=200), st.integers(0, 63))
def test_ids_rise_whatever_the_clock_does(times: list[float], shard: int) -> None:
    ids = QueueIds(shard)
    made = [ids.next(when) for when in times]
    assert all(low < high for low, high in pairwise(made))
    texts = [id_to_text(number) for number in made]
    assert texts == sorted(texts)
    assert [id_from_text(text) for text in texts] == made


def test_ids_of_two_shards_never_meet() -> None:
    one, two = QueueIds(1), QueueIds(2)
    a = {one.next(NOW) for _ in range(3000)}
    b = {two.next(NOW) for _ in range(3000)}
    assert len(a) == len(b) == 3000
    assert not a & b


def test_ids_continue_above_the_last_one_used() -> None:
    last = QueueIds(5).next(NOW + 3600)
    assert QueueIds(5, after=last).next(NOW) > last


@given(st.floats(NOW, NOW + 1e6))
def test_floor_id_is_below_every_id_of_that_time(when: float) -> None:
    assert floor_id(when) <= QueueIds(0).next(when)
    assert floor_id(when + 1) > QueueIds(63).next(when)


@given(st.text(max_size=14))
def test_any_text_is_an_id_or_refused(text: str) -> None:
    try:
        again = id_to_text(id_from_text(text))
    except InvalidQueueId:
        again = text
    assert again == text


def test_waits_follow_the_list_and_the_last_repeats() -> None:
    schedule = RetrySchedule(waits=(60, 120), jitter=0)
    assert [schedule.wait(tries, 0.9) for tries in (1, 2, 3, 99)] == [60, 120, 120, 120]


@given(st.integers(1, 30), st.floats(0, 1))
def test_jitter_stays_within_its_fraction(tries: int, spread: float) -> None:
    schedule = RetrySchedule(jitter=0.25)
    base = schedule.waits[min(tries, len(schedule.waits)) - 1]
    assert base * 0.75 - 1e-6 <= schedule.wait(tries, spread) <= base * 1.25 + 1e-6


def test_the_next_try_is_never_after_the_lifetime() -> None:
    schedule = RetrySchedule(waits=(3600,), jitter=0, lifetime=5400)
    expires = schedule.expires(NOW)
    assert schedule.next_due(1, NOW, expires, 0.5) == NOW + 3600
    assert schedule.next_due(2, NOW + 3600, expires, 0.5) == expires
    assert schedule.next_due(3, expires, expires, 0.5) is None


def test_doubling_reaches_and_keeps_the_longest_wait() -> None:
    assert RetrySchedule.growing(60, 300, 2).waits == (60, 120, 240, 300)


def test_a_factor_of_one_repeats_the_first_wait() -> None:
    assert RetrySchedule.growing(60, 300, 1).waits == (60,)


@pytest.mark.parametrize("waits", [(), (0.0,), (60.0, -1.0)])
def test_senseless_waits_are_refused(waits: tuple[float, ...]) -> None:
    with pytest.raises(InvalidSchedule):
        RetrySchedule(waits=waits)


def test_the_delay_notice_is_due_once() -> None:
    schedule = RetrySchedule(delay_notice=100)
    assert not schedule.notice_due(NOW, False, NOW + 99)
    assert schedule.notice_due(NOW, False, NOW + 100)
    assert not schedule.notice_due(NOW, True, NOW + 1000)


def test_every_state_has_a_word_and_finality() -> None:
    words = [state.words for state in RecipientState]
    assert words == ["waiting", "waiting", "held", "delivered", "returned", "returned", "delivered", "dropped"]
    assert [state for state in RecipientState if not state.final] == [0, 1, 2]


words = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


@given(
    st.lists(words, min_size=13, max_size=13),
    st.lists(st.builds(RecordReason, words, st.booleans(), st.booleans(), words), max_size=3),
    st.lists(st.binary(min_size=32, max_size=32), max_size=3),
    st.lists(st.integers(0, 999), max_size=4),
)
def test_attempts_survive_storing(
    text: list[str], records: list[RecordReason], evidence: list[bytes], recipients: list[int]
) -> None:
    attempt = Attempt(
        NOW + 0.125, text[0], tuple(recipients), text[1], text[2], 2525, *text[3:11],
        records=tuple(records), evidence=tuple(evidence), tlsrpt=text[11], duration=0.25, facts=text[12],
    )  # fmt: skip
    assert Attempt.decode(attempt.encode()) == attempt


@given(st.text(max_size=100))
def test_damaged_attempts_are_refused_in_words(text: str) -> None:
    with pytest.raises(UnreadableAttempt):
        Attempt.decode(text)


def test_attempts_of_a_newer_form_are_refused() -> None:
    with pytest.raises(UnreadableAttempt, match="form 2"):
        Attempt.decode("[2,1.0]")


def test_a_delivery_is_stored_compactly() -> None:
    attempt = Attempt(
        NOW, "example.org", (0,), "mx1.example.org", "192.0.2.1", reply="250 2.0.0 Ok", outcome="delivered"
    )
    assert len(attempt.encode()) < 250
    assert math.isclose(Attempt.decode(attempt.encode()).time, NOW)
