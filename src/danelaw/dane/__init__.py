"""DANE for SMTP."""

from danelaw.dane.host import HostRecords, TLSAState
from danelaw.dane.record import CertificateUsage, MatchingType, Selector, TLSARecord, TLSARecordError
from danelaw.dane.result import DANEResult, RecordVerdict

__all__ = [
    "CertificateUsage",
    "DANEResult",
    "HostRecords",
    "MatchingType",
    "RecordVerdict",
    "Selector",
    "TLSARecord",
    "TLSARecordError",
    "TLSAState",
]
