"""The certificates of our own: those of listeners, chosen by SNI, and those shown to other servers; both reloaded."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from danelaw.address import Domain
from danelaw.address.domain import DomainError
from danelaw.errors import DanelawError
from danelaw.net.tls import client_context, server_context
from danelaw.pkix import Certificate, DERError, matches, read_certificate

_Stamp: TypeAlias = tuple[tuple[int, int, int], ...]


class CertificateError(DanelawError):
    """A certificate or its key cannot be used."""


class KeyFiles(Protocol):
    """Certificate and key of one of our own, in PEM."""

    @property
    def chain(self) -> Path: ...

    @property
    def key(self) -> Path: ...


class CertificateFiles(KeyFiles, Protocol):
    """What one certificate is made from; `danelaw.config` has such entries.

    `names` are the server names it is for, also `*.` and `.` patterns; empty takes the names in the certificate.
    """

    @property
    def names(self) -> Sequence[object]: ...


@dataclass(slots=True)
class _Loaded:
    files: CertificateFiles
    context: ssl.SSLContext
    names: tuple[str, ...]
    stamp: _Stamp
    not_after: float | None
    problem: str | None = field(default=None)


class ServerCertificates:
    """Certificates for listeners.

    `context` goes into `create_server` or `start_tls` and picks by SNI; the first certificate serves everybody whose
    name matches none (RFC 7672 §3.1.1 does not need SNI, DANE-TA and MTA-STS do). `reload()` reads the files
    again: new ones are used for new handshakes, bad ones leave the old in place.
    """

    def __init__(self, certificates: Sequence[CertificateFiles], *, minimum: str = "1.2") -> None:
        """Load all. Raises `CertificateError` naming the file, what is wrong with it and what to do."""
        if not certificates:
            raise CertificateError("no certificate is configured")
        self._minimum = minimum
        self._loaded = [self._load(files) for files in certificates]
        self.context = self._loaded[0].context
        self._install()

    def reload_if_changed(self) -> None:
        """Load what has changed on disk since; costs two `stat` calls per certificate when nothing has.

        Raises `CertificateError`, once per change, for files that cannot be used; the certificates loaded before
        stay in use for them, and the others are loaded all the same.
        """
        self._reload([index for index, loaded in enumerate(self._loaded) if _stamp(loaded.files) != loaded.stamp])

    def reload(self) -> None:
        """Load all again. Raises as `reload_if_changed` does."""
        self._reload(range(len(self._loaded)))

    def _reload(self, indexes: Iterable[int]) -> None:
        errors: list[CertificateError] = []
        for index in indexes:
            loaded = self._loaded[index]
            stamp = _stamp(loaded.files)
            try:
                self._loaded[index] = self._load(loaded.files)
            except CertificateError as error:
                loaded.stamp = stamp
                loaded.problem = error.reason
                errors.append(error)
        self._install()
        if errors:
            reasons = "; ".join(error.reason for error in errors)
            raise CertificateError(f"{reasons}; the certificate loaded before stays in use", advice=errors[0].advice)

    def expiry(self) -> dict[str, float]:
        """When each certificate in use ends, POSIX seconds, by its first name (or its file)."""
        return {
            (loaded.names[0] if loaded.names else str(loaded.files.chain)): loaded.not_after
            for loaded in self._loaded
            if loaded.not_after is not None
        }

    @property
    def problems(self) -> tuple[str, ...]:
        """Why certificates on disk are not the ones in use."""
        return tuple(loaded.problem for loaded in self._loaded if loaded.problem is not None)

    def context_for(self, server_name: str | None) -> ssl.SSLContext:
        """The context for a name a client sent, the first when it sent none or an unknown one."""
        if server_name:
            try:
                name = Domain.from_text(server_name)
            except DomainError:
                return self._loaded[0].context
            for loaded in self._loaded:
                if any(_covers(pattern, name) for pattern in loaded.names):
                    return loaded.context
        return self._loaded[0].context

    def _install(self) -> None:
        """Every context may be the one a connection starts with, so every one gets the callback.

        `context` itself never changes, listeners hold it; the callback leads away from its old certificate.
        """
        for context in {self.context, *(loaded.context for loaded in self._loaded)}:
            context.sni_callback = self._choose

    def _choose(self, connection: Any, server_name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self.context_for(server_name)

    def _load(self, files: CertificateFiles) -> _Loaded:
        stamp = _stamp(files)
        try:
            context = server_context(str(files.chain), str(files.key), minimum=self._minimum)
            pem = Path(files.chain).read_text("latin-1")
        except (OSError, ssl.SSLError) as error:
            raise _in_words(files, error) from None
        leaf = _leaf(pem, files)
        names = tuple(str(name) for name in files.names) or leaf.dns_ids
        return _Loaded(files, context, names, stamp, leaf.not_after)


class ClientCertificates:
    """Certificates shown to servers that ask for one, by name; `certificates[name]` gives a pair of contexts, for
    opportunistic and for verified connections. Files that changed are read again when they are next used; bad ones
    leave the certificate loaded before in place.
    """

    def __init__(self, files: Mapping[str, KeyFiles], *, minimum: str = "1.2") -> None:
        """Load all; `minimum` is for opportunistic connections. Raises `CertificateError`."""
        self._files = dict(files)
        self._minimum = minimum
        self._loaded = {name: self._load(one) for name, one in self._files.items()}

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def __getitem__(self, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        files = self._files[name]
        stamp, contexts = self._loaded[name]
        if _stamp(files) != stamp:
            try:
                self._loaded[name] = self._load(files)
            except CertificateError:
                self._loaded[name] = _stamp(files), contexts
        return self._loaded[name][1]

    def _load(self, files: KeyFiles) -> tuple[_Stamp, tuple[ssl.SSLContext, ssl.SSLContext]]:
        stamp, shown = _stamp(files), (str(files.chain), str(files.key))
        try:
            contexts = client_context(minimum=self._minimum, shown=shown), client_context(minimum="1.2", shown=shown)
        except (OSError, ssl.SSLError) as error:
            raise _in_words(files, error) from None
        return stamp, contexts


def _covers(pattern: str, name: Domain) -> bool:
    """`pattern` is a DNS-ID of a certificate, or from the configuration with ".example.org" for all names below."""
    return name.ascii.endswith(pattern) if pattern.startswith(".") else matches(name, pattern)


def _leaf(pem: str, files: CertificateFiles) -> Certificate:
    begin = pem.index("-----BEGIN CERTIFICATE-----")
    end = pem.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")
    try:
        return read_certificate(ssl.PEM_cert_to_DER_cert(pem[begin:end]))
    except (DERError, ValueError) as error:
        raise CertificateError(f"{files.chain}: its first certificate cannot be read: {error}") from None


def _stamp(files: KeyFiles) -> _Stamp:
    """What changes when a file is written or replaced; zeros for one that is missing."""
    stamps = []
    for path in (files.chain, files.key):
        try:
            status = os.stat(path)
            stamps.append((status.st_mtime_ns, status.st_size, status.st_ino))
        except OSError:
            stamps.append((0, 0, 0))
    return tuple(stamps)


def _in_words(files: KeyFiles, error: Exception) -> CertificateError:
    for path in (files.chain, files.key):
        try:
            with open(path, "rb"):
                pass
        except OSError as unreadable:
            return CertificateError(
                f"cannot read {path}: {unreadable.strerror}",
                advice="check the path and that danelaw's user may read it",
            )
    reason = str(getattr(error, "reason", None) or error)
    if reason == "KEY_VALUES_MISMATCH":
        return CertificateError(
            f"{files.key} is not the key of the certificate in {files.chain}",
            advice="renewals replace both files: reload after both are written",
        )
    if "NO_START_LINE" in reason or reason == "PEM lib":
        return CertificateError(f"{files.chain} or {files.key} is not PEM, or the key needs a password")
    return CertificateError(f"{files.chain} with {files.key}: {reason.replace('_', ' ').lower()}")
