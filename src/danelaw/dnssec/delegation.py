"""From trusted DS records or keys to the keys of a zone (RFC 4035 §5.2, RFC 4509 §3, RFC 6840 §5.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import dns.name
from dns.edns import EDECode
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS

from danelaw.dnssec.keys import REVOKE_FLAG, ZONE_FLAG, ZoneKeys, may_sign
from danelaw.dnssec.limits import AlgorithmPolicy, Budget
from danelaw.dnssec.response import SignedRRset
from danelaw.dnssec.verify import Flaw, Verified, most_telling, verify

_SHA1_DIGEST = 1
_DIGESTS: dict[int, Callable[[bytes], Any]] = {1: hashlib.sha1, 2: hashlib.sha256, 4: hashlib.sha384}
# Octets of each digest type, in the order of the registry: SHA-1, SHA-256 (RFC 4509 §2.2), GOST, SHA-384 (RFC 6605 §2).
_LENGTHS = {1: 20, 2: 32, 3: 32, 4: 48}

Admitted: TypeAlias = "tuple[ZoneKeys, int, float]"


def usable_ds(records: Iterable[DS], policy: AlgorithmPolicy) -> tuple[DS, ...]:
    """The DS records whose algorithm and digest are both supported; SHA-1 only when it stands alone.

    A digest that has not the length of its type counts as supported: it matches no key, so that a record somebody
    mistyped or mangled makes its zone bogus and never insecure.
    """
    usable = [
        record
        for record in records
        if record.algorithm in policy.algorithms and (record.digest_type in policy.digests or _misshapen(record))
    ]
    better = [record for record in usable if record.digest_type != _SHA1_DIGEST]
    return tuple(better or usable)


def _misshapen(record: DS) -> bool:
    length = _LENGTHS.get(int(record.digest_type))
    return length is not None and len(record.digest) != length


def admit_keys(
    signed: SignedRRset, ds: Iterable[DS], trusted: Iterable[DNSKEY], now: float, budget: Budget
) -> Admitted | Flaw:
    """Validate a DNSKEY RRset: a key named by DS (or itself trusted) must have signed it.

    Returns the zone's keys, the tag of the key that vouches, and until when in POSIX seconds.
    """
    zone = signed.rrset.name
    records = [rdata for rdata in signed.rrset if isinstance(rdata, DNSKEY)]
    entries = _entry_keys(zone, records, tuple(ds), tuple(trusted))
    flaws: list[Flaw] = []
    for key in entries[: budget.limits.signatures_per_rrset]:
        if not may_sign(key):
            flaws.append(_unfit(zone, key))
            continue
        outcome = verify(signed, zone, ZoneKeys([key], budget.limits.policy), now, budget)
        if isinstance(outcome, Verified):
            return ZoneKeys(records, budget.limits.policy), key.key_id(), outcome.expires
        flaws.append(outcome)
    if not entries:
        return Flaw(f"no key of {zone} matches what its parent or the trust anchor says", EDECode.DNSKEY_MISSING)
    return most_telling(flaws, Flaw(f"the keys of {zone} are not signed", EDECode.RRSIGS_MISSING))


def _unfit(zone: dns.name.Name, key: DNSKEY) -> Flaw:
    if not key.flags & ZONE_FLAG:
        return Flaw(f"key {key.key_id()} of {zone} is no zone key", EDECode.NO_ZONE_KEY_BIT_SET)
    if key.flags & REVOKE_FLAG:
        return Flaw(f"key {key.key_id()} of {zone} is revoked", EDECode.DNSKEY_MISSING)
    return Flaw(f"key {key.key_id()} of {zone} is not for DNSSEC", EDECode.DNSKEY_MISSING)


def _entry_keys(
    zone: dns.name.Name, records: list[DNSKEY], ds: tuple[DS, ...], trusted: tuple[DNSKEY, ...]
) -> list[DNSKEY]:
    return [key for key in records if key in trusted or any(matches(record, zone, key) for record in ds)]


def matches(record: DS, zone: dns.name.Name, key: DNSKEY) -> bool:
    """True when the DS record is the digest of this key of this zone (RFC 4034 §5.1.4)."""
    digest = _DIGESTS.get(int(record.digest_type))
    if digest is None or record.algorithm != key.algorithm or record.key_tag != key.key_id():
        return False
    return bool(digest(zone.to_digestable() + key.to_digestable()).digest() == record.digest)
