"""Reading a file of bounce classes and rules, and holding every rule to its examples."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from danelaw.errors import DanelawError
from danelaw.replies.classes import BounceClass, BounceRule, Phrase, Treatment

MAX_FILE = 1 << 20
MAX_RULES = 2000
MAX_PHRASES = 200
MAX_PHRASE = 200
LAST_RESORTS = ("other-temporary", "other-permanent")
"""Classes every set must have: what no rule recognises falls into one of them."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)
_CODE = re.compile(r"[45][0-9]{0,2}", re.ASCII)
_STATUS = re.compile(r"(x|[45])\.(x|[0-9]{1,3})\.(x|[0-9]{1,3})", re.ASCII)
_WAIT = re.compile(r"([0-9]{1,6})(s|m|h|d)", re.ASCII)
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_CLASS_KEYS = frozenset({"notice", "advice", "treatment", "wait"})
_RULE_KEYS = frozenset({"class", "code", "status", "site", "text", "examples"})


class BounceFileError(DanelawError):
    """The file cannot be used; `problems` are all reasons, each with its place."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems), advice="correct the file, then: danelaw config check")


@dataclass(frozen=True, slots=True)
class BounceFile:
    """Classes by name, and rules in the order in which they are asked; the first `own` of them are not of a base."""

    classes: Mapping[str, BounceClass]
    rules: tuple[BounceRule, ...]
    own: int

    @classmethod
    def from_text(cls, text: str, name: str, base: BounceFile | None = None) -> BounceFile:
        """Read TOML; `name` says in errors where it came from.

        With `base`, the result has the rules of the text before those of `base`, and classes of the text replace
        those of the same name, also in the rules of `base`. Raises `BounceFileError` with every problem.
        """
        if len(text) > MAX_FILE:
            raise BounceFileError([f"{name}: is larger than 1 MiB"])
        try:
            data = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise BounceFileError([f"{name}: is not TOML: {str(error)[:200]}"]) from None
        return _Reader(name, base).read(data)


class _Reader:
    """Collects every problem instead of stopping at the first."""

    def __init__(self, name: str, base: BounceFile | None) -> None:
        self._name = name
        self._base = base
        self._problems: list[str] = []
        self._classes: dict[str, BounceClass] = dict(base.classes) if base is not None else {}

    def read(self, data: dict[str, Any]) -> BounceFile:
        for key in data.keys() - {"class", "rule"}:
            self._wrong("", f"there is no key {key[:40]!r}; use [class.NAME] and [[rule]]")
        classes, rules = data.get("class", {}), data.get("rule", [])
        if isinstance(classes, dict):
            for name, table in classes.items():
                self._class(name, table)
        else:
            self._wrong("class", "is no table; write [class.NAME]")
        if not isinstance(rules, list) or len(rules) > MAX_RULES:
            self._wrong("rule", f"must be at most {MAX_RULES} tables [[rule]]")
            rules = []
        made = [rule for number, table in enumerate(rules, 1) if (rule := self._rule(number, table)) is not None]
        for name in LAST_RESORTS:
            if name not in self._classes:
                self._wrong(f"class.{name}", "is missing; what no rule recognises falls into it")
        if self._problems:
            raise BounceFileError(self._problems)
        return BounceFile(self._classes, (*made, *self._rules_of_base()), len(made))

    def _rules_of_base(self) -> Iterable[BounceRule]:
        for rule in self._base.rules if self._base is not None else ():
            current = self._classes[rule.bounce_class.name]
            yield rule if current is rule.bounce_class else _with_class(rule, current)

    def _wrong(self, place: str, what: str) -> None:
        self._problems.append(f"{self._name}: {place + ': ' if place else ''}{what}")

    def _class(self, name: str, table: object) -> None:
        place = f"class.{name[:40]}"
        if not _NAME.fullmatch(name) or not isinstance(table, dict):
            self._wrong(place, "a class is a table with a name of small letters, digits and hyphens")
            return
        for key in table.keys() - _CLASS_KEYS:
            self._wrong(place, f"there is no key {key[:40]!r}; known are {', '.join(sorted(_CLASS_KEYS))}")
        words = {key: table.get(key) for key in ("notice", "advice")}
        for key, value in words.items():
            if not isinstance(value, str) or not value.strip() or len(value) > 300 or not value.isprintable():
                self._wrong(place, f"{key} must be a line of words")
        treatment = table.get("treatment", "as-said")
        if treatment not in [one.value for one in Treatment]:
            self._wrong(place, f"treatment {treatment!r} is none of as-said, retry, return")
            treatment = "as-said"
        self._classes[name] = BounceClass(
            name, str(words["notice"]), str(words["advice"]), Treatment(treatment), self._wait(place, table)
        )

    def _wait(self, place: str, table: dict[str, Any]) -> float:
        wait = table.get("wait", "0s")
        match = _WAIT.fullmatch(wait) if isinstance(wait, str) else None
        if match is None or float(match[1]) * _UNITS[match[2]] > _UNITS["d"]:
            self._wrong(place, f'wait {wait!r} is no time up to a day; write for instance "30m"')
            return 0.0
        return float(match[1]) * _UNITS[match[2]]

    def _rule(self, number: int, table: object) -> BounceRule | None:
        place = f"rule {number}"
        if not isinstance(table, dict):
            self._wrong(place, "is no table; write [[rule]]")
            return None
        before = len(self._problems)
        for key in table.keys() - _RULE_KEYS:
            self._wrong(place, f"there is no key {key[:40]!r}; known are {', '.join(sorted(_RULE_KEYS))}")
        name = table.get("class")
        bounce_class = self._classes.get(name) if isinstance(name, str) else None
        if bounce_class is None:
            self._wrong(place, f"there is no class {str(name)[:40]!r}; known are {', '.join(self._classes)}")
        codes, statuses = self._texts(place, table, "code", _CODE), self._texts(place, table, "status", _STATUS)
        phrases = self._texts(place, table, "text", None)
        examples = self._texts(place, table, "examples", None, 2000)
        site = table.get("site", "")
        if not isinstance(site, str):
            self._wrong(place, "site must be the name of an MX site")
        if not codes and not statuses and not phrases:
            self._wrong(place, "has neither code nor status nor text and would match everything")
        if not examples:
            self._wrong(place, "has no examples; give the reply it is for")
        made = [phrase for text in phrases if (phrase := self._phrase(place, text)) is not None]
        if len(self._problems) > before or bounce_class is None:
            return None
        patterns = tuple(_pattern(text) for text in statuses)
        return BounceRule(
            bounce_class, f"{place} of {self._name}", codes, patterns, str(site), tuple(made), tuple(examples)
        )

    def _phrase(self, place: str, text: str) -> Phrase | None:
        try:
            return Phrase.from_text(text)
        except ValueError as error:
            self._wrong(place, str(error))
            return None

    def _texts(
        self, place: str, table: dict[str, Any], key: str, form: re.Pattern[str] | None, longest: int = MAX_PHRASE
    ) -> tuple[str, ...]:
        value = table.get(key, [])
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or len(values) > MAX_PHRASES:
            self._wrong(place, f"{key} must be text or a list of at most {MAX_PHRASES} texts")
            return ()
        for one in values:
            if not isinstance(one, str) or not one or len(one) > longest or (form and not form.fullmatch(one)):
                self._wrong(place, f"{key} {str(one)[:40]!r} has not the form of a {key}")
        return tuple(str(one) for one in values)


def _pattern(text: str) -> tuple[int | None, int | None, int | None]:
    first, second, third = (None if part == "x" else int(part) for part in text.split("."))
    return first, second, third


def _with_class(rule: BounceRule, bounce_class: BounceClass) -> BounceRule:
    return BounceRule(bounce_class, rule.place, rule.codes, rule.statuses, rule.site, rule.phrases, rule.examples)
