"""Reverse-path and forward-path: a mailbox in angle brackets, as MAIL and RCPT carry it (RFC 5321 §4.1.2).

Source routes (`<@a.example,@b.example:user@c.example>`) are accepted and dropped, as RFC 5321 §3.3 and
appendix C allow; what remains is always the final mailbox.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from danelaw.address.domain import Domain
from danelaw.address.literal import AddressLiteral
from danelaw.address.localpart import Localpart
from danelaw.address.mailbox import Mailbox, MailboxError

_LABEL = r"[A-Za-z0-9_\u0080-\U0010ffff](?:[A-Za-z0-9_\-\u0080-\U0010ffff]*[A-Za-z0-9_\u0080-\U0010ffff])?"
# A-d-l = At-domain *( "," At-domain ). The part up to the colon must be a well-formed route, then it is forgotten.
_AT_DOMAIN = rf"@(?:{_LABEL}(?:\.{_LABEL})*|\[[^\]\[\\\s]+\])"
_SOURCE_ROUTE = re.compile(rf"{_AT_DOMAIN}(?:,{_AT_DOMAIN})*:")
_ROUTE_OCTETS = 1024


class PathError(MailboxError):
    """The text is not a path."""


@dataclass(frozen=True, slots=True)
class ReversePath:
    """Where notices about a message go; `mailbox` is None for `<>`, which wants none (RFC 5321 §4.5.5)."""

    mailbox: Mailbox | None

    @classmethod
    def from_text(cls, text: str) -> ReversePath:
        """Parse `<>` or `<mailbox>`. Raises `PathError` (a `MailboxError`)."""
        if text == "<>":
            return cls(None)
        return cls(_mailbox(text))

    def to_text(self) -> str:
        """With angle brackets."""
        return "<>" if self.mailbox is None else f"<{self.mailbox.to_text()}>"

    @property
    def is_null(self) -> bool:
        """True for `<>`."""
        return self.mailbox is None

    @property
    def is_ascii(self) -> bool:
        """False when SMTPUTF8 is needed to transmit it."""
        return self.mailbox is None or self.mailbox.is_ascii

    def __str__(self) -> str:
        return self.to_text()


@dataclass(frozen=True, slots=True)
class ForwardPath:
    """Where a message goes. `bare_postmaster` tells that the client wrote `<Postmaster>` without a domain."""

    mailbox: Mailbox
    bare_postmaster: bool = False

    @classmethod
    def from_text(cls, text: str, *, postmaster_at: Domain | AddressLiteral | None = None) -> ForwardPath:
        """Parse `<mailbox>`, or `<Postmaster>` in any case when `postmaster_at` says whose (RFC 5321 §4.5.1).

        Raises `PathError` (a `MailboxError`).
        """
        if len(text) == 12 and postmaster_at is not None and text.lower() == "<postmaster>":
            return cls(Mailbox(Localpart(text[1:-1]), postmaster_at), True)
        return cls(_mailbox(text))

    def to_text(self) -> str:
        """With angle brackets, and always with a domain."""
        return f"<{self.mailbox.to_text()}>"

    @property
    def is_ascii(self) -> bool:
        """False when SMTPUTF8 is needed to transmit it."""
        return self.mailbox.is_ascii

    def __str__(self) -> str:
        return self.to_text()


@lru_cache(maxsize=8192)
def _mailbox(text: str) -> Mailbox:
    if len(text) > _ROUTE_OCTETS or text[:1] != "<" or text[-1:] != ">":
        raise PathError(f"{text[:80]!r} is not a path: an address stands in <angle brackets>")
    inner = text[1:-1]
    if inner.startswith("@"):
        route = _SOURCE_ROUTE.match(inner)
        if route is None:
            raise PathError(f"{text[:80]!r} has a source route that is not well-formed")
        inner = inner[route.end() :]
    try:
        return Mailbox.from_text(inner)
    except PathError:
        raise
    except MailboxError as error:
        raise PathError(error.reason) from None
