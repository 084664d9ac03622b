"""DANE for SMTP: certificates verified by signed DNS (RFC 6698, RFC 7671, RFC 7672).

A host announces its keys in TLSA records at `_25._tcp.<host>`, and DNSSEC proves that the records are its own.
Each record says *usage selector matching-type data*:

- usage 3, DANE-EE: the server's own certificate or key. Nothing else counts, neither names nor dates.
- usage 2, DANE-TA: a CA that issued it. There must be a valid path to the CA, and the certificate must name the
  host (or, when the MX record was signed too, the recipient's domain).
- usages 0 and 1 ask for public CAs as well; mail cannot use them (RFC 7672 §3.1.3).
- selector 0 takes the certificate, 1 its public key. Matching type 0 publishes all of it, 1 its SHA2-256, 2 its
  SHA2-512 digest.

Where to look is half of the protocol: `lookup_host` asks for the addresses first, and for TLSA only where the
name is signed; behind aliases it decides which name is the *TLSA base domain*. What it finds is a `HostRecords`:

- `TLSAState.USABLE`: the chain must match, or nothing may be sent by way of this host.
- `TLSAState.UNUSABLE`: records are there, none can be used: TLS is a must, nobody is authenticated.
- `TLSAState.ABSENT`: no DANE.
- `error`: something could not be looked up. That is never "no DANE"; the host is skipped.

`verify` then compares a presented chain with the records. One match suffices, so a rollover publishes the old record
and the new one, switches the certificate, and later drops the old one.

Public names: `lookup_host`, `HostRecords`, `TLSAState`, `TLSARecord`, `TLSARecordError`, `CertificateUsage`,
`Selector`, `MatchingType`, `usable`, `RecordVerdict`, `verify`, `DANEResult`, `association`, `record_matches`,
`lookup_authority`, `Authority` (which name servers answer for the records; only `danelaw check` asks).
"""

from danelaw.dane.authority import Authority, lookup_authority
from danelaw.dane.host import HostRecords, TLSAState
from danelaw.dane.lookup import lookup_host
from danelaw.dane.matching import association, record_matches
from danelaw.dane.record import CertificateUsage, MatchingType, Selector, TLSARecord, TLSARecordError
from danelaw.dane.result import DANEResult, RecordVerdict
from danelaw.dane.usable import usable
from danelaw.dane.verify import verify

__all__ = [
    "Authority",
    "CertificateUsage",
    "DANEResult",
    "HostRecords",
    "MatchingType",
    "RecordVerdict",
    "Selector",
    "TLSARecord",
    "TLSARecordError",
    "TLSAState",
    "association",
    "lookup_authority",
    "lookup_host",
    "record_matches",
    "usable",
    "verify",
]
