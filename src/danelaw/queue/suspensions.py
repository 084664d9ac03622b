"""Suspensions: no new deliveries for the queues a filter names, until a time, for a reason."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from danelaw.queue.filter import Filter, FilterError
from danelaw.queue.filter_terms import All, AnyOf, Not, Term, TextTerm
from danelaw.queue.values import QueuedMessage, QueuedRecipient, RoutingKey

QUEUE_FIELDS = ("host", "site", "tenant", "job", "demand", "priority")
_NOBODY = QueuedMessage(0, 0.0, 0.0, "", (), 0)
MOST = 1000
"""How many suspensions may be in force."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """`filter` names queues (by `QUEUE_FIELDS`); `until` is POSIX seconds; `who` set it, and why."""

    filter: Filter
    until: float
    because: str = ""
    who: str = ""

    @classmethod
    def make(cls, text: str, until: float, because: str = "", who: str = "") -> Suspension:
        """Parse the filter. Raises `FilterError`, also for one that names messages rather than queues."""
        chosen = Filter.from_text(text)
        wrong = [name for name in _fields(chosen.term) if name not in QUEUE_FIELDS]
        if wrong:
            raise FilterError(
                f"'{wrong[0]}' is about single messages, and a suspension is about whole queues",
                0,
                advice=f"use {', '.join(QUEUE_FIELDS)}, or hold messages: danelaw queue hold",
            )
        return cls(chosen, until, because, who)

    def names(self, key: RoutingKey, site: str) -> bool:
        """True when the queue of this key, whose mail goes to this MX site, is suspended by it."""
        recipient = QueuedRecipient(0, "", key, site=site)
        return self.filter.matches(_NOBODY, recipient, 0.0)


def _fields(term: Term) -> Iterable[str]:
    if isinstance(term, All | AnyOf):
        return [name for inner in term.terms for name in _fields(inner)]
    if isinstance(term, Not):
        return _fields(term.term)
    return [term.field] if isinstance(term, TextTerm) else [type(term).__name__.removesuffix("Term").lower()]


def encode(suspensions: Iterable[Suspension]) -> bytes:
    """For storing across restarts."""
    return json.dumps([[one.filter.text, one.until, one.because, one.who] for one in suspensions]).encode()


def decode(stored: bytes | None, now: float) -> tuple[Suspension, ...]:
    """What `encode` gave, without those that have ended."""
    if not stored:
        return ()
    found = [
        Suspension.make(str(text), float(until), str(why), str(who)) for text, until, why, who in json.loads(stored)
    ]
    return tuple(one for one in found if one.until > now)
