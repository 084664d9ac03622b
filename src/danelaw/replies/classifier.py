"""From a failed reply to its bounce class."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import NamedTuple

from danelaw.errors import DanelawError
from danelaw.replies.classes import BounceClass, BounceRule
from danelaw.replies.file import BounceFile
from danelaw.replies.spoken import SpokenReply
from danelaw.smtp import Reply

SHIPPED = "bounces.toml"


class Classified(NamedTuple):
    """The class of a reply, and the rule that recognised it: None where it fell through all."""

    bounce_class: BounceClass
    rule: BounceRule | None


class Classifier:
    """Made once from a file; asked once per failed reply."""

    def __init__(self, file: BounceFile) -> None:
        self.file = file
        self._by_code: dict[int, tuple[BounceRule, ...]] = {
            code: tuple(rule for rule in file.rules if rule.takes_code(code)) for code in range(400, 600)
        }

    @property
    def classes(self) -> tuple[BounceClass, ...]:
        """All classes, in the order of the file."""
        return tuple(self.file.classes.values())

    def classify(self, reply: Reply | SpokenReply, site: str = "") -> Classified:
        """The class of a 4yz or 5yz reply; `site` is the MX site of the server that gave it, empty when unknown."""
        spoken = reply if isinstance(reply, SpokenReply) else SpokenReply.of(reply)
        for rule in self._by_code.get(spoken.code, ()):
            if rule.matches(spoken, site):
                return Classified(rule.bounce_class, rule)
        name = "other-temporary" if spoken.code < 500 else "other-permanent"
        return Classified(self.file.classes[name], None)

    def failures(self) -> Iterator[str]:
        """What is wrong with the file's own rules (not those of its base), in words.

        Every example must be recognised as the class of its rule, at least one of them by the rule itself, or else the
        rule would never be asked; and in a file without base every class must have a rule.
        """
        for rule in self.file.rules[: self.file.own]:
            reached = False
            for example in rule.examples:
                try:
                    found = self.classify(SpokenReply.from_text(example), rule.site)
                except DanelawError as error:
                    yield f"{rule.place}: {error.reason}"
                    continue
                reached |= found.rule is rule
                if found.bounce_class is not rule.bounce_class:
                    by = found.rule.place if found.rule is not None else "no rule"
                    yield (
                        f"{rule.place}: the example {example[:80]!r} is taken for {found.bounce_class.name} by {by},"
                        f" not for {rule.bounce_class.name}"
                    )
            if not reached:
                yield f"{rule.place}: rules before it take all of its examples, so it is never reached"
        if self.file.own == len(self.file.rules):
            used = {rule.bounce_class.name for rule in self.file.rules}
            yield from (f"class.{name}: no rule leads to it" for name in self.file.classes if name not in used)


@cache
def shipped() -> Classifier:
    """The classes and rules that come with danelaw."""
    return Classifier(shipped_file())


@cache
def shipped_file() -> BounceFile:
    """The shipped file, to put one's own rules before it."""
    text = resources.files("danelaw.replies").joinpath(SHIPPED).read_text("utf-8")
    return BounceFile.from_text(text, SHIPPED)
