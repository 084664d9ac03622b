"""Which addresses in a list's answer count: values, ranges and bits of 127.0.0.0/8 (RFC 5782 §2.1, §2.3)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from danelaw.errors import DanelawError

_LOOPBACK = ipaddress.IPv4Network("127.0.0.0/8")
_REFUSALS = ipaddress.IPv4Network("127.255.255.0/24")
_NEVER_LISTED = ipaddress.IPv4Address("127.0.0.1")
_CODE = re.compile(r"(\d{1,3}(?:\.\d{1,3}){3})(?:(-|&)(\d{1,3}))?", re.ASCII)


class ReturnCodesError(DanelawError, ValueError):
    """The text names no address of 127.0.0.0/8."""


@dataclass(frozen=True, slots=True)
class _Range:
    first: int
    last: int

    def holds(self, address: int) -> bool:
        return self.first <= address <= self.last


@dataclass(frozen=True, slots=True)
class _Bits:
    network: int
    mask: int

    def holds(self, address: int) -> bool:
        return address & ~0xFF == self.network and bool(address & self.mask)


@dataclass(frozen=True, slots=True)
class ReturnCodes:
    """The addresses that mean "listed"; without any, all of 127.0.0.0/8 that are not refusals."""

    text: tuple[str, ...] = ()
    _accepted: tuple[_Range | _Bits, ...] = ()

    @classmethod
    def from_text(cls, texts: Iterable[str]) -> ReturnCodes:
        """Read `127.0.0.2`, `127.0.0.4-7` (a range of the last octet) and `127.0.0.0&6` (any of these bits of it).

        Raises `ReturnCodesError`.
        """
        given = tuple(texts)
        return cls(given, tuple(_code(text) for text in given))

    def accept(self, address: ipaddress.IPv4Address) -> bool:
        """True when this address of an answer means "listed"."""
        if self._accepted:
            return any(code.holds(int(address)) for code in self._accepted)
        return address in _LOOPBACK and not self.refuses(address)

    def refuses(self, address: ipaddress.IPv4Address) -> bool:
        """True when this address is no word about what was asked, but a fault: the list does not want to answer us, or
        is no list any more.
        """
        if address not in _LOOPBACK:
            return True
        if self._accepted and any(code.holds(int(address)) for code in self._accepted):
            return False
        return address in _REFUSALS or address == _NEVER_LISTED


def _code(text: str) -> _Range | _Bits:
    match = _CODE.fullmatch(text.strip())
    wrong = f'{text!r} is no return code; write "127.0.0.2", "127.0.0.4-7" or "127.0.0.0&6"'
    try:
        if match is None or ipaddress.IPv4Address(match[1]) not in _LOOPBACK:
            raise ReturnCodesError(wrong)
        start = int(ipaddress.IPv4Address(match[1]))
    except ipaddress.AddressValueError:
        raise ReturnCodesError(wrong) from None
    if match[2] is None:
        return _Range(start, start)
    number = int(match[3])
    if number > 255 or (match[2] == "&" and not number) or (match[2] == "-" and number < start & 0xFF):
        raise ReturnCodesError(wrong)
    if match[2] == "&":
        return _Bits(start & ~0xFF, number)
    return _Range(start, start & ~0xFF | number)
