"""The standing of a member: believed when seen again, told once, never flapping."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Domain
from danelaw.tlspolicy import SenderDemand
from danelaw.trustgroup import Change, MemberRecord, Observation, TrustGroup, Watch, follow

K, B, U, L = Observation.KEPT, Observation.BROKEN, Observation.UNKNOWN, Observation.LEFT
WATCH = Watch(every=1000.0, recheck=10.0, confirmations=3)


def play(*found: Observation, record: MemberRecord | None = None) -> tuple[MemberRecord, list[Change]]:
    record = record or MemberRecord()
    changes = []
    for now, one in enumerate(found, 1):
        record, change = follow(record, one, f"look {now}", float(now), WATCH)
        if change is not None:
            changes.append(change)
    return record, changes


def test_the_first_good_look_is_believed_and_tells_nobody() -> None:
    record, changes = play(K)
    assert (record.standing, record.since, record.due, changes) == (K, 1.0, 1001.0, [])


def test_a_breach_counts_when_it_was_seen_three_times_and_is_told_once() -> None:
    record, changes = play(K, B, B)
    assert (record.standing, record.doubts, changes) == (K, 2, [])
    assert record.due == 13.0
    record, changes = play(B, B, B, B, record=record)
    assert record.standing is B
    assert [(one.before, one.now, one.reason, one.breach) for one in changes] == [(K, B, "look 1", True)]


def test_a_member_that_never_kept_it_is_a_breach_too() -> None:
    _, changes = play(B, B, B)
    assert [(one.before, one.now) for one in changes] == [(None, B)]


def test_the_end_of_a_breach_is_told_once_too() -> None:
    _, changes = play(K, B, B, B, K, K, K, K)
    assert [one.now for one in changes] == [B, K]
    assert not changes[1].breach


def test_looks_that_cannot_tell_change_nothing_and_end_no_doubt() -> None:
    record, changes = play(K, B, U, B, U, U)
    assert (record.standing, record.doubts, changes) == (K, 2, [])
    assert record.reason == "look 6"
    assert record.due == 16.0
    _, changes = play(B, record=record)
    assert [one.now for one in changes] == [B]


def test_what_comes_and_goes_never_flaps() -> None:
    _, changes = play(K, *(B, K) * 20, *(B, B, K) * 20, *(B, L) * 20)
    assert changes == []


def test_who_left_is_told_once() -> None:
    _, changes = play(K, L, L, L, L)
    assert [one.now for one in changes] == [L]


@given(st.lists(st.sampled_from(Observation), max_size=60))
def test_two_changes_are_never_the_same_and_never_nearer_than_the_confirmations(found: list[Observation]) -> None:
    _, changes = play(*found)
    for one, other in itertools.pairwise(changes):
        assert one.now is other.before
        assert one.now is not other.now
        assert other.at - one.at >= WATCH.confirmations


@given(st.floats(0, 1), st.sampled_from(Observation))
def test_the_next_look_is_spread_and_never_now(spread: float, found: Observation) -> None:
    record, _ = follow(MemberRecord(standing=K), found, "", 100.0, WATCH, spread)
    assert 100.0 < record.due <= 1200.0


def test_a_group_covers_names_and_suffixes() -> None:
    group = TrustGroup(name="g", members=frozenset({"example.org", ".clinic.example"}), send=SenderDemand.DANE)
    names = ("example.org", "a.example.org", "clinic.example", "a.b.clinic.example")
    assert [group.lists(Domain(name)) for name in names] == [True, False, False, True]
