"""The lab's certificate authorities and what its hosts show: a public CA, a private one, self-signed certificates."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from danelaw.lab.scenario import Certificate, Chain, Issuer

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Credential:
    """A key with its certificate and the certificates shown after it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """As shown in a handshake, own certificate first."""
        return (self.certificate, *self.issuers)

    @property
    def chain_pem(self) -> bytes:
        """The chain in PEM."""
        return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in self.chain)

    @property
    def key_pem(self) -> bytes:
        """The key in PEM, PKCS#8, not encrypted."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


class Authority:
    """A root with one intermediate, both P-256."""

    def __init__(self, name: str, now: float) -> None:
        self._now = datetime.datetime.fromtimestamp(int(now), datetime.UTC)
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.root = _build(
            _name(f"{name} Root"), self.root_key, _name(f"{name} Root"), self.root_key,
            self._now - 30 * _DAY, self._now + 365 * _DAY, path_length=1,
        )  # fmt: skip
        self.intermediate_key = ec.generate_private_key(ec.SECP256R1())
        self.intermediate = _build(
            _name(f"{name} Intermediate"), self.intermediate_key, self.root.subject, self.root_key,
            self._now - 30 * _DAY, self._now + 180 * _DAY, path_length=0,
        )  # fmt: skip

    def issue(self, names: tuple[str, ...], *, expired: bool = False, chain: Chain = Chain.INTERMEDIATE) -> Credential:
        """A server certificate for `names` (DNS-IDs), valid for 30 days, or until yesterday."""
        key = ec.generate_private_key(ec.SECP256R1())
        begin, end = _validity(self._now, expired)
        certificate = _build(
            _name(names[0]), key, self.intermediate.subject, self.intermediate_key, begin, end, names=names
        )
        shown = {Chain.LEAF: (), Chain.INTERMEDIATE: (self.intermediate,), Chain.FULL: (self.intermediate, self.root)}
        return Credential(key, certificate, shown[chain])


class Authorities:
    """All of them, made once per lab."""

    def __init__(self, now: float) -> None:
        self._now = datetime.datetime.fromtimestamp(int(now), datetime.UTC)
        self.public = Authority("Lab Public CA", now)
        self.private = Authority("Lab Private CA", now)

    @property
    def roots_pem(self) -> bytes:
        """What the gateway is to trust as public CAs."""
        return self.public.root.public_bytes(serialization.Encoding.PEM)

    def credential(self, wanted: Certificate, default_name: str) -> Credential:
        """The certificate a declaration asks for."""
        names = wanted.names if wanted.names is not None else (default_name,)
        if wanted.issuer is Issuer.SELF:
            return self.self_signed(names, expired=wanted.expired)
        authority = self.public if wanted.issuer is Issuer.PUBLIC else self.private
        return authority.issue(names, expired=wanted.expired, chain=wanted.chain)

    def self_signed(self, names: tuple[str, ...], *, expired: bool = False) -> Credential:
        """A certificate nobody vouches for."""
        key = ec.generate_private_key(ec.SECP256R1())
        begin, end = _validity(self._now, expired)
        return Credential(key, _build(_name(names[0]), key, _name(names[0]), key, begin, end, names=names))


def _validity(now: datetime.datetime, expired: bool) -> tuple[datetime.datetime, datetime.datetime]:
    return (now - 20 * _DAY, now - _DAY) if expired else (now - _DAY, now + 30 * _DAY)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _build(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    begin: datetime.datetime,
    end: datetime.datetime,
    *,
    names: tuple[str, ...] = (),
    path_length: int | None = None,
) -> x509.Certificate:
    """A certificate of RFC 5280: an authority when it has a path length, else a server."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(path_length is not None, path_length), critical=True)
        .add_extension(_key_usage(path_length is not None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
