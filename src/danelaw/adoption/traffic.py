"""Own mail by protection over time: the arithmetic of `danelaw stats`.

What is counted are recipients: each that a server took, by how the connection was protected. Tries that sent nothing
are counted apart; they say how often protection stood in the way, and come again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from danelaw.tlspolicy import Protection

DAY = 86_400
SCHEMA = "danelaw/stats/1"
OTHERS = "(others)"
WAYS = ("day", "domain", "provider", "protection", "tls")
_STRONGEST_FIRST = {one.value: place for place, one in enumerate(Protection)}
VERIFIED = frozenset(one.value for one in Protection if one.verified)
_SPAN = 7


class TrafficRow(NamedTuple):
    """One sum of one day. `day` counts from 1970-01-01 (UTC). `direction` is `out` or `in`; `outcome` is that of a try
    (`delivered | waiting | returned`), and `received` for what came in. `protection` is a word of the closed
    vocabulary, `tls` a version or empty. `site` and `domain` are empty for what is not told apart.
    """

    day: int
    direction: str
    outcome: str
    protection: str
    tls: str
    site: str
    domain: str
    recipients: int
    tries: int


@dataclass(slots=True)
class Line:
    """One line of a table: delivered recipients by protection, and tries that sent nothing."""

    name: str
    delivered: dict[str, int] = field(default_factory=dict)
    stopped: int = 0

    @property
    def recipients(self) -> int:
        """All that were delivered."""
        return sum(self.delivered.values())

    @property
    def verified(self) -> int:
        """Delivered to servers that proved to be the destination's."""
        return sum(number for word, number in self.delivered.items() if word in VERIFIED)

    def add(self, row: TrafficRow) -> None:
        """Count a row of outgoing mail."""
        if row.outcome == "delivered":
            self.delivered[row.protection] = self.delivered.get(row.protection, 0) + row.recipients
        elif row.protection == Protection.NOTHING_SENT.value:
            self.stopped += row.tries

    def to_json(self) -> dict[str, Any]:
        """The form of docs/schemas/stats.md."""
        return {
            "name": self.name,
            "recipients": self.recipients,
            "verified": self.verified,
            "tries_without_sending": self.stopped,
            "protection": dict(sorted(self.delivered.items(), key=lambda item: strength(item[0]))),
        }


@dataclass(slots=True)
class Traffic:
    """All rows of a period added up in one way: `by` is one of `WAYS`."""

    by: str
    total: Line = field(default_factory=lambda: Line("total"))
    received: dict[str, int] = field(default_factory=dict)
    _lines: dict[str, Line] = field(default_factory=dict)
    _days: dict[int, Line] = field(default_factory=dict)

    def add(self, rows: Iterable[TrafficRow]) -> None:
        """Count rows, of any shard and in any order."""
        for row in rows:
            if row.direction == "in":
                self.received[row.tls] = self.received.get(row.tls, 0) + row.tries
                continue
            self.total.add(row)
            name = self._name(row)
            self._lines.setdefault(name, Line(name)).add(row)
            self._days.setdefault(row.day, Line("")).add(row)

    def lines(self, most: int | None = None) -> list[Line]:
        """The lines: days in their order, protections by strength, all else by recipients; the smallest are left out
        where there are more than `most`, of days the oldest.
        """
        found = [line for line in self._lines.values() if line.recipients or line.stopped]
        if self.by == "day":
            found.sort(key=lambda line: line.name)
            return found[-most:] if most is not None else found
        if self.by == "protection":
            found.sort(key=lambda line: strength(line.name))
        else:
            found.sort(key=lambda line: (-line.recipients, -line.stopped, line.name))
        return found[:most]

    @property
    def days(self) -> tuple[str, str] | None:
        """The first and last day with any mail, None without any."""
        return (day_name(min(self._days)), day_name(max(self._days))) if self._days else None

    @property
    def trend(self) -> tuple[float, float] | None:
        """The share verified in the first days and in the last: of seven days each, or of halves of a shorter time.

        None where there is nothing to compare.
        """
        days = sorted(day for day, line in self._days.items() if line.recipients)
        if len(days) < 2:
            return None
        span = min(_SPAN, max((days[-1] - days[0] + 1) // 2, 1))
        first = [self._days[day] for day in days if day < days[0] + span]
        last = [self._days[day] for day in days if day > days[-1] - span]
        return _share(first), _share(last)

    def to_json(self) -> dict[str, Any]:
        """The form of docs/schemas/stats.md."""
        trend = self.trend
        return {
            "schema": SCHEMA,
            "by": self.by,
            "days": list(self.days) if self.days is not None else None,
            "total": self.total.to_json(),
            "verified_first": None if trend is None else round(trend[0], 4),
            "verified_last": None if trend is None else round(trend[1], 4),
            "received_messages": dict(sorted(self.received.items(), reverse=True)),
            "lines": [line.to_json() for line in self.lines()],
        }

    def _name(self, row: TrafficRow) -> str:
        names = {
            "day": day_name(row.day),
            "domain": row.domain or OTHERS,
            "provider": row.site or OTHERS,
            "protection": row.protection or "not by SMTP",
            "tls": row.tls or "no TLS",
        }
        return names[self.by]


def bounded(rows: Mapping[TrafficRow, tuple[int, int]], domains: int, sites: int) -> list[TrafficRow]:
    """Rows of one day (their own numbers 0) with (recipients, tries), so that no more than so many domains and sites
    are told apart: those with most recipients and tries. The sums stay exact.
    """
    by_domain: dict[str, int] = {}
    by_site: dict[str, int] = {}
    for row, (recipients, tries) in rows.items():
        by_domain[row.domain] = by_domain.get(row.domain, 0) + recipients + tries
        by_site[row.site] = by_site.get(row.site, 0) + recipients + tries
    kept_domains, kept_sites = _largest(by_domain, domains), _largest(by_site, sites)
    sums: dict[TrafficRow, list[int]] = {}
    for row, (recipients, tries) in rows.items():
        kept = row._replace(
            domain=row.domain if row.domain in kept_domains else "", site=row.site if row.site in kept_sites else ""
        )
        numbers = sums.setdefault(kept, [0, 0])
        numbers[0] += recipients
        numbers[1] += tries
    return [row._replace(recipients=numbers[0], tries=numbers[1]) for row, numbers in sums.items()]


def _largest(sizes: Mapping[str, int], most: int) -> frozenset[str]:
    return frozenset(sorted(sizes, key=lambda name: (-sizes[name], name))[:most])


def _share(lines: Iterable[Line]) -> float:
    found = list(lines)
    whole = sum(line.recipients for line in found)
    return sum(line.verified for line in found) / whole if whole else 0.0


def strength(word: str) -> int:
    """Where a protection stands, strongest first; other words last."""
    return _STRONGEST_FIRST.get(word, len(_STRONGEST_FIRST))


def day_of(when: float) -> int:
    """The day (UTC) of a moment in POSIX seconds."""
    return int(when // DAY)


def day_name(day: int) -> str:
    """`2026-11-26`."""
    return datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%d")
