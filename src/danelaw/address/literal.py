"""Address literals: `[192.0.2.1]` and `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from danelaw.errors import DanelawError

# RFC 5321 §4.1.3 writes Snum as 1*3DIGIT 0..255. Leading zeros are refused: half the world reads 010 as octal.
_SNUM = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_SNUM}(?:\.{_SNUM}){{3}}\Z", re.ASCII)
_TAG = "ipv6:"


class AddressLiteralError(DanelawError, ValueError):
    """The text is not an address literal that mail can be routed to."""


@dataclass(frozen=True, slots=True, order=True)
class AddressLiteral:
    """A host named by its address: `address` is the canonical text, as `ipaddress` writes it, without brackets."""

    address: str

    @classmethod
    def from_text(cls, text: str) -> AddressLiteral:
        """Parse the bracketed form, `[192.0.2.1]` or `[IPv6:2001:db8::1]`; the tag in any case.

        A General-address-literal has a tag that no standard has registered, so it names no reachable host
        and is refused. Raises `AddressLiteralError`.
        """
        if len(text) > 64 or not (text.startswith("[") and text.endswith("]")):
            raise AddressLiteralError(
                f"{text[:64]!r} is not an address literal: write [192.0.2.1] or [IPv6:2001:db8::1]"
            )
        inner = text[1:-1]
        if _IPV4.match(inner):
            return cls(inner)
        if inner[:5].lower() == _TAG and "%" not in inner:
            try:
                return cls(str(ipaddress.IPv6Address(inner[5:])))
            except ValueError:
                pass
        raise AddressLiteralError(f"{text!r} is not an address literal: write [192.0.2.1] or [IPv6:2001:db8::1]")

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4

    def to_text(self) -> str:
        """The bracketed form with its tag."""
        return f"[IPv6:{self.address}]" if ":" in self.address else f"[{self.address}]"

    def __str__(self) -> str:
        return self.to_text()
