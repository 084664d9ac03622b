"""Comparing certificates with association data (RFC 6698 §2.1.2, §2.1.3)."""

from __future__ import annotations

import hashlib

from danelaw.dane.record import MatchingType, Selector, TLSARecord
from danelaw.pkix.certificate import subject_public_key_info


def selected(certificate: bytes, selector: int) -> bytes:
    """The part of a certificate (DER) a selector names. Raises `DERError` when the key cannot be found."""
    return certificate if selector == Selector.CERT else subject_public_key_info(certificate)


def presented(data: bytes, matching_type: int) -> bytes:
    """Selected data as a matching type presents it. Raises `ValueError` for an unknown type."""
    if matching_type == MatchingType.FULL:
        return data
    if matching_type == MatchingType.SHA2_256:
        return hashlib.sha256(data).digest()
    if matching_type == MatchingType.SHA2_512:
        return hashlib.sha512(data).digest()
    raise ValueError(f"matching type {matching_type} is unknown")


def association(certificate: bytes, selector: int, matching_type: int) -> bytes:
    """The certificate association data to publish for a certificate (DER). Raises `DERError`, `ValueError`."""
    return presented(selected(certificate, selector), matching_type)


def record_matches(record: TLSARecord, certificate: bytes) -> bool:
    """True when a record's data is that of a certificate (DER). Raises `DERError`, `ValueError`."""
    return association(certificate, record.selector, record.matching_type) == record.association
