"""Responses: what the gateway does by itself about replies, as data: class, site and words → action for a time."""

from __future__ import annotations

import re
import tomllib
from collections import OrderedDict, deque
from collections.abc import Container
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import resources
from typing import Any

from danelaw.errors import DanelawError
from danelaw.replies.classes import Phrase
from danelaw.replies.classifier import Classified, Classifier, shipped
from danelaw.replies.spoken import SpokenReply

SHIPPED = "responses.toml"
MAX_RESPONSES = 500
MOST_AFTER = 1000
_MEMORY = 4096
_TIME = re.compile(r"([0-9]{1,5})(s|m|h|d)", re.ASCII)
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LASTING = frozenset({"suspend", "slow-down", "other-address"})
_KEYS = frozenset({"class", "site", "text", "after", "within", "action", "of", "time", "factor", "floor", "example"})


class ResponseFileError(DanelawError):
    """The file of responses cannot be used; the reason lists every problem."""


class Action(Enum):
    """What is done."""

    SUSPEND = "suspend"
    SLOW_DOWN = "slow-down"
    OTHER_ADDRESS = "other-address"
    HOLD = "hold"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Response:
    """One response; times in seconds. `of` is `site` or `domain`; `factor` and `floor` are shares of what a destination
    got, for slow-downs.
    """

    place: str
    classes: tuple[str, ...]
    action: Action
    sites: tuple[str, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    after: int = 1
    within: float = 600.0
    of: str = "site"
    time: float = 0.0
    example: str = ""
    factor: float = 0.5
    floor: float = 0.1

    def to_text(self, site: str, domain: str) -> str:
        """What it does, in words, for a reply from this site about mail to this next hop."""
        whom = f"the site {site}" if self.of == "site" and site else domain or "the destination"
        minutes = f"for {self.time / 60:g} minutes"
        match self.action:
            case Action.SUSPEND:
                words = f"suspend {whom} {minutes}"
            case Action.SLOW_DOWN:
                words = (
                    f"slow {whom} down to {self.factor:.0%} (not below {self.floor:.0%}), all again {minutes[4:]} later"
                )
            case Action.OTHER_ADDRESS:
                words = f"send to {whom} from another of our addresses {minutes}"
            case Action.HOLD:
                words = "hold the message for the postmaster"
            case Action.NOTHING:
                return "nothing"
        return (
            words
            if self.after == 1
            else f"{words}, after {self.after} such replies within {self.within / 60:g} minutes"
        )

    def matches(self, found: Classified, spoken: SpokenReply, site: str) -> bool:
        """True when the reply calls for it."""
        return (
            found.bounce_class.name in self.classes
            and (not self.sites or site in self.sites)
            and (not self.phrases or any(phrase.found_in(spoken.words) for phrase in self.phrases))
        )


class Responses:
    """All responses in their order, and the memory of how often each was called for."""

    def __init__(self, responses: tuple[Response, ...]) -> None:
        self.responses = responses
        self._seen: OrderedDict[tuple[int, str], deque[float]] = OrderedDict()

    @classmethod
    def from_text(cls, text: str, name: str, classes: Container[str], base: Responses | None = None) -> Responses:
        """Read TOML; those of `base` come after. Raises `ResponseFileError`."""
        try:
            data = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ResponseFileError(f"{name}: is not TOML: {str(error)[:200]}") from None
        problems = [f"there is no key {key[:40]!r}; use [[response]]" for key in data.keys() - {"response"}]
        tables = data.get("response", [])
        if not isinstance(tables, list) or len(tables) > MAX_RESPONSES:
            problems.append(f"response must be at most {MAX_RESPONSES} tables [[response]]")
            tables = []
        made = [_response(f"response {n}", name, table, classes, problems) for n, table in enumerate(tables, 1)]
        if problems:
            raise ResponseFileError("\n".join(f"{name}: {problem}" for problem in problems))
        return cls((*(one for one in made if one is not None), *(base.responses if base is not None else ())))

    def match(self, found: Classified, spoken: SpokenReply, site: str) -> Response | None:
        """The response to one reply, however often it came."""
        return next((one for one in self.responses if one.matches(found, spoken, site)), None)

    def heard(self, found: Classified, spoken: SpokenReply, site: str, domain: str, now: float) -> Response | None:
        """A reply came: the response that is due now, None for none. `now` is monotonic seconds."""
        one = self.match(found, spoken, site)
        if one is None or one.action is Action.NOTHING:
            return None
        if one.after == 1:
            return one
        key = (id(one), site if one.of == "site" else domain)
        times = self._seen.get(key)
        if times is None:
            times = self._seen[key] = deque(maxlen=one.after)
            if len(self._seen) > _MEMORY:
                self._seen.popitem(last=False)
        self._seen.move_to_end(key)
        times.append(now)
        if len(times) < one.after or now - times[0] > one.within:
            return None
        del self._seen[key]
        return one

    def failures(self, classifier: Classifier) -> list[str]:
        """Responses whose example calls for something else, in words."""
        wrong = []
        for one in self.responses:
            spoken = SpokenReply.from_text(one.example)
            site = one.sites[0] if one.sites else ""
            got = self.match(classifier.classify(spoken, site), spoken, site)
            if got is not one:
                wrong.append(f"{one.place}: its example calls for {got.place if got is not None else 'nothing'}")
        return wrong


def _response(place: str, name: str, table: object, classes: Container[str], problems: list[str]) -> Response | None:
    before = len(problems)
    if not isinstance(table, dict):
        problems.append(f"{place} is no table")
        return None
    problems += [f"{place}: there is no key {key[:40]!r}" for key in table.keys() - _KEYS]
    names, sites, texts = (_texts(table, key) for key in ("class", "site", "text"))
    problems += [f"{place}: there is no class {one[:40]!r}" for one in names if one not in classes]
    if not names:
        problems.append(f"{place}: class is missing")
    action, of = table.get("action"), table.get("of", "site")
    if action not in [one.value for one in Action]:
        problems.append(f"{place}: action is {', '.join(one.value for one in Action)}")
    if of not in ("site", "domain"):
        problems.append(f"{place}: of is site or domain")
    after = table.get("after", 1)
    if not isinstance(after, int) or not 1 <= after <= MOST_AFTER:
        problems.append(f"{place}: after is a number from 1 to {MOST_AFTER}")
    within, time = _seconds(table.get("within", "10m")), _seconds(table.get("time", "0s"))
    if within is None or time is None or (action in _LASTING and not time):
        problems.append(f'{place}: times are written "30m", and a suspension, slow-down or move needs one')
    factor, floor = (_share(table.get(key, usual)) for key, usual in (("factor", 0.5), ("floor", 0.1)))
    if factor is None or floor is None:
        problems.append(f"{place}: factor and floor are shares above 0 and below 1, such as 0.5")
    example = table.get("example")
    if not isinstance(example, str):
        problems.append(f"{place}: example is missing")
    else:
        try:
            SpokenReply.from_text(example)
        except DanelawError as error:
            problems.append(f"{place}: {error.reason}")
    phrases = []
    for text in texts:
        try:
            phrases.append(Phrase.from_text(text[:200]))
        except ValueError as error:
            problems.append(f"{place}: {error}")
    if len(problems) > before:
        return None
    return Response(
        f"{place} of {name}", names, Action(action), sites, tuple(phrases), int(after), within or 0.0, str(of),
        time or 0.0, str(example), factor or 0.5, floor or 0.1,
    )  # fmt: skip


def _texts(table: dict[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    return tuple(str(one) for one in ([value] if isinstance(value, str) else value if isinstance(value, list) else []))


def _share(value: object) -> float | None:
    return float(value) if isinstance(value, float) and 0 < value < 1 else None


def _seconds(text: object) -> float | None:
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    return float(match[1]) * _UNITS[match[2]] if match else None


@cache
def shipped_responses() -> Responses:
    """The responses that come with danelaw."""
    text = resources.files("danelaw.replies").joinpath(SHIPPED).read_text("utf-8")
    return Responses.from_text(text, SHIPPED, shipped().file.classes)
