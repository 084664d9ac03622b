"""Verifying one RRset with the keys of its zone (RFC 4035 §5.3, canonical forms of RFC 4034 §6)."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import dns.name
import dns.rdatatype
import dns.rrset
from dns.edns import EDECode
from dns.rdtypes.ANY.RRSIG import RRSIG

from danelaw.dnssec.keys import ZoneKeys, signature_is_valid
from danelaw.dnssec.limits import Budget
from danelaw.dnssec.response import SignedRRset

_WILDCARD = dns.name.Name((b"*",))


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why something could not be validated: one clause in words, and an RFC 8914 code."""

    text: str
    ede: int


@dataclass(frozen=True, slots=True)
class Verified:
    """An RRset with a valid signature of its zone.

    `closest_encloser` is set when the owner was expanded from the wildcard below that name (RFC 4035 §5.3.4):
    then the data counts only together with a proof that nothing closer exists. `expires` is POSIX seconds.
    """

    rrset: dns.rrset.RRset
    expires: float
    closest_encloser: dns.name.Name | None = None


# The most telling flaw wins when several signatures fail for different reasons.
_TELLING = (
    EDECode.DNSSEC_BOGUS,
    EDECode.SIGNATURE_EXPIRED,
    EDECode.SIGNATURE_NOT_YET_VALID,
    EDECode.SIGNATURE_EXPIRED_BEFORE_VALID,
    EDECode.NO_ZONE_KEY_BIT_SET,
    EDECode.DNSKEY_MISSING,
    EDECode.UNSUPPORTED_DNSKEY_ALGORITHM,
    EDECode.RRSIGS_MISSING,
)


def most_telling(flaws: Iterable[Flaw], otherwise: Flaw) -> Flaw:
    """The flaw to report out of several; `otherwise` when there is none."""
    return min(flaws, key=lambda flaw: _rank(flaw.ede), default=otherwise)


def _rank(ede: int) -> int:
    return _TELLING.index(EDECode(ede)) if ede in _TELLING else len(_TELLING)


def verify(signed: SignedRRset, zone: dns.name.Name, keys: ZoneKeys, now: float, budget: Budget) -> Verified | Flaw:
    """Find one valid signature by `zone` over the RRset (one is enough, RFC 6840 §5.11).

    They are tried in canonical order (RFC 4034 §6.3), so that the order on the wire decides nothing.

    Raises `LimitExceeded` when the budget of the resolution is spent.
    """
    words = f"{signed.rrset.name} {dns.rdatatype.to_text(signed.rrset.rdtype)}"
    if len(signed.signatures) > budget.limits.signatures_per_rrset and _heaped(signed.signatures, budget):
        return Flaw(f"{words} carries more signatures of one key than any zone makes", EDECode.DNSSEC_BOGUS)
    flaws: list[Flaw] = []
    tried = wrong = 0
    for signature in sorted(signed.signatures) if len(signed.signatures) > 1 else signed.signatures:
        if signature.signer != zone:
            continue
        flaw = _unfit(signed.rrset, signature, zone, keys, now)
        if flaw is None:
            tried += 1
            if tried > budget.limits.signatures_per_rrset:
                break
            if _matches(signed.rrset, signature, keys, budget):
                return _verified(signed.rrset, signature, now)
            flaw = Flaw(f"the signature over {words} by key {signature.key_tag} is wrong", EDECode.DNSSEC_BOGUS)
            wrong += 1
        flaws.append(flaw)
        if wrong > budget.limits.wrong_signatures_per_rrset:
            break
    return most_telling(flaws, Flaw(f"{words} carries no signature of {zone}", EDECode.RRSIGS_MISSING))


def _heaped(signatures: tuple[RRSIG, ...], budget: Budget) -> bool:
    """A key signs a set once, or twice while signatures are renewed. A heap of them is made to cost validators time
    (KeyTrap), and which of them is tried must not decide whether the set is believed.
    """
    by_key = Counter((one.signer, one.algorithm, one.key_tag) for one in signatures)
    return max(by_key.values()) > budget.limits.signatures_per_rrset


def _unfit(rrset: dns.rrset.RRset, signature: RRSIG, zone: dns.name.Name, keys: ZoneKeys, now: float) -> Flaw | None:
    """RFC 4035 §5.3.1: everything that disqualifies a signature before any cryptography."""
    words = f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)}"
    if not rrset.name.is_subdomain(zone) or signature.labels > owner_labels(rrset.name):
        return Flaw(f"a signature over {words} does not fit its owner name", EDECode.DNSSEC_BOGUS)
    if signature.labels < len(zone) - 1:
        return Flaw(f"a signature over {words} claims a wildcard above its zone {zone}", EDECode.DNSSEC_BOGUS)
    if rrset.rdtype in (dns.rdatatype.DNSKEY, dns.rdatatype.SOA) and rrset.name != zone:
        return Flaw(f"{words} is signed by {zone}, but belongs to the apex of its own zone", EDECode.DNSSEC_BOGUS)
    if signature.algorithm not in keys.policy.algorithms:
        return Flaw(
            f"{words} is signed with unsupported algorithm {int(signature.algorithm)}",
            EDECode.UNSUPPORTED_DNSKEY_ALGORITHM,
        )
    if _earlier(signature.expiration, signature.inception):
        return Flaw(f"the signature over {words} ends before it begins", EDECode.SIGNATURE_EXPIRED_BEFORE_VALID)
    if _earlier(signature.expiration, int(now)):
        return Flaw(f"the signature over {words} has expired", EDECode.SIGNATURE_EXPIRED)
    if _earlier(int(now), signature.inception):
        return Flaw(f"the signature over {words} is not yet valid", EDECode.SIGNATURE_NOT_YET_VALID)
    if not keys.candidates(int(signature.algorithm), signature.key_tag):
        if (int(signature.algorithm), signature.key_tag) in keys.without_zone_flag:
            return Flaw(f"key {signature.key_tag} of {zone} is no zone key", EDECode.NO_ZONE_KEY_BIT_SET)
        return Flaw(
            f"key {signature.key_tag} that signed {words} is not among the keys of {zone}", EDECode.DNSKEY_MISSING
        )
    return None


def _earlier(a: int, b: int) -> bool:
    """Serial number arithmetic on 32-bit times (RFC 4034 §3.1.5, RFC 1982): a comes before b."""
    return 0 < ((b - a) & 0xFFFFFFFF) < 0x80000000


def _matches(rrset: dns.rrset.RRset, signature: RRSIG, keys: ZoneKeys, budget: Budget) -> bool:
    data = signed_data(rrset, signature)
    candidates = keys.candidates(int(signature.algorithm), signature.key_tag)
    for key in candidates[: budget.limits.colliding_keys]:
        budget.check()
        if signature_is_valid(key, signature.signature, data, keys.policy):
            return True
        budget.failure()
    return False


def _verified(rrset: dns.rrset.RRset, signature: RRSIG, now: float) -> Verified:
    left = (signature.expiration - int(now)) & 0xFFFFFFFF
    expires = now + min(rrset.ttl, signature.original_ttl, left)
    if signature.labels == owner_labels(rrset.name):
        return Verified(rrset, expires)
    return Verified(rrset, expires, _rightmost(rrset.name, signature.labels))


def owner_labels(name: dns.name.Name) -> int:
    """The count the Labels field uses: neither the root nor a leading asterisk (RFC 4034 §3.1.3)."""
    count = len(name) - 1
    return count - 1 if name.labels[0] == b"*" else count


def _rightmost(name: dns.name.Name, labels: int) -> dns.name.Name:
    return dns.name.Name(name.labels[len(name) - 1 - labels :])


def signed_data(rrset: dns.rrset.RRset, signature: RRSIG) -> bytes:
    """What the signature was made over (RFC 4034 §3.1.8.1): RRSIG RDATA, then the RRs in canonical order."""
    owner = rrset.name
    if signature.labels < owner_labels(owner):
        owner = _WILDCARD.concatenate(_rightmost(owner, signature.labels))
    header = owner.to_digestable() + struct.pack("!HHI", rrset.rdtype, rrset.rdclass, signature.original_ttl)
    parts = [
        struct.pack(
            "!HBBIIIH",
            signature.type_covered,
            signature.algorithm,
            signature.labels,
            signature.original_ttl,
            signature.expiration,
            signature.inception,
            signature.key_tag,
        ),
        signature.signer.to_digestable(),
    ]
    for rdata in sorted({rdata.to_digestable() for rdata in rrset}):
        parts += (header, struct.pack("!H", len(rdata)), rdata)
    return b"".join(parts)
