"""What DNS says about one SMTP server (RFC 7672 §2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from danelaw.address import Domain
from danelaw.dane.record import TLSARecord
from danelaw.dnsdata import Answer, DNSSECStatus


class TLSAState(Enum):
    """What secure TLSA records are there: none, at least one usable, or only unusable ones (RFC 7672 §2.2)."""

    ABSENT = "absent"
    USABLE = "usable"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class HostRecords:
    """A host with its addresses and TLSA records.

    `addresses` has IPv6 and IPv4 addresses as text, empty when the host cannot be reached. `address_status` is the
    DNSSEC status of the addresses, None when none were looked up. `tlsa_base` is the TLSA base domain (RFC 7672
    §2.2.3): set when `tlsa_state` is not `ABSENT`, and when its look-up failed. `records` are the secure TLSA
    records. `error` says why the host must be skipped. `answers` are all answers this rests on.
    """

    host: Domain
    addresses: tuple[str, ...] = ()
    address_status: DNSSECStatus | None = None
    tlsa_base: Domain | None = None
    tlsa_state: TLSAState = TLSAState.ABSENT
    records: tuple[TLSARecord, ...] = ()
    error: str | None = None
    answers: tuple[Answer, ...] = ()
