"""Why a message is held, since when, and until when.

A message has a custody while at least one of its recipients is `RecipientState.HELD`. Every way into that state makes
one: a step or a rule at arrival, an operator, a next hop's reply that says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

OPERATOR, DELIVERY = "operator", "delivery"
"""Who holds where it was no step of arrival: `danelaw queue hold`, or what a next hop said."""


_quoted = json.encoder.encode_basestring


class HeldBy(NamedTuple):
    """`step` in one word (a step's name, `operator`, `delivery`), and its reason in words."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class Custody:
    """`holds` in the order they were ruled, at least one; times in POSIX seconds, `until` None for "until released".

    What happens at `until` is a setting of the quarantine. The lifetime of a held message stands still: on release it
    has as much left as it had at `since`.
    """

    holds: tuple[HeldBy, ...]
    since: float
    until: float | None = None

    @property
    def step(self) -> str:
        """Who held it first: what retention, limits and lists go by."""
        return self.holds[0].step

    @property
    def reason(self) -> str:
        """All reasons in one line."""
        return "; ".join(dict.fromkeys(hold.reason for hold in self.holds))

    def also(self, hold: HeldBy) -> Custody:
        """The same with one more hold; who holds already is not listed twice."""
        if hold in self.holds:
            return self
        return Custody((*self.holds, hold), self.since, self.until)

    def holds_text(self) -> str:
        """`holds` as JSON: `[["clamd","Eicar"],["rule","…"]]`."""
        return json.dumps(self.holds, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_stored(cls, holds: str, since: float, until: float | None) -> Custody:
        """From what `holds_text` wrote."""
        return cls(tuple(HeldBy(*hold) for hold in json.loads(holds)), since, until)


def findings_text(found: Iterable[tuple[str, str, str]]) -> str:
    """`QueuedMessage.findings` of steps' findings: step, result in one word, evidence in words. Empty when nothing.

    By hand: every message that is examined has some, and setting up a JSON encoder for each costs more than storing it.
    """
    kept = ",".join([f"[{_quoted(step)},{_quoted(result)},{_quoted(reason)}]" for step, result, reason in found])
    return f"[{kept}]" if kept else ""
