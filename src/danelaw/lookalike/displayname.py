"""Display names that say more than their address does (RFC 5322 §3.4: nothing binds one to the other)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from danelaw.lookalike.skeleton import MOST_CHARACTERS, skeleton

_ADDRESS = re.compile(r"[\w.+\-]{1,64}\s?[@\uff20\ufe6b]\s?([\w\-]{1,63}(?:\.[\w\-]{1,63}){1,8})")
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody others pose as. `addresses` are hers: whole ones, or domains with a leading @, in small letters."""

    name: str
    addresses: tuple[str, ...] = ()

    def has(self, address: str) -> bool:
        """True when an address is hers."""
        address = address.lower()
        return any(address == own or (own.startswith("@") and address.endswith(own)) for own in self.addresses)


def address_in_name(display_name: str, domain: str) -> str | None:
    """An address within a display name whose domain is not `domain`, the sender's; None when there is none."""
    for match in _ADDRESS.finditer(display_name[:MOST_CHARACTERS]):
        said = match[1].lower()
        if said != domain.lower() and not said.endswith("." + domain.lower()):
            return match[0]
    return None


def posing_as(display_name: str, address: str, people: Iterable[Person]) -> Person | None:
    """The protected person whose whole name stands in a display name, in any order, at an address that is not hers."""
    said = _words(display_name)
    for person in people:
        wanted = _words(person.name)
        if wanted and wanted <= said and not person.has(address):
            return person
    return None


def _words(text: str) -> frozenset[str]:
    return frozenset(skeleton(word) for word in _WORDS.findall(text[:MOST_CHARACTERS]))
