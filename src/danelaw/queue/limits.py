"""Limits: rules about what may go to whom, how much at once, and how fast; and the permits a delivery needs for them.

A rule *matches* by where mail goes and whose it is, and *counts* everything it matches together, or apart for each
value of the fields in `per`. Every rule that matches must be kept. Some fields are known before a delivery begins
(next-hop domain, tenant, job, transport), the others once a host is chosen: rules about those are asked then.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from danelaw.queue.permits import Ceiling, PermitKey
from danelaw.queue.rates import Rate
from danelaw.queue.values import RoutingKey

DAY = 86400
FIELDS = ("domain", "site", "mx", "remote", "local", "tenant", "job", "transport")
USE, RATE, WARM_UP, CONNECT = "use", "rate", "warm-up", "connect"
ANYTHING = Ceiling()
_CARRIER = "carrier:"
_MAY_BE_EMPTY = ("tenant", "job")  # mail without one is a kind of its own, not mail of which it is not known


class Subject(NamedTuple):
    """What a delivery is about. `domain` is the next hop's, or a carrier's name; `transport` is `mx`, `fixed` (one set
    by you) or `carrier`. `site`, `mx` (host name), `remote` and `local` (addresses) are empty while not known.
    """

    domain: str
    tenant: str = ""
    transport: str = "mx"
    site: str = ""
    mx: str = ""
    remote: str = ""
    local: str = ""
    job: str = ""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """So many messages on each day from `start` (POSIX seconds); afterwards the warm-up limits nothing."""

    start: float
    per_day: tuple[int, ...]

    def rate(self, now: float) -> Rate | None:
        """The rate of the day `now` is in; before the start that of the first day."""
        day = max(0, int((now - self.start) // DAY))
        return Rate(self.per_day[day], DAY) if day < len(self.per_day) else None


@dataclass(frozen=True, slots=True)
class LimitRule:
    """One rule. `match` pairs fields with patterns, one of which must fit: a name, `.name` for all below it, `*`; for
    `remote` and `local` an address or network. None means: no limit of this kind.
    """

    name: str
    match: tuple[tuple[str, tuple[str, ...]], ...] = ()
    per: tuple[str, ...] = ()
    connections: int | None = None
    rate: Rate | None = None
    connection_rate: Rate | None = None
    messages_per_connection: int | None = None
    recipients: int | None = None
    adaptive: bool = True
    warm_up: WarmUp | None = None

    def applies(self, subject: Subject) -> bool:
        """True when every field it names is known and fits."""
        values = subject._asdict()
        if any(not values[name] for name in self.per if name not in _MAY_BE_EMPTY):
            return False
        return all(any(_fits(name, pattern, values[name]) for pattern in patterns) for name, patterns in self.match)

    def key(self, kind: str, subject: Subject) -> PermitKey:
        """The key it counts this subject under."""
        values = subject._asdict()
        return PermitKey(self.name, kind, tuple(values[name] for name in self.per))

    def ceiling(self, kind: str) -> Ceiling:
        """What its keys of this kind (`USE`, `RATE`, `CONNECT`) allow."""
        if kind == USE:
            return Ceiling(self.connections, adaptive=self.adaptive and self.connections is not None)
        return Ceiling(rate=self.rate if kind == RATE else self.connection_rate)


class Allowance(NamedTuple):
    """What a subject needs and may: `slots` while a connection is used or kept, `tokens` for each message, `connect`
    for each new connection; None for any number.
    """

    slots: tuple[PermitKey, ...] = ()
    tokens: tuple[PermitKey, ...] = ()
    connect: tuple[PermitKey, ...] = ()
    messages_per_connection: int | None = None
    recipients: int | None = None


class Limits:
    """All rules of a gateway, in their order."""

    def __init__(self, rules: tuple[LimitRule, ...] = ()) -> None:
        self.rules = rules
        self._warming = {rule.name: rule.warm_up for rule in rules if rule.warm_up is not None}
        # Made once: they are asked for several times for each message under limits.
        self._ceilings = {(rule.name, kind): rule.ceiling(kind) for rule in rules for kind in (USE, RATE, CONNECT)}
        self.of = lru_cache(maxsize=16_384)(self._of)

    def _of(self, subject: Subject) -> Allowance:
        """What this subject needs."""
        slots: list[PermitKey] = []
        tokens: list[PermitKey] = []
        connect: list[PermitKey] = []
        messages: int | None = None
        recipients: int | None = None
        for rule in self.rules:
            if not rule.applies(subject):
                continue
            if rule.connections is not None:
                slots.append(rule.key(USE, subject))
            if rule.rate is not None:
                tokens.append(rule.key(RATE, subject))
            if rule.warm_up is not None:
                tokens.append(rule.key(WARM_UP, subject))
            if rule.connection_rate is not None:
                connect.append(rule.key(CONNECT, subject))
            messages = _smaller(messages, rule.messages_per_connection)
            recipients = _smaller(recipients, rule.recipients)
        return Allowance(tuple(slots), tuple(tokens), tuple(connect), messages, recipients)

    def ceiling(self, key: PermitKey, now: float) -> Ceiling:
        """What a key allows at `now` (POSIX seconds); anything for a rule that is no more."""
        if key.kind == WARM_UP and key.rule in self._warming:
            return Ceiling(rate=self._warming[key.rule].rate(now))
        return self._ceilings.get((key.rule, key.kind), ANYTHING)


def subject_of(key: RoutingKey) -> Subject:
    """What is known of a queue's mail before a host is chosen."""
    hop = key.next_hop
    if hop.startswith(_CARRIER):
        return Subject(hop.removeprefix(_CARRIER), key.tenant, "carrier", job=key.job)
    if hop.startswith("["):
        return Subject(hop[1:].partition("]")[0], key.tenant, "fixed", job=key.job)
    return Subject(hop.partition(":")[0], key.tenant, "mx", job=key.job)


def _smaller(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def _fits(name: str, pattern: str, value: str) -> bool:
    if not value:
        return name in _MAY_BE_EMPTY and pattern == ""
    if pattern == "*":
        return True
    if name in ("remote", "local"):
        return ipaddress.ip_address(value) in ipaddress.ip_network(pattern)
    return value.endswith(pattern) if pattern.startswith(".") else value == pattern
