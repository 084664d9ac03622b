"""From which of our addresses mail goes: the first of a family, unless a destination turned its back on it.

A provider that refuses an address of ours often takes mail from another. A move to the next address holds for one MX
site or one next hop and for a time; then the first is used again. Where no address is left that was not refused, the
one is used whose time ends first, so that nothing waits because of moves alone.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from danelaw.routing import mx_site

_MEMORY = 10_000


class LocalAddress(NamedTuple):
    """An address of ours, None where the kernel chooses, and the name said in EHLO from it."""

    address: str | None
    helo: str


class Move(NamedTuple):
    """A destination that is not sent to from `address` until then; `of` is `site` or `domain`, `name` which."""

    address: str
    of: str
    name: str
    until: float
    because: str


@dataclass(slots=True)
class LocalAddresses:
    """All our addresses, in order of preference. `clock` gives POSIX seconds, `site_of` the site of an MX host."""

    helo: str
    ipv4: tuple[LocalAddress, ...] = ()
    ipv6: tuple[LocalAddress, ...] = ()
    site_of: Callable[[str], str] = mx_site
    clock: Callable[[], float] = time.time
    _moves: OrderedDict[tuple[str, str, str], Move] = field(default_factory=OrderedDict)

    def choose(self, remote: str, next_hop: str = "", mx: str = "") -> LocalAddress:
        """Our address for a connection to `remote`, for mail of this next hop to this host."""
        own = self.ipv6 if ":" in remote else self.ipv4
        if not own:
            return LocalAddress(None, self.helo)
        if not self._moves or len(own) == 1:
            return own[0]
        now, site = self.clock(), self.site_of(mx) if mx else ""
        ends = [max(self._until(one, "site", site), self._until(one, "domain", next_hop)) for one in own]
        for one, end in zip(own, ends, strict=True):
            if end <= now:
                return one
        return own[ends.index(min(ends))]

    def leave(self, address: str, of: str, name: str, seconds: float, because: str = "") -> bool:
        """Send to this site or next hop from another address for so long; False when there is no other."""
        own = self.ipv6 if ":" in address else self.ipv4
        now = self.clock()
        left = [one for one in own if one.address != address and self._until(one, of, name) <= now]
        if not left or address not in [one.address for one in own]:
            return False
        key = (address, of, name)
        self._moves[key] = Move(address, of, name, now + seconds, because)
        self._moves.move_to_end(key)
        if len(self._moves) > _MEMORY:
            self._moves.popitem(last=False)
        return True

    def moves(self) -> list[Move]:
        """The moves in force."""
        now = self.clock()
        for key in [key for key, move in self._moves.items() if move.until <= now]:
            del self._moves[key]
        return list(self._moves.values())

    @property
    def moved(self) -> bool:
        """Some destination is sent to from another address than the first."""
        return bool(self._moves)

    def _until(self, one: LocalAddress, of: str, name: str) -> float:
        move = self._moves.get((one.address or "", of, name))
        return 0.0 if move is None else move.until
