"""SASLprep: one form for names and passwords that look the same (RFC 4013)."""

from __future__ import annotations

import stringprep
import unicodedata

from danelaw.sasl.errors import SASLError

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str, *, stored: bool = False) -> str:
    """The prepared form. `stored` for strings that are kept, in which Unicode 3.2 must know every character; a query
    may have others (RFC 3454 §7).

    Raises `SASLError` for prohibited characters, bidirectional text out of order, and a result that is empty.
    """
    if not (text.isascii() and text.isprintable()):
        # RFC 4013 §2.1: spaces become one kind, and what is commonly mapped to nothing goes.
        mapped = "".join(
            " " if stringprep.in_table_c12(character) else character
            for character in text
            if not stringprep.in_table_b1(character)
        )
        text = unicodedata.normalize("NFKC", mapped)
        _check(text, stored=stored)
    if not text:
        raise SASLError("the name or password is empty")
    return text


def _check(text: str, *, stored: bool) -> None:
    for character in text:
        if any(prohibited(character) for prohibited in _PROHIBITED):
            raise SASLError(f"character U+{ord(character):04X} is not allowed in a name or password")
        if stored and stringprep.in_table_a1(character):
            raise SASLError(f"character U+{ord(character):04X} is too new for SASLprep (RFC 4013 §2.5)")
    if not any(map(stringprep.in_table_d1, text)):
        return
    # RFC 3454 §6: text from right to left begins and ends with such a character and has no other letters.
    if any(map(stringprep.in_table_d2, text)) or not (
        stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    ):
        raise SASLError("a name or password mixes directions of writing (RFC 3454 §6)")
