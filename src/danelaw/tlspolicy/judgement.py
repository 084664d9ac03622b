"""The verdict on one handshake."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from danelaw.address import Domain
from danelaw.dane import RecordVerdict
from danelaw.smtp.clearance import Clearance
from danelaw.tlspolicy.protection import Protection
from danelaw.tlspolicy.tlsrpt import TLSRPTResult


class Failure(Enum):
    """Why there is no clearance, as far as the queue must know it."""

    LOOKUP = "look-up failed"
    UNREACHABLE = "no connection"
    NO_TLS = "no TLS"
    NOT_VERIFIED = "not verified"
    NO_REQUIRETLS = "REQUIRETLS not offered"
    TRY_CLEAR = "opportunistic TLS failed"


@dataclass(frozen=True, slots=True)
class Judgement:
    """`clearance` is what a client needs to send MAIL; None means that nothing may be sent on this connection.

    `protection` is what the message gets (`NOTHING_SENT` without clearance). `reason` is one sentence.
    `records` says of each TLSA record whether it matched. `observed` holds findings that stopped nothing
    (MTA-STS testing, waived demands). `found` is the word of RFC 8460 §4.3 for what the first demanded check that
    failed found, also where no report has a place for it. `retry_clear` allows a new connection without STARTTLS, since
    TLS was only opportunistic. `at` is when it was made, in POSIX seconds; 0 where nobody was connected to, and time
    played no part.
    """

    host: Domain
    address: str
    clearance: Clearance | None
    protection: Protection
    reason: str
    records: tuple[RecordVerdict, ...] = ()
    tlsrpt: tuple[TLSRPTResult, ...] = ()
    observed: tuple[str, ...] = ()
    failure: Failure | None = None
    found: str = ""
    at: float = 0.0

    @property
    def without_extension(self) -> bool:
        """True when REQUIRETLS mail may go on though the server lacks the extension, by the operator's override."""
        return self.clearance is not None and self.clearance.without_extension

    @property
    def retry_clear(self) -> bool:
        """True when a new connection may be tried without STARTTLS."""
        return self.failure is Failure.TRY_CLEAR
