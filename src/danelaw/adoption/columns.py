"""Finding the column of a CSV file that holds domains or addresses (RFC 4180, and what spreadsheets make of it)."""

from __future__ import annotations

from collections.abc import Sequence

from danelaw.adoption.extraction import ExtractionError

_LIKELY = ("domain", "recipient", "recipients", "email", "e-mail", "mail", "to", "address", "rcpt")
_DELIMITERS = (",", ";", "\t", "|")


def delimiter_of(line: str) -> str:
    """The character that separates columns, by the first line; a comma when none occurs."""
    counts = {one: line.count(one) for one in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda one: counts[one])
    return best if counts[best] else ","


def column_of(first: Sequence[str], wanted: str | None) -> tuple[int, bool]:
    """Which column (from 0) to read, and whether the first row is a heading.

    `wanted` is a name of the first row or a number from 1; without it a heading such as "domain" or "email" decides,
    and with a single column that one is read. Raises `ExtractionError` saying which columns there are.
    """
    names = [name.strip("\ufeff ").lower() for name in first]
    heading = any(name in _LIKELY for name in names)
    if wanted is not None:
        if wanted.isascii() and wanted.isdigit() and wanted.lower() not in names:
            number = int(wanted[:9])
            if not 1 <= number <= len(first):
                raise ExtractionError(f"there is no column {number}: the first row has {len(first)}")
            return number - 1, heading
        if wanted.strip().lower() in names:
            return names.index(wanted.strip().lower()), True
        raise ExtractionError(
            f"there is no column {wanted!r}; the first row has: {', '.join(first)[:200]}",
            advice="name one of them with --column, or give its number from 1",
        )
    for name in _LIKELY:
        if name in names:
            return names.index(name), True
    if len(first) == 1:
        return 0, False
    raise ExtractionError(
        f"it is not clear which of {len(first)} columns holds the domains: {', '.join(first)[:200]}",
        advice="name one of them with --column, or give its number from 1",
    )
