"""Cousins: domains that are not ours and look as if they were."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from danelaw.address import Domain, DomainError
from danelaw.lookalike.skeleton import skeleton

_LEAST_LETTERS = 5
"""Shorter names are near too many others by chance."""
_TWO_EDITS_FROM = 10
_LEAST_ADDED = 3
_SPLIT = re.compile(r"[-_]+")
_SECOND_LEVEL = frozenset(["ac", "co", "com", "edu", "gov", "mil", "net", "or", "org"])


class Likeness(Enum):
    """From the strongest to the weakest: the same shape; our whole name as labels of another; our name with words
    added; one letter off (two in long names); our name under another ending.
    """

    SAME_SHAPE = "same-shape"
    EMBEDDED = "embedded"
    ADDED_WORDS = "added-words"
    NEAR = "near"
    OTHER_ENDING = "other-ending"


@dataclass(frozen=True, slots=True)
class Resemblance:
    """`domain` resembles `model`; both as U-labels for people."""

    domain: str
    model: str
    likeness: Likeness

    @property
    def words(self) -> str:
        """The evidence in words."""
        how = {
            Likeness.SAME_SHAPE: "is written with other letters than",
            Likeness.EMBEDDED: "has in it the whole name",
            Likeness.ADDED_WORDS: "adds words to",
            Likeness.NEAR: "is a letter off from",
            Likeness.OTHER_ENDING: "is under another ending than",
        }[self.likeness]
        return f"{self.domain} {how} {self.model}"


@dataclass(frozen=True, slots=True)
class _Shape:
    """A domain taken apart: its U-form, its skeleton, the label people know it by, and that label's skeleton."""

    text: str
    skeleton: str
    label: str
    label_skeleton: str


def resemblance(domain: Domain, models: Iterable[Domain]) -> Resemblance | None:
    """The strongest likeness to any of the models; None for themselves, names below them, and honest strangers."""
    models = tuple(models)
    if any(domain == model or domain.ascii.endswith("." + model.ascii) for model in models):
        return None
    found = [
        (likeness, model) for model in models if (likeness := _likeness(_shape(domain), _shape(model))) is not None
    ]
    if not found:
        return None
    order = list(Likeness)
    likeness, model = min(found, key=lambda pair: order.index(pair[0]))
    return Resemblance(_shape(domain).text, _shape(model).text, likeness)


@lru_cache(maxsize=4096)
def _shape(domain: Domain) -> _Shape:
    text = domain.to_unicode()
    label = _known_label(text)
    return _Shape(text, skeleton(text), label, skeleton(label))


def _known_label(text: str) -> str:
    """The label people know a domain by: the one before its ending, which may have two labels (`co.uk`)."""
    labels = text.split(".")
    if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL:
        return labels[-3]
    return labels[-2] if len(labels) > 1 else labels[0]


def _likeness(one: _Shape, model: _Shape) -> Likeness | None:
    if one.skeleton == model.skeleton or one.skeleton.endswith("." + model.skeleton):
        return Likeness.SAME_SHAPE
    if f".{model.skeleton}." in f".{one.skeleton}." or model.text.replace(".", "-") in one.text:
        return Likeness.EMBEDDED
    name = model.label_skeleton
    if len(name) < _LEAST_LETTERS:
        return None
    if one.label_skeleton == name:
        return Likeness.OTHER_ENDING if one.label == model.label else Likeness.SAME_SHAPE
    joined = one.label_skeleton.startswith(name) and len(one.label_skeleton) - len(name) >= _LEAST_ADDED
    if joined or name in _SPLIT.split(one.label_skeleton):
        return Likeness.ADDED_WORDS
    most = 2 if len(name) >= _TWO_EDITS_FROM else 1
    return Likeness.NEAR if _within(one.label_skeleton, name, most) else None


def _within(one: str, other: str, most: int) -> bool:
    """Whether so many letters added, left out, changed or swapped make one of the other."""
    if abs(len(one) - len(other)) > most:
        return False
    before: list[int] = []
    row = list(range(len(other) + 1))
    for number, char in enumerate(one, 1):
        before, last = row, before
        row = [number]
        for at, letter in enumerate(other, 1):
            cost = min(before[at] + 1, row[at - 1] + 1, before[at - 1] + (char != letter))
            if number > 1 and at > 1 and char == other[at - 2] and one[number - 2] == letter:
                cost = min(cost, last[at - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return False
    return row[-1] <= most


def domain_of(text: str) -> Domain | None:
    """A domain as a header writes it; None for literals and what is none."""
    try:
        return Domain.from_text(text)
    except DomainError:
        return None
