"""Durations, sizes, addresses, networks, next hops, dates as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.config.values import (
    SocketAddress,
    format_duration,
    format_size,
    parse_domain_pattern,
    parse_duration,
    parse_instant,
    parse_network,
    parse_next_hop,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("4h", 14400),
        ("5d", 432000),
        ("1d12h", 129600),
        ("1 d 12 h", 129600),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("0s", 0),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("30", 'write "30s"'),
        ("", '"4h"'),
        ("4 hours", '"4h"'),
        ("-5s", '"4h"'),
        ("4H", '"4h"'),
        ("99999999w", "shorter"),
        ("１s", '"4h"'),
    ],
)
def test_durations_that_are_none_say_what_would_be(text: str, right: str) -> None:
    with pytest.raises(ValueError, match=r"duration|hundred") as caught:
        parse_duration(text)
    assert right in str(caught.value)


@given(st.integers(0, 10**10))
def test_durations_survive_a_round_trip(milliseconds: int) -> None:
    value = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize(
    ("text", "count"),
    [("50M", 50 << 20), ("64K", 65536), ("1000", 1000), ("2G", 2 << 30), ("1 KiB", 1024), ("5mb", 5 << 20)],
)
def test_sizes_are_read(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "M", "1.5G", "-1", "50X", "1e3"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match='write for instance "64K"'):
        parse_size(text)


@given(st.integers(0, 2**50))
def test_sizes_survive_a_round_trip(count: int) -> None:
    assert parse_size(format_size(count)) == count


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("0.0.0.0:25", "0.0.0.0", 25),
        ("[::]:25", "::", 25),
        ("[2001:DB8::1]:2525", "2001:db8::1", 2525),
        ("127.0.0.1", "127.0.0.1", 53),
        ("::1", "::1", 53),
        ("[::1]", "::1", 53),
        ("127.0.0.1:0", "127.0.0.1", 0),
    ],
)
def test_socket_addresses_are_read(text: str, host: str, port: int) -> None:
    assert SocketAddress.from_text(text, 53) == SocketAddress(host, port)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("0.0.0.0", '"0.0.0.0:25"'),
        ("::1", '"[::1]:25"'),
        ("localhost:25", "192.0.2.1:25"),
        ("127.0.0.1:70000", "65535"),
        ("127.0.0.1:x", "192.0.2.1:25"),
        ("", "192.0.2.1:25"),
        ("[::1", "192.0.2.1:25"),
        ("256.0.0.1:25", "192.0.2.1:25"),
    ],
)
def test_socket_addresses_that_are_none_say_what_would_be(text: str, right: str) -> None:
    with pytest.raises(ValueError, match="; ") as caught:
        SocketAddress.from_text(text)
    assert right in str(caught.value).partition("; ")[2]


@given(st.ip_addresses(), st.integers(0, 65535))
def test_socket_addresses_survive_a_round_trip(address: object, port: int) -> None:
    value = SocketAddress(str(address), port)
    assert SocketAddress.from_text(value.to_text()) == value


def test_networks_are_read_and_host_bits_are_named() -> None:
    assert str(parse_network("10.0.0.0/8")) == "10.0.0.0/8"
    assert str(parse_network("192.0.2.1")) == "192.0.2.1/32"
    with pytest.raises(ValueError, match=r'write "10\.0\.0\.0/8"'):
        parse_network("10.1.2.3/8")


@pytest.mark.parametrize(
    "text",
    [
        "example.org",
        "example.org:2525",
        "[relay.example]",
        "[relay.example]:25",
        "[192.0.2.1]:25",
        "[2001:db8::1]",
        "[IPv6:::1]:25",
    ],
)
def test_next_hops_are_kept_as_written(text: str) -> None:
    assert parse_next_hop(text) == text


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("192.0.2.1", r"\[192\.0\.2\.1\]"),
        ("a b", "example.org"),
        ("[x]:0", "example.org"),
        ("[]", "example.org"),
        ("-:25", "example.org"),
    ],
)
def test_next_hops_that_are_none_say_what_would_be(text: str, right: str) -> None:
    with pytest.raises(ValueError, match=right):
        parse_next_hop(text)


def test_domain_patterns_become_a_labels() -> None:
    assert parse_domain_pattern(".Bücher.Example") == ".xn--bcher-kva.example"
    with pytest.raises(ValueError, match=r"every name below"):
        parse_domain_pattern("*.example.org")


def test_a_date_means_its_end_and_a_time_without_zone_is_utc() -> None:
    assert parse_instant(date(2026, 12, 31)) == datetime(2027, 1, 1, tzinfo=UTC)
    assert parse_instant("2026-12-31T18:00:00") == datetime(2026, 12, 31, 18, tzinfo=UTC)
    assert parse_instant("2026-12-31") == datetime(2027, 1, 1, tzinfo=UTC)
    for wrong in ("tomorrow", 5, date.max):
        with pytest.raises(ValueError, match="; write"):
            parse_instant(wrong)
