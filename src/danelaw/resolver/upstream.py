"""What is remembered about each recursive resolver: health, and which transport carries what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dns.rdatatype

from danelaw.resolver.transport import Transport

_FAILURES_BEFORE_AVOIDING = 2
_AVOID_SECONDS = 15.0
_AVOID_SECONDS_MAX = 300.0
_TCP_FIRST_SECONDS = 600.0
_SILENT_BEFORE_TCP = 2
_ROUNDS = 2


class Upstream:
    """One recursive resolver. Times are seconds of a monotonic clock, given by the caller."""

    __slots__ = ("_avoid_until", "_failures", "_silent", "_tcp_first_until", "_tcp_types", "address")

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self._failures = 0
        self._avoid_until = 0.0
        self._tcp_first_until = 0.0
        self._silent: dict[dns.rdatatype.RdataType, int] = {}
        self._tcp_types: dict[dns.rdatatype.RdataType, float] = {}

    @property
    def name(self) -> str:
        """ "address:port", brackets around IPv6."""
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def avoided(self, now: float) -> bool:
        """True while it has failed lately: asked last, never not at all."""
        return now < self._avoid_until

    def failed(self, now: float) -> None:
        """An attempt got nothing usable. From the second in a row it is avoided, longer each time."""
        self._failures += 1
        over = self._failures - _FAILURES_BEFORE_AVOIDING
        if over >= 0:
            self._avoid_until = now + min(_AVOID_SECONDS * 2 ** min(over, 8), _AVOID_SECONDS_MAX)

    def succeeded(self, transport: Transport, rdtype: dns.rdatatype.RdataType) -> None:
        """An attempt got a usable answer."""
        self._failures = 0
        self._avoid_until = 0.0
        if transport is Transport.UDP:
            self._silent.pop(rdtype, None)

    def edns_missing(self, now: float) -> None:
        """UDP came back without EDNS: something on the way strips it, so go by TCP for a while."""
        self._tcp_first_until = now + _TCP_FIRST_SECONDS

    def tcp_useless(self) -> None:
        """TCP failed where it was to mend UDP: do not begin with it."""
        self._tcp_first_until = 0.0
        self._tcp_types.clear()

    def udp_silent(self, rdtype: dns.rdatatype.RdataType, now: float) -> None:
        """TCP answered what UDP did not. Twice in a row for one type: ask that type by TCP for a while."""
        self._silent[rdtype] = self._silent.get(rdtype, 0) + 1
        if self._silent[rdtype] >= _SILENT_BEFORE_TCP:
            self._tcp_types[rdtype] = now + _TCP_FIRST_SECONDS

    def first_transport(self, rdtype: dns.rdatatype.RdataType, now: float) -> Transport:
        """UDP unless memory speaks against it."""
        if now < self._tcp_first_until or now < self._tcp_types.get(rdtype, 0.0):
            return Transport.TCP
        return Transport.UDP


def plan(
    upstreams: Sequence[Upstream], rdtype: dns.rdatatype.RdataType, now: float, last: Upstream | None = None
) -> Iterator[tuple[Upstream, Transport]]:
    """Attempts in order: healthy servers as configured, avoided ones behind them, `last` at the very end.

    Each is asked by its first transport, then all by the other one, and that twice.
    """
    ordered = sorted(upstreams, key=lambda upstream: (upstream is last, upstream.avoided(now)))
    for _ in range(_ROUNDS):
        for upstream in ordered:
            yield upstream, upstream.first_transport(rdtype, now)
        for upstream in ordered:
            tcp_first = upstream.first_transport(rdtype, now) is Transport.TCP
            yield upstream, Transport.UDP if tcp_first else Transport.TCP
