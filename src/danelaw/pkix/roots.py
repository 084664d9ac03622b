"""Trusted roots, loaded once into an OpenSSL store."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from OpenSSL import crypto

from danelaw.errors import DanelawError

SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, BSDs, macOS
)

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

    __slots__ = ("_at", "_loaded", "_store", "certificates", "source")

    def __init__(self, certificates: tuple[crypto.X509, ...], source: str) -> None:
        if not certificates:
            raise RootsError(f"{source} holds no certificate", advice="give a file with CA certificates in PEM form")
        self._loaded = certificates
        self._store, self._at = store_of(certificates), -1
        self.certificates = tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, loaded) for loaded in certificates)
        self.source = source

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

    def store_at(self, now: float) -> crypto.X509Store:
        """The store, set to verify at `now` (POSIX seconds).

        OpenSSL lets the time of a store be set only once, so there is one store per second (0.3 ms for the 140
        roots of a system; parsing them, which is what costs, is done once).
        """
        if int(now) != self._at:
            self._store, self._at = store_of(self._loaded, now), int(now)
        return self._store


def store_of(anchors: tuple[crypto.X509, ...], now: float | None = None) -> crypto.X509Store:
    """A store in which each of `anchors` ends a path, self-signed or not; it verifies at `now` (POSIX seconds)."""
    store = crypto.X509Store()
    for anchor in anchors:
        store.add_cert(anchor)
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    if now is not None:
        store.set_time(datetime.fromtimestamp(now, UTC))
    return store
