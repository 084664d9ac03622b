"""Greylisting: who has to come again, and when that counts (RFC 6647)."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Mailbox, ReversePath
from danelaw.greylist import Record, Rules, Triplet, Verdict, judge, network_of

RULES = Rules(delay=60.0, window=3600.0, lifetime=86400.0)
NOW = 1_790_000_000.0


def test_a_first_try_waits_a_second_one_in_time_passes_and_then_all_do() -> None:
    first = judge(None, NOW, RULES)
    assert (first.verdict, first.wait) == (Verdict.FIRST, 60.0)
    early = judge(first.record, NOW + 20, RULES)
    assert (early.verdict, early.wait) == (Verdict.EARLY, 40.0)
    passed = judge(early.record, NOW + 60, RULES)
    assert passed.verdict is Verdict.PASSED
    known = judge(passed.record, NOW + 80_000, RULES)
    assert known.verdict is Verdict.KNOWN
    assert known.record.passes == 2


def test_coming_again_too_early_does_not_start_the_wait_anew() -> None:
    record = judge(None, NOW, RULES).record
    for second in range(1, 60):
        record = judge(record, NOW + second, RULES).record
    assert judge(record, NOW + 60, RULES).verdict is Verdict.PASSED


def test_a_try_after_the_window_is_a_first_one() -> None:
    assert judge(Record(NOW, NOW), NOW + 3601, RULES).verdict is Verdict.FIRST


def test_what_was_not_used_for_its_lifetime_is_forgotten() -> None:
    assert judge(Record(NOW, NOW, 9), NOW + 86_400, RULES).verdict is Verdict.KNOWN
    assert judge(Record(NOW, NOW, 9), NOW + 86_401, RULES).verdict is Verdict.FIRST


def test_a_clock_set_back_lets_nobody_in_early_and_locks_nobody_out() -> None:
    assert judge(Record(NOW, NOW), NOW - 500, RULES).verdict is Verdict.EARLY
    assert judge(Record(NOW, NOW, 1), NOW - 500, RULES).verdict is Verdict.KNOWN


@given(st.lists(st.floats(0, 100_000), max_size=20))
def test_nobody_is_let_in_who_did_not_wait_and_whoever_waits_well_is(pauses: list[float]) -> None:
    record, now, first = None, NOW, None
    for pause in pauses:
        now += pause
        judgement = judge(record, now, RULES)
        if judgement.verdict is Verdict.FIRST:
            first = now
        elif judgement.verdict is Verdict.PASSED:
            assert first is not None
            assert RULES.delay <= now - first <= RULES.window
        record = judgement.record
    again = judge(record, now, RULES)
    if not again.verdict.lets_in:
        assert judge(again.record, now + again.wait, RULES).verdict is Verdict.PASSED


def test_networks_and_letters() -> None:
    assert network_of(ipaddress.ip_address("192.0.2.77")) == "192.0.2.0/24"
    assert network_of(ipaddress.ip_address("::ffff:192.0.2.77")) == "192.0.2.0/24"
    assert network_of(ipaddress.ip_address("2001:db8:1:2:3::4")) == "2001:db8:1:2::/64"
    assert network_of(ipaddress.ip_address("192.0.2.77"), ipv4_prefix=32) == "192.0.2.77/32"
    triplet = Triplet.of("n", ReversePath(None), Mailbox.from_text("Anna@Example.org"))
    assert triplet == Triplet("n", "", "anna@example.org")
