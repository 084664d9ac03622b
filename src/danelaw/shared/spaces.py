"""What a space is: a name, a kind, and what its keys may cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from danelaw.shared.errors import BadRequest

MOST_SPACES = 200
"""Spaces there may be; their names are label values of metrics."""
MOST_KEYS = 1_000_000
MOST_MEMBERS = 250_000
LONGEST_KEY = 256
"""Octets of a key or member."""
LONGEST_VALUE = 4096
"""Octets of a value as JSON."""
LONGEST_SECONDS = 366 * 86400.0
MOST_EVENTS = 1_000_000_000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}", re.ASCII)


class Kind(StrEnum):
    """What the keys of a space hold."""

    COUNTER = "counter"
    RATE = "rate"
    SET = "set"
    VALUE = "value"
    SEMAPHORE = "semaphore"


class Mode(StrEnum):
    """`EXACT`: every operation is a round trip to the one store. `LEASED`: a process answers from what it holds."""

    EXACT = "exact"
    LEASED = "leased"


class WhenFull(StrEnum):
    """What happens to a new key of a full space: it is refused, or the key used least recently is forgotten."""

    REFUSE = "refuse"
    FORGET = "forget"


_FORGETTING = {Kind.COUNTER: WhenFull.FORGET, Kind.VALUE: WhenFull.FORGET}


@dataclass(frozen=True, slots=True)
class Space:
    """The declaration of a space. Raises `BadRequest` for one that makes no sense.

    `keys` and `members` (of each set) limit numbers; `when_full` None means to forget in counters and values, whose
    loss is bearable, and to refuse in rates, sets and semaphores, where it would let through what must be stopped.
    `limit` are events per `span` seconds of a rate, or holders of a semaphore, whose leases last at most `lease`
    seconds. `fresh_for` is how old, in seconds, an answer of a leased value or set may be. `kept` spaces outlive
    restarts.
    """

    name: str
    kind: Kind
    mode: Mode = Mode.EXACT
    keys: int = 10_000
    when_full: WhenFull | None = None
    limit: int = 0
    span: float = 0.0
    members: int = 100_000
    lease: float = 300.0
    fresh_for: float = 1.0
    kept: bool = True

    def __post_init__(self) -> None:
        """Check every field."""
        if not _NAME.fullmatch(self.name):
            raise BadRequest(
                f"{self.name!r} is no name of a space", advice="small letters, digits, dots, hyphens; at most 40"
            )
        for name, least, most in (
            ("keys", 1, MOST_KEYS),
            ("members", 1, MOST_MEMBERS),
            ("limit", 0, MOST_EVENTS),
            ("span", 0, LONGEST_SECONDS),
            ("lease", 0.001, LONGEST_SECONDS),
            ("fresh_for", 0, 3600.0),
        ):
            if not least <= getattr(self, name) <= most:
                raise BadRequest(f"{name} of space {self.name} is {getattr(self, name)}, not within {least} and {most}")
        if self.kind is Kind.RATE and not (self.limit and self.span >= 0.01):
            raise BadRequest(f"space {self.name} is a rate: declare its limit and its span in seconds")
        if self.kind is Kind.SEMAPHORE and (not self.limit or self.when_full is WhenFull.FORGET):
            raise BadRequest(f"space {self.name} is a semaphore: declare its limit; its holders are never forgotten")

    @property
    def forgets(self) -> bool:
        """Whether the key used least recently makes room for a new one."""
        return (self.when_full or _FORGETTING.get(self.kind, WhenFull.REFUSE)) is WhenFull.FORGET

    @property
    def leased(self) -> bool:
        """Whether processes answer from what they hold; semaphores never do."""
        return self.mode is Mode.LEASED and self.kind is not Kind.SEMAPHORE

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Space:
        """What `to_json` gave. Raises `BadRequest` for anything else."""
        wanted = {one.name: one for one in fields(cls)}
        if not isinstance(given, Mapping) or not {"name", "kind"} <= given.keys() <= wanted.keys():
            raise BadRequest("the declaration of a space has other fields")
        found = dict(given)
        try:
            for name, kind in (("kind", Kind), ("mode", Mode), ("when_full", WhenFull)):
                if found.get(name) is not None:
                    found[name] = kind(found[name])
        except ValueError as error:
            raise BadRequest(f"the declaration of a space is wrong: {error}") from None
        for name in ("keys", "limit", "members", "span", "lease", "fresh_for"):
            whole = type(found.get(name, 0)) is int
            if not whole and not (name in ("span", "lease", "fresh_for") and type(found[name]) is float):
                raise BadRequest(f"{name} in the declaration of a space is no number")
        if (
            not isinstance(found["name"], str)
            or type(found.get("kept", True)) is not bool
            or found.get("mode", 1) is None
        ):
            raise BadRequest("the declaration of a space has a field of another form")
        return cls(**found)
