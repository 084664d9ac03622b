"""The words a sender may ask with."""

from __future__ import annotations

from danelaw.errors import DanelawError
from danelaw.tlspolicy import SenderDemand

TAG_WORDS = ("encrypted", "verified", "dane", "requiretls")
"""Those that can be a label of a domain name."""
FIELD_WORDS = (*TAG_WORDS, "requiretls+dane")

_SHOWN = 40


class DemandError(DanelawError, ValueError):
    """A request for protection that cannot be understood, or contradicts another."""


def demand_of(word: str, words: tuple[str, ...]) -> SenderDemand:
    """What one word asks for, in any case. Raises `DemandError` that names all `words`."""
    low = word.lower()
    if low not in words:
        shown = word[:_SHOWN] if word.isascii() and word.isprintable() else ascii(word)[1:-1][:_SHOWN]
        raise DemandError(f"'{shown}' is no protection; write one of: {', '.join(words)}")
    return SenderDemand.from_word(low)
