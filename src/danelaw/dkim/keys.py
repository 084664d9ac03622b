"""From a signature to the question for its key, and from the answer to keys that fit (RFC 6376 §3.6.2, §6.1.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import dns.name
import dns.rcode
import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT

from danelaw.address import Domain
from danelaw.dkim.errors import KeyRecordError, KeyRefused
from danelaw.dkim.publickey import SMALLEST_RSA, PublicKey
from danelaw.dkim.record import DKIMKeyRecord
from danelaw.dkim.result import DKIMResult
from danelaw.dkim.signature import DKIMSignature, SignatureError
from danelaw.dnsdata import Answer, DNSSECStatus, Question

# a= to the k= of its keys. rsa-sha1 is known only in order to say why it does not count.
KEY_TYPES = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}
_SHA1 = "rsa-sha1"


@dataclass(frozen=True, slots=True)
class FittingKey:
    """A record whose key may have made the signature."""

    record: DKIMKeyRecord
    key: PublicKey


class KeySearch(NamedTuple):
    """The keys found, or why there are none. `dnssec` is the status of the answer."""

    keys: tuple[FittingKey, ...]
    result: DKIMResult
    reason: str
    dnssec: DNSSECStatus


def key_question(domain: Domain, selector: str) -> Question:
    """The question for a key: TXT at `<selector>._domainkey.<domain>` (RFC 6376 §3.6.2.1, RFC 8553 §2).

    Raises `SignatureError` when that is too long for a name.
    """
    return _question(domain, selector)


@lru_cache(maxsize=4096)
def _question(domain: Domain, selector: str) -> Question:
    try:
        name = dns.name.from_text(f"{selector}._domainkey.{domain.ascii}.", None)
    except dns.name.NameTooLong:
        raise SignatureError(f"{selector}._domainkey.{domain} is too long for a name in DNS") from None
    return Question(name, dns.rdatatype.TXT)


def check_algorithm(algorithm: str) -> None:
    """Raises `SignatureError` for what is not implemented or no longer counts (RFC 8301 §3.1)."""
    if algorithm == _SHA1:
        raise SignatureError("it is made with rsa-sha1, which no longer counts (RFC 8301)")
    if algorithm not in KEY_TYPES:
        raise SignatureError(f"the algorithm {algorithm[:40]!r} is not implemented", DKIMResult.NEUTRAL)


def find_keys(answer: Answer, algorithm: str, *, smallest_rsa: int, most: int, service: str = "email") -> KeySearch:
    """The keys in an answer that fit `algorithm` and `service`, at most `most` records looked at.

    With several records each is tried, since which of them is meant is undefined (RFC 6376 §3.6.2.2, §6.1.2). The
    reason given for finding none is that of the record that came nearest.
    """
    if answer.failed:
        why = answer.reason or (dns.rcode.to_text(answer.rcode) if answer.rcode else answer.status.value)
        reason = f"the key at {_where(answer)} cannot be looked up now: {why}"
        return KeySearch((), DKIMResult.TEMPERROR, reason, answer.status)
    texts = [b"".join(rdata.strings) for rdata in answer.records if isinstance(rdata, TXT)]
    if not texts:
        return KeySearch((), DKIMResult.PERMERROR, f"there is no key at {_where(answer)}", answer.status)
    found: list[FittingKey] = []
    faults: list[_Fault] = []
    for text in texts[:most]:
        match = _examine(text, KEY_TYPES[algorithm], smallest_rsa, service)
        if isinstance(match, FittingKey):
            found.append(match)
        else:
            faults.append(match)
    if found:
        return KeySearch(tuple(found), DKIMResult.PASS, "", answer.status)
    worst = max(faults, key=lambda fault: fault.progress)
    return KeySearch((), worst.result, f"the key at {_where(answer)} cannot be used: {worst.reason}", answer.status)


def _where(answer: Answer) -> str:
    return answer.question.name.to_text(omit_final_dot=True)


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why a record does not fit; `progress` counts the checks it passed."""

    progress: int
    reason: str
    result: DKIMResult = DKIMResult.PERMERROR


@lru_cache(maxsize=1024)  # the same few hundred domains sign most mail
def _examine(text: bytes, key_type: str, smallest_rsa: int, service: str) -> FittingKey | _Fault:
    """The checks of RFC 6376 §6.1.2 on one record, in their order."""
    try:
        record = DKIMKeyRecord.from_text(text)
    except KeyRecordError as error:
        return _Fault(0, error.reason)
    for progress, reason in _mismatches(record, key_type, service):
        if reason:
            return _Fault(progress, reason)
    try:
        key = PublicKey.from_octets(record.key_type, record.public_key)
    except KeyRefused as error:
        return _Fault(5, error.reason)
    if key.key_type == "rsa" and key.bits < smallest_rsa:
        # Below 1024 bits nobody may accept it (RFC 8301 §3.2); above, it is our own rule.
        result = DKIMResult.PERMERROR if key.bits < SMALLEST_RSA else DKIMResult.POLICY
        return _Fault(6, f"the RSA key has {key.bits} bits, fewer than {smallest_rsa}", result)
    return FittingKey(record, key)


def _mismatches(record: DKIMKeyRecord, key_type: str, service: str) -> Iterator[tuple[int, str]]:
    purpose = "mail" if service == "email" else service
    yield 1, "" if record.serves(service) else f"s={':'.join(record.services)} says that it is not for {purpose}"
    allowed = record.hashes is None or "sha256" in record.hashes
    yield 2, "" if allowed else f"h={':'.join(record.hashes or ())} does not allow sha256"
    yield 3, "" if not record.revoked else "it is revoked (p= is empty)"
    wrong = record.key_type != key_type
    yield 4, f"its kind is k={record.key_type[:40]}, and the signature needs {key_type}" if wrong else ""


def identity_allowed(signature: DKIMSignature, record: DKIMKeyRecord) -> bool:
    """False when t=s of the key forbids the subdomain in i= (RFC 6376 §3.6.1)."""
    return not record.strict_identity or signature.identity_domain == signature.domain
