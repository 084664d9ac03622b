"""What the directions of several steps come to together, and what no step may ask for."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from danelaw.address import Domain, DomainError
from danelaw.errors import DanelawError
from danelaw.outbound.steps import USUAL, Carried, Directions, End, Return, Wait, Way
from danelaw.queue.values import MOST_CONTEXT
from danelaw.routing import NextHop, NextHopError, carrier_of
from danelaw.smtp import EnhancedStatusCode
from danelaw.tlspolicy import SenderDemand

if TYPE_CHECKING:
    from danelaw.outbound.opening import Certificates
    from danelaw.queue import RoutingKey
    from danelaw.queue.pages import Work

LONGEST_JOB = 64
"""Characters."""
SOONEST = 1.0
"""Seconds until the next try that a step may ask for: none may have a message tried without a pause."""


class Misdirection(DanelawError):
    """A step asks for what cannot be, or must not."""


@dataclass(slots=True)
class Course:
    """The sum so far. `key` is the queue the recipients belong into, None for the one they are in."""

    key: RoutingKey | None = None
    way: Way = USUAL
    most_recipients: int | None = None
    end: End | None = None
    context: str | None = None
    because: str = ""

    @property
    def is_own(self) -> bool:
        """Whether this delivery goes otherwise than the others of its queue."""
        return self.way is not USUAL

    def words(self, work: Work) -> str:
        """What it comes to, for the log."""
        parts = [type(self.end).__name__.lower()] if self.end is not None else []
        if self.key is not None and self.key != work.key:
            parts.append(f"queue {self.key.to_text()}")
        if self.way.local:
            parts.append(f"from {' or '.join(self.way.local)}")
        if self.way.helo:
            parts.append(f"as {self.way.helo}")
        if self.way.certificate:
            parts.append(f"certificate {self.way.certificate}")
        if self.most_recipients is not None:
            parts.append(f"{self.most_recipients} recipients at a time")
        return ", ".join(parts) or "nothing"


def course_of(
    before: Course, work: Work, said: Directions, certificates: Certificates, carriers: Container[str] = ()
) -> Course:
    """One more step's directions on top of `before`. Of two words on the same the later counts, but a demand is never
    weakened. `certificates` and `carriers` are those known by name. Raises `Misdirection`.
    """
    key = _key(before.key or work.key, said, carriers)
    end = said.end
    if isinstance(end, Carried) and SenderDemand.from_word(key.demand).verified:
        raise Misdirection("what is to travel through verified TLS only cannot be carried by a step itself")
    if isinstance(end, Wait) and math.isnan(end.until):
        raise Misdirection("the time to wait until is none")
    if isinstance(end, Return):
        _failure_status(end.status)
    if said.most_recipients is not None and said.most_recipients < 1:
        raise Misdirection("a transaction needs a recipient: most_recipients is below 1")
    if said.context is not None and len(said.context.encode("utf-8", "surrogatepass")) > MOST_CONTEXT:
        raise Misdirection(f"the context is larger than {MOST_CONTEXT} octets")
    smaller = [most for most in (before.most_recipients, said.most_recipients) if most is not None]
    return replace(
        before,
        key=key,
        way=_way(before.way, said.way, certificates),
        most_recipients=min(smaller, default=None),
        end=end,
        context=before.context if said.context is None else said.context,
    )


def _key(key: RoutingKey, said: Directions, carriers: Container[str]) -> RoutingKey:
    name = carrier_of(said.next_hop)
    if name is not None:
        if name not in carriers:
            raise Misdirection(f"no [[carrier]] is called {name!r}")
        key = key._replace(next_hop=said.next_hop)
    elif said.next_hop:
        try:
            key = key._replace(next_hop=NextHop.from_text(said.next_hop).to_text())
        except NextHopError as error:
            raise Misdirection(error.reason) from None
    if said.demand is not SenderDemand.NONE:
        held = SenderDemand.from_word(key.demand)
        if said.demand is SenderDemand.TLS_REQUIRED_NO:
            raise Misdirection("TLS-Required: No is the sender's to say")
        if said.demand.requiretls and not held.requiretls:
            raise Misdirection("REQUIRETLS is the sender's to demand; use verified or dane")
        key = key._replace(demand=held.with_demand(said.demand).word)
    if said.job is not None:
        if len(said.job) > LONGEST_JOB or not said.job.isprintable():
            raise Misdirection(f"a job has at most {LONGEST_JOB} printable characters")
        key = key._replace(job=said.job)
    if said.priority is not None:
        if said.priority not in (-1, 0, 1):
            raise Misdirection("a priority is -1, 0 or 1")
        key = key._replace(priority=said.priority)
    return key


def _way(before: Way, said: Way, certificates: Certificates) -> Way:
    if said == USUAL:
        return before
    families: set[int] = set()
    local: list[str] = []
    for text in said.local:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise Misdirection(f"{text[:80]!r} is no address") from None
        if address.version in families:
            raise Misdirection("more than one local address of a family")
        families.add(address.version)
        local.append(str(address))
    if said.helo:
        try:
            Domain.from_text(said.helo)
        except DomainError as error:
            raise Misdirection(f"the name for EHLO is none: {error.reason}") from None
    if said.certificate and said.certificate not in certificates:
        raise Misdirection(f"no [[client_certificate]] is called {said.certificate[:80]!r}")
    return Way(tuple(local) or before.local, said.helo or before.helo, said.certificate or before.certificate)


def in_one_line(text: str, most: int = 500) -> str:
    """What a step says, fit for the record, the log and a notice."""
    return " ".join(text.split())[:most]


def _failure_status(text: str) -> None:
    try:
        status = EnhancedStatusCode.from_text(text)
    except (DanelawError, ValueError):
        raise Misdirection(f"{text[:80]!r} is no enhanced status code") from None
    if status.status_class != 5:
        raise Misdirection(f"mail is returned with a status of class 5, and {text} is none")
