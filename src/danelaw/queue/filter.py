"""The filter language: how people name messages, the same in every command and interface.

    to:*@example.org from:bob@shop.example state:waiting age>2h size>1M not reason:"greylisted*"

A filter is conditions on one recipient of a message, all of which must hold; `or`, `not` and parentheses as usual,
`and` may be written or left out. Fields with a pattern (`*`, `?`; case ignored; quotes around spaces): to from host
site tenant job demand client user message-id reason. `state:` is waiting, held, delivered, returned or dropped.
`priority:` is high, normal or low. `id:` is a queue id. Numbers: `age>2h` (s m h d w), `size>=1M` (K M G, of 1024),
`tries>3`. `all`, or nothing, is every message.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from danelaw.errors import DanelawError
from danelaw.queue.filter_terms import (
    COMPARISONS,
    STATES,
    TEXT_FIELDS,
    All,
    AnyOf,
    IdTerm,
    Not,
    NumberTerm,
    PriorityTerm,
    StateTerm,
    Term,
    TextTerm,
)
from danelaw.queue.ids import InvalidQueueId, id_from_text
from danelaw.queue.values import PRIORITIES, QueuedMessage, QueuedRecipient

MAX_LENGTH = 2000
MAX_DEPTH = 32
NUMBER_FIELDS = ("age", "size", "tries")
FIELDS = (*TEXT_FIELDS, "state", "priority", "id", *NUMBER_FIELDS)
_TOKEN = re.compile(
    r"""\s*(?:(?P<paren>[()])
        |(?P<field>[A-Za-z_-]+)(?P<operator>:|<=|>=|<|>|=)(?P<value>"(?:[^"\\]|\\.)*"|[^\s()"]*)
        |(?P<word>[^\s()]+))""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)([A-Za-z]?)[Bb]?", re.ASCII)
_UNITS = {
    "age": {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0},
    "size": {"": 1.0, "k": 1024.0, "m": 1024.0**2, "g": 1024.0**3},
    "tries": {"": 1.0},
}
_EXAMPLES = {"age": "age>2h", "size": "size>1M", "tries": "tries>3"}


class FilterError(DanelawError):
    """The text is no filter. `position` counts characters from 0."""

    def __init__(self, reason: str, position: int, *, advice: str | None = None) -> None:
        super().__init__(f"{reason} (at character {position + 1} of the filter)", advice=advice)
        self.position = position


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter; `text` is what was written."""

    text: str
    term: Term

    @classmethod
    def from_text(cls, text: str) -> Filter:
        """Parse; an empty text or `all` matches everything. Raises `FilterError`."""
        if len(text) > MAX_LENGTH:
            raise FilterError(f"the filter is longer than {MAX_LENGTH} characters", MAX_LENGTH)
        for position, character in enumerate(text):
            if (ord(character) < 32 and character not in "\t\n\r") or 0xD800 <= ord(character) <= 0xDFFF:
                raise FilterError("control characters cannot be part of a filter", position)
        return cls(text.strip(), _Parser(text).whole())

    @property
    def everything(self) -> bool:
        """True when it names all messages, which dangerous commands want said aloud."""
        return isinstance(self.term, All) and not self.term.terms

    @property
    def finished(self) -> bool:
        """True when it asks for a state that messages have only in history."""
        return any(state in ("delivered", "returned", "dropped") for state in _states(self.term))

    def matches(self, message: QueuedMessage, recipient: QueuedRecipient, now: float) -> bool:
        """True when this recipient of the message meets the filter at `now` (POSIX seconds)."""
        return self.term.matches(message, recipient, now)

    def to_sql(self, now: float) -> tuple[str, list[object]]:
        """The same as an SQL condition over `message m`, `recipient r`, `queue q`, with its parameters."""
        return self.term.to_sql(now)


class _Parser:
    """Recursive descent: or-list of and-lists of (not) primary."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.depth = 0
        self.match = self._scan()

    def _scan(self) -> re.Match[str] | None:
        if not self.text[self.position :].strip():
            self.position = len(self.text)
            return None
        return _TOKEN.match(self.text, self.position)

    def _advance(self) -> re.Match[str]:
        match = self.match
        if match is None:
            raise FilterError("the filter ends where a condition should follow", self.position)
        self.position = match.end()
        self.match = self._scan()
        return match

    def _at(self, *words: str) -> bool:
        """True when the next token is one of these words or parentheses."""
        if self.match is None:
            return False
        token = self.match["paren"] or self.match["word"]
        return token is not None and token.lower() in words

    def whole(self) -> Term:
        if self.match is None:
            return All(())
        term = self._or_list()
        if self._at(")"):
            raise FilterError("a closing parenthesis without an opening one", self._advance().start("paren"))
        return term

    def _or_list(self) -> Term:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FilterError(f"more than {MAX_DEPTH} parentheses or 'not' inside each other", self.position)
        terms = [self._and_list()]
        while self._at("or"):
            self._advance()
            terms.append(self._and_list())
        self.depth -= 1
        return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))

    def _and_list(self) -> Term:
        terms = [self._primary()]
        while self.match is not None and not self._at("or", ")"):
            if self._at("and"):
                self._advance()
            terms.append(self._primary())
        return terms[0] if len(terms) == 1 else All(tuple(terms))

    def _primary(self) -> Term:
        if self._at("not"):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise FilterError(f"more than {MAX_DEPTH} parentheses or 'not' inside each other", self.position)
            self._advance()
            term = Not(self._primary())
            self.depth -= 1
            return term
        match = self._advance()
        if match["paren"] == "(":
            return self._parenthesis(match.start("paren"))
        if match["field"] is not None:
            return _condition(match)
        word, start = match["word"] or ")", match.start("word") if match["word"] else match.start("paren")
        if word.lower() == "all":
            return All(())
        raise _stray(word, start)

    def _parenthesis(self, start: int) -> Term:
        term = self._or_list()
        if not self._at(")"):
            raise FilterError("this parenthesis is not closed", start)
        self._advance()
        return term


def _states(term: Term) -> list[str]:
    if isinstance(term, StateTerm):
        return [term.word]
    if isinstance(term, All | AnyOf):
        return [word for inner in term.terms for word in _states(inner)]
    return _states(term.term) if isinstance(term, Not) else []


def _condition(match: re.Match[str]) -> Term:
    field, operator, raw = match["field"].lower(), match["operator"], match["value"]
    start, value_start = match.start("field"), match.start("value")
    if field not in FIELDS:
        near = difflib.get_close_matches(field, FIELDS, 1, 0.5)
        hint = f"did you mean {near[0]}{operator}{raw} ?" if near else f"fields are {', '.join(FIELDS)}"
        raise FilterError(f"there is no field '{field}'", start, advice=hint)
    value = re.sub(r"\\(.)", r"\1", raw[1:-1], flags=re.DOTALL) if raw.startswith('"') else raw
    if field in NUMBER_FIELDS:
        return _number(field, operator, value, start, value_start)
    if operator != ":":
        raise FilterError(f"'{field}' is compared with a colon", start, advice=f"write {field}:{raw}")
    if not value and raw != '""':
        raise FilterError(
            f"a value is missing after '{field}:'", value_start, advice=f'for an empty one write {field}:""'
        )
    if field == "state":
        return _state(value, value_start)
    if field == "priority":
        if value.lower() not in PRIORITIES:
            raise FilterError(f"there is no priority '{value}'", value_start, advice=f"one of {', '.join(PRIORITIES)}")
        return PriorityTerm(PRIORITIES[value.lower()])
    if field == "id":
        try:
            return IdTerm(id_from_text(value))
        except InvalidQueueId as error:
            raise FilterError(error.reason, value_start, advice=error.advice) from None
    if field in ("to", "from"):
        value = _address(field, value, value_start)
    return TextTerm.make(field, value)


def _number(field: str, operator: str, value: str, start: int, value_start: int) -> Term:
    example = _EXAMPLES[field]
    if operator not in COMPARISONS:
        raise FilterError(f"'{field}' needs a comparison", start, advice=f"such as {example}")
    match = _NUMBER.fullmatch(value)
    factor = _UNITS[field].get(match[2].lower()) if match else None
    if match is None or factor is None:
        units = " ".join(unit for unit in _UNITS[field] if unit)
        known = f"; units are {units}" if units else ""
        raise FilterError(f"'{value}' is no number for {field}{known}", value_start, advice=f"such as {example}")
    return NumberTerm(field, operator, float(match[1]) * factor)


def _state(value: str, position: int) -> Term:
    if value.lower() in STATES:
        return StateTerm(value.lower())
    aliases = {
        "deferred": "waiting",
        "queued": "waiting",
        "active": "waiting",
        "bounced": "returned",
        "failed": "returned",
    }
    near = aliases.get(value.lower()) or next(iter(difflib.get_close_matches(value.lower(), STATES, 1)), None)
    hint = f"did you mean state:{near} ?" if near else f"states are {', '.join(STATES)}"
    raise FilterError(f"there is no state '{value}'", position, advice=hint)


def _address(field: str, value: str, position: int) -> str:
    """An address pattern, with or without angle brackets. `<>` is the null reverse-path."""
    if value.startswith("<") and value.endswith(">"):
        value = value[1:-1]
    if value and "@" not in value and "*" not in value and value.lower() != "postmaster":
        raise FilterError(f"'{value}' is no address", position, advice=f"for a whole domain write {field}:*@{value}")
    if value.startswith("@"):
        raise FilterError(f"'{value}' is no address", position, advice=f"for a whole domain write {field}:*{value}")
    return value


def _stray(word: str, position: int) -> FilterError:
    if word.lower() in ("and", "or"):
        return FilterError(f"'{word}' stands where a condition should be", position)
    if word == ")":
        return FilterError("a condition is missing before this parenthesis", position)
    if "@" in word:
        return FilterError(f"'{word}' needs a field", position, advice=f"write to:{word} or from:{word}")
    try:
        id_from_text(word)
    except InvalidQueueId:
        hint = (
            f"write host:{word} or to:*@{word}"
            if "." in word
            else f"such as to:*@example.org; fields: {', '.join(FIELDS)}"
        )
        return FilterError(f"'{word}' is no condition", position, advice=hint)
    return FilterError(f"'{word}' needs a field", position, advice=f"write id:{word}")
