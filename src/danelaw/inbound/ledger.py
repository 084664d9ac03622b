"""What each client has used of its ceilings lately, in memory of a fixed size that several processes can share.

The ledger is a table like the cache of a processor: a client's address leads to a set of eight rows, of which seven
belong to one client each for as long as there is anything to remember of it, and the last is shared by all who find no
row. A row that was given to somebody new begins with what the shared row of its set says. So however many addresses
come, no client ever gets more than its ceilings allow, memory never grows, and the worst that a flood of addresses does
is that some clients share their ceilings with others.

A ceiling of N in P seconds is kept as in `danelaw.queue.rates`, as the time at which all is free again (the generic
cell rate algorithm of ITU-T I.371): no half-open stretch of P seconds sees more than N. Here a quarter of N may come at
once, since busy senders open many connections together.

Several processes write without a lock: two that count for one client in the same microsecond may count one use
instead of two. How many connections a client has open is written by each process into a column of its own, so that
what a process held when it died is forgotten with its column.
"""

from __future__ import annotations

import ipaddress
import mmap
from dataclasses import dataclass, field
from hashlib import blake2b

CONNECTIONS, MESSAGES, RECIPIENTS, OCTETS, HANDSHAKES, ERRORS = range(1, 7)
NAMES = ("", "connections", "messages", "recipients", "octets", "handshakes", "errors")
"""Of the ceilings on uses per time, by number."""
SECOND = 1_000_000_000
_REFUSED = 7
_WORDS = 8
_WAYS = 8
_SETS = 16_384
ROWS = _SETS * _WAYS + 1
"""Rows there are; the last one counts all clients together."""
TOTAL = ROWS - 1
_MOST_OPEN = 0xFFFF
_USED = ROWS * _WORDS
_TABLE_OCTETS = (ROWS + 1) * _WORDS * 8


@dataclass(frozen=True, slots=True)
class Ceiling:
    """At most `count` in any `period` seconds, a quarter of them at once."""

    count: int
    period: int
    interval: int = field(init=False)
    """Nanoseconds in which one use comes back."""
    depth: int = field(init=False)
    """Nanoseconds by which the time when all is free again may lie ahead."""

    def __post_init__(self) -> None:
        if self.count < 1 or self.period < 1:
            raise ValueError(f"{self.count} in {self.period} seconds is no ceiling")
        burst = -(-self.count // 4)
        interval = -(-self.period * SECOND // (self.count - burst + 1))
        object.__setattr__(self, "interval", interval)
        object.__setattr__(self, "depth", burst * interval)


def octets_needed(columns: int = 1) -> int:
    """The size of the memory of a ledger that so many processes write."""
    return _TABLE_OCTETS + columns * ROWS * 2


def clear_column(memory: memoryview, column: int) -> None:
    """Forget which connections one process had: it is gone."""
    start = _TABLE_OCTETS + column * ROWS * 2
    memory[start : start + ROWS * 2] = bytes(ROWS * 2)


def client_network(address: str) -> str:
    """IPv6 clients are counted by /64: one subscriber has a whole one."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))


_TAGS = 4096
"""Clients whose tag is remembered: most come again soon."""


class Ledger:
    """The view one process has: `memory` has `octets_needed(columns)` octets, zero at first, `column` is its own of
    them. `secret` is the same for all, so that nobody outside can choose addresses that meet in one set. Pure: times
    are nanoseconds on the monotonic clock and arguments.
    """

    __slots__ = ("_column", "_columns", "_open", "_secret", "_tags", "_words")

    def __init__(self, memory: memoryview, secret: bytes, *, column: int = 0, columns: int = 1) -> None:
        octets = memory.cast("B")
        self._words = octets[:_TABLE_OCTETS].cast("Q")
        self._open = octets[_TABLE_OCTETS : octets_needed(columns)].cast("H")
        self._secret = secret
        self._tags: dict[str, int] = {}
        self._column = column * ROWS
        self._columns = columns

    @classmethod
    def private(cls, secret: bytes = b"") -> Ledger:
        """One for a process without others."""
        return cls(memoryview(mmap.mmap(-1, octets_needed())), secret)

    def row(self, client: str, now: int) -> int:
        """The row of a client network, a new one when it is not known. It stays the client's while it has connections
        open or anything of its uses matters.
        """
        tag = self._tags.get(client) or self._tag(client)
        first = tag % _SETS * _WAYS
        shared = first + _WAYS - 1
        words = self._words
        free = -1
        for row in range(first, shared):
            held = words[row * _WORDS]
            if held == tag:
                return row
            if free < 0 and (held == 0 or self._forgettable(row, now)):
                free = row
        if free < 0:
            return shared
        at, like = free * _WORDS, shared * _WORDS
        words[at] = tag
        words[at + 1 : at + _WORDS] = words[like + 1 : like + _WORDS]
        return free

    def _tag(self, client: str) -> int:
        if len(self._tags) >= _TAGS:
            self._tags.clear()
        tag = int.from_bytes(blake2b(client.encode(), key=self._secret, digest_size=8).digest()) or 1
        self._tags[client] = tag
        return tag

    def take(self, row: int, kind: int, ceiling: Ceiling, now: int, number: int = 1) -> bool:
        """Count so many uses, all or none; False when they would be too many."""
        at = row * _WORDS + kind
        free_at = max(self._words[at], now) + number * ceiling.interval
        if free_at - now > ceiling.depth:
            return False
        self._words[at] = free_at
        return True

    def has_room(self, row: int, kind: int, ceiling: Ceiling, now: int) -> bool:
        """True when one more use would not be too many."""
        return max(self._words[row * _WORDS + kind], now) + ceiling.interval - now <= ceiling.depth

    def level(self, row: int, kind: int, ceiling: Ceiling, now: int) -> int:
        """How many uses still count against the ceiling."""
        return max(0, -((now - self._words[row * _WORDS + kind]) // ceiling.interval))

    def charge(self, row: int, kind: int, ceiling: Ceiling, now: int, number: int) -> None:
        """Count so many uses that nobody can refuse any more; later ones wait until they would have been allowed."""
        at = row * _WORDS + kind
        self._words[at] = max(self._words[at], now) + number * ceiling.interval

    def refuse(self, row: int, until: int) -> None:
        """Have nothing to do with this client until then."""
        self._words[row * _WORDS + _REFUSED] = until

    def refused(self, row: int, now: int) -> bool:
        """True while it is refused."""
        return self._words[row * _WORDS + _REFUSED] > now

    def opened(self, row: int) -> int:
        """One more connection of this client is open here; gives how many it has in all processes."""
        at = self._column + row
        self._open[at] = min(_MOST_OPEN, self._open[at] + 1)
        # Reading the columns of workers that never were would make the kernel find memory for them.
        self._words[_USED] = max(self._words[_USED], self._column // ROWS + 1)
        return self.open(row)

    def closed(self, row: int) -> None:
        """One connection fewer is open here."""
        at = self._column + row
        self._open[at] = max(0, self._open[at] - 1)

    def open(self, row: int) -> int:
        """The connections it has in all processes."""
        if self._columns == 1:
            return self._open[row]
        return sum(self._open[row : self._words[_USED] * ROWS : ROWS])

    def _forgettable(self, row: int, now: int) -> bool:
        at = row * _WORDS
        return max(self._words[at + 1 : at + _WORDS]) <= now and not self.open(row)
