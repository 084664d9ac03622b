"""Certificates made at test time: a small CA with every knob the tests turn."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = 1_790_000_000.0
DAY = 86_400.0
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@lru_cache(maxsize=64)
def ec_key(label: str) -> ec.EllipticCurvePrivateKey:
    """A P-256 key; the same label gives the same key within one run."""
    return ec.generate_private_key(ec.SECP256R1())


@lru_cache(maxsize=4)
def rsa_key(label: str) -> rsa.RSAPrivateKey:
    """An RSA-2048 key."""
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Issued:
    """A certificate with its key; `issue` makes another one below it."""

    certificate: x509.Certificate
    key: Key
    chain_above: tuple[bytes, ...] = field(default=())

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def spki(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def issue(self, name: str, **knobs: object) -> Issued:
        return make(name, issuer=self, **knobs)  # type: ignore[arg-type]


def make(
    name: str,
    *,
    issuer: Issued | None = None,
    key: Key | None = None,
    ca: bool = False,
    path_length: int | None = None,
    dns: Sequence[str] | None = None,
    usages: Sequence[x509.ObjectIdentifier] | None = None,
    start: float = NOW - 30 * DAY,
    end: float = NOW + 30 * DAY,
    signing_key: Key | None = None,
    permitted: str | None = None,
) -> Issued:
    """A certificate with CN `name`; self-signed without an issuer. `dns` None means no subjectAltName."""
    key = key or ec_key(name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime.fromtimestamp(start, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(end, datetime.UTC))
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
        )
    if dns is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in dns]), critical=False)
    if usages is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if permitted is not None:
        builder = builder.add_extension(x509.NameConstraints([x509.DNSName(permitted)], None), critical=True)
    signer = signing_key or (issuer.key if issuer else key)
    certificate = builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return Issued(certificate, key, (issuer.der, *issuer.chain_above) if issuer else ())
