"""What a resolver has done, for metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from danelaw.dnsdata import DNSSECStatus


@dataclass(slots=True)
class ResolverCounts:
    """Counters since the start; read them, do not write.

    `hits` and `misses` are of validated answers, `raw_hits` of raw responses, `udp` and `tcp` queries sent,
    `truncated` and `edns_missing` the reasons for TCP, `timeouts` questions without any answer, `retried`
    bogus answers that were asked again, `answers` finished look-ups by status. `observe` is told the seconds each
    look-up took.
    """

    hits: int = 0
    misses: int = 0
    raw_hits: int = 0
    udp: int = 0
    tcp: int = 0
    truncated: int = 0
    edns_missing: int = 0
    timeouts: int = 0
    retried: int = 0
    refused: int = 0
    observe: Callable[[float], None] = lambda seconds: None
    answers: dict[DNSSECStatus, int] = field(default_factory=lambda: dict.fromkeys(DNSSECStatus, 0))
