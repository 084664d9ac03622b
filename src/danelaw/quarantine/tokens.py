"""Links that act once: what a digest's link allows, sealed with a key that only the gateway has.

A token names one act on one recipient of one message, until a moment, with a nonce by which it is remembered once it
was used. Whoever has it may do that, and nothing else; nothing in it can be changed (HMAC-SHA-256, RFC 2104).
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from danelaw.errors import DanelawError

NONCE_OCTETS = 12
SECRET_OCTETS = 32
_MAC_OCTETS = 24
_VERSION = 1
_FORM = struct.Struct(f">BBIQIQ{NONCE_OCTETS}s")
_LENGTH = -(-(_FORM.size + _MAC_OCTETS) * 4 // 3)


class TokenError(DanelawError):
    """The token allows nothing: it is none of ours, was changed, or is too old."""


class Action(IntEnum):
    """What a token allows. `ALLOW` releases the message too, and lets this sender's mail pass hold rules."""

    RELEASE = 1
    DELETE = 2
    ALLOW = 3


@dataclass(frozen=True, slots=True)
class Key:
    """A secret and its number; numbers are never used again."""

    number: int
    secret: bytes


@dataclass(frozen=True, slots=True)
class Token:
    """`message` is a queue id, `recipient` its number within the message, `expires` POSIX seconds."""

    action: Action
    message: int
    recipient: int
    expires: int
    nonce: bytes

    def sealed(self, key: Key) -> str:
        """As it stands in a link: letters, digits, `-` and `_`."""
        payload = _FORM.pack(_VERSION, self.action, key.number, self.message, self.recipient, self.expires, self.nonce)
        return urlsafe_b64encode(payload + _mac(payload, key.secret)).rstrip(b"=").decode("ascii")

    @classmethod
    def opened(cls, text: str, keys: Mapping[int, Key], now: float) -> Token:
        """Check everything but whether it was used. Raises `TokenError`."""
        octets = _octets(text)
        payload, mac = octets[: _FORM.size], octets[_FORM.size :]
        version, action, number, message, recipient, expires, nonce = _FORM.unpack(payload)
        key = keys.get(number)
        # A key that is gone costs the same time as one that is there.
        right = hmac.compare_digest(mac, _mac(payload, key.secret if key is not None else b"\0" * SECRET_OCTETS))
        if key is None or not right or version != _VERSION:
            raise TokenError("this link is none of ours, or was changed on its way")
        if now >= expires:
            raise TokenError("this link is too old", advice="the next digest brings a new one")
        if action not in tuple(Action):
            raise TokenError("this link allows what this danelaw does not know")
        return cls(Action(action), message, recipient, expires, nonce)


def _octets(text: str) -> bytes:
    if len(text) != _LENGTH or not text.isascii():
        raise TokenError("this link is none of ours, or was cut on its way")
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    try:
        octets = urlsafe_b64decode(padded)
    except (binascii.Error, ValueError):
        octets = b""
    if urlsafe_b64encode(octets) != padded:  # characters that are no base64 are skipped by the decoder
        raise TokenError("this link is none of ours, or was changed on its way")
    return octets


def _mac(payload: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, b"danelaw quarantine link\0" + payload, hashlib.sha256).digest()[:_MAC_OCTETS]
