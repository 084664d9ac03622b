"""What an OpenPGP certificate says of itself (RFC 9580 §10.1): fingerprint, user ids, until when, for encryption?

Its signatures are not verified here. What is read is as trustworthy as the way it came: signed DNS, or HTTPS from the
domain; whoever encrypts with it has a library that checks self-signatures and refuses what they do not cover.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from danelaw.keydiscovery.packets import (
    PUBLIC_KEY,
    PUBLIC_SUBKEY,
    SECRET_KEY,
    SECRET_SUBKEY,
    SIGNATURE,
    USER_ID,
    OpenPGPError,
    Signature,
    packets,
    signature,
)

MOST_CERTIFICATES = 16
"""Certificates read of one key ring."""
_MOST_USER_IDS = 256
_LONGEST_USER_ID = 2048
_DIRECT, _REVOCATION, _SUBKEY_BINDING, _SUBKEY_REVOCATION = 0x1F, 0x20, 0x18, 0x28
_CERTIFICATIONS = frozenset({0x10, 0x11, 0x12, 0x13})
_KEY_EXPIRATION, _KEY_FLAGS = 9, 27
_ENCRYPTS = 0x04 | 0x08
# RSA, RSA encrypt-only, Elgamal, ECDH, X25519, X448 (RFC 9580 §9.1): what a key without flags could be used for.
_ENCRYPTING_ALGORITHMS = frozenset({1, 2, 16, 18, 25, 26})
_ANGLE = re.compile(r"<([^<>]{1,320})>\s*\Z")
_ARMOR = b"-----BEGIN PGP"


@dataclass(frozen=True, slots=True)
class OpenPGPCertificate:
    """One transferable public key. `fingerprint` is hexadecimal in capitals, as OpenPGP software shows it.

    `created` and `expires` are POSIX seconds, `expires` None for never. `user_ids` as they stand, `addresses` those
    that are in them. `encrypts_until`: until when some key of it may be encrypted to, None when none may be at all.
    """

    fingerprint: str
    version: int
    created: int
    expires: int | None
    revoked: bool
    user_ids: tuple[str, ...]
    addresses: tuple[str, ...]
    encrypts_until: float | None
    octets: bytes = field(repr=False)

    def names(self, address: str) -> bool:
        """Whether a user id holds this address; ASCII case does not count."""
        return address.lower() in (one.lower() for one in self.addresses)


def certificates(octets: bytes) -> tuple[OpenPGPCertificate, ...]:
    """Read a key ring in binary form. Raises `OpenPGPError`: for armour, secret keys, and what is no key ring."""
    if octets.lstrip()[: len(_ARMOR)] == _ARMOR:
        raise OpenPGPError("the key is ASCII-armored; it must be published in binary form")
    found: list[_Reading] = []
    starts: list[int] = []
    for place, kind, body in packets(octets):
        if kind in (SECRET_KEY, SECRET_SUBKEY):
            raise OpenPGPError("a SECRET key is published there; its owner should revoke it")
        if kind == PUBLIC_KEY:
            if len(found) == MOST_CERTIFICATES:
                raise OpenPGPError(f"more than {MOST_CERTIFICATES} keys")
            found.append(_Reading(body))
            starts.append(place)
        elif not found:
            raise OpenPGPError("it does not begin with a public key")
        else:
            found[-1].take(kind, body)
    if not found:
        raise OpenPGPError("there is no key in it")
    ends = [*starts[1:], len(octets)]
    return tuple(one.certificate(octets[start:end]) for one, start, end in zip(found, starts, ends, strict=True))


class _Key:
    """A primary key or a subkey with the signatures that speak of it."""

    def __init__(self, body: bytes) -> None:
        if len(body) < 6:
            raise OpenPGPError("a key packet is cut off")
        self.version = body[0]
        if self.version not in (4, 6):
            raise OpenPGPError(f"a key of version {self.version}, which is not supported")
        self.created = int.from_bytes(body[1:5], "big")
        self.algorithm = body[5]
        if len(body) >= 1 << 16:
            raise OpenPGPError("a key packet is too long")
        if self.version == 4:
            digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False)
        else:
            digest = hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body)
        self.fingerprint = digest.digest()
        self.newest: Signature | None = None
        self.revoked = False

    @property
    def key_id(self) -> bytes:
        """RFC 9580 §5.5.4."""
        return self.fingerprint[-8:] if self.version == 4 else self.fingerprint[:8]

    def speaks(self, said: Signature) -> None:
        """Of several signatures about a key the newest one counts (§5.2.3.13 and what software does)."""
        if self.newest is None or said.made >= self.newest.made:
            self.newest = said

    @property
    def expires(self) -> int | None:
        """POSIX seconds, None for never (§5.2.3.13)."""
        seconds = self.newest.number(_KEY_EXPIRATION) if self.newest is not None else None
        return self.created + seconds if seconds else None

    @property
    def may_encrypt(self) -> bool:
        """By its flags (§5.2.3.29), else by its algorithm."""
        flags = self.newest.subpackets.get(_KEY_FLAGS) if self.newest is not None else None
        if flags is None:
            return self.algorithm in _ENCRYPTING_ALGORITHMS
        return bool(flags) and bool(flags[0] & _ENCRYPTS)


class _Reading:
    """A certificate while its packets pass."""

    def __init__(self, body: bytes) -> None:
        self.primary = _Key(body)
        self.subkeys: list[_Key] = []
        self.user_ids: list[str] = []
        self._current: _Key | None = self.primary

    def take(self, kind: int, body: bytes) -> None:
        """One more packet. Raises `OpenPGPError`."""
        if kind == USER_ID:
            self._current = None
            if len(self.user_ids) < _MOST_USER_IDS:
                self.user_ids.append(body[:_LONGEST_USER_ID].decode("utf-8", "replace"))
        elif kind == PUBLIC_SUBKEY:
            try:
                self._current = _Key(body)
            except OpenPGPError:
                self._current = None  # of a version that older software passes over too
                return
            self.subkeys.append(self._current)
        elif kind == SIGNATURE:
            said = signature(body)
            if said is not None and said.issuers & {self.primary.key_id, self.primary.fingerprint}:
                self._signed(said)

    def _signed(self, said: Signature) -> None:
        """A signature by the primary key; those of others count for nothing here."""
        subkey = self._current if self._current is not self.primary else None
        if said.kind == _REVOCATION:
            self.primary.revoked = True
        elif said.kind == _DIRECT or said.kind in _CERTIFICATIONS:
            self.primary.speaks(said)
        elif subkey is not None and said.kind == _SUBKEY_BINDING:
            subkey.speaks(said)
        elif subkey is not None and said.kind == _SUBKEY_REVOCATION:
            subkey.revoked = True

    def certificate(self, octets: bytes) -> OpenPGPCertificate:
        """What was read."""
        primary = self.primary
        return OpenPGPCertificate(
            fingerprint=primary.fingerprint.hex().upper(),
            version=primary.version,
            created=primary.created,
            expires=primary.expires,
            revoked=primary.revoked,
            user_ids=tuple(self.user_ids),
            addresses=tuple(filter(None, map(address_in, self.user_ids))),
            encrypts_until=self._encrypts_until(),
            octets=octets,
        )

    def _encrypts_until(self) -> float | None:
        """The latest end of a key that may be encrypted to; a subkey without a binding counts for nothing."""
        keys = [self.primary, *(key for key in self.subkeys if key.newest is not None)]
        ends = [
            float("inf") if key.expires is None else float(key.expires)
            for key in keys
            if key.may_encrypt and not key.revoked
        ]
        if not ends or self.primary.revoked:
            return None
        limit = float("inf") if self.primary.expires is None else float(self.primary.expires)
        return min(max(ends), limit)


def address_in(user_id: str) -> str:
    """The address in a user id: `Name (comment) <address>` or the address alone; empty when there is none."""
    match = _ANGLE.search(user_id)
    text = match[1] if match is not None else user_id.strip()
    return text if "@" in text and not re.search(r"\s", text) else ""
