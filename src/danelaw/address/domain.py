"""Domain names as SMTP uses them, always held in A-label form (RFC 5321 §2.3.5, RFC 5890 §2.3.2.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import dns.name
import idna

from danelaw.errors import DanelawError

# LDH labels plus the underscore, which is no host name but is met in real forward-paths and in
# service names such as _25._tcp; grammar stricter than this belongs to the SMTP command parser.
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z", re.ASCII)


# A U-label never has more characters than its A-label has octets; one more for a final dot.
_MAX_CHARACTERS = 254


class DomainError(DanelawError, ValueError):
    """The text is not a domain name."""


@dataclass(frozen=True, slots=True, order=True)
class Domain:
    """A domain name: `ascii` is the lower-case A-label form without a final dot."""

    ascii: str

    @classmethod
    def from_text(cls, text: str) -> Domain:
        """Parse A-labels or U-labels, with or without a final dot.

        Raises `DomainError` when a label is empty, too long, or not valid under IDNA2008 (RFC 5891).
        """
        if len(text) > _MAX_CHARACTERS:
            raise DomainError(f"{text[:40]!r}… is longer than 253 octets")
        return _parse(text)

    @classmethod
    def from_dns(cls, name: dns.name.Name) -> Domain:
        """Take over a name from DNS. Raises `DomainError` for the root and for labels no host can have."""
        return cls.from_text(name.to_text(omit_final_dot=True))

    def to_text(self) -> str:
        """The A-label form, lower case, no final dot."""
        return self.ascii

    def to_unicode(self) -> str:
        """The form to show a person (U-labels); falls back to A-labels that do not decode."""
        try:
            return idna.decode(self.ascii)
        except idna.IDNAError:
            return self.ascii

    def to_dns(self) -> dns.name.Name:
        """The absolute DNS name."""
        return dns.name.from_text(self.ascii + ".", None)

    def __str__(self) -> str:
        return self.ascii


@lru_cache(maxsize=4096)  # a gateway meets the same few thousand names again and again
def _parse(text: str) -> Domain:
    name = text[:-1] if text.endswith(".") else text
    if not name:
        raise DomainError("a domain name cannot be empty")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise DomainError(f"{text!r} is not a valid internationalised domain name: {error}") from None
    if len(name) > 253:
        raise DomainError(f"{text[:40]!r}… is longer than 253 octets")
    for label in name.split("."):
        if not _LABEL.match(label):
            raise DomainError(f"{text!r} is not a domain name: label {label!r} is not allowed")
    return Domain(name.lower())
