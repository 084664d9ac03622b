"""What changed since an earlier survey."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from danelaw.adoption.facts import DomainFacts
from danelaw.adoption.summary import SCHEMA
from danelaw.adoption.words import KINDS
from danelaw.errors import DanelawError

SHOWN = 20
_RANK = {value: rank for rank, value in enumerate(KINDS["level"].words)}
_COMPARED = ("level", "dnssec", "dane", "mta_sts", "tlsrpt")
_UNTESTED = frozenset({"unknown", "untested", "announced"})


class NoSurvey(DanelawError, ValueError):
    """The file is no survey that can be compared with."""


@dataclass(frozen=True, slots=True, order=True)
class Changed:
    """One domain whose level is another now; ordered by `recipients`."""

    recipients: int
    domain: str
    before: str
    now: str

    @property
    def better(self) -> bool:
        """True when it is stronger than before."""
        return _RANK.get(self.now, 99) < _RANK.get(self.before, 99)


@dataclass(slots=True)
class Comparison:
    """Compares domain by domain. `moves` counts (kind, before, now); what was not tested either time is left out.

    `earlier` are the values of the earlier survey by domain, `made_at` when it was made.
    """

    earlier: Mapping[str, Mapping[str, str]]
    made_at: float
    moves: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    new: int = 0
    met: int = 0
    _changed: list[Changed] = field(default_factory=list)
    _seen_mail: int = 0

    @classmethod
    def from_json(cls, value: object) -> Comparison:
        """Take over what `danelaw survey --write FILE.json` wrote. Raises `NoSurvey`."""
        if not isinstance(value, dict) or value.get("schema") != SCHEMA:
            raise NoSurvey("the file is no survey", advice="--compare takes what --write NAME.json wrote")
        rows = value.get("domains")
        if not isinstance(rows, list):
            raise NoSurvey("the file has no domains in it", advice="--compare takes what --write NAME.json wrote")
        earlier: dict[str, dict[str, str]] = {}
        for row in rows:
            if isinstance(row, dict) and isinstance(row.get("domain"), str):
                kept = {kind: str(row[kind]) for kind in _COMPARED if isinstance(row.get(kind), str)}
                earlier[row["domain"]] = kept if row.get("mail", "yes") == "yes" else {}
        made = value.get("made_at")
        return cls(earlier, float(made) if isinstance(made, int | float) else 0.0)

    def add(self, facts: DomainFacts) -> None:
        """Compare one domain with what it was."""
        before = self.earlier.get(facts.domain)
        if before is None:
            self.new += 1
            return
        self.met += 1
        if not before or not facts.takes_mail:
            return
        for kind in _COMPARED:
            old, now = before.get(kind), facts.value(kind)
            if old is None or old == now or old in _UNTESTED or now in _UNTESTED:
                continue
            self.moves[kind, old, now] += 1
            if kind == "level":
                heapq.heappush(self._changed, Changed(facts.recipients, facts.domain, old, now))
                if len(self._changed) > 2 * SHOWN:
                    heapq.heappop(self._changed)

    @property
    def gone(self) -> int:
        """Domains of the earlier survey that are not in this one."""
        return len(self.earlier) - self.met

    @property
    def changed(self) -> list[Changed]:
        """Domains whose level changed, those with most recipients first."""
        return sorted(self._changed, key=lambda one: (-one.recipients, one.domain))[:SHOWN]

    def count(self, *, better: bool) -> int:
        """How many domains are at a stronger, or a weaker, level than before."""
        return sum(
            number
            for (kind, old, now), number in self.moves.items()
            if kind == "level" and (_RANK.get(now, 99) < _RANK.get(old, 99)) is better
        )

    def to_json(self) -> dict[str, Any]:
        """The form of docs/schemas/survey.md."""
        return {
            "made_at": self.made_at,
            "new": self.new,
            "gone": self.gone,
            "better": self.count(better=True),
            "worse": self.count(better=False),
            "moves": [
                {"kind": kind, "before": old, "now": now, "domains": number}
                for (kind, old, now), number in sorted(self.moves.items(), key=lambda item: (-item[1], item[0]))
            ],
            "changed": [
                {"domain": one.domain, "recipients": one.recipients, "before": one.before, "now": one.now}
                for one in self.changed
            ],
        }
