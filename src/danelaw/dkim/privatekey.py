"""Private keys for signing (RFC 6376 §3.3, RFC 8301 §3.2, RFC 8463 §3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from danelaw.dkim.errors import KeyRefused
from danelaw.dkim.publickey import SMALLEST_RSA
from danelaw.dkim.record import DKIMKeyRecord

_Key: TypeAlias = "RSAPrivateKey | Ed25519PrivateKey"
_PADDING = PKCS1v15()
_HASH = Prehashed(SHA256())


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """A key to sign with; `algorithm` as in a=."""

    algorithm: str
    bits: int
    key: _Key

    @classmethod
    def from_pem(cls, data: bytes) -> PrivateKey:
        """Read an unencrypted RSA or Ed25519 key. Raises `KeyRefused` saying what is wrong with it."""
        if b"ENCRYPTED" in data[:4096]:
            raise KeyRefused(
                "the key is encrypted", advice="openssl pkey -in KEY.pem -out PLAIN.pem; chmod 600 PLAIN.pem"
            )
        try:
            key = load_pem_private_key(data, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeyRefused("there is no private key in PEM form", advice="danelaw dkim key --help") from None
        return cls.from_key(key)

    @classmethod
    def from_key(cls, key: object) -> PrivateKey:
        """Take a key at hand. Raises `KeyRefused` for other kinds, and below 1024 bits of RSA (RFC 8301 §3.2)."""
        if isinstance(key, Ed25519PrivateKey):
            return cls("ed25519-sha256", 256, key)
        if not isinstance(key, RSAPrivateKey):
            raise KeyRefused("the key is neither RSA nor Ed25519")
        if key.key_size < SMALLEST_RSA:
            raise KeyRefused(f"the RSA key has {key.key_size} bits, and {SMALLEST_RSA} is the least that counts")
        return cls("rsa-sha256", key.key_size, key)

    def sign(self, digest: bytes) -> bytes:
        """The signature over a SHA-256 digest."""
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(digest)
        return self.key.sign(digest, _PADDING, _HASH)

    def record(self, *, flags: tuple[str, ...] = (), notes: str = "") -> DKIMKeyRecord:
        """The key record to publish: SubjectPublicKeyInfo for RSA, as all verifiers take, 32 octets for Ed25519."""
        public = self.key.public_key()
        if isinstance(self.key, Ed25519PrivateKey):
            octets = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
            return DKIMKeyRecord(octets, "ed25519", flags=flags, notes=notes)
        octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return DKIMKeyRecord(octets, "rsa", flags=flags, notes=notes)
