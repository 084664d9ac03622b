"""What certificates say, for scripts: those in PEM or DER, and those that HTTPS hosts show."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from danelaw.net.tls import client_context, presented_chain
from danelaw.policy import CertificateFacts, LibraryError
from danelaw.scripting.driving import in_task
from danelaw.scripting.library.call import library_call

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from danelaw.scripting.library.reach import Reach

SECONDS = 10.0
LARGEST = 1 << 20
"""Octets of a PEM text."""
_MOST = 20
_PEM_BEGIN = b"-----BEGIN"
_DER_BEGIN = 0x30


class CertificateReader:
    """`policy.library.Certificates`; `reach` says which hosts may be connected to."""

    def __init__(self, reach: Reach, seconds: float = SECONDS) -> None:
        self._reach = reach
        self._seconds = seconds

    @library_call("certificates.of")
    async def of(self, source: str | bytes) -> tuple[CertificateFacts, ...]:
        """The facts of one certificate or of a chain."""
        found = in_octets(source)
        if found is None:
            found = tuple(facts(_from_der(one)) for one in await self._shown_by(str(source)))
        return found

    async def _shown_by(self, host: str) -> tuple[bytes, ...]:
        name, port = _host_and_port(host)
        self._reach.check_host(name)
        await in_task()
        try:
            async with asyncio.timeout(self._seconds):
                (target, target_port), *_ = await self._reach.targets(name, port)
                return await _chain(name, target, target_port)
        except TimeoutError:
            raise LibraryError(f"{name} showed no certificate within {self._seconds:g} s") from None
        except OSError as error:
            words = getattr(error, "reason", None) or error.strerror or error
            raise LibraryError(f"{name} showed no certificate: {words}"[:300]) from None


def in_octets(source: str | bytes) -> tuple[CertificateFacts, ...] | None:
    """The facts in PEM or DER, None for a text that is no PEM and so names a host. Raises `LibraryError`."""
    octets = source.encode("utf-8", "replace") if isinstance(source, str) else source
    if len(octets) > LARGEST:
        raise LibraryError(f"{len(octets)} octets are too many for certificates")
    if _PEM_BEGIN in octets:
        return tuple(map(facts, _from_pem(octets)))
    if isinstance(source, str):
        return None
    if source[:1] != bytes([_DER_BEGIN]):
        raise LibraryError("these octets are no certificate, neither PEM nor DER")
    return (facts(_from_der(source)),)


def facts(certificate: x509.Certificate) -> CertificateFacts:
    """What one certificate says. Raises `LibraryError` where it cannot be read to its end."""
    try:
        key = certificate.public_key()
        spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        algorithm = certificate.signature_hash_algorithm
        return CertificateFacts(
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            serial=f"{certificate.serial_number:x}",
            names=_names(certificate),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            key=_key(key),
            signature=certificate.signature_algorithm_oid._name if algorithm is None else algorithm.name,
            sha256=hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest(),
            spki_sha256=hashlib.sha256(spki).hexdigest(),
        )
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType, x509.InvalidVersion) as error:
        raise LibraryError(f"a certificate that cannot be read: {error}"[:300]) from None
    except Exception as error:  # a key of a kind this library does not know
        raise LibraryError(f"a certificate with a key that is not known: {error}"[:300]) from None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (
        *found.get_values_for_type(x509.DNSName),
        *map(str, found.get_values_for_type(x509.IPAddress)),
        *found.get_values_for_type(x509.RFC822Name),
    )


def _key(key: CertificatePublicKeyTypes) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA {key.key_size}"
    return type(key).__name__.removesuffix("PublicKey").strip("_")


def _from_pem(octets: bytes) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(octets)
    except ValueError as error:
        raise LibraryError(f"no certificates in PEM: {error}"[:300]) from None
    return found[:_MOST]


def _from_der(octets: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(octets)
    except ValueError as error:
        raise LibraryError(f"no certificate in DER: {error}"[:300]) from None


def _host_and_port(text: str) -> tuple[str, int]:
    name, colon, port = text.rpartition(":")
    if not colon or (name.count(":") and not name.startswith("[")):
        name, port = text, "443"
    if not port.isascii() or not port.isdecimal() or not 0 < int(port[:6]) < 65536:
        raise LibraryError(f"{text[:80]!r} is no host", advice='write "host" or "host:port"')
    return name.strip("[]"), int(port)


async def _chain(name: str, target: str, port: int) -> tuple[bytes, ...]:
    """What a server shows in a handshake that verifies nothing. Raises `OSError`."""
    transport, _ = await asyncio.get_running_loop().create_connection(
        asyncio.Protocol, target, port, ssl=client_context(), server_hostname=name, flags=socket.AI_NUMERICHOST
    )
    try:
        return presented_chain(transport.get_extra_info("ssl_object"))[:_MOST]
    finally:
        transport.abort()
