"""One rule: when, and then what. Values, as read from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum

from danelaw.rules.patterns import Schedule


class Act(Enum):
    """What a rule does with the mail itself; `NONE` lets it go on, marked or changed."""

    NONE = "none"
    ACCEPT = "accept"
    REJECT = "reject"
    DEFER = "defer"
    DISCARD = "discard"
    HOLD = "hold"
    REDIRECT = "redirect"


class At(Enum):
    """When a rule is asked: about each recipient, or about the whole message."""

    RECIPIENT = "recipient"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """All that are given must hold; of several values of one, any.

    `client` are networks; `sender`, `recipient` and `author` address patterns (`patterns.address_matches`); `helo`,
    `user`, `subject` and `attachment` texts with `*`; `header` a field and a text each, `header_missing` fields that
    must not be there. `spf`, `dkim`, `dmarc` and `arc` are results, `found` results of steps by their name. Sizes are
    octets. `hours` is by the clock of `zone`.
    """

    client: tuple[str, ...] = ()
    trusted: bool | None = None
    listener: tuple[str, ...] = ()
    tls: bool | None = None
    user: tuple[str, ...] = ()
    helo: tuple[str, ...] = ()
    sender: tuple[str, ...] = ()
    recipient: tuple[str, ...] = ()
    author: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    header: Mapping[str, str] = field(default_factory=dict)
    header_missing: tuple[str, ...] = ()
    attachment: tuple[str, ...] = ()
    spf: tuple[str, ...] = ()
    dkim: tuple[str, ...] = ()
    dmarc: tuple[str, ...] = ()
    arc: tuple[str, ...] = ()
    found: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    larger_than: int | None = None
    smaller_than: int | None = None
    tag: tuple[str, ...] = ()
    hours: tuple[Schedule, ...] = ()
    zone: str = "UTC"
    given: frozenset[str] = field(init=False, compare=False, repr=False)
    """The names of those that are given."""

    def __post_init__(self) -> None:
        names = (one.name for one in fields(self) if one.init and one.name != "zone")
        given = frozenset(name for name in names if getattr(self, name) not in ((), None, {}))
        object.__setattr__(self, "given", given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a rule changes or chooses besides: fields of the header, marks, and how the message travels on."""

    add_header: Mapping[str, str] = field(default_factory=dict)
    set_header: Mapping[str, str] = field(default_factory=dict)
    remove_header: tuple[str, ...] = ()
    subject_prefix: str = ""
    footer: str = ""
    tag: tuple[str, ...] = ()
    copy_to: tuple[str, ...] = ()
    next_hop: str = ""
    demand: str = ""
    tenant: str = ""
    job: str = ""
    priority: int = 0
    expires_in: float | None = None

    given: frozenset[str] = field(init=False, compare=False, repr=False)
    """The names of those that are given."""

    def __post_init__(self) -> None:
        names = (one.name for one in fields(self) if one.init)
        given = frozenset(name for name in names if getattr(self, name) not in ((), None, {}, "", 0))
        object.__setattr__(self, "given", given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`order` decides who is asked first, then the place in the file. `stop` keeps rules behind it, and scripts, from
    being asked. After `expires` (POSIX seconds) it holds no more. `comment` and `owner` are for people.
    """

    name: str
    when: Conditions = field(default_factory=Conditions)
    unless: Conditions | None = None
    act: Act = Act.NONE
    changes: Changes = field(default_factory=Changes)
    at: At = At.MESSAGE
    text: str = ""
    code: int = 0
    status: str = ""
    to: tuple[str, ...] = ()
    retention: float | None = None
    order: int = 0
    stop: bool = True
    expires: float | None = None
    comment: str = ""
    owner: str = ""

    @property
    def words(self) -> str:
        """What its reasons say: its own text, or its name."""
        return self.text or f"rule {self.name}"


AT_RECIPIENT = frozenset(
    {"client", "trusted", "listener", "tls", "user", "helo", "sender", "recipient", "tag", "hours"}
)
"""Conditions that can be judged before the message is there."""


def earliest(when: Conditions, unless: Conditions | None, act: Act, changes: Changes) -> At:
    """When a rule is best asked: a refusal that needs nothing of the message is said to the recipient it is about."""
    given = when.given | (frozenset() if unless is None else unless.given)
    refuses = act in (Act.REJECT, Act.DEFER, Act.REDIRECT) and not changes.given - {"tag"}
    return At.RECIPIENT if refuses and "recipient" in given and given <= AT_RECIPIENT else At.MESSAGE
