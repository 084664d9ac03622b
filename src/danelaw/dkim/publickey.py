"""Public keys of key records, and checking a signature with one (RFC 6376 §3.3, RFC 8301 §3.2, RFC 8463 §3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from danelaw.dkim.errors import KeyRefused

ED25519_OCTETS = 32
# RFC 8301 §3.2: verifiers take 1024 to 4096 bits and may take more; each doubling costs four times the work.
SMALLEST_RSA = 1024
LARGEST_RSA = 8192

_Key: TypeAlias = "RSAPublicKey | Ed25519PublicKey"
_PADDING = PKCS1v15()
_HASH = Prehashed(SHA256())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that can be used. `key_type` as in k=."""

    key_type: str
    bits: int
    key: _Key

    @classmethod
    def from_octets(cls, key_type: str, octets: bytes) -> PublicKey:
        """Read p= decoded. An RSA key is an RSAPublicKey (RFC 8017 §A.1.1) or a SubjectPublicKeyInfo, as most publish.

        Raises `KeyRefused`.
        """
        if key_type == "ed25519":
            if len(octets) != ED25519_OCTETS:
                raise KeyRefused(f"p= holds {len(octets)} octets, and an Ed25519 key has {ED25519_OCTETS}")
            return cls("ed25519", 256, Ed25519PublicKey.from_public_bytes(octets))
        if key_type != "rsa":
            raise KeyRefused(f"the key is of the kind {key_type[:20]!r}, which is not implemented")
        try:
            key = load_der_public_key(octets)
        except (ValueError, UnsupportedAlgorithm):
            raise KeyRefused("p= holds no RSA key") from None
        if not isinstance(key, RSAPublicKey):
            raise KeyRefused("p= holds a key that is no RSA key, and k= says rsa")
        if key.key_size > LARGEST_RSA:
            raise KeyRefused(f"the RSA key has {key.key_size} bits, more than the {LARGEST_RSA} used here")
        return cls("rsa", key.key_size, key)

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """True when `signature` is one over a SHA-256 `digest` by this key."""
        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, digest)
            else:
                self.key.verify(signature, digest, _PADDING, _HASH)
        except InvalidSignature:
            return False
        return True
