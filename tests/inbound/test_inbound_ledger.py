"""The ledger: no client gets more than its ceilings allow, whatever comes, and memory does not grow."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danelaw.inbound import ledger
from danelaw.inbound.ledger import MESSAGES, OCTETS, SECOND, Ceiling, Ledger, client_network

BOOK = Ledger.private(b"tests")
_start = 0


def later(seconds: float = 100_000) -> int:
    """A time at which nothing of what earlier tests did matters."""
    global _start
    _start += int(seconds * SECOND)
    return _start


def most_within(times: list[int], period: int) -> int:
    """The most of these ascending times within any half-open stretch of so many seconds."""
    most = first = 0
    for last, time in enumerate(times):
        while time - times[first] >= period * SECOND:
            first += 1
        most = max(most, last - first + 1)
    return most


@given(
    st.integers(1, 60),
    st.integers(1, 30),
    st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 4)), min_size=1, max_size=150),
)
def test_a_ceiling_is_never_exceeded_in_any_stretch(count: int, period: int, asked: list[tuple[int, int]]) -> None:
    now, ceiling, used = later(), Ceiling(count, period), []
    row = BOOK.row("192.0.2.1", now)
    for pause, number in asked:
        now += pause
        if BOOK.take(row, MESSAGES, ceiling, now, number):
            used += [now] * number
    assert most_within(used, period) <= count


@settings(max_examples=30)
@given(st.data())
def test_nor_by_clients_that_find_no_row_of_their_own(data: st.DataObject) -> None:
    """Twenty clients whose addresses all meet in one set of eight rows."""
    ceiling, now = Ceiling(3, 10), later()
    clients = crowd()
    used: dict[str, list[int]] = {client: [] for client in clients}
    for _ in range(data.draw(st.integers(1, 120))):
        client = data.draw(st.sampled_from(clients))
        now += data.draw(st.integers(0, 2 * SECOND))
        if BOOK.take(BOOK.row(client, now), MESSAGES, ceiling, now):
            used[client].append(now)
    assert all(most_within(times, 10) <= 3 for times in used.values())


@cache
def crowd(number: int = 20) -> list[str]:
    """Clients of one set, found by the rows they are given."""
    book, found = Ledger.private(b"tests"), []
    at = 0
    while len(found) < number:
        client = f"10.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}"
        if book.row(client, 0) // 8 == 0:
            found.append(client)
        at += 1
    return found


def test_a_hundred_thousand_addresses_take_no_more_memory_than_one() -> None:
    memory = memoryview(bytearray(ledger.octets_needed()))
    book, ceiling = Ledger(memory, b""), Ceiling(1, 3600)
    rows = set()
    for number in range(100_000):
        row = book.row(f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::/64", 1)
        book.take(row, MESSAGES, ceiling, 1)
        rows.add(row)
    assert max(rows) < ledger.ROWS
    assert len(rows) > 80_000  # nearly all have a row of their own
    assert memory.nbytes == ledger.octets_needed() < 10 << 20
    # An honest client among them is not put off by the flood.
    assert book.take(book.row("192.0.2.1", 2), MESSAGES, ceiling, 2)


def test_a_row_stays_with_its_client_while_a_connection_is_open() -> None:
    now, clients = later(), crowd()
    row = BOOK.row(clients[0], now)
    assert BOOK.opened(row) == 1
    now += 1000 * SECOND
    assert row not in [BOOK.row(client, now) for client in clients[1:8]]
    assert BOOK.row(clients[0], now) == row
    BOOK.closed(row)
    assert BOOK.open(row) == 0


def test_processes_count_together_and_the_dead_ones_connections_are_forgotten() -> None:
    memory = memoryview(bytearray(ledger.octets_needed(3)))
    one, other, third = (Ledger(memory, b"s", column=number, columns=3) for number in range(3))
    ceiling = Ceiling(8, 60)
    row = one.row("192.0.2.1", 1)
    assert other.row("192.0.2.1", 1) == row
    assert [book.take(row, MESSAGES, ceiling, 1) for book in (one, other, one)] == [True, True, False]
    assert (one.opened(row), other.opened(row), third.opened(row)) == (1, 2, 3)
    ledger.clear_column(memory, 1)
    assert one.open(row) == 2
    other.closed(row)  # the new process on this seat never had it
    assert one.open(row) == 2


def test_what_cannot_be_refused_any_more_is_waited_for() -> None:
    now, ceiling = later(), Ceiling(100, 10)
    row = BOOK.row("192.0.2.2", now)
    assert BOOK.has_room(row, OCTETS, ceiling, now)
    BOOK.charge(row, OCTETS, ceiling, now, 200)
    assert not BOOK.has_room(row, OCTETS, ceiling, now + 20 * SECOND)
    assert BOOK.has_room(row, OCTETS, ceiling, now + 27 * SECOND)


def test_a_client_is_refused_until_its_time() -> None:
    now = later()
    row = BOOK.row("192.0.2.3", now)
    BOOK.refuse(row, now + 5)
    assert BOOK.refused(row, now + 4)
    assert not BOOK.refused(row, now + 5)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("nonsense:", "nonsense:"),
    ],
)
def test_a_client_is_an_address_or_a_network_of_64(address: str, network: str) -> None:
    assert client_network(address) == network


@pytest.mark.parametrize(("count", "period"), [(0, 1), (1, 0)])
def test_a_ceiling_allows_something(count: int, period: int) -> None:
    with pytest.raises(ValueError, match="no ceiling"):
        Ceiling(count, period)
