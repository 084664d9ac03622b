"""The part of the traffic that a staged version gets: its words, and who is in it."""

from __future__ import annotations

import contextlib
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.policy import Address, Client
from danelaw.scripting.loading import EMPTY
from danelaw.scripting.versioning.portion import Portion, PortionError, share_of
from danelaw.scripting.versioning.versions import Candidate, Versions

NOW = 1_800_000_000.0
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
networks = st.tuples(addresses, st.integers(0, 32)).map(lambda one: str(ip_network(one, strict=False)))
portions = st.builds(
    lambda *words: " ".join(word for group in words for word in group) or "all",
    st.lists(st.floats(0.01, 100).map(lambda one: f"{one:.4g}%"), max_size=1),
    st.lists(networks.map("client:{}".format), max_size=3),
    st.lists(st.integers(1, 65535).map("listener:{}".format), max_size=2),
    st.lists(st.sampled_from(["to:example.org", "to:.example.net"]), max_size=2),
    st.lists(st.just("since:2026-12-01T20:00Z"), max_size=1),
    st.lists(st.just("until:2027-12-01"), max_size=1),
    st.lists(st.integers(1, 10**9).map("first:{}".format), max_size=1),
)


def client(address: str = "192.0.2.1", listener: str = "0.0.0.0:25") -> Client:
    return Client(address, 1000, listener=listener)


@given(portions)
def test_words_and_value_are_the_same(text: str) -> None:
    portion = Portion.from_text(text)
    assert Portion.from_text(portion.to_text()) == portion


@given(st.text(max_size=60))
def test_any_other_text_is_refused_in_words(text: str) -> None:
    with contextlib.suppress(PortionError):
        assert Portion.from_text(text).to_text()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "say which part"),
        ("ten%", "no share"),
        ("0%", "no share"),
        ("101%", "no share"),
        ("client:192.0.2.1/24", "has host bits set"),
        ("listener:smtp", "no ADDRESS:PORT"),
        ("to:-", "no domain"),
        ("first:0", "no number"),
        ("first:12345678901234567890", "no number"),
        ("until:soon", "no time"),
        ("since:2026-12-02 until:2026-12-01", "ends before it begins"),
        ("10% 20%", "more than once"),
        ("domain:example.org", "names no part"),
        ("client:", "names no part"),
    ],
)
def test_mistakes_are_named(text: str, reason: str) -> None:
    with pytest.raises(PortionError, match=reason):
        Portion.from_text(text)


@given(addresses, st.floats(0.1, 99), st.floats(0.1, 99))
def test_a_client_stays_in_its_group_when_the_share_grows(address: str, one: float, other: float) -> None:
    less, more = sorted((one, other))
    if Portion(percent=less).has_client(client(address), NOW, "v"):
        assert Portion(percent=more).has_client(client(address), NOW, "v")


def test_a_share_is_about_as_large_as_it_says_and_falls_to_others_for_another_version() -> None:
    all_of_them = [f"10.0.{high}.{low}" for high in range(16) for low in range(256)]
    tenth = {one for one in all_of_them if share_of(one, "aaaaaaaaaaaa") < 0.1}
    other = {one for one in all_of_them if share_of(one, "bbbbbbbbbbbb") < 0.1}
    assert 330 < len(tenth) < 490
    assert len(tenth & other) < 90


def test_addresses_of_one_v6_host_stay_together() -> None:
    shares = {share_of(f"2001:db8:0:1::{number:x}", "v") for number in range(100)}
    assert len(shares) == 1
    assert share_of("2001:db8:0:2::1", "v") not in shares
    assert share_of("fe80::1%eth0", "v") == share_of("fe80::1", "v")


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("client:192.0.2.0/24 client:2001:db8::/32", client("2001:db8::1"), client("198.51.100.1")),
        ("listener:587", client(listener="[::]:587"), client(listener="0.0.0.0:25")),
        ("listener:0.0.0.0:25", client(), client(listener="192.0.2.1:25")),
        ("client:192.0.2.0/24 listener:25", client(), client(listener="0.0.0.0:587")),
    ],
)
def test_who_is_in(text: str, inside: Client, outside: Client) -> None:
    portion = Portion.from_text(text)
    assert portion.has_client(inside, NOW, "v")
    assert not portion.has_client(outside, NOW, "v")


def test_times_bound_it() -> None:
    portion = Portion(since=NOW, until=NOW + 60)
    seen = [portion.has_client(client(), NOW + at, "v") for at in (-1, 0, 59.9, 60)]
    assert seen == [False, True, True, False]
    assert [portion.is_over(NOW + at) for at in (0, 60)] == [False, True]


@pytest.mark.parametrize(
    ("recipient", "is_in"),
    [("a@example.org", True), ("a@EXAMPLE.org", True), ("a@sub.example.org", False), ("a@x.example.net", True),
     ("a@example.net", False)],
)  # fmt: skip
def test_recipients(recipient: str, is_in: bool) -> None:
    assert Portion.from_text("to:example.org to:.example.net").has_recipient(Address(recipient)) is is_in


def test_the_number_of_connections_is_asked_only_for_those_in_the_part() -> None:
    left = [True, False]
    candidate = Candidate(EMPTY, Portion.from_text("client:192.0.2.0/24"), lambda: left.pop(0))
    versions = Versions(EMPTY, candidate)
    versions.choose(client("198.51.100.1"), NOW)
    assert len(left) == 2
    versions.choose(client(), NOW)
    assert len(left) == 1


def test_what_is_withdrawn_is_chosen_no_more() -> None:
    other = type(EMPTY)("other", EMPTY.directory, (), ())
    candidate = Candidate(other, Portion())
    versions = Versions(EMPTY, candidate)
    assert versions.choose(client(), NOW) is other
    candidate.is_open = False
    assert versions.choose(client(), NOW) is EMPTY
