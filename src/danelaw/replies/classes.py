"""Bounce classes and the rules that recognise them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from danelaw.replies.spoken import SpokenReply


class Treatment(Enum):
    """Whether a recipient with such a reply is tried again.

    `AS_SAID` follows the reply: 4yz again, 5yz never (RFC 5321 §4.2.1). `RETRY` and `RETURN` overrule it.
    """

    AS_SAID = "as-said"
    RETRY = "retry"
    RETURN = "return"

    def again(self, code: int) -> bool:
        """True when the recipient is to be tried again after a reply with this code."""
        return code < 500 if self is Treatment.AS_SAID else self is Treatment.RETRY


@dataclass(frozen=True, slots=True)
class BounceClass:
    """A kind of failure. `notice` are words for the sender, `advice` for the postmaster, `wait` is the shortest pause
    in seconds before the next try.
    """

    name: str
    notice: str
    advice: str
    treatment: Treatment = Treatment.AS_SAID
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words to look for: parts that must follow each other, the first of them at the beginning of a word."""

    parts: tuple[str, ...]
    first: str

    @classmethod
    def from_text(cls, text: str) -> Phrase:
        """`exceeded * quota`; case is ignored. Raises `ValueError` for a phrase without words."""
        parts = tuple(part for part in (" ".join(piece.lower().split()) for piece in text.split("*")) if part)
        if not parts:
            raise ValueError(f"the phrase {text!r} has no words and would match everything")
        return cls(parts, parts[0])

    def found_in(self, words: str) -> bool:
        """True when the words have it. Each part is searched once forwards, so the time is bounded by the length."""
        end = _at_word(words, self.parts[0])
        for part in self.parts[1:]:
            if end < 0:
                break
            start = words.find(part, end)
            end = start + len(part) if start >= 0 else -1
        return end >= 0


def _at_word(words: str, part: str) -> int:
    """Where the first occurrence that begins a word ends, -1 when there is none."""
    start = words.find(part)
    if part[0].isalnum():
        while start > 0 and words[start - 1].isalnum():
            start = words.find(part, start + 1)
    return start + len(part) if start >= 0 else -1


@dataclass(frozen=True, slots=True)
class BounceRule:
    """Conditions that must all hold; an empty one holds always. `statuses` have None for any number; `codes` are
    beginnings of codes; `place` names the rule for people.
    """

    bounce_class: BounceClass
    place: str
    codes: tuple[str, ...] = ()
    statuses: tuple[tuple[int | None, int | None, int | None], ...] = ()
    site: str = ""
    phrases: tuple[Phrase, ...] = ()
    examples: tuple[str, ...] = ()

    def takes_code(self, code: int) -> bool:
        """True when the code does not speak against the rule."""
        return not self.codes or str(code).startswith(self.codes)

    def matches(self, reply: SpokenReply, site: str) -> bool:
        """True when every condition but the code holds; `site` is the MX site of the server, empty when unknown."""
        if self.site and self.site != site:
            return False
        if self.statuses and not any(_fits(pattern, reply.status) for pattern in self.statuses):
            return False
        if not self.phrases:
            return True
        words = reply.words
        for phrase in self.phrases:  # noqa: SIM110 - a generator would cost as much as the search itself
            # Nearly all phrases end here: the plain search costs a tenth of the call.
            if phrase.first in words and phrase.found_in(words):
                return True
        return False


def _fits(pattern: tuple[int | None, int | None, int | None], status: tuple[int, int, int]) -> bool:
    # A reply without enhanced code fits no pattern, not even one of three x.
    return status[0] > 0 and all(want is None or want == got for want, got in zip(pattern, status, strict=True))
