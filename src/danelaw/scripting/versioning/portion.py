"""The part of the traffic that a staged version of the policy gets, written as a few words.

    10%                                     of all clients; a client that is among them stays among them
    client:192.0.2.0/24 client:2001:db8::/32
    listener:192.0.2.1:25  listener:587     what it connected to, or only the port
    to:example.org to:.example.net          transactions whose first accepted recipient is there
    since:2026-12-01T20:00Z until:2026-12-02
    first:1000                              so many connections (with `to:` transactions), of all workers together
    all                                     everything

Different kinds must all hold, of several of one kind one is enough.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from danelaw.address import Domain
from danelaw.errors import DanelawError
from danelaw.policy import Address, Client

MAX_LENGTH = 2000
MOST_TERMS = 100
MOST_FIRST = 1_000_000_000
_V6_GROUP = 64
_SPACE = 1 << 64
Network: TypeAlias = IPv4Network | IPv6Network


class PortionError(DanelawError):
    """The words name no part of the traffic."""


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of the traffic. `since` and `until` are POSIX seconds; `first` None is any number; `domains` are in lower
    case, with a dot in front for everything below.
    """

    clients: tuple[Network, ...] = ()
    listeners: tuple[str, ...] = ()
    percent: float = 100.0
    domains: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    first: int | None = None

    @classmethod
    def from_text(cls, text: str) -> Portion:
        """Parse the words. Raises `PortionError`."""
        words = text.split() if len(text) <= MAX_LENGTH else []
        if not words or len(words) > MOST_TERMS:
            raise PortionError(
                "say which part of the traffic, in 1 to 100 words", advice="--for '10%', --for client:192.0.2.0/24"
            )
        found: dict[str, list[str]] = {}
        for word in words:
            kind, value = _term(word)
            found.setdefault(kind, []).append(value)
        for kind in ("percent", "since", "until", "first"):
            if len(found.get(kind, ())) > 1:
                raise PortionError(f"{kind} stands more than once")
        since, until = (_moment(found[kind][0]) if kind in found else None for kind in ("since", "until"))
        if since is not None and until is not None and until <= since:
            raise PortionError("the time ends before it begins")
        return cls(
            tuple(map(_network, found.get("client", ()))),
            tuple(map(_listener, found.get("listener", ()))),
            _percent(found["percent"][0]) if "percent" in found else 100.0,
            tuple(map(_domain, found.get("to", ()))),
            since,
            until,
            _first(found["first"][0]) if "first" in found else None,
        )

    def to_text(self) -> str:
        """The words that give this part."""
        words = [] if self.percent == 100 else [f"{self.percent:.12g}%"]
        words += [f"client:{one}" for one in self.clients]
        words += [f"listener:{one}" for one in self.listeners]
        words += [f"to:{one}" for one in self.domains]
        words += [
            f"{kind}:{datetime.fromtimestamp(at, UTC).isoformat().removesuffix('+00:00')}Z"
            for kind, at in (("since", self.since), ("until", self.until))
            if at is not None
        ]
        words += [] if self.first is None else [f"first:{self.first}"]
        return " ".join(words) or "all"

    def has_client(self, client: Client, now: float, salt: str) -> bool:
        """Whether a connection of this client, begun `now` (POSIX seconds), is in it, recipients and number aside.

        `salt` is the version: another version falls to other clients.
        """
        if (self.since is not None and now < self.since) or (self.until is not None and now >= self.until):
            return False
        if self.clients and not any(client.ip in network for network in self.clients):
            return False
        if self.listeners and not any(_is_at(client.listener, one) for one in self.listeners):
            return False
        return self.percent >= 100 or share_of(client.address, salt) < self.percent / 100

    def has_recipient(self, recipient: Address) -> bool:
        """Whether a transaction with this recipient is in it; True where recipients do not matter."""
        if not self.domains:
            return True
        domain = recipient.domain
        return any(domain.endswith(one) if one.startswith(".") else domain == one for one in self.domains)

    def is_over(self, now: float) -> bool:
        """Whether its time has ended."""
        return self.until is not None and now >= self.until


def share_of(address: str, salt: str) -> float:
    """Where a client stands between 0 and 1: always at the same place for the same salt. IPv6 addresses of one /64
    stand at the same, since a host changes its address there as it likes (RFC 8981).
    """
    found = ip_address(address.partition("%")[0])
    packed = found.packed if found.version == 4 else found.packed[: _V6_GROUP // 8]
    digest = hashlib.blake2b(packed, digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest, "big") / _SPACE


def _term(word: str) -> tuple[str, str]:
    if word == "all":
        return "percent", "100"
    if word.endswith("%"):
        return "percent", word[:-1]
    kind, colon, value = word.partition(":")
    if not colon or kind not in _KINDS or not value:
        raise PortionError(
            f"{word[:60]!r} names no part of the traffic",
            advice="10%, client:NETWORK, listener:ADDRESS:PORT, to:DOMAIN, since:TIME, until:TIME, first:NUMBER, all",
        )
    return kind, value


_KINDS = frozenset({"client", "listener", "to", "since", "until", "first"})


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 100:
        raise PortionError(f"{text[:20]}% is no share; write 0.1% to 100%")
    return value


def _first(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:11]) <= MOST_FIRST:
        raise PortionError(f"first:{text[:20]} is no number from 1 to {MOST_FIRST}")
    return int(text)


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise PortionError(f"client:{text[:60]} is no network: {error}", advice="client:192.0.2.0/24") from None


def _listener(text: str) -> str:
    port = text.rpartition(":")[2]
    if not port.isascii() or not port.isdigit() or int(port[:6]) > 65535 or len(text) > 80:
        raise PortionError(f"listener:{text[:60]} is no ADDRESS:PORT and no port", advice="listener:587")
    return text


def _domain(text: str) -> str:
    dot = "." if text.startswith(".") else ""
    try:
        return dot + Domain.from_text(text[len(dot) :]).ascii.lower()
    except DanelawError as error:
        raise PortionError(f"to:{text[:60]} is no domain: {error.reason}") from None


def _moment(text: str) -> float:
    try:
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo is not None else when.astimezone()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise PortionError(f"{text[:40]!r} is no time", advice="2026-12-01T20:00Z") from None


def _is_at(listener: str, wanted: str) -> bool:
    return listener == wanted or (wanted.isdigit() and listener.endswith(f":{wanted}"))
