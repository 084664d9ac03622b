"""Forward and back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable

from danelaw.address import Domain, DomainError, Localpart, Mailbox, MailboxError
from danelaw.address.localpart import LOCALPART_OCTETS, LocalpartError
from danelaw.errors import DanelawError

SECONDS_PER_DAY = 86_400
_HASH_CHARACTERS = 6
_DAYS = 1024
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_TAG = re.compile(r"SRS([01])([=+-])(.*)", re.IGNORECASE | re.DOTALL)
_FIRST = re.compile(r"([^=]+)=([A-Z2-7]{2})=([^=]+)=(.+)", re.IGNORECASE | re.DOTALL)
_SECOND = re.compile(r"([^=]+)=([^=]+)=([=+-].+)", re.DOTALL)


class SRSError(DanelawError, ValueError):
    """The address cannot be rewritten, or is no rewritten address of ours."""


class Rewriter:
    """Rewrites with the keys of one domain. `max_age` in days, below 1024, after which an address leads nowhere."""

    def __init__(self, domain: Domain, keys: Iterable[bytes], *, max_age: int = 21) -> None:
        """The first key signs, all are accepted. Raises `SRSError` without a key of 16 octets or more."""
        self.domain = domain
        self._keys = tuple(keys)
        self._max_age = min(max_age, _DAYS - 1)
        if not self._keys or any(len(key) < 16 for key in self._keys):
            raise SRSError("SRS needs keys of at least 16 octets", advice="openssl rand -hex 24 > srs.key")

    def claims(self, mailbox: Mailbox) -> bool:
        """True when an address is in our SRS domain and looks rewritten, whether or not its signature is good."""
        return mailbox.domain == self.domain and _TAG.fullmatch(mailbox.localpart.content) is not None

    def forward(self, sender: Mailbox, day: int) -> Mailbox:
        """The address under which mail of `sender` is forwarded on `day` (POSIX seconds / 86,400).

        An address of our own SRS domain comes back unchanged. Raises `SRSError` where the result would have more than
        the 64 octets of a local-part (RFC 5321 §4.5.3.1.1), or the sender's domain is an address literal.
        """
        if sender.domain == self.domain:
            return sender
        if not isinstance(sender.domain, Domain):
            raise SRSError(f"{sender} has an address literal for a domain, and cannot be rewritten")
        local = sender.localpart.content
        tagged = _TAG.fullmatch(local)
        if tagged is None:
            stamp = _BASE32[day % _DAYS >> 5] + _BASE32[day % 32]
            return self._made(f"SRS0={self._sign(stamp, sender.domain.ascii, local)}={stamp}={sender.domain}={local}")
        if tagged[1] == "0":
            host, rest = sender.domain.ascii, tagged[2] + tagged[3]
        else:
            again = _SECOND.fullmatch(tagged[3])
            if again is None:
                raise SRSError(f"{sender} begins like an SRS address and is none")
            host, rest = again[2].lower(), again[3]
        return self._made(f"SRS1={self._sign(host, rest)}={host}={rest}")

    def reverse(self, recipient: Mailbox, day: int) -> Mailbox:
        """Whom an address of ours stands for. Raises `SRSError` for foreign, forged and expired ones."""
        tagged = _TAG.fullmatch(recipient.localpart.content)
        if recipient.domain != self.domain or tagged is None:
            raise SRSError(f"{recipient} is no rewritten address of {self.domain}")
        if tagged[1] == "0":
            return self._first(recipient, tagged[3], day)
        match = _SECOND.fullmatch(tagged[3])
        if match is None:
            raise SRSError(f"{recipient} is incomplete")
        self._check(match[1], match[2].lower(), match[3])
        return _mailbox(f"SRS0{match[3]}", match[2])

    def _first(self, recipient: Mailbox, rest: str, day: int) -> Mailbox:
        match = _FIRST.fullmatch(rest)
        if match is None:
            raise SRSError(f"{recipient} is incomplete")
        signature, stamp, domain, local = match.groups()
        self._check(signature, stamp.upper(), domain.lower(), local)
        made = _BASE32.index(stamp[0].upper()) << 5 | _BASE32.index(stamp[1].upper())
        if (day - made) % _DAYS > self._max_age:
            raise SRSError(f"{recipient} has expired")
        return _mailbox(local, domain)

    def _check(self, signature: str, *signed: str) -> None:
        given = signature.lower().encode("utf-8", "replace")
        if not any(hmac.compare_digest(given, _signature(key, signed).encode()) for key in self._keys):
            raise SRSError("the signature of a rewritten address is not ours")

    def _sign(self, *signed: str) -> str:
        return _signature(self._keys[0], signed)

    def _made(self, local: str) -> Mailbox:
        if len(local.encode()) > LOCALPART_OCTETS:
            raise SRSError(f"rewritten, the address would have more than {LOCALPART_OCTETS} octets before its @")
        return Mailbox(Localpart(local), self.domain)


def _signature(key: bytes, signed: tuple[str, ...]) -> str:
    # Case may be folded on the way. Lengths in front: no two lists of parts are signed alike.
    octets = b"".join(b"%d:%b" % (len(part), part) for part in (text.lower().encode() for text in signed))
    digest = hmac.new(key, octets, hashlib.sha256).digest()
    return base64.b32encode(digest)[:_HASH_CHARACTERS].decode().lower()


def _mailbox(local: str, domain: str) -> Mailbox:
    try:
        found = Mailbox(Localpart(local), Domain.from_text(domain))
        return Mailbox.from_text(found.to_text())
    except (MailboxError, DomainError, LocalpartError) as error:
        raise SRSError(f"the rewritten address stands for none: {error.reason}") from None
