"""Patterns in rules: addresses, domains, texts, networks, times of the week."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network
from zoneinfo import ZoneInfo

from danelaw.errors import DanelawError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SCHEDULE = re.compile(
    r"(?:(?P<first>[A-Za-z]{3})(?:-(?P<last>[A-Za-z]{3}))?)?\s*"
    r"(?:(?P<h1>[01]?\d|2[0-3]):(?P<m1>[0-5]\d)-(?P<h2>[01]?\d|2[0-4]):(?P<m2>[0-5]\d))?",
    re.ASCII,
)


class PatternError(DanelawError, ValueError):
    """A pattern that cannot be read."""


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    """`*` stands for anything, `?` for one character, nothing else for anything but itself; case does not count."""
    parts = (".*" if one == "*" else "." if one == "?" else re.escape(one) for one in re.split(r"([*?])", pattern))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def text_matches(pattern: str, text: str) -> bool:
    """Whether a text is as the pattern says: `*lottery*`."""
    return _glob(pattern).fullmatch(text) is not None


def address_matches(pattern: str, address: str) -> bool:
    """Whether an address is meant: `anna@example.org`, `*@example.org`, `example.org` (all of that domain),
    `.example.org` (all below it), `<>` (the null reverse-path).
    """
    if pattern == "<>":
        return not address
    if "@" in pattern:
        return text_matches(pattern, address)
    domain = address.rpartition("@")[2].lower()
    wanted = pattern.lower()
    return domain.endswith(wanted) if wanted.startswith(".") else bool(address) and domain == wanted


def within(networks: Iterable[str], address: str) -> bool:
    """Whether an IP address lies in one of the networks."""
    own = ip_address(address.partition("%")[0])
    own = getattr(own, "ipv4_mapped", None) or own
    return any(own.version == network.version and own in network for network in map(_network, networks))


_network = lru_cache(maxsize=4096)(ip_network)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A time of the week: days and hours, by the clock of a place."""

    days: frozenset[int]
    begin: int
    end: int

    @classmethod
    def from_text(cls, text: str) -> Schedule:
        """Read `Mon-Fri 08:00-18:00`, `Sat`, or `22:00-06:00`, which goes over midnight. Raises `PatternError`."""
        match = _SCHEDULE.fullmatch(text.strip())
        if match is None or not text.strip():
            raise PatternError(f'{text[:40]!r} is no time of the week; write "Mon-Fri 08:00-18:00"')
        return cls(_days(match["first"], match["last"]), *_hours(match))

    def holds(self, now: float, zone: str) -> bool:
        """Whether the moment (POSIX seconds) lies in it, in this time zone. A night belongs to the day it begins."""
        there = datetime.fromtimestamp(now, _zone(zone))
        minute, day = there.hour * 60 + there.minute, there.weekday()
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        if minute >= self.begin:
            return day in self.days
        return minute < self.end and (day - 1) % 7 in self.days


def _days(first: str | None, last: str | None) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    begin = _day(first)
    end = begin if last is None else _day(last)
    return frozenset((begin + n) % 7 for n in range((end - begin) % 7 + 1))


def _day(name: str) -> int:
    try:
        return _DAYS.index(name.lower())
    except ValueError:
        raise PatternError(f"{name!r} is no day; write Mon, Tue, Wed, Thu, Fri, Sat or Sun") from None


def _hours(match: re.Match[str]) -> tuple[int, int]:
    if match["h1"] is None:
        return 0, 24 * 60
    begin, end = int(match["h1"]) * 60 + int(match["m1"]), int(match["h2"]) * 60 + int(match["m2"])
    if end > 24 * 60 or begin == end:
        raise PatternError("hours go from one time to another, at most to 24:00")
    return begin, end


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def any_of(matches: Callable[[str, str], bool], patterns: Iterable[str], texts: Iterable[str]) -> str | None:
    """The first of the texts that one of the patterns means; None when none is."""
    patterns = tuple(patterns)
    return next((text for text in texts if any(matches(pattern, text) for pattern in patterns)), None)
