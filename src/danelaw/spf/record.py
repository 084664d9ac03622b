"""SPF records: choosing one, reading it, writing it (RFC 7208 §3, §4.5, §4.6)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import TypeAlias

from danelaw.spf.errors import RecordError
from danelaw.spf.limits import MAX_RECORD_SIZE
from danelaw.spf.macro import MacroString
from danelaw.spf.terms import (
    IP4,
    IP6,
    MX,
    PTR,
    A,
    All,
    Directive,
    Exists,
    Explanation,
    Include,
    Mechanism,
    Modifier,
    Qualifier,
    Redirect,
    Term,
    UnknownModifier,
)

VERSION = "v=spf1"
# Directives and modifiers differ by the character behind the name (RFC 7208 §4.6.1).
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9\-_.]*)=(.*)", re.DOTALL)
_DIRECTIVE = re.compile(r"([+\-?~]?)([A-Za-z0-9]+)(?=[:/]|\Z)(.*)", re.DOTALL)
_DUAL_CIDR = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?\Z")
_PREFIX = re.compile(r"(0|[1-9][0-9]{0,2})\Z")
_MAX_CACHED = 1_024
_LOOKS_LIKE_IPV4 = re.compile(r"[0-9]+(?:\.[0-9]+){3}\Z")


@dataclass(frozen=True, slots=True)
class Networks:
    """A run of "ip4" and "ip6" directives, ready to be searched: (mask, network, directive) of each family.

    `text` names them in short, for a trace.
    """

    text: str
    v4: tuple[tuple[int, int, Directive], ...]
    v6: tuple[tuple[int, int, Directive], ...]

    @classmethod
    def gather(cls, directives: Iterable[Directive]) -> Networks:
        """From directives whose mechanisms are all `IP4` or `IP6`."""
        run = tuple(directives)
        found: dict[type, list[tuple[int, int, Directive]]] = {IP4: [], IP6: []}
        for directive in run:
            mechanism = directive.mechanism
            assert isinstance(mechanism, IP4 | IP6)
            mask = mask_of(mechanism.prefix, mechanism.address.max_prefixlen)
            found[type(mechanism)].append((mask, int(mechanism.address) & mask, directive))
        text = " ".join(directive.to_text() for directive in run[:3])
        if len(run) > 3:
            text += f" … ({len(run)} networks)"
        return cls(text, tuple(found[IP4]), tuple(found[IP6]))

    def find(self, address: int, version: int) -> Directive | None:
        """The first directive whose network holds the address."""
        for mask, network, directive in self.v4 if version == 4 else self.v6:
            if address & mask == network:
                return directive
        return None


Step: TypeAlias = Networks | Directive


@dataclass(frozen=True)
class Record:
    """One record. `terms` are all in order; the rest is derived: what is evaluated, and the two known modifiers."""

    terms: tuple[Term, ...]
    steps: tuple[Step, ...] = field(init=False, compare=False, repr=False)
    redirect: Redirect | None = field(init=False, compare=False, repr=False)
    explanation: Explanation | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        directives = [term for term in self.terms if isinstance(term, Directive)]
        has_all = any(isinstance(directive.mechanism, All) for directive in directives)
        redirect = next((term for term in self.terms if isinstance(term, Redirect)), None)
        # RFC 7208 §5.1: redirect is ignored beside "all", wherever either stands.
        object.__setattr__(self, "redirect", None if has_all else redirect)
        explanation = next((term for term in self.terms if isinstance(term, Explanation)), None)
        object.__setattr__(self, "explanation", explanation)
        object.__setattr__(self, "steps", tuple(_steps(directives)))

    @classmethod
    def from_text(cls, text: str) -> Record:
        """Parse a record; the TXT strings are joined without spaces (RFC 7208 §3.3), one character per octet.

        A syntax error anywhere spoils all of it (§4.6). Raises `RecordError`.
        """
        if len(text) > MAX_RECORD_SIZE:
            raise RecordError(f"the record has {len(text)} octets; {MAX_RECORD_SIZE} are read at most")
        if not is_spf(text):
            raise RecordError(f"the record does not begin with {VERSION} and a space")
        if not text.isascii():
            raise RecordError("the record holds octets beyond US-ASCII")
        record = cls(tuple(_term(word) for word in text[len(VERSION) :].split(" ") if word))
        for kind, name in ((Redirect, "redirect"), (Explanation, "exp")):
            if sum(isinstance(term, kind) for term in record.terms) > 1:
                raise RecordError(f"{name}= stands more than once")
        return record

    def to_text(self) -> str:
        """The record as it could be published."""
        return " ".join((VERSION, *(term.to_text() for term in self.terms)))


def is_spf(text: str) -> bool:
    """True when a TXT record begins with the version section, in any case (RFC 7208 §4.5)."""
    return text[:6].lower() == VERSION and text[6:7] in ("", " ")


def select(texts: Iterable[str]) -> str | None:
    """The one SPF record among the TXT records of a name, None when there is none (RFC 7208 §4.5).

    Raises `RecordError` when there are several.
    """
    found = [text for text in texts if is_spf(text)]
    if len(found) > 1:
        raise RecordError(f"there are {len(found)} SPF records, and only one is allowed")
    return found[0] if found else None


def parse(text: str) -> Record | RecordError:
    """Like `Record.from_text`, with the error as a value; what is short is remembered by its text."""
    return _remembered(text) if len(text) <= _MAX_CACHED else _parse(text)


def mask_of(prefix: int, width: int) -> int:
    """The netmask of a prefix length, as a number of `width` bits."""
    return ((1 << prefix) - 1) << (width - prefix)


def _parse(text: str) -> Record | RecordError:
    try:
        return Record.from_text(text)
    except RecordError as error:
        return RecordError(error.reason)  # a new one, which keeps no frames alive


_remembered = lru_cache(maxsize=1_024)(_parse)


def _steps(directives: list[Directive]) -> Iterable[Step]:
    """What is evaluated: runs of networks as one step, and nothing behind "all" (RFC 7208 §5.1)."""
    run: list[Directive] = []
    for directive in directives:
        if isinstance(directive.mechanism, IP4 | IP6):
            run.append(directive)
            continue
        if run:
            yield Networks.gather(run)
            run = []
        yield directive
        if isinstance(directive.mechanism, All):
            return
    if run:
        yield Networks.gather(run)


def _term(word: str) -> Term:
    modifier = _MODIFIER.match(word)
    if modifier is not None:
        return _modifier(modifier[1], modifier[2])
    match = _DIRECTIVE.match(word)
    read = _MECHANISMS.get(match[2].lower()) if match is not None else None
    if match is None or read is None:
        raise RecordError(f"{word[:60]!r} is neither a mechanism nor a modifier")
    return Directive(Qualifier(match[1] or "+"), read(match[3], word))


def _modifier(name: str, value: str) -> Modifier:
    known = name.lower()
    if known == "redirect":
        return Redirect(MacroString.domain_spec(value))
    if known == "exp":
        return Explanation(MacroString.domain_spec(value))
    return UnknownModifier(name, MacroString.from_text(value))


def _all(rest: str, word: str) -> All:
    if rest:
        raise RecordError(f"{word[:60]!r}: nothing can follow all")
    return All()


def _domain(rest: str, word: str) -> MacroString:
    """The obligatory domain-spec behind a colon."""
    if len(rest) < 2 or rest[0] != ":":
        raise RecordError(f"{word[:60]!r} lacks a domain")
    return MacroString.domain_spec(rest[1:])


def _optional_domain(rest: str, word: str) -> MacroString | None:
    if rest and _LOOKS_LIKE_IPV4.match(rest[1:]):
        raise RecordError(f"{word[:60]!r} has an address where a name belongs; ip4 takes addresses")
    return _domain(rest, word) if rest else None


def _with_prefixes(rest: str, word: str) -> tuple[MacroString | None, int, int]:
    match = _DUAL_CIDR.search(rest)
    assert match is not None  # it also matches nothing at all
    ipv4, ipv6 = int(match[1] or 32), int(match[2] or 128)
    if ipv4 > 32 or ipv6 > 128:
        raise RecordError(f"{word[:60]!r} has a prefix length out of range")
    return _optional_domain(rest[: match.start()], word), ipv4, ipv6


def _network(rest: str, word: str, width: int) -> tuple[str, int]:
    address, slash, prefix = rest.removeprefix(":").partition("/")
    if not rest.startswith(":") or (slash and _PREFIX.match(prefix) is None):
        raise RecordError(f"{word[:60]!r} is not an address with an optional prefix length")
    length = int(prefix) if slash else width
    if length > width:
        raise RecordError(f"{word[:60]!r} has a prefix length above {width}")
    return address, length


def _ip4(rest: str, word: str) -> IP4:
    address, prefix = _network(rest, word, 32)
    try:
        return IP4(IPv4Address(address), prefix)
    except AddressValueError:
        raise RecordError(f"{word[:60]!r} holds no IPv4 address") from None


def _ip6(rest: str, word: str) -> IP6:
    address, prefix = _network(rest, word, 128)
    try:
        if "%" not in address:  # a scope is no part of RFC 4291 §2.2
            return IP6(IPv6Address(address), prefix)
    except AddressValueError:
        pass
    raise RecordError(f"{word[:60]!r} holds no IPv6 address")


_MECHANISMS: dict[str, Callable[[str, str], Mechanism]] = {
    "all": _all,
    "include": lambda rest, word: Include(_domain(rest, word)),
    "a": lambda rest, word: A(*_with_prefixes(rest, word)),
    "mx": lambda rest, word: MX(*_with_prefixes(rest, word)),
    "ptr": lambda rest, word: PTR(_optional_domain(rest, word)),
    "ip4": _ip4,
    "ip6": _ip6,
    "exists": lambda rest, word: Exists(_domain(rest, word)),
}
