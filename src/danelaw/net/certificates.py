"""What our listeners present: certificates chosen by server name (SNI, RFC 6066 §3), re-read when they change."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from danelaw.errors import DanelawError
from danelaw.pkix import dns_ids


class CertificateFileError(DanelawError):
    """A certificate or key file cannot be used."""


class CertificateFiles(Protocol):
    """One entry of the configuration: PEM files, and names when they differ from those in the certificate."""

    @property
    def chain(self) -> Path:
        """Server certificate, then its intermediates."""

    @property
    def key(self) -> Path:
        """Private key."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names to present it for; empty: those in the certificate."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    context: ssl.SSLContext
    names: frozenset[str]
    ends: float
    stamp: tuple[int, ...]


class ServerCertificates:
    """All certificates of the gateway. `context` is for listeners; the first entry serves unknown names."""

    def __init__(self, files: Iterable[CertificateFiles]) -> None:
        """Read everything. Raises `CertificateFileError` naming the file and what is wrong."""
        self._files = tuple(files)
        self._loaded = tuple(_load(entry) for entry in self._files)
        self.context = _context()
        self._present()

    def reload(self) -> None:
        """Read all files again. Raises `CertificateFileError`; then the old certificates stay in use."""
        self._loaded = tuple(_load(entry) for entry in self._files)
        self._present()

    def reload_if_changed(self) -> bool:
        """Reload when a file on disk is another one than was read. Raises like `reload`."""
        if all(_stamp(entry) == loaded.stamp for entry, loaded in zip(self._files, self._loaded, strict=True)):
            return False
        self.reload()
        return True

    def expiry(self) -> dict[str, float]:
        """When each certificate ends, POSIX seconds, by its first name in order."""
        return {min(loaded.names, default="-"): loaded.ends for loaded in self._loaded}

    def _present(self) -> None:
        first = self._loaded[0].context
        # The listener's own context must hold a certificate too, or OpenSSL refuses clients without SNI.
        _load_pair(self.context, self._files[0])
        self.context.sni_callback = self._choose
        self._default = first

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._for_name(name.lower()) if name else self._default

    def _for_name(self, name: str) -> ssl.SSLContext:
        parent = name.partition(".")[2]
        for loaded in self._loaded:
            if name in loaded.names or f"*.{parent}" in loaded.names or f".{parent}" in loaded.names:
                return loaded.context
        return self._default


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def _load(entry: CertificateFiles) -> _Loaded:
    stamp = _stamp(entry)
    context = _context()
    _load_pair(context, entry)
    leaf = _leaf(entry.chain)
    names = entry.names or tuple(dns_ids(leaf.public_bytes(Encoding.DER)))
    return _Loaded(context, frozenset(str(name).lower() for name in names), leaf.not_valid_after_utc.timestamp(), stamp)


def _load_pair(context: ssl.SSLContext, entry: CertificateFiles) -> None:
    try:
        context.load_cert_chain(entry.chain, entry.key)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        raise CertificateFileError(
            f"{entry.chain} and {entry.key} cannot be used together: {reason}",
            advice="the chain file holds the certificate first, and the key must be its own",
        ) from None
    except OSError as error:
        raise CertificateFileError(
            f"{error.filename or entry.chain} cannot be read: {error.strerror}", advice="correct [[certificate]]"
        ) from None


def _leaf(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CertificateFileError(f"{path} holds no certificate that can be read: {error}") from None


def _stamp(entry: CertificateFiles) -> tuple[int, ...]:
    stamps: list[int] = []
    for path in (entry.chain, entry.key):
        try:
            found = path.stat()
        except OSError:
            stamps += (0, 0)
            continue
        stamps += (found.st_mtime_ns, found.st_ino)
    return tuple(stamps)
