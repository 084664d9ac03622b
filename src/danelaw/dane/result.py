"""What came out of matching a chain with TLSA records."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.dane.record import TLSARecord


@dataclass(frozen=True, slots=True)
class RecordVerdict:
    """One record, whether it can be used in SMTP at all, whether it matched, and why in words."""

    record: TLSARecord
    usable: bool
    matched: bool
    reason: str


@dataclass(frozen=True, slots=True)
class DANEResult:
    """The outcome for a chain. `matched` is the record that authenticates it; `depth` tells where: 0 is the leaf.

    `verdicts` has one entry per record, in the order given. `tlsrpt` is the RFC 8460 §4.3 result type, None when ok.
    """

    ok: bool
    matched: TLSARecord | None
    verdicts: tuple[RecordVerdict, ...]
    reason: str
    tlsrpt: str | None = None
    depth: int | None = None
