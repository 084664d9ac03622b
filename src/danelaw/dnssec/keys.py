"""Public keys of zones: which DNSKEY records may sign, and checking one signature with them.

RFC 4034 §2.1 (flags, protocol), RFC 5011 §2.1 (REVOKE), RFC 3110 and RFC 5702 (RSA),
RFC 6605 (ECDSA), RFC 8080 (EdDSA).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, utils
from dns.rdtypes.ANY.DNSKEY import DNSKEY

from danelaw.dnssec.limits import RSA_ALGORITHMS, AlgorithmPolicy

ZONE_FLAG = 0x0100
REVOKE_FLAG = 0x0080
DNSSEC_PROTOCOL = 3

PublicKey: TypeAlias = "rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey"

_RSA_HASHES: dict[int, hashes.HashAlgorithm] = {
    5: hashes.SHA1(),
    7: hashes.SHA1(),
    8: hashes.SHA256(),
    10: hashes.SHA512(),
}
_CURVES: dict[int, tuple[ec.EllipticCurve, ec.ECDSA, int]] = {
    13: (ec.SECP256R1(), ec.ECDSA(hashes.SHA256()), 32),
    14: (ec.SECP384R1(), ec.ECDSA(hashes.SHA384()), 48),
}


def may_sign(key: DNSKEY) -> bool:
    """True when the record is a zone key, for DNSSEC, and not revoked."""
    return bool(key.flags & ZONE_FLAG) and key.protocol == DNSSEC_PROTOCOL and not key.flags & REVOKE_FLAG


class ZoneKeys:
    """The keys of one validated (or to be validated) DNSKEY RRset, by algorithm and key tag."""

    __slots__ = ("_keys", "policy", "without_zone_flag")

    def __init__(self, rdatas: Iterable[DNSKEY], policy: AlgorithmPolicy) -> None:
        self.policy = policy
        self.without_zone_flag: set[tuple[int, int]] = set()
        self._keys: dict[tuple[int, int], list[DNSKEY]] = {}
        for rdata in rdatas:
            place = (int(rdata.algorithm), rdata.key_id())
            if may_sign(rdata):
                if rdata.algorithm in policy.algorithms:
                    self._keys.setdefault(place, []).append(rdata)
            elif not rdata.flags & ZONE_FLAG:
                self.without_zone_flag.add(place)

    def candidates(self, algorithm: int, key_tag: int) -> list[DNSKEY]:
        """Keys that could have made a signature with this algorithm and tag; more than one is a collision."""
        return self._keys.get((algorithm, key_tag), [])

    def __len__(self) -> int:
        return sum(len(keys) for keys in self._keys.values())


def signature_is_valid(key: DNSKEY, signature: bytes, data: bytes, policy: AlgorithmPolicy) -> bool:
    """Check one signature; a key or signature that is malformed, too small, or too large is never valid."""
    algorithm = int(key.algorithm)
    public = _load(algorithm, key.key, policy)
    if public is None:
        return False
    try:
        _verify(public, algorithm, signature, data)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _verify(public: PublicKey, algorithm: int, signature: bytes, data: bytes) -> None:
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, data, padding.PKCS1v15(), _RSA_HASHES[algorithm])
    elif isinstance(public, ec.EllipticCurvePublicKey):
        _, scheme, size = _CURVES[algorithm]
        if len(signature) != 2 * size:
            raise ValueError("an ECDSA signature is two numbers of the curve's size (RFC 6605 §4)")
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        public.verify(utils.encode_dss_signature(r, s), data, scheme)
    else:
        public.verify(signature, data)


@functools.lru_cache(maxsize=4096)
def _load(algorithm: int, octets: bytes, policy: AlgorithmPolicy) -> PublicKey | None:
    """The key object, or None when the octets are no acceptable key; cached since loading costs half a check."""
    try:
        if algorithm in RSA_ALGORITHMS:
            return _load_rsa(octets, policy)
        if algorithm in _CURVES:
            curve, _, size = _CURVES[algorithm]
            if len(octets) != 2 * size:
                return None
            return ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + octets)
        if algorithm == 15:
            return ed25519.Ed25519PublicKey.from_public_bytes(octets)
        if algorithm == 16:
            return ed448.Ed448PublicKey.from_public_bytes(octets)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return None


def _load_rsa(octets: bytes, policy: AlgorithmPolicy) -> rsa.RSAPublicKey | None:
    """RFC 3110 §2: exponent length in one octet, or zero and two octets; exponent; modulus."""
    if len(octets) < 3:
        return None
    length, start = octets[0], 1
    if length == 0:
        length, start = int.from_bytes(octets[1:3], "big"), 3
    exponent = int.from_bytes(octets[start : start + length], "big")
    modulus = int.from_bytes(octets[start + length :], "big")
    if not policy.rsa_minimum_bits <= modulus.bit_length() <= policy.rsa_maximum_bits:
        return None
    if exponent.bit_length() > policy.rsa_maximum_exponent_bits:
        return None
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()
