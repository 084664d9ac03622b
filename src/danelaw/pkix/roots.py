"""Trusted roots, loaded once into an OpenSSL store."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from OpenSSL import crypto

from danelaw.errors import DanelawError

SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, BSDs, macOS
)

_NameKey: TypeAlias = tuple[tuple[str, str], ...]
_UNREADABLE: _NameKey = (("", "unreadable"),)
_BLOCK = re.compile(
    rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----.+?-----END (?:TRUSTED |X509 )?CERTIFICATE-----", re.S
)


class RootsError(DanelawError):
    """No usable roots."""


class Roots:
    """Trust anchors as a reusable OpenSSL store.

    A root need not be self-signed: whoever is in the bundle is trusted (RFC 5280 §6.1.1 (d)). Not to be shared
    between threads, since the time of verification is set in the store. `certificates` are the anchors in DER.
    """

    __slots__ = ("_at", "_by_subject", "_loaded", "_store", "certificates", "source")

    def __init__(self, certificates: tuple[crypto.X509, ...], source: str) -> None:
        self._loaded = certificates
        self._store, self._at = store_of(certificates), -1
        self.certificates = tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, loaded) for loaded in certificates)
        self.source = source
        self._by_subject: dict[_NameKey, list[int]] = {}

    @classmethod
    def from_der(cls, certificates: Iterable[bytes], source: str) -> Roots:
        """Take certificates in DER; without any nobody is trusted. Raises `RootsError` when one cannot be parsed."""
        loaded = []
        for der in certificates:
            try:
                loaded.append(crypto.load_certificate(crypto.FILETYPE_ASN1, der))
            except crypto.Error:
                raise RootsError(f"a certificate of {source} cannot be parsed") from None
        return cls(tuple(loaded), source)

    @classmethod
    def from_pem(cls, pem: bytes, source: str = "the PEM text") -> Roots:
        """Load every certificate of a PEM bundle.

        Raises `RootsError` when there is none, or when one cannot be parsed.
        """
        loaded = []
        for number, block in enumerate(_BLOCK.findall(pem), 1):
            try:
                loaded.append(crypto.load_certificate(crypto.FILETYPE_PEM, block))
            except crypto.Error:
                raise RootsError(f"certificate {number} of {source} cannot be parsed") from None
        if not loaded:
            raise RootsError(f"{source} holds no certificate", advice="give a file with CA certificates in PEM form")
        return cls(tuple(loaded), source)

    @classmethod
    def from_file(cls, path: str | Path) -> Roots:
        """Load a PEM bundle from a file. Raises `RootsError`."""
        try:
            pem = Path(path).read_bytes()
        except OSError as error:
            raise RootsError(f"cannot read {path}: {error.strerror or error}") from None
        return cls.from_pem(pem, str(path))

    @classmethod
    def system(cls, candidates: tuple[str, ...] = SYSTEM_BUNDLES) -> Roots:
        """Load the roots of this machine from the first bundle that exists. Raises `RootsError` when none does."""
        for path in candidates:
            if Path(path).is_file():
                return cls.from_file(path)
        raise RootsError(
            "this machine has no bundle of root certificates",
            advice="install the package ca-certificates, or configure a PEM file with the roots to trust",
        )

    def __len__(self) -> int:
        return len(self.certificates)

    def concerned(self, chain: Iterable[bytes]) -> tuple[bytes, ...]:
        """Those roots that could have a part in a path from this chain (DER): by name they are in it, or issued one of
        it, or issued another such root. A store of them alone judges the chain as all would.
        """
        if not self._by_subject:
            for number, der in enumerate(self.certificates):
                self._by_subject.setdefault(_names(der)[0], []).append(number)
        wanted = {name for der in chain for name in _names(der)} | {_UNREADABLE}
        found: set[int] = set()
        while wanted:
            more = {number for name in wanted for number in self._by_subject.get(name, ())} - found
            found |= more
            wanted = {_names(self.certificates[number])[1] for number in more}
        return tuple(self.certificates[number] for number in sorted(found))

    def store_at(self, now: float) -> crypto.X509Store:
        """The store, set to verify at `now` (POSIX seconds).

        OpenSSL lets the time of a store be set only once, so there is one store per second (0.3 ms for the 140
        roots of a system; parsing them, which is what costs, is done once).
        """
        if int(now) != self._at:
            self._store, self._at = store_of(self._loaded, now), int(now)
        return self._store


def _names(der: bytes) -> tuple[_NameKey, _NameKey]:
    """Subject and issuer as OpenSSL compares them: case and runs of blanks do not count (RFC 5280 §7.1)."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        return _name_key(certificate.subject), _name_key(certificate.issuer)
    except Exception:  # the peer chose these bytes, and the library's errors have many classes
        return _UNREADABLE, _UNREADABLE


def _name_key(name: x509.Name) -> _NameKey:
    return tuple((attribute.oid.dotted_string, " ".join(str(attribute.value).lower().split())) for attribute in name)


def store_of(anchors: tuple[crypto.X509, ...], now: float | None = None) -> crypto.X509Store:
    """A store in which each of `anchors` ends a path, self-signed or not; it verifies at `now` (POSIX seconds)."""
    store = crypto.X509Store()
    for anchor in anchors:
        store.add_cert(anchor)
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    if now is not None:
        store.set_time(datetime.fromtimestamp(now, UTC))
    return store
