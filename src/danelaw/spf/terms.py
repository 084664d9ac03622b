"""The terms of a record: directives with their mechanisms, and modifiers (RFC 7208 §4.6.1, §5, §6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from danelaw.spf.macro import MacroString
from danelaw.spf.result import SPFResult


class Qualifier(Enum):
    """What a match means (RFC 7208 §4.6.2)."""

    PASS = "+"
    FAIL = "-"
    SOFTFAIL = "~"
    NEUTRAL = "?"

    @property
    def result(self) -> SPFResult:
        """The result of a match."""
        return SPFResult[self.name]


@dataclass(frozen=True, slots=True)
class All:
    """Always matches (RFC 7208 §5.1)."""

    def to_text(self) -> str:
        """The mechanism as published."""
        return "all"


@dataclass(frozen=True, slots=True)
class Include:
    """Matches when the record of another domain says pass (RFC 7208 §5.2)."""

    domain: MacroString

    def to_text(self) -> str:
        """The mechanism as published."""
        return f"include:{self.domain.text}"


@dataclass(frozen=True, slots=True)
class A:
    """Matches addresses of a name; `domain` None is the domain itself (RFC 7208 §5.3)."""

    domain: MacroString | None = None
    ipv4_prefix: int = 32
    ipv6_prefix: int = 128

    def to_text(self) -> str:
        """The mechanism as published."""
        return "a" + _target(self.domain) + _dual_cidr(self.ipv4_prefix, self.ipv6_prefix)


@dataclass(frozen=True, slots=True)
class MX:
    """Matches addresses of the MX hosts of a name (RFC 7208 §5.4)."""

    domain: MacroString | None = None
    ipv4_prefix: int = 32
    ipv6_prefix: int = 128

    def to_text(self) -> str:
        """The mechanism as published."""
        return "mx" + _target(self.domain) + _dual_cidr(self.ipv4_prefix, self.ipv6_prefix)


@dataclass(frozen=True, slots=True)
class PTR:
    """Matches when a validated name of the client lies at or below a name (RFC 7208 §5.5)."""

    domain: MacroString | None = None

    def to_text(self) -> str:
        """The mechanism as published."""
        return "ptr" + _target(self.domain)


@dataclass(frozen=True, slots=True)
class IP4:
    """Matches clients of an IPv4 network; host bits may be set (RFC 7208 §5.6)."""

    address: IPv4Address
    prefix: int = 32

    def to_text(self) -> str:
        """The mechanism as published."""
        return f"ip4:{self.address}" + (f"/{self.prefix}" if self.prefix != 32 else "")


@dataclass(frozen=True, slots=True)
class IP6:
    """Matches clients of an IPv6 network; host bits may be set (RFC 7208 §5.6)."""

    address: IPv6Address
    prefix: int = 128

    def to_text(self) -> str:
        """The mechanism as published."""
        return f"ip6:{self.address}" + (f"/{self.prefix}" if self.prefix != 128 else "")


@dataclass(frozen=True, slots=True)
class Exists:
    """Matches when a name has any A record (RFC 7208 §5.7)."""

    domain: MacroString

    def to_text(self) -> str:
        """The mechanism as published."""
        return f"exists:{self.domain.text}"


Mechanism: TypeAlias = All | Include | A | MX | PTR | IP4 | IP6 | Exists


@dataclass(frozen=True, slots=True)
class Directive:
    """A mechanism and what its match means."""

    qualifier: Qualifier
    mechanism: Mechanism

    def to_text(self) -> str:
        """The directive as published; a plus sign is implied."""
        sign = "" if self.qualifier is Qualifier.PASS else self.qualifier.value
        return sign + self.mechanism.to_text()

    def __str__(self) -> str:
        return self.to_text()


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where the record to use instead is, when nothing matched (RFC 7208 §6.1)."""

    domain: MacroString

    def to_text(self) -> str:
        """The modifier as published."""
        return f"redirect={self.domain.text}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where the words for a fail are (RFC 7208 §6.2)."""

    domain: MacroString

    def to_text(self) -> str:
        """The modifier as published."""
        return f"exp={self.domain.text}"


@dataclass(frozen=True, slots=True)
class UnknownModifier:
    """A modifier of another specification, to be ignored (RFC 7208 §6)."""

    name: str
    value: MacroString

    def to_text(self) -> str:
        """The modifier as published."""
        return f"{self.name}={self.value.text}"


Modifier: TypeAlias = Redirect | Explanation | UnknownModifier
Term: TypeAlias = Directive | Modifier


def _target(domain: MacroString | None) -> str:
    return "" if domain is None else f":{domain.text}"


def _dual_cidr(ipv4_prefix: int, ipv6_prefix: int) -> str:
    return (f"/{ipv4_prefix}" if ipv4_prefix != 32 else "") + (f"//{ipv6_prefix}" if ipv6_prefix != 128 else "")
