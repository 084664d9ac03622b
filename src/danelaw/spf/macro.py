"""Macros: read once, expanded for each message (RFC 7208 §7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from danelaw.spf.errors import RecordError

_EXPAND = re.compile(r"%(?:\{([A-Za-z])([0-9]*)([rR]?)([.\-+,/_=]*)\}|([%_-]))")
_LITERAL = re.compile(r"[\x21-\x24\x26-\x7e]+")
_EXPLAIN_LITERAL = re.compile(r"[\x20-\x24\x26-\x7e]+")
_CONSTANTS = {"%": "%", "_": " ", "-": "%20"}
# toplabel of RFC 7208 §7.1: letters, digits and hyphens, no hyphen at either end, not digits alone.
_TOP_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\Z")
_LETTERS = frozenset("slodiphv")
_EXPLAIN_LETTERS = _LETTERS | frozenset("crt")
_MOST_PARTS = 1_000
"""RFC 7208 §7.3 asks for at least 127; no expansion has more parts than a local-part has octets."""


@dataclass(frozen=True, slots=True)
class Macro:
    """One `%{…}`: the lower-case letter, whether the value is URL-escaped, and how it is cut up (RFC 7208 §7.3)."""

    letter: str
    escaped: bool = False
    parts: int | None = None
    reverse: bool = False
    delimiters: str = ""

    def transform(self, value: str) -> str:
        """The value split, reversed, shortened, joined with dots and escaped, in this order."""
        if self.parts is not None or self.reverse or self.delimiters:
            pieces = _split(value, self.delimiters or ".")
            if self.reverse:
                pieces.reverse()
            if self.parts is not None:
                pieces = pieces[-self.parts :]
            value = ".".join(pieces)
        return quote(value, safe="") if self.escaped else value


@dataclass(frozen=True, slots=True)
class MacroString:
    """A macro-string as published (`text`) and its parts: literals and macros in turn."""

    text: str
    parts: tuple[str | Macro, ...]
    letters: frozenset[str]

    @classmethod
    def from_text(cls, text: str) -> MacroString:
        """Parse the value of an unknown modifier; every letter is allowed there. Raises `RecordError`."""
        return _read(text, _LITERAL, _EXPLAIN_LETTERS)[0]

    @classmethod
    def domain_spec(cls, text: str) -> MacroString:
        """Parse a domain-spec: it ends with a macro, or with a dot and a top label (RFC 7208 §7.1).

        Raises `RecordError`.
        """
        found, last = _read(text, _LITERAL, _LETTERS)
        if not last.startswith("%") and not _ends_like_a_domain(last):
            raise RecordError(f"{text[:80]!r} is no domain: it ends neither with a macro nor with a top-level label")
        return found

    @classmethod
    def explanation(cls, text: str) -> MacroString:
        """Parse an explain-string, which may hold spaces and the letters c, r and t. Raises `RecordError`."""
        return _read(text, _EXPLAIN_LITERAL, _EXPLAIN_LETTERS)[0]

    @property
    def constant(self) -> bool:
        """True when the expansion is always the same."""
        return not self.letters

    @property
    def names_sender(self) -> bool:
        """True when it holds the macros s or l, which match nothing for a local-part beyond ASCII (RFC 8616 §4)."""
        return "s" in self.letters or "l" in self.letters

    def expand(self, values: Mapping[str, str]) -> str:
        """The expansion; `values` has a value for each of `letters`."""
        # A record may repeat one macro thousands of times: it is worked out once.
        known = {part: part.transform(values[part.letter]) for part in self.parts if isinstance(part, Macro)}
        return "".join(part if isinstance(part, str) else known[part] for part in self.parts)

    def to_text(self) -> str:
        """As it was published."""
        return self.text


def fit(name: str) -> str:
    """An expanded name without as many labels on its left as make it longer than 253 characters (RFC 7208 §7.3)."""
    if len(name) <= 253:
        return name
    return name[name.find(".", len(name) - 254) + 1 :]


def _split(value: str, delimiters: str) -> list[str]:
    first, *others = dict.fromkeys(delimiters)
    for delimiter in others:
        value = value.replace(delimiter, first)
    return value.split(first)


def _read(text: str, literals: re.Pattern[str], letters: frozenset[str]) -> tuple[MacroString, str]:
    """The parts, and the last of them as it was written: a literal, or a macro with its percent sign."""
    parts: list[str | Macro] = []
    place, last = 0, ""
    while place < len(text):
        match = literals.match(text, place)
        if match is not None:
            parts.append(match[0])
        else:
            match = _EXPAND.match(text, place)
            if match is None:
                raise RecordError(f"{text[place : place + 20]!r}: neither a macro nor text that may stand here")
            parts.append(_macro(match, letters))
        place, last = match.end(), match[0]
    found = frozenset(part.letter for part in parts if isinstance(part, Macro))
    return MacroString(text, tuple(parts), found), last


def _macro(match: re.Match[str], letters: frozenset[str]) -> str | Macro:
    letter, digits, reverse, delimiters, constant = match.groups()
    if constant is not None:
        return _CONSTANTS[constant]
    if letter.lower() not in letters:
        raise RecordError(f"{match[0][:20]!r}: there is no macro {letter!r} here")
    parts = None
    if digits:
        significant = digits.lstrip("0")
        if not significant:
            raise RecordError(f"{match[0][:20]!r}: the number of parts cannot be zero")
        parts = min(int(significant[:6]), _MOST_PARTS)
    return Macro(letter.lower(), letter.isupper(), parts, bool(reverse), delimiters)


def _ends_like_a_domain(literal: str) -> bool:
    _, dot, label = literal.removesuffix(".").rpartition(".")
    return bool(dot) and _TOP_LABEL.match(label) is not None and not label.isdigit()
