"""What greylisting remembers, across processes and within bounds."""

from __future__ import annotations

from pathlib import Path

from danelaw.greylist import Rules, Triplet, Verdict
from danelaw.state import GreylistStore

RULES = Rules(delay=60.0, window=3600.0, lifetime=86400.0)
NOW = 1_790_000_000.0


def triplet(number: int = 1, network: str = "192.0.2.0/24") -> Triplet:
    return Triplet(network, f"a{number}@sender.test", "b@ours.test")


def store(path: Path, entries: int = 1000, auto_allow: int = 2) -> GreylistStore:
    return GreylistStore(path / "greylist.db", RULES, auto_allow=auto_allow, entries=entries)


def test_one_worker_lets_in_what_another_deferred(tmp_path: Path) -> None:
    one, other = store(tmp_path), store(tmp_path)
    assert one.judge(triplet(), NOW).verdict is Verdict.FIRST
    assert other.judge(triplet(), NOW + 61).verdict is Verdict.PASSED
    assert one.judge(triplet(), NOW + 62).verdict is Verdict.KNOWN


def test_a_network_passes_after_enough_triplets_and_only_while_it_is_used(tmp_path: Path) -> None:
    known = store(tmp_path)
    for number in (1, 2):
        assert not known.allows("192.0.2.0/24", NOW)
        known.judge(triplet(number), NOW)
        assert known.judge(triplet(number), NOW + 61).verdict is Verdict.PASSED
    assert known.allows("192.0.2.0/24", NOW + 61)
    assert known.allows("192.0.2.0/24", NOW + 61 + 86_000)
    assert known.allows("192.0.2.0/24", NOW + 61 + 2 * 86_000), "it was used in between"
    assert not known.allows("192.0.2.0/24", NOW + 61 + 3 * 86_400)
    assert not known.allows("198.51.100.0/24", NOW + 61)


def test_auto_allow_zero_is_never(tmp_path: Path) -> None:
    known = store(tmp_path, auto_allow=0)
    known.judge(triplet(), NOW)
    known.judge(triplet(), NOW + 61)
    assert not known.allows("192.0.2.0/24", NOW + 61)


def test_what_an_operator_allows_passes_until_it_is_cleared(tmp_path: Path) -> None:
    store(tmp_path).allow("192.0.2.0/24", NOW)
    known = store(tmp_path)
    assert known.allows("192.0.2.0/24", NOW + 10 * 86_400)
    known.prune(NOW + 10 * 86_400)
    assert [(one.network, one.allowed) for one in known.networks()] == [("192.0.2.0/24", True)]
    known.judge(triplet(), NOW)
    assert known.clear("192.0.2.0/24") == 2
    assert not known.allows("192.0.2.0/24", NOW)
    assert known.size() == 0


def test_the_number_kept_is_bounded_and_those_that_passed_stay(tmp_path: Path) -> None:
    known = store(tmp_path, entries=50)
    known.judge(triplet(0), NOW)
    known.judge(triplet(0), NOW + 61)
    for number in range(1, 1200):
        known.judge(triplet(number), NOW + 61 + number / 1000)
    known.prune(NOW + 65)
    assert known.size() == 50
    kept = dict(known.triplets(most=100))
    assert triplet(0) in kept
    assert triplet(1199) in kept
    assert triplet(1) not in kept


def test_what_expired_goes(tmp_path: Path) -> None:
    known = store(tmp_path)
    known.judge(triplet(1), NOW)
    known.judge(triplet(2), NOW)
    known.judge(triplet(2), NOW + 61)
    known.prune(NOW + 3700)
    assert [found for found, _ in known.triplets()] == [triplet(2)]
    known.prune(NOW + 90_000)
    assert known.size() == 0
    assert list(known.networks()) == []
