"""Questions put to DNS, class IN (RFC 1035 §4.1.2), and the generator protocol of pure look-ups."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import dns.name
import dns.rdatatype

if TYPE_CHECKING:
    from danelaw.dnsdata.answer import Answer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """One question: an absolute name and a type."""

    name: dns.name.Name
    rdtype: dns.rdatatype.RdataType
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        # A name works out its hash letter by letter, in Python; questions are asked again and again.
        if not self._hash:
            object.__setattr__(self, "_hash", hash((self.name, int(self.rdtype))))
        return self._hash

    @classmethod
    def from_text(cls, name: str, rdtype: str) -> Question:
        """Build from text such as `("mx.example.org", "TLSA")`; the name is taken as absolute.

        Raises `dns.exception.DNSException` when either part cannot be parsed.
        """
        return cls(dns.name.from_text(name), dns.rdatatype.from_text(rdtype))

    def __str__(self) -> str:
        return f"{self.name} {dns.rdatatype.to_text(self.rdtype)}"


Lookup: TypeAlias = "Generator[tuple[Question, ...], tuple[Answer, ...], T]"
