"""How much one client, and all clients together, may ask of the gateway in a time; who asks for more is put off.

A client is an address, with IPv6 its /64. Each connection has a `Visit` where any ceiling on uses applies to it, and
none where none does: a trusted client costs nothing here. Replies are temporary (RFC 5321 §4.2.1): nobody loses mail
who comes more slowly.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from danelaw.inbound import ledger
from danelaw.inbound.ledger import (
    CONNECTIONS,
    ERRORS,
    HANDSHAKES,
    MESSAGES,
    OCTETS,
    RECIPIENTS,
    SECOND,
    TOTAL,
    Ceiling,
    Ledger,
    client_network,
)
from danelaw.smtp import Reply

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
OPEN, REFUSED = "open connections", "refused for errors"
_OWN = {
    CONNECTIONS: Reply.of(421, "4.7.0", "too many connections from your address in a short time; try again later"),
    MESSAGES: Reply.of(451, "4.7.0", "too many messages from your address in a short time; try again later"),
    RECIPIENTS: Reply.of(452, "4.5.3", "too many recipients from your address in a short time; try again later"),
    OCTETS: Reply.of(451, "4.7.0", "too much mail from your address in a short time; try again later"),
    # RFC 3207 §4: 454 is the temporary no to STARTTLS.
    HANDSHAKES: Reply.of(454, "4.7.0", "too many TLS handshakes with your address in a short time; try again later"),
}
_ALL = {
    CONNECTIONS: Reply.of(421, "4.3.2", "too many new connections to this gateway; try again later"),
    MESSAGES: Reply.of(451, "4.3.2", "too many messages for this gateway at the moment; try again later"),
    RECIPIENTS: Reply.of(452, "4.5.3", "too many recipients for this gateway at the moment; try again later"),
    OCTETS: Reply.of(451, "4.3.2", "too much mail for this gateway at the moment; try again later"),
    HANDSHAKES: Reply.of(454, "4.3.2", "too many TLS handshakes at the moment; try again later"),
}
_ERRORS = Reply.of(421, "4.7.0", "too many errors from your address; try again later")
_OPEN = Reply.of(421, "4.7.0", "too many connections from your address; try again later")
_REMEMBERED = 500
_RECENT = 10 * SECOND
_MINUTE = 60 * SECOND


class Rates(NamedTuple):
    """Ceilings by the numbers of `ledger.NAMES`, None for no ceiling; `open` is how many connections at once."""

    uses: tuple[Ceiling | None, ...] = (None,) * 7
    open: int = 0xFFFF

    @property
    def counts(self) -> bool:
        """Whether there is anything to count during a connection."""
        return any(one is not None for one in self.uses[MESSAGES:])


class Reached(NamedTuple):
    """A ceiling that was reached lately, for people: `client` is empty for all together."""

    ceiling: str
    client: str
    of: int


_NO_RATES = Rates()


@dataclass(slots=True)
class Ceilings:
    """All ceilings of one process. `ticks` gives nanoseconds on the monotonic clock.

    `reached(ceiling, client, new)` is told of every use that was refused; `client` is empty where it was all together,
    `new` tells that this was not said in the last minute.
    """

    book: Ledger
    ticks: Callable[[], int]
    client: Rates = _NO_RATES
    trusted: Rates = _NO_RATES
    total: Rates = _NO_RATES
    exempt: tuple[Network, ...] = ()
    refuse_nanoseconds: int = 600 * SECOND
    reached: Callable[[str, str, bool], None] = lambda ceiling, client, new: None
    _lately: OrderedDict[tuple[str, str], tuple[int, int, int]] = field(default_factory=OrderedDict)
    _trusted_freely: bool = False

    def __post_init__(self) -> None:
        """Whether trusted clients are under no ceiling but that of open connections is found out once."""
        self._trusted_freely = not any((*self.trusted.uses, *self.total.uses))

    def arrive(self, address: str, *, trusted: bool) -> tuple[int, Visit | None, Reply | None]:
        """A client connected: its row, to be given to `leave`, its visit when uses are counted, and the 421 that
        refuses it.
        """
        now, network = self.ticks(), client_network(address)
        row = self.book.row(network, now)
        opened = self.book.opened(row)
        if self.exempts(address):
            return row, None, None
        rates = self.trusted if trusted else self.client
        if trusted and self._trusted_freely:
            if opened <= rates.open:
                return row, None, None
            self.note(OPEN, network, rates.open)
            return row, None, _OPEN
        visit = Visit(self, network, row, rates)
        refusal = visit.refused(now)
        if refusal is None and opened > rates.open:
            self.note(OPEN, network, rates.open)
            refusal = _OPEN
        if refusal is None:
            refusal = visit.take(CONNECTIONS, now=now)
        needed = rates.counts or self.total.counts
        return row, visit if needed else None, refusal

    def leave(self, row: int) -> None:
        """A client's connection is over."""
        self.book.closed(row)

    def exempts(self, address: str) -> bool:
        """True for a client that is under no ceiling."""
        if not self.exempt:
            return False
        parsed = ipaddress.ip_address(address.partition("%")[0])
        return any(parsed.version == network.version and parsed in network for network in self.exempt)

    def note(self, ceiling: str, client: str, of: int) -> None:
        """A use was refused."""
        now = self.ticks()
        said = self._lately.pop((ceiling, client), (0, 0, -_MINUTE))[2]
        new = now - said >= _MINUTE
        self._lately[ceiling, client] = (now, of, now if new else said)
        if len(self._lately) > _REMEMBERED:
            self._lately.popitem(last=False)
        self.reached(ceiling, client, new)

    def lately(self) -> list[Reached]:
        """The ceilings that refused something in the last ten seconds, the last one first."""
        since = self.ticks() - _RECENT
        return [
            Reached(ceiling, client, of)
            for (ceiling, client), (at, of, _) in reversed(self._lately.items())
            if at >= since
        ]


class Visit:
    """One connection of a client under ceilings. Every method gives None, or the reply that puts the client off."""

    __slots__ = ("_ceilings", "_network", "_rates", "_row")

    def __init__(self, ceilings: Ceilings, network: str, row: int, rates: Rates) -> None:
        self._ceilings = ceilings
        self._network = network
        self._row = row
        self._rates = rates

    def trusted(self) -> Visit | None:
        """The visit of the same client once it has logged in, under the ceilings of trusted ones."""
        ceilings = self._ceilings
        if not (ceilings.trusted.counts or ceilings.total.counts):
            return None
        return Visit(ceilings, self._network, self._row, ceilings.trusted)

    def transaction(self) -> Reply | None:
        """MAIL: one more message."""
        now = self._ceilings.ticks()
        return self.refused(now) or self._octets_full(now) or self.take(MESSAGES, now=now)

    def recipient(self) -> Reply | None:
        """RCPT: one more recipient."""
        return self.take(RECIPIENTS)

    def handshake(self) -> Reply | None:
        """STARTTLS: one more handshake."""
        return self.take(HANDSHAKES)

    def received(self, octets: int) -> None:
        """A message came whole: it counts, and what comes next waits if it was too much."""
        ceilings, now = self._ceilings, self._ceilings.ticks()
        for row, rates in ((self._row, self._rates), (TOTAL, ceilings.total)):
            ceiling = rates.uses[OCTETS]
            if ceiling is not None:
                ceilings.book.charge(row, OCTETS, ceiling, now, octets)

    def erred(self) -> Reply | None:
        """The client did something that was refused for good: with one error too many it is refused itself."""
        ceilings, ceiling = self._ceilings, self._rates.uses[ERRORS]
        if ceiling is None:
            return None
        now = ceilings.ticks()
        if ceilings.book.take(self._row, ERRORS, ceiling, now):
            return None
        ceilings.book.refuse(self._row, now + ceilings.refuse_nanoseconds)
        ceilings.note(ledger.NAMES[ERRORS], self._network, ceiling.count)
        return _ERRORS

    def refused(self, now: int) -> Reply | None:
        """Whether the client is refused for its errors."""
        ceilings, ceiling = self._ceilings, self._rates.uses[ERRORS]
        if ceiling is None or not ceilings.book.refused(self._row, now):
            return None
        ceilings.note(REFUSED, self._network, ceiling.count)
        return _ERRORS

    def take(self, kind: int, *, now: int = 0) -> Reply | None:
        """One more use, of the client's own ceiling and of that of all; 421, 451, 452 or 454 when one is reached."""
        ceilings = self._ceilings
        own, total = self._rates.uses[kind], ceilings.total.uses[kind]
        if own is None and total is None:
            return None
        now = now or ceilings.ticks()
        book = ceilings.book
        # What the total refuses is not held against the client.
        if total is not None and not book.has_room(TOTAL, kind, total, now):
            ceilings.note(ledger.NAMES[kind], "", total.count)
            return _ALL[kind]
        if own is not None and not book.take(self._row, kind, own, now):
            ceilings.note(ledger.NAMES[kind], self._network, own.count)
            return _OWN[kind]
        if total is not None:
            book.take(TOTAL, kind, total, now)
        return None

    def _octets_full(self, now: int) -> Reply | None:
        ceilings = self._ceilings
        own, total = self._rates.uses[OCTETS], ceilings.total.uses[OCTETS]
        if own is not None and not ceilings.book.has_room(self._row, OCTETS, own, now):
            ceilings.note(ledger.NAMES[OCTETS], self._network, own.count)
            return _OWN[OCTETS]
        if total is not None and not ceilings.book.has_room(TOTAL, OCTETS, total, now):
            ceilings.note(ledger.NAMES[OCTETS], "", total.count)
            return _ALL[OCTETS]
        return None
