"""What `danelaw survey` reads: a list, a log or a column of CSV, plain or gzipped, or the spool's own history."""

from __future__ import annotations

import gzip
import io
import itertools
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from danelaw.adoption import (
    Entry,
    Extraction,
    ExtractionError,
    Form,
    column_of,
    delimiter_of,
    detect,
    domain_of,
    rows_of,
)
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from danelaw.state import SurveyBook

_DETECT_LINES = 200
_TOGETHER = 10_000
_GZIP = b"\x1f\x8b"
_LONGEST = 1 << 17


@dataclass(slots=True)
class Reading:
    """What was read: `source` in words, and what became of the lines."""

    source: str
    form: str
    extraction: Extraction
    domains: int = 0
    _counted: Counter[str] = field(default_factory=Counter)

    def take(self, book: SurveyBook, entries: Iterable[Entry]) -> None:
        """Count entries, and write them from time to time."""
        for entry in entries:
            self._counted[entry.domain] += entry.weight
        if len(self._counted) >= _TOGETHER:
            self.write(book)

    def write(self, book: SurveyBook) -> None:
        """Write what was counted."""
        book.count(self._counted)
        self._counted.clear()


def read_file(book: SurveyBook, file: Path, form: str, column: str | None) -> Reading:
    """Read a file, `-` for standard input, into the book. Raises `DanelawError`."""
    try:
        with _opened(file) as stream:
            lines = _lines(stream)
            if form == "csv" or column is not None or (form == "auto" and file.suffix.lower() == ".csv"):
                return _read_csv(book, file, lines, column)
            first = list(itertools.islice(lines, _DETECT_LINES))
            chosen = detect(first) if form == "auto" else Form(form)
            reading = Reading(str(file), chosen.value, Extraction(chosen))
            with book.reading_in():
                for text in itertools.chain(first, lines):
                    reading.take(book, reading.extraction.line(text))
                reading.write(book)
            return reading
    except (OSError, EOFError, zlib.error) as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DanelawError(f"{file} cannot be read: {words}") from None


def read_history(book: SurveyBook, spool: Path, since: float, words: str) -> Reading:
    """Count recipient domains of the spool's own mail since a moment (POSIX seconds). Raises `SpoolError`."""
    from danelaw.spool.correspondence import recipient_domains
    from danelaw.spool.shards import in_each

    reading = Reading(f"own mail of the last {words}", "history", Extraction(Form.LIST))

    def look(connection: object) -> None:
        for part in recipient_domains(connection, since):  # type: ignore[arg-type]
            for name, weight in part.items():
                reading.extraction.lines += 1
                try:
                    reading.take(book, (Entry(domain_of(name), weight),))
                    reading.extraction.entries += weight
                except ExtractionError as error:
                    reading.extraction.rejected(reading.extraction.lines, name, error.reason)

    with book.reading_in():
        in_each(spool, look)
        reading.write(book)
    return reading


def _read_csv(book: SurveyBook, file: Path, lines: Iterator[str], column: str | None) -> Reading:
    first = next(lines, "")
    reading = Reading(str(file), "csv", Extraction(Form.LIST))
    extraction = reading.extraction
    number: int | None = None
    with book.reading_in():
        for row in rows_of(itertools.chain([first], lines), delimiter_of(first)):
            extraction.lines = row.last
            if row.reason:
                extraction.rejected(row.first, "", row.reason)
                continue
            if number is None and row.cells:
                number, is_heading = column_of(row.cells, column)
                if is_heading:
                    continue
            cell = row.cells[number] if number is not None and number < len(row.cells) else ""
            reading.take(book, extraction.cell(row.first, cell))
        reading.write(book)
    return reading


@contextmanager
def _opened(file: Path) -> Iterator[io.BufferedIOBase]:
    if str(file) == "-":
        yield sys.stdin.buffer  # type: ignore[misc]
        return
    with file.open("rb") as stream:
        if stream.peek(2)[:2] != _GZIP:
            yield stream
            return
        with gzip.GzipFile(fileobj=stream) as unpacked:
            yield io.BufferedReader(unpacked)


def _lines(stream: io.BufferedIOBase) -> Iterator[str]:
    """Lines as text; of one that never ends only the beginning is kept."""
    while line := stream.readline(_LONGEST):
        if len(line) == _LONGEST and not line.endswith(b"\n"):
            while (rest := stream.readline(_LONGEST)) and not rest.endswith(b"\n"):
                pass
        yield line.decode("utf-8", "replace")
