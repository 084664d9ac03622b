"""Which TLSA records an SMTP client can use (RFC 7672 §3.1, RFC 7671 §4, §9)."""

from __future__ import annotations

from collections.abc import Sequence

from OpenSSL import crypto

from danelaw.dane.record import CertificateUsage, MatchingType, Selector, TLSARecord
from danelaw.dane.result import RecordVerdict
from danelaw.pkix.certificate import read_certificate
from danelaw.pkix.der import SEQUENCE, DERError, whole

DIGEST_LENGTHS = {MatchingType.SHA2_256: 32, MatchingType.SHA2_512: 64}
"""Octets per digest. The greater matching type is the stronger digest, which agility relies on."""

_DIGEST_NAMES = {MatchingType.SHA2_256: "SHA2-256", MatchingType.SHA2_512: "SHA2-512"}
_USABLE = "usable"


def usable(records: Sequence[TLSARecord]) -> tuple[RecordVerdict, ...]:
    """Say of each record, in the order given, whether it can be used, and why not in words.

    `usable` is false for what SMTP cannot use: PKIX usages, unknown parameters, digests of a wrong length, full
    certificates or keys that cannot be parsed. A record passed over by digest agility stays usable.
    """
    return tuple(_verdict(record) for record in records)


def _verdict(record: TLSARecord) -> RecordVerdict:
    problem = unusable_because(record)
    return RecordVerdict(record, problem is None, False, _USABLE if problem is None else f"unusable: {problem}")


def unusable_because(record: TLSARecord) -> str | None:
    """Why a record cannot be used in SMTP, None when it can."""
    if record.usage in (CertificateUsage.PKIX_TA, CertificateUsage.PKIX_EE):
        name = "PKIX-TA" if record.usage == CertificateUsage.PKIX_TA else "PKIX-EE"
        return f"usage {record.usage} ({name}) is not for mail (RFC 7672 §3.1.3)"
    if record.usage not in (CertificateUsage.DANE_TA, CertificateUsage.DANE_EE):
        return f"usage {record.usage} is unknown"
    if record.selector not in (Selector.CERT, Selector.SPKI):
        return f"selector {record.selector} is unknown"
    if record.matching_type == MatchingType.FULL:
        return _full_problem(record)
    expected = next((size for known, size in DIGEST_LENGTHS.items() if known == record.matching_type), None)
    if expected is None:
        return f"matching type {record.matching_type} is unknown"
    if len(record.association) != expected:
        name = _DIGEST_NAMES[MatchingType(record.matching_type)]
        return f"a {name} digest has {expected} octets, this one {len(record.association)}"
    return None


def _full_problem(record: TLSARecord) -> str | None:
    """RFC 7671 §4: a full value that is no certificate or key makes the record malformed, hence unusable."""
    what = "certificate" if record.selector == Selector.CERT else "public key"
    try:
        whole(record.association, SEQUENCE)
        if record.selector == Selector.CERT:
            read_certificate(record.association)
            crypto.load_certificate(crypto.FILETYPE_ASN1, record.association)
        else:
            crypto.load_publickey(crypto.FILETYPE_ASN1, record.association)
    except (DERError, crypto.Error, ValueError):
        return f"its data is no {what}"
    return None


def strongest_digests(records: Sequence[TLSARecord]) -> dict[tuple[int, int], int]:
    """The strongest digest among usable records per (usage, selector) (RFC 7671 §9)."""
    strongest: dict[tuple[int, int], int] = {}
    for record in records:
        if record.matching_type != MatchingType.FULL:
            key = (record.usage, record.selector)
            strongest[key] = max(strongest.get(key, 0), record.matching_type)
    return strongest


def passed_over(record: TLSARecord, strongest: dict[tuple[int, int], int]) -> str | None:
    """Why digest agility leaves a usable record out, None when it counts. Full(0) always counts."""
    best = strongest.get((record.usage, record.selector), 0)
    if record.matching_type == MatchingType.FULL or record.matching_type == best:
        return None
    name = _DIGEST_NAMES[MatchingType(best)]
    return (
        f"not looked at: {record.usage} {record.selector} is also published with {name}, and the stronger digest counts"
    )
