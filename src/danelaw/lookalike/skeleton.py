"""The shape of a text: two texts that look alike have the same skeleton (UTS 39 §4)."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from confusable_homoglyphs import confusables

MOST_CHARACTERS = 1000
# Of the same shape in the fonts of mail programs, within ASCII; after all else was brought to ASCII.
_SHAPES = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_SINGLE = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "8": "b"})


def _prototypes() -> dict[int, str]:
    """Characters beyond ASCII to the ASCII letters or digits of their shape."""
    found: dict[int, str] = {}
    for text, alike in confusables.confusables_data.items():
        if len(text) != 1 or text.isascii():
            continue
        ascii_ones = [item["c"] for item in alike if item["c"].isascii() and item["c"].isalnum() and len(item["c"]) < 3]
        if ascii_ones:
            # Small letters first: a domain has no others.
            found[ord(text)] = min(ascii_ones, key=lambda one: (len(one), one != one.lower(), one)).lower()
    return found


_PROTOTYPES = _prototypes()


@lru_cache(maxsize=8192)
def skeleton(text: str) -> str:
    """What a text looks like: accents and case gone, letters of other scripts as the ASCII they resemble.

    At most 1,000 characters are looked at.
    """
    # Capitals first: a Cyrillic М has the shape of M, the small letter it folds to has not.
    text = unicodedata.normalize("NFKC", text[:MOST_CHARACTERS]).translate(_PROTOTYPES).casefold()
    text = text.translate(_PROTOTYPES)
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(
        char for char in decomposed if not unicodedata.combining(char) and unicodedata.category(char) != "Cf"
    )
    plain = plain.translate(_PROTOTYPES).translate(_SINGLE)
    for shape, letter in _SHAPES:
        plain = plain.replace(shape, letter)
    return plain
