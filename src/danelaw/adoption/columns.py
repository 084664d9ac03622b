"""Reading CSV for the column that holds domains or addresses (RFC 4180, and what spreadsheets make of it)."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from danelaw.adoption.extraction import ExtractionError

_LIKELY = ("domain", "recipient", "recipients", "email", "e-mail", "mail", "to", "address", "rcpt")
_DELIMITERS = (",", ";", "\t", "|")
MOST_LINES = 50
"""Lines one row may go over, within quotes."""


class Row(NamedTuple):
    """A row of lines `first` to `last`, from 1; `reason` says why it is none, and `cells` are empty then."""

    first: int
    last: int
    cells: Sequence[str]
    reason: str = ""


def rows_of(lines: Iterator[str], delimiter: str) -> Iterator[Row]:
    """The rows of CSV. A broken one, or a quote that nothing closes, costs one line: reading goes on at the next."""
    again: list[str] = []
    before = 0
    while True:
        taken: list[str] = []
        source = itertools.islice(itertools.chain(again, lines), MOST_LINES)
        feed = _Feed(source, taken)
        try:
            cells = next(csv.reader(feed, delimiter=delimiter), None)
            reason = "a quote is opened and not closed" if feed.ended else ""
        except csv.Error as error:
            cells, reason = [], f"no row of CSV: {error}"
        if cells is None:
            return
        used = 1 if reason else len(taken)
        yield Row(before + 1, before + used, () if reason else cells, reason)
        before += used
        again = taken[used:] + again[len(taken) :]


class _Feed:
    """Lines for one row: remembers those taken, and whether more were wanted than there are."""

    def __init__(self, source: Iterator[str], taken: list[str]) -> None:
        self._source = source
        self._taken = taken
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = next(self._source)
        except StopIteration:
            self.ended = True
            raise
        self._taken.append(line)
        return line


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
