"""Keys, a zone that publishes them, and short ways to sign and verify, for the tests of dkim and arc."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from danelaw.address import Domain
from danelaw.dkim import (
    DKIMKeyRecord,
    DKIMOutcome,
    HeaderField,
    PrivateKey,
    SigningKey,
    SignSettings,
    VerifySettings,
    sign,
    verify,
)
from danelaw.message import Header
from danelaw.testing import FakeDNS, run_lookup

NOW = 1_790_000_000.0
DOMAIN = Domain.from_text("example.org")

MESSAGE = (
    b"Received: from a by b; Fri, 11 Jul 2003 21:01:54 -0700\r\n"
    b"From: Joe SixPack <joe@example.org>\r\n"
    b"To: Suzie Q <suzie@shopping.example.net>,\r\n\tAnna <anna@example.net>\r\n"
    b"Subject: Is  dinner\tready?  \r\n"
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
    b"\r\n"
    b"Hi.\r\n\r\nWe lost  the game.\t Are you hungry yet?  \r\n\r\nJoe.\r\n\r\n\r\n"
)


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """An RSA key, made once per run."""
    return rsa.generate_private_key(65537, bits)


@cache
def ed25519_key() -> ed25519.Ed25519PrivateKey:
    """RFC 8463 §A.2: the secret key of RFC 8032 §7.1, test 1."""
    octets = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    return ed25519.Ed25519PrivateKey.from_private_bytes(octets)


def rsa_signer(selector: str = "r") -> SigningKey:
    """A signer for example.org with an RSA key."""
    return SigningKey(DOMAIN, selector, PrivateKey.from_key(rsa_key()))


def ed25519_signer(selector: str = "e") -> SigningKey:
    """A signer for example.org with an Ed25519 key."""
    return SigningKey(DOMAIN, selector, PrivateKey.from_key(ed25519_key()))


def txt(owner: str, text: str) -> str:
    """A TXT record of several strings in zone-file form."""
    strings = " ".join(f'"{text[start : start + 200]}"' for start in range(0, len(text), 200)) or '""'
    return f"{owner}. TXT {strings}\n"


def published(signer: SigningKey, **changes: object) -> str:
    """The record of a signer in zone-file form, with fields of `DKIMKeyRecord` changed."""
    from dataclasses import replace

    record: DKIMKeyRecord = replace(signer.key.record(), **changes)  # type: ignore[arg-type]
    return txt(f"{signer.selector}._domainkey.{signer.domain}", record.to_text())


@cache
def _zone() -> str:
    return published(rsa_signer()) + published(ed25519_signer())


def names() -> FakeDNS:
    """A new DNS that publishes both keys under signed names."""
    return FakeDNS(_zone())


def split(message: bytes) -> tuple[list[HeaderField], bytes]:
    """Header fields and body."""
    header = Header.from_bytes(message)
    return [(field.name, field.raw) for field in header], message[header.body_offset :]


def signed(
    message: bytes = MESSAGE, keys: Sequence[SigningKey] | None = None, *, now: float = NOW, **settings: object
) -> bytes:
    """The message with signatures on top."""
    fields, body = split(message)
    chosen = SignSettings(**settings)  # type: ignore[arg-type]
    return b"".join(sign(fields, body, keys or [rsa_signer()], now=now, settings=chosen)) + message


def verified(
    message: bytes,
    dns: FakeDNS | None = None,
    *,
    now: float = NOW,
    pieces: Iterable[bytes] | None = None,
    **settings: object,
) -> DKIMOutcome:
    """The outcome for a message."""
    fields, body = split(message)
    chosen = VerifySettings(**settings)  # type: ignore[arg-type]
    return run_lookup(verify(fields, body if pieces is None else pieces, now=now, settings=chosen), dns or names())
