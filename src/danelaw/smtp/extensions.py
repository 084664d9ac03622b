"""What a server offers in its EHLO reply (RFC 5321 §4.1.1.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from danelaw.smtp.reply import Reply

# Some old servers write "SIZE=1000" and "AUTH=LOGIN".
_LINE = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9-]{0,63})(?:[ =](.*))?\Z", re.ASCII)
_EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Extensions:
    """EHLO keywords in upper case with their parameters as sent; `domain` is how the server names itself."""

    domain: str = ""
    keywords: Mapping[str, str] = field(default_factory=lambda: _EMPTY)

    @classmethod
    def from_reply(cls, reply: Reply) -> Extensions:
        """Read a 250 reply to EHLO. Lines that are no keyword are skipped: many servers chat there."""
        first, *rest = reply.lines
        keywords: dict[str, str] = {}
        for line in rest:
            match = _LINE.match(line)
            if match:  # the first mention of a keyword counts
                keywords.setdefault(match[1].upper(), (match[2] or "").strip())
        return cls(first.split(" ", 1)[0], MappingProxyType(keywords))

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords

    @property
    def pipelining(self) -> bool:
        """RFC 2920."""
        return "PIPELINING" in self.keywords

    @property
    def eight_bit_mime(self) -> bool:
        """RFC 6152."""
        return "8BITMIME" in self.keywords

    @property
    def smtputf8(self) -> bool:
        """RFC 6531, which offers 8BITMIME with it."""
        return "SMTPUTF8" in self.keywords

    @property
    def enhanced_status_codes(self) -> bool:
        """RFC 2034."""
        return "ENHANCEDSTATUSCODES" in self.keywords

    @property
    def chunking(self) -> bool:
        """BDAT, RFC 3030."""
        return "CHUNKING" in self.keywords

    @property
    def starttls(self) -> bool:
        """RFC 3207."""
        return "STARTTLS" in self.keywords

    @property
    def dsn(self) -> bool:
        """RFC 3461."""
        return "DSN" in self.keywords

    @property
    def requiretls(self) -> bool:
        """RFC 8689; means something only in an EHLO reply inside TLS."""
        return "REQUIRETLS" in self.keywords

    @property
    def size_offered(self) -> bool:
        """The SIZE parameter of MAIL may be used (RFC 1870)."""
        return "SIZE" in self.keywords

    @property
    def max_size(self) -> int | None:
        """The fixed maximum message size in octets; None when not stated, zero, or not a number (RFC 1870 §4)."""
        text = self.keywords.get("SIZE", "")
        if text.isascii() and text.isdigit() and len(text) <= 20:
            return int(text) or None
        return None

    @property
    def limits(self) -> dict[str, int]:
        """LIMITS (RFC 9422): RCPTMAX, MAILMAX, RCPTDOMAINMAX as far as they are positive numbers."""
        found: dict[str, int] = {}
        for word in self.keywords.get("LIMITS", "").split():
            name, _, value = word.partition("=")
            if value.isascii() and value.isdigit() and len(value) <= 6 and int(value) > 0:
                found.setdefault(name.upper(), int(value))
        return found
