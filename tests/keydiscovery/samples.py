"""Keys and certificates for tests of key discovery."""

from __future__ import annotations

import base64
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = 1_790_000_000.0  # 2026-09-21

# Made with GnuPG 2.2: Ed25519 that expires 2028-01-01, with a cv25519 subkey that expires 2027-06-01.
ANNA = base64.b64decode(
    """
mDMEaVW5ABYJKwYBBAHaRw8BAQdAgjrdumEtFLD7oL4j/6czj24RnoXp02Np5hzOgKURYLu0F0FubmEgPGFubmFAZXhhbXBsZS5vcmc+iJYEExYI
AD4WIQQdvKi6JEVllWrB5WOFOC+LOJ1oSgUCaVW5AAIbAwUJA8JnAAULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRCFOC+LOJ1oStDIAQCwtjxv
xYfziiwCkVd19ffj9hCbiMY3lgvV0R7dNz4X6AEA52LEwfLYMax2vU+viXCbxDc/AtY3tmLZ5h441pR97Am4OARpVbk8EgorBgEEAZdVAQUBAQdA
qujvW09GC3JZ0+8lbIdOTuTI7e6odRlem3AvfKWd7hEDAQgHiH4EGBYIACYWIQQdvKi6JEVllWrB5WOFOC+LOJ1oSgUCaVW5PAIbDAUJAqhFxAAK
CRCFOC+LOJ1oSqNCAQCnihqcpuijsLbbGq0yAPn0Lh/bafAf7MRQREhUpfMRJwEA4v09uwUFcAMTgSBmTmlG5Gb076YcP8CIqgZpkjxetgo=
"""
)
ANNA_FINGERPRINT = "1DBCA8BA244565956AC1E56385382F8B389D684A"
EXPIRES, SUBKEY_EXPIRES = 1_830_297_600, 1_811_808_000


def packet(kind: int, body: bytes) -> bytes:
    """One packet with a length of five octets (RFC 9580 §4.2.1)."""
    return bytes([0xC0 | kind, 0xFF]) + len(body).to_bytes(4, "big") + body


def signed(kind: int, issuer: bytes, *subpackets: tuple[int, bytes], version: int = 4) -> bytes:
    """A signature packet that says so; nobody could verify it."""
    area = b"".join(bytes([len(octets) + 1, number]) + octets for number, octets in (*subpackets, (16, issuer)))
    width = 2 if version == 4 else 4
    return packet(2, bytes([version, kind, 22, 8]) + len(area).to_bytes(width, "big") + area + bytes(width))


def certificate(
    address: str | None = "anna@example.org",
    *,
    usage: bool = True,
    mail: bool = True,
    days: int = 365,
    subject: str | None = None,
) -> bytes:
    """A self-signed S/MIME certificate in DER, valid around NOW."""
    key = ec.generate_private_key(ec.SECP256R1())
    start = datetime.datetime.fromtimestamp(NOW - 86_400, datetime.UTC)
    names = [x509.NameAttribute(x509.NameOID.COMMON_NAME, "Anna")]
    if subject is not None:
        names.append(x509.NameAttribute(x509.NameOID.EMAIL_ADDRESS, subject))
    name = x509.Name(names)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + datetime.timedelta(days=days))
    if address is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.RFC822Name(address)]), False)
    builder = builder.add_extension(
        x509.KeyUsage(not usage, False, False, False, usage, False, False, False, False), True
    )
    purpose = x509.ExtendedKeyUsageOID.EMAIL_PROTECTION if mail else x509.ExtendedKeyUsageOID.SERVER_AUTH
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
