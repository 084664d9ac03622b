"""The single conditions of the filter language, each as a test in Python and as SQL, which must agree.

Text patterns know `*` and `?` and ignore the case of ASCII letters, as SQLite's LIKE does. SQL names the tables by the
aliases `m` (message), `r` (recipient) and `q` (queue).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from danelaw.queue.values import QueuedMessage, QueuedRecipient, RecipientState

_FOLD = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
SQL = tuple[str, list[Any]]


class Term(Protocol):
    """One condition on one recipient of one message, at a time (POSIX seconds)."""

    def matches(self, message: QueuedMessage, recipient: QueuedRecipient, now: float) -> bool:
        """True when it holds."""

    def to_sql(self, now: float) -> SQL:
        """The same as an SQL expression with its parameters."""


_TEXTS: dict[str, tuple[tuple[str, Callable[[QueuedMessage, QueuedRecipient], str]], ...]] = {
    "to": (("r.forward_path", lambda m, r: r.forward_path),),
    "from": (("m.reverse_path", lambda m, r: m.reverse_path),),
    "host": (("q.next_hop", lambda m, r: r.key.next_hop),),
    "site": (("q.site", lambda m, r: r.site),),
    "tenant": (("q.tenant", lambda m, r: r.key.tenant),),
    "job": (("q.job", lambda m, r: r.key.job),),
    "demand": (("q.demand", lambda m, r: r.key.demand),),
    "client": (("m.client_address", lambda m, r: m.client_address), ("m.client_helo", lambda m, r: m.client_helo)),
    "user": (("m.client_user", lambda m, r: m.client_user),),
    "message-id": (("m.message_id", lambda m, r: m.message_id),),
    "reason": (("r.reason", lambda m, r: r.reason), ("r.reply", lambda m, r: r.reply)),
}
TEXT_FIELDS = tuple(_TEXTS)


@dataclass(frozen=True, slots=True)
class TextTerm:
    """A field matches a pattern; `reason` without wildcards matches anywhere in it."""

    field: str
    pattern: str
    _regex: re.Pattern[str]
    _like: str

    @classmethod
    def make(cls, field: str, pattern: str) -> TextTerm:
        """`field` is one of `TEXT_FIELDS`."""
        whole = f"*{pattern}*" if field == "reason" and "*" not in pattern and "?" not in pattern else pattern
        regex = "".join(_REGEX_WILD.get(c) or re.escape(c) for c in whole.translate(_FOLD))
        like = "".join(_LIKE_WILD.get(c, c) for c in whole)
        return cls(field, pattern, re.compile(regex, re.DOTALL), like)

    def matches(self, message: QueuedMessage, recipient: QueuedRecipient, now: float) -> bool:
        """True when one of the field's columns matches."""
        return any(self._regex.fullmatch(get(message, recipient).translate(_FOLD)) for _, get in _TEXTS[self.field])

    def to_sql(self, now: float) -> SQL:
        """LIKE, with the wildcards of the value itself escaped; the quicker comparison where there are none."""
        columns = [column for column, _ in _TEXTS[self.field]]
        if self.field != "reason" and "*" not in self.pattern and "?" not in self.pattern:
            equal = " OR ".join(f"{column} = ? COLLATE NOCASE" for column in columns)
            return f"({equal})", [self.pattern] * len(columns)
        return "(" + " OR ".join(f"{c} LIKE ? ESCAPE '\\'" for c in columns) + ")", [self._like] * len(columns)


_REGEX_WILD = {"*": ".*", "?": "."}
_LIKE_WILD = {"*": "%", "?": "_", "%": "\\%", "_": "\\_", "\\": "\\\\"}

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}


@dataclass(frozen=True, slots=True)
class NumberTerm:
    """`age`, `size` or `tries` compared with a number (seconds, octets, a count)."""

    field: str
    comparison: str
    number: float

    def matches(self, message: QueuedMessage, recipient: QueuedRecipient, now: float) -> bool:
        """True when the comparison holds."""
        value: float
        if self.field == "age":
            value = now - message.received_at
        else:
            value = message.size if self.field == "size" else recipient.tries
        return COMPARISONS[self.comparison](value, self.number)

    def to_sql(self, now: float) -> SQL:
        """The same arithmetic in SQL."""
        if self.field == "age":
            return f"(? - m.received_at) {self.comparison} ?", [now, self.number]
        column = "m.size" if self.field == "size" else "r.tries"
        return f"{column} {self.comparison} ?", [self.number]


STATES: dict[str, tuple[RecipientState, ...]] = {
    word: tuple(state for state in RecipientState if state.words == word)
    for word in ("waiting", "held", "delivered", "returned", "dropped")
}


@dataclass(frozen=True, slots=True)
class StateTerm:
    """The recipient is in a state, by the word people see."""

    word: str

    def matches(self, message: QueuedMessage, recipient: QueuedRecipient, now: float) -> bool:
        """True when the state's word is this one."""
        return recipient.state in STATES[self.word]

    def to_sql(self, now: float) -> SQL:
        """A list of the stored numbers."""
        return f"r.state IN ({', '.join(str(int(state)) for state in STATES[self.word])})", []


@dataclass(frozen=True, slots=True)
class PriorityTerm:
    """The recipient's mail has a priority, one of `PRIORITIES`."""

    priority: int

    def matches(self, message: QueuedMessage, recipient: QueuedRecipient, now: float) -> bool:
        """True when it is this one."""
        return recipient.key.priority == self.priority

    def to_sql(self, now: float) -> SQL:
        """The stored number."""
        return "q.priority = ?", [self.priority]


@dataclass(frozen=True, slots=True)
class IdTerm:
    """The message has this queue id."""

    id: int

    def matches(self, message: QueuedMessage, recipient: QueuedRecipient, now: float) -> bool:
        """True for this message."""
        return message.id == self.id

    def to_sql(self, now: float) -> SQL:
        """The primary key."""
        return "m.id = ?", [self.id]


@dataclass(frozen=True, slots=True)
class RecipientTerm:
    """The recipient has this number within its message. Not part of the language: for acts on one recipient."""

    number: int

    def matches(self, message: QueuedMessage, recipient: QueuedRecipient, now: float) -> bool:
        """True for this recipient."""
        return recipient.number == self.number

    def to_sql(self, now: float) -> SQL:
        """Part of the primary key."""
        return "r.number = ?", [self.number]


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the terms holds; with none it is true for all."""

    terms: Sequence[Term]

    def matches(self, message: QueuedMessage, recipient: QueuedRecipient, now: float) -> bool:
        """Conjunction."""
        return all(term.matches(message, recipient, now) for term in self.terms)

    def to_sql(self, now: float) -> SQL:
        """AND."""
        return _joined(self.terms, " AND ", "1", now)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the terms holds."""

    terms: Sequence[Term]

    def matches(self, message: QueuedMessage, recipient: QueuedRecipient, now: float) -> bool:
        """Disjunction."""
        return any(term.matches(message, recipient, now) for term in self.terms)

    def to_sql(self, now: float) -> SQL:
        """OR."""
        return _joined(self.terms, " OR ", "0", now)


@dataclass(frozen=True, slots=True)
class Not:
    """The term does not hold."""

    term: Term

    def matches(self, message: QueuedMessage, recipient: QueuedRecipient, now: float) -> bool:
        """Negation."""
        return not self.term.matches(message, recipient, now)

    def to_sql(self, now: float) -> SQL:
        """NOT."""
        text, parameters = self.term.to_sql(now)
        return f"NOT ({text})", parameters


def _joined(terms: Sequence[Term], word: str, empty: str, now: float) -> SQL:
    if not terms:
        return empty, []
    parts = [term.to_sql(now) for term in terms]
    return "(" + word.join(text for text, _ in parts) + ")", [value for _, values in parts for value in values]
