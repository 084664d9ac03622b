"""A mailbox: local-part, `@`, and a domain or an address literal (RFC 5321 §4.1.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from danelaw.address.domain import Domain, DomainError
from danelaw.address.literal import AddressLiteral, AddressLiteralError
from danelaw.address.localpart import DOT_STRING, LOCALPART_OCTETS, QUOTED_STRING, Localpart, LocalpartError
from danelaw.errors import DanelawError

MAX_OCTETS = 254  # RFC 5321 §4.5.3.1.3: a path has 256 with its angle brackets

# Mailbox = Local-part "@" ( Domain / address-literal ); the domain is judged by its own class.
_MAILBOX = re.compile(rf"({DOT_STRING}|{QUOTED_STRING})@(\[[^\]\[\\]*\]|[^\[\]@<>\s]+)\Z")

# Nearly every mailbox there is: one scan proves the local-part; the domain is judged by its own class.
_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+"
_PLAIN = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@([A-Za-z0-9_.-]*[A-Za-z0-9_-])\Z")


class MailboxError(DanelawError, ValueError):
    """The text is not a mailbox."""


@dataclass(frozen=True, slots=True, order=True)
class Mailbox:
    """Somebody's mailbox. Two are equal when local-part content and domain are; case counts in the local-part."""

    localpart: Localpart
    domain: Domain | AddressLiteral
    _text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Written five times for every message that passes.
        object.__setattr__(self, "_text", f"{self.localpart.to_text()}@{self.domain.to_text()}")

    @classmethod
    def from_text(cls, text: str) -> Mailbox:
        """Parse `local@domain` without angle brackets. Raises `MailboxError`.

        Comments, folding white space, a final dot, and all of RFC 5322's obsolete forms are refused.
        """
        plain = _PLAIN.match(text) if len(text) <= MAX_OCTETS else None
        if plain is not None and plain.end(1) <= LOCALPART_OCTETS:
            try:
                return cls(Localpart(plain[1]), Domain.from_text(plain[2]))
            except DomainError as error:
                raise MailboxError(error.reason) from None
        if len(text) > 2 * MAX_OCTETS:
            raise MailboxError(f"{text[:80]!r}… is longer than {MAX_OCTETS} octets")
        match = _MAILBOX.match(text)
        if match is None:
            raise MailboxError(f"{text[:80]!r} is not a mailbox: it should look like name@example.org")
        local, host = match.groups()
        try:
            mailbox = cls(Localpart.from_text(local), _host(host))
        except (LocalpartError, DomainError, AddressLiteralError) as error:
            raise MailboxError(error.reason) from None
        if len(text) > MAX_OCTETS or (not text.isascii() and len(mailbox.to_text().encode()) > MAX_OCTETS):
            raise MailboxError(f"{text[:80]!r}… is longer than {MAX_OCTETS} octets")
        return mailbox

    def to_text(self) -> str:
        """The form for the wire: shortest local-part, A-labels."""
        return self._text

    @property
    def is_ascii(self) -> bool:
        """False when SMTPUTF8 is needed to transmit it; the domain is always A-labels."""
        return self.localpart.is_ascii

    def __str__(self) -> str:
        return self.to_text()


def _host(text: str) -> Domain | AddressLiteral:
    if text.startswith("["):
        return AddressLiteral.from_text(text)
    if text.endswith((".", "\u3002")):
        raise DomainError(f"{text!r} must not end with a dot in an address")
    return Domain.from_text(text)
