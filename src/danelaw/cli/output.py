"""How every command prints: symbols, widths, times, fingerprints, colour, JSON.

Colour and symbols only repeat what the words say. Width is at most 116 columns; where less is there, the last
column (the reason) folds onto lines of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TextIO

MAX_WIDTH = 116
_MIN_REASON = 24
_MOST_LINES = 5


class Symbol(Enum):
    """A verdict at a glance: form in UTF-8, form in ASCII, SGR colour."""

    VERIFIED = ("●", "#", "32")
    ENCRYPTED = ("◐", "+", "33")
    CLEAR = ("○", ".", "33")
    STOPPED = ("✕", "x", "31")
    NONE = (" ", " ", "")


LEVEL_SYMBOLS = {
    "dane": Symbol.VERIFIED,
    "mta-sts": Symbol.VERIFIED,
    "pkix": Symbol.VERIFIED,
    "host-dane": Symbol.ENCRYPTED,
    "encrypted": Symbol.ENCRYPTED,
    "clear": Symbol.CLEAR,
    "waits": Symbol.STOPPED,
    "no-mail": Symbol.STOPPED,
    "unknown": Symbol.NONE,
}
"""By the words of `Protection.level`, and of what has none."""

# Texts keep to typographic characters; these stand in where the terminal has only ASCII.
_ASCII = str.maketrans(
    {"·": "-", "–": "-", "—": "-", "…": "..", "→": "->", "≤": "<=", "≥": ">=", "×": "x", "§": "section ", "’": "'"}
    | {symbol.value[0]: symbol.value[1] for symbol in Symbol}
)


@dataclass
class Output:
    """Where and how to print. `Output.detect()` looks at the terminal; tests give values."""

    stream: TextIO
    width: int = MAX_WIDTH
    utf8: bool = True
    colour: bool = False

    @classmethod
    def detect(cls, *, ascii_only: bool = False, stream: TextIO | None = None) -> Output:
        """Look at the stream (standard output unless given) and the environment; pipes get the full width."""
        target = stream or sys.stdout
        tty = target.isatty()
        encoding = (getattr(target, "encoding", None) or "ascii").lower().replace("-", "").replace("_", "")
        columns = shutil.get_terminal_size((MAX_WIDTH, 24)).columns if tty else MAX_WIDTH
        return cls(
            stream=target,
            width=min(columns, MAX_WIDTH),
            utf8=not ascii_only and encoding in ("utf8", "utf8sig"),
            colour=tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
        )

    def line(self, text: str = "") -> None:
        """Print one line as it is, made safe for the terminal."""
        self.stream.write(self.encodable(printable(text)) + "\n")

    def symbol(self, symbol: Symbol) -> str:
        """The symbol in the form this terminal shows."""
        shown = symbol.value[0] if self.utf8 else symbol.value[1]
        return f"\x1b[{symbol.value[2]}m{shown}\x1b[0m" if self.colour and symbol.value[2] else shown

    def headline(self, symbol: Symbol, text: str) -> None:
        """The answer: symbol and the first words."""
        folded = _folded(self.encodable(printable(text)), max(self.width - 2, 20)) or [""]
        self.stream.write(f"{self.symbol(symbol)} {folded[0]}\n")
        for rest in folded[1:]:
            self.stream.write(f"  {rest}\n")

    def paragraph(self, text: str, *, indent: int = 2, hang: int = 0) -> None:
        """Words, folded to the width; further lines stand `hang` columns to the right of the first."""
        margin = " " * indent
        folded = _folded(self.encodable(printable(text)), max(self.width, 30) - indent, " " * hang)
        self.stream.writelines(f"{margin}{line}\n" for line in folded)

    def table(self, rows: Sequence[tuple[Symbol, Sequence[str]]], *, heads: Sequence[str] = (), gap: int = 2) -> None:
        """Rows of a symbol and cells; the last cell is the reason and folds under the row when space is short."""
        cells = [[self.encodable(printable(cell)) for cell in row] for _, row in rows]
        titles = [self.encodable(head) for head in heads]
        columns = max((len(row) for row in [*cells, titles]), default=0)
        widths = [
            max((display_width(row[i]) for row in [*cells, titles] if i < len(row)), default=0)
            for i in range(columns - 1)
        ]
        room = self.width - 2 - sum(widths) - gap * len(widths)
        if titles:
            self.stream.write("  " + self._joined(titles, widths, gap) + "\n")
        for (symbol, _), row in zip(rows, cells, strict=True):
            front, reason = row[: columns - 1], row[columns - 1] if len(row) == columns else ""
            self._row(self.symbol(symbol) + " ", front, reason, widths, room, gap)

    def _row(self, lead: str, front: Sequence[str], reason: str, widths: Sequence[int], room: int, gap: int) -> None:
        head = lead + self._joined([*front, ""] if reason else front, widths, gap)
        if display_width(reason) <= room:
            self.stream.write((head + reason).rstrip() + "\n")
        elif room >= _MIN_REASON and len(reason) <= _MOST_LINES * room:
            folded = _folded(reason, room)
            self.stream.write(head + folded[0] + "\n")
            margin = " " * (self.width - room)
            self.stream.writelines(f"{margin}{rest}\n" for rest in folded[1:])
        else:
            self.stream.write(head.rstrip() + "\n")
            self.stream.writelines(f"    {rest}\n" for rest in _folded(reason, max(self.width - 4, 20)))

    @staticmethod
    def _joined(cells: Sequence[str], widths: Sequence[int], gap: int) -> str:
        padded = [
            cell + " " * (widths[i] - display_width(cell) + gap if i < len(widths) else 0)
            for i, cell in enumerate(cells)
        ]
        return "".join(padded)

    def next(self, command: str) -> None:
        """The last line: the next command to type."""
        self.line(f"next: {command}")

    def json(self, value: Any) -> None:
        """A value as JSON on standard output, readable for people too."""
        text = json.dumps(value, indent=2, ensure_ascii=not self.utf8, default=_jsonable)
        if not text.isprintable():  # JSON itself lets the controls above U+007F and marks of direction through
            text = "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)
        self.stream.write(text + "\n")

    def encodable(self, text: str) -> str:
        """The text in characters this terminal shows."""
        if self.utf8:
            return text
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def _folded(text: str, width: int, hang: str = "") -> list[str]:
    """Lines of at most `width` columns. Names are not broken at their hyphens: they are there to be copied."""
    return textwrap.wrap(text, width, subsequent_indent=hang, break_on_hyphens=False)


def _jsonable(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def printable(text: str) -> str:
    """Text of strangers made harmless for a terminal: control and direction characters become escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def display_width(text: str) -> int:
    """Terminal columns a text takes (wide East Asian characters two, combining marks none)."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fingerprint(hexadecimal: str) -> str:
    """A fingerprint short enough to compare by eye: first 8 … last 4."""
    text = hexadecimal.lower()
    return text if len(text) <= 13 else f"{text[:8]}…{text[-4:]}"


def duration(seconds: float) -> str:
    """A length of time in one unit, or two where the second matters: "31 min", "1 h 20 min", "5 days"."""
    whole = max(int(seconds), 0)
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s".replace(".0 s", " s")
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes and hours < 6 else f"{hours} h"
    days, hours = divmod(hours, 24)
    unit = "day" if days == 1 else "days"
    return f"{days} {unit} {hours} h" if hours and days < 3 else f"{days} {unit}"


def relative(moment: float, now: float) -> str:
    """A moment seen from now: "in 31 min", "5 min ago", "now"."""
    difference = moment - now
    if abs(difference) < 1:
        return "now"
    return f"in {duration(difference)}" if difference > 0 else f"{duration(-difference)} ago"


def absolute(moment: float, now: float) -> str:
    """A moment by the local clock, as short as it can be: "10:02", "Sat 28 Nov 09:14", "2027-01-03 09:14"."""
    when, today = datetime.fromtimestamp(moment), datetime.fromtimestamp(now)
    if when.date() == today.date():
        return when.strftime("%H:%M")
    if abs((when - today).days) < 180:
        return when.strftime("%a ") + str(when.day) + when.strftime(" %b %H:%M")
    return when.strftime("%Y-%m-%d %H:%M")


def moment(when: float, now: float) -> str:
    """Both at once: "10:02 (in 31 min)"."""
    return f"{absolute(when, now)} ({relative(when, now)})"


def number(count: int) -> str:
    """A count for people: "4 101"."""
    return f"{count:,}".replace(",", " ")


def size(count: int) -> str:
    """A number of bytes for people: "4 101 bytes", "38 MiB"."""
    if count < 100_000:
        return number(count) + (" byte" if count == 1 else " bytes")
    for unit, power in (("GiB", 30), ("MiB", 20)):
        if count >= 1 << power:
            return f"{count / (1 << power):.1f} {unit}".replace(".0 ", " ")
    return f"{count // 1024} KiB"
