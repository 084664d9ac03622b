"""What is known about zones: facts won from validated responses, and a bounded memory for them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeAlias

import dns.name

from danelaw.dnsdata import ChainLink, DNSSECStatus
from danelaw.dnssec.keys import ZoneKeys
from danelaw.dnssec.verify import Flaw


@dataclass(frozen=True, slots=True)
class SecureZone:
    """A zone whose keys were validated down from a trust anchor."""

    name: dns.name.Name
    keys: ZoneKeys
    expires: float
    text: str
    parent: SecureZone | None = None
    evidence: tuple[bytes, ...] = ()

    @property
    def link(self) -> ChainLink:
        """This step of the chain in words."""
        return ChainLink(self.name, self.text, DNSSECStatus.SECURE)


@dataclass(frozen=True, slots=True)
class UnsignedFrom:
    """Nothing at or below `name` can be secure, and that is proved (or configured)."""

    name: dns.name.Name
    text: str
    ede: int | None
    expires: float
    parent: SecureZone | None = None
    evidence: tuple[bytes, ...] = ()

    @property
    def link(self) -> ChainLink:
        """This end of the chain in words."""
        return ChainLink(self.name, self.text, DNSSECStatus.INSECURE)


@dataclass(frozen=True, slots=True)
class NoCut:
    """`zone` says that no zone begins at the name; with `ends`, nor anywhere below it."""

    zone: dns.name.Name
    ends: bool
    expires: float
    evidence: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """The chain cannot be followed past `zone`: bogus data, or indeterminate because of a failed fetch."""

    zone: dns.name.Name
    status: DNSSECStatus
    flaw: Flaw


Trust: TypeAlias = "SecureZone | UnsignedFrom | Broken"
Fact: TypeAlias = "SecureZone | UnsignedFrom | NoCut"


class TrustCache:
    """Facts by name, least recently used ones forgotten first. A fact counts from when it was learned until
    it expires, so a clock set back does not bring facts from the future with it.
    """

    __slots__ = ("_facts", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._facts: OrderedDict[dns.name.Name, tuple[float, Fact]] = OrderedDict()

    def get(self, name: dns.name.Name, now: float) -> Fact | None:
        """The fact about `name` that holds at `now`."""
        entry = self._facts.get(name)
        if entry is None:
            return None
        learned, fact = entry
        if not learned <= now < fact.expires:
            del self._facts[name]
            return None
        self._facts.move_to_end(name)
        return fact

    def put(self, name: dns.name.Name, fact: Fact, now: float) -> None:
        """Remember a fact learned at `now`."""
        self._facts[name] = (now, fact)
        self._facts.move_to_end(name)
        while len(self._facts) > self._size:
            self._facts.popitem(last=False)

    def __len__(self) -> int:
        return len(self._facts)
