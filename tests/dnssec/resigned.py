"""Old scenarios signed again: what DSA and SHA-1 once signed, Ed25519 and SHA-256 sign now.

The recorded scenarios are older than RFC 9904 and RFC 9905, by which their zones are merely insecure today. Here every
key gets a new one with the same flags, every DS follows its key, and every signature that was valid is made anew; one
that was not stays invalid. So the rest of a scenario is played under the policy that danelaw really has.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdatatype
import dns.rrset
import dns.zonefile
from cryptography.hazmat.primitives.asymmetric import ed25519, utils
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.RRSIG import RRSIG
from tests.dnssec.deckard import Entry, Scenario

from danelaw.dnssec import AlgorithmPolicy
from danelaw.dnssec.delegation import matches
from danelaw.dnssec.keys import signature_is_valid
from danelaw.dnssec.verify import signed_data

_OLD = frozenset({3, 5, 6, 7})
_REPLACED = _OLD | {8, 10, 13, 14}
_DSA = frozenset({3, 6})
_DIGESTS = frozenset({1, 2, 4})
_ED25519 = 15
_WRONG = bytes(64)
_RSA = AlgorithmPolicy.with_sha1()

Keys = dict[tuple[dns.name.Name, int, int], DNSKEY]


def resigned(scenario: Scenario) -> Scenario:
    """The scenario with new keys and signatures; the one given is used up."""
    anchors = dns.zonefile.read_rrsets("\n".join(scenario.anchors) + "\n", rdclass=None, default_ttl=3600)
    entries = [entry for span in scenario.ranges for entry in span.entries]
    entries += [step.entry for step in scenario.steps if step.entry is not None]
    everything = [*anchors, *(rrset for entry in entries for part in entry.sections.values() for rrset in part)]
    if not any(_is_old(rdata) for rrset in everything for rdata in rrset):
        return scenario
    keys: Keys = {
        (rrset.name, int(rdata.algorithm), rdata.key_id()): rdata
        for rrset in everything
        for rdata in rrset
        if isinstance(rdata, DNSKEY)
    }
    for entry in entries:
        _resign(entry, keys)
    texts = [f"{r.name} {dns.rdatatype.to_text(r.rdtype)} {d.to_text()}" for r in anchors for d in _modern(r, keys)]
    return replace(scenario, anchors=texts)


def _is_old(rdata: dns.rdata.Rdata) -> bool:
    return isinstance(rdata, DNSKEY | DS) and (rdata.algorithm in _OLD or getattr(rdata, "digest_type", 0) == 1)


def _resign(entry: Entry, keys: Keys) -> None:
    for name, section in entry.sections.items():
        made: list[dns.rrset.RRset] = []
        for rrset in section:
            if rrset.rdtype != dns.rdatatype.RRSIG:
                made.append(_modern(rrset, keys))
                continue
            covered = next((r for r in section if (r.name, r.rdtype) == (rrset.name, rrset.covers)), None)
            signatures = dns.rrset.RRset(rrset.name, rrset.rdclass, rrset.rdtype, rrset.covers)
            for signature in rrset:
                signatures.add(_made_anew(covered, signature, keys), rrset.ttl)
            made.append(signatures)
        entry.sections[name] = made


def _modern(rrset: dns.rrset.RRset, keys: Keys) -> dns.rrset.RRset:
    """The RRset with new keys and digests in place of old ones."""
    copy = dns.rrset.RRset(rrset.name, rrset.rdclass, rrset.rdtype, rrset.covers)
    for rdata in rrset:
        if isinstance(rdata, DNSKEY):
            rdata = _new_key(rrset.name, rdata)
        elif isinstance(rdata, DS) and rdata.algorithm in _REPLACED:
            rdata = _new_ds(rrset.name, rdata, keys)
        copy.add(rdata, rrset.ttl)
    return copy


def _private(owner: dns.name.Name, key: DNSKEY) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(owner.to_digestable() + key.key).digest())


def _new_key(owner: dns.name.Name, key: DNSKEY) -> DNSKEY:
    if key.algorithm not in _REPLACED:
        return key
    made = dns.dnssec.make_dnskey(_private(owner, key).public_key(), _ED25519, flags=key.flags)
    return made.replace(protocol=key.protocol)


def _new_ds(owner: dns.name.Name, record: DS, keys: Keys) -> DS:
    """The digest of the new key; a wrong digest when the old one fitted no key or was of an unknown type."""
    key = keys.get((owner, int(record.algorithm), int(record.key_tag)))
    if record.digest_type not in _DIGESTS:
        return record.replace(algorithm=_ED25519)
    if key is None or not matches(record, owner, key):
        return record.replace(algorithm=_ED25519, digest_type=2, digest=bytes(32))
    return dns.dnssec.make_ds(owner, _new_key(owner, key), "SHA256")


def _made_anew(covered: dns.rrset.RRset | None, old: RRSIG, keys: Keys) -> RRSIG:
    key = keys.get((old.signer, int(old.algorithm), int(old.key_tag)))
    if old.algorithm not in _REPLACED:
        return old
    if key is None:
        return old.replace(algorithm=_ED25519, signature=_WRONG)
    made = old.replace(algorithm=_ED25519, key_tag=_new_key(old.signer, key).key_id(), signature=_WRONG)
    if covered is None or not _was_valid(covered, old, key):
        return made
    signature = _private(old.signer, key).sign(signed_data(_modern(covered, keys), made))
    return made.replace(signature=signature)


def _was_valid(covered: dns.rrset.RRset, signature: RRSIG, key: DNSKEY) -> bool:
    data = signed_data(covered, signature)
    if key.algorithm in _DSA:
        return _dsa_is_valid(key.key, signature.signature, data)
    return signature_is_valid(key, signature.signature, data, _RSA)


def _dsa_is_valid(octets: bytes, signature: bytes, data: bytes) -> bool:
    """RFC 2536, for keys of sizes that libraries no longer take; some recordings have the signature as DER."""
    size = 64 + 8 * octets[0]
    q, p, g, y = (int.from_bytes(octets[1 + (20 + (n - 1) * size) * (n > 0) :][: size if n else 20]) for n in range(4))
    if signature[:1] == b"0":
        r, s = utils.decode_dss_signature(signature)
    else:
        r, s = int.from_bytes(signature[1:21]), int.from_bytes(signature[21:41])
    if not (0 < r < q and 0 < s < q):
        return False
    inverse, digest = pow(s, -1, q), int.from_bytes(hashlib.sha1(data, usedforsecurity=False).digest())
    return bool(pow(g, digest * inverse % q, p) * pow(y, r * inverse % q, p) % p % q == r)
