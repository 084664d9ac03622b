"""Reading what `danelaw tlsa` is given: certificates, chains, keys and requests, in PEM or DER."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from danelaw.dane.barekey import signed_by
from danelaw.errors import DanelawError
from danelaw.pkix import DERError, read_certificate, subject_public_key_info
from danelaw.pkix.der import element

_LARGEST = 1 << 20
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----(.*?)-----END \1-----", re.S)
_CERTIFICATES = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
_REQUESTS = (b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")
_WRONG = (ValueError, TypeError, UnsupportedAlgorithm)


@dataclass(frozen=True, slots=True)
class Credential:
    """One file. `chain` is in DER, the server's own certificate first, empty for a key or request; `spki` its key."""

    name: str
    kind: str
    chain: tuple[bytes, ...]
    spki: bytes

    @property
    def issuer(self) -> bytes | None:
        """The certificate in the file whose key signed the first one, which is what usage 2 publishes."""
        return next((one for one in self.chain[1:] if signed_by(self.chain[0], subject_public_key_info(one))), None)

    @property
    def lone_ca(self) -> bool:
        """True for a file with nothing but one CA certificate."""
        return len(self.chain) == 1 and _is_ca(self.chain[0])


def read_credential(file: Path) -> Credential:
    """Read a file, standard input for `-`. Raises `DanelawError` saying what would be right."""
    try:
        with click.open_file(str(file), "rb") as stream:
            data: bytes = stream.read(_LARGEST + 1)
    except OSError as error:
        words = f"{file} cannot be read: {error.strerror or type(error).__name__}"
        advice = "give the PEM file your mail server uses, such as fullchain.pem"
        raise DanelawError(words, advice=advice) from None
    name = "standard input" if str(file) == "-" else str(file)
    if len(data) > _LARGEST:
        raise DanelawError(f"{name} is larger than a certificate chain can be")
    blocks = _BLOCK.findall(data)
    return _from_pem(name, blocks) if blocks else _from_der(name, data)


def _from_pem(name: str, blocks: list[tuple[bytes, bytes]]) -> Credential:
    chain: list[bytes] = []
    key, kind = None, ""
    for label, text in blocks:
        if label in _CERTIFICATES:
            chain.append(_certificate(name, text, len(chain) + 1))
        elif key is None and (label.endswith(b"PRIVATE KEY") or label == b"PUBLIC KEY" or label in _REQUESTS):
            key = _key(name, label, text)
            kind = "certificate request" if label in _REQUESTS else "key"
    if key is None and not chain:
        raise _nothing(name)
    if key is None:
        # A chain glued together CA first: the CA's key published with usage 3 would match no server.
        leaf = next((one for one in chain if not _is_ca(one)), chain[0])
        return Credential(name, "certificate", _first(leaf, chain), subject_public_key_info(leaf))
    if not chain:
        return Credential(name, kind, (), key)
    own = next((one for one in chain if subject_public_key_info(one) == key), None)
    if own is None:
        raise DanelawError(f"the {kind} in {name} belongs to none of the certificates beside it")
    return Credential(name, "certificate", _first(own, chain), key)


def _first(own: bytes, chain: list[bytes]) -> tuple[bytes, ...]:
    return (own, *(one for one in chain if one != own))


def _certificate(name: str, text: bytes, number: int) -> bytes:
    try:
        data = base64.b64decode(text)
        first = element(data, 0, len(data))  # a TRUSTED CERTIFICATE has OpenSSL's own data behind it
        data = data[first.first : first.end]
        read_certificate(data)
    except (binascii.Error, DERError):
        raise DanelawError(f"certificate {number} in {name} cannot be read") from None
    return data


def _key(name: str, label: bytes, text: bytes) -> bytes:
    block = b"-----BEGIN " + label + b"-----" + text + b"-----END " + label + b"-----\n"
    if label == b"ENCRYPTED PRIVATE KEY" or b"ENCRYPTED" in text:
        raise DanelawError(
            f"the key in {name} is encrypted, and only its public part is needed",
            advice=f"openssl pkey -in {name} -pubout | danelaw tlsa HOST -",
        )
    try:
        if label in _REQUESTS:
            return _spki(x509.load_pem_x509_csr(block).public_key())
        if label == b"PUBLIC KEY":
            return _spki(serialization.load_pem_public_key(block))
        return _spki(serialization.load_pem_private_key(block, None).public_key())
    except _WRONG:
        raise DanelawError(f"the {label.decode('ascii').lower()} in {name} cannot be read") from None


def _from_der(name: str, data: bytes) -> Credential:
    try:
        return Credential(name, "certificate", (data,), read_certificate(data).spki)
    except DERError:
        pass
    readers: tuple[tuple[str, Callable[[bytes], Any]], ...] = (
        ("key", lambda octets: serialization.load_der_private_key(octets, None).public_key()),
        ("key", serialization.load_der_public_key),
        ("certificate request", lambda octets: x509.load_der_x509_csr(octets).public_key()),
    )
    for kind, read in readers:
        try:
            return Credential(name, kind, (), _spki(read(data)))
        except _WRONG:
            continue
    raise _nothing(name)


def _spki(key: Any) -> bytes:
    data: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return data


def _nothing(name: str) -> DanelawError:
    return DanelawError(
        f"{name} holds no certificate, key or certificate request",
        advice="give the PEM file your mail server uses, such as fullchain.pem",
    )


def _is_ca(certificate: bytes) -> bool:
    try:
        found = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(x509.BasicConstraints)
    except (ValueError, x509.ExtensionNotFound):
        return False
    return found.value.ca
