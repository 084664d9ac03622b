"""Hold rules: mail yet to come that is to be held, named in the language of all filters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from re import IGNORECASE, Pattern
from re import compile as regex

from danelaw.errors import DanelawError
from danelaw.queue import Filter, QueuedMessage
from danelaw.queue.filter_terms import All, AnyOf, Not, NumberTerm, Term, TextTerm

FIELDS = ("to", "from", "client", "message-id", "size")
"""What of the filter language is known before a message is in the queue."""
MOST_RULES = 1000
_MOST_PATTERN = 200


class HoldRuleError(DanelawError):
    """The rule cannot be kept."""


@dataclass(frozen=True, slots=True)
class HoldRule:
    """Holds what meets `filter` and, where there is one, whose decoded subject meets `subject` (`*`, `?`; case does not
    count; without wildcards anywhere in it). `expires` in POSIX seconds, None for "until removed". `number` is 0 until
    it is stored.
    """

    number: int
    filter: Filter
    subject: str
    reason: str
    expires: float | None
    added_at: float
    who: str

    @classmethod
    def of(
        cls, text: str, reason: str, *, subject: str = "", expires: float | None = None, added_at: float, who: str
    ) -> HoldRule:
        """Check everything. Raises `HoldRuleError`, `FilterError`."""
        given = Filter.from_text(text)
        for name in _fields(given.term):
            if name not in FIELDS:
                raise HoldRuleError(
                    f"'{name}' says nothing about mail that is not here yet", advice=f"use {', '.join(FIELDS)}"
                )
        if given.everything and not subject:
            raise HoldRuleError("a rule without a condition would hold all mail", advice="name a sender or recipient")
        if not reason.strip() or not reason.isprintable():
            raise HoldRuleError("a rule needs a reason, in one line", advice="add --because TICKET")
        if len(subject) > _MOST_PATTERN or not (subject.isprintable() or not subject):
            raise HoldRuleError(f"a subject pattern has at most {_MOST_PATTERN} printable characters")
        if expires is not None and expires <= added_at:
            raise HoldRuleError("the rule would have ended already")
        return cls(0, given, subject, reason.strip(), expires, added_at, who)

    def active(self, now: float) -> bool:
        """True while it holds mail."""
        return self.expires is None or now < self.expires

    def holds(self, message: QueuedMessage, subject: str, now: float) -> bool:
        """True when it matches the message for one of its recipients at least: a message is held whole."""
        if not self.active(now) or (self.subject and not _pattern(self.subject).fullmatch(subject)):
            return False
        return any(self.filter.matches(message, recipient, now) for recipient in message.recipients)


def first(rules: Iterable[HoldRule], message: QueuedMessage, subject: str, now: float) -> HoldRule | None:
    """The first rule that holds a message."""
    return next((rule for rule in rules if rule.holds(message, subject, now)), None)


@lru_cache(maxsize=MOST_RULES)
def _pattern(text: str) -> Pattern[str]:
    plain = text.replace("[", "[[]")  # only * and ? are wild
    return regex(translate(plain if "*" in text or "?" in text else f"*{plain}*"), IGNORECASE)


def _fields(term: Term) -> list[str]:
    if isinstance(term, All | AnyOf):
        return [name for inner in term.terms for name in _fields(inner)]
    if isinstance(term, Not):
        return _fields(term.term)
    if isinstance(term, TextTerm | NumberTerm):
        return [term.field]
    return ["state" if type(term).__name__ == "StateTerm" else "id"]
