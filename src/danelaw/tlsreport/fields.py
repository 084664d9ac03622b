"""Fields of JSON objects as reporters write them: names spelled in several ways, values of other types than agreed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from danelaw.address import Domain, DomainError
from danelaw.tlsreport.json_text import Remarks

LONGEST_TEXT = 1024
MOST_COUNT = 10**12
"""Sessions that one number may count; more is no count of anything, and sums of millions of them still fit."""
_MILLISECONDS = 100_000_000_000


class Fields:
    """One object. Names are compared without case, `_` counts as `-`; what is odd is noted in `remarks`."""

    def __init__(self, value: Any, remarks: Remarks) -> None:
        """`value` may be anything: what is no object has no fields."""
        self.remarks = remarks
        self._found: dict[str, Any] = {}
        if isinstance(value, Mapping):
            for name, one in value.items():
                if one is not None:
                    self._found.setdefault(str(name).strip().lower().replace("_", "-"), one)

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def value(self, *names: str) -> Any:
        """The first that is there and not null."""
        return next((self._found[name] for name in names if name in self), None)

    def text(self, *names: str) -> str:
        """As one text; a list is joined, what is missing is empty."""
        return ", ".join(self.texts(*names))[:LONGEST_TEXT]

    def texts(self, *names: str) -> tuple[str, ...]:
        """As several, from a list or from the lines of a text."""
        value = self.value(*names)
        if isinstance(value, list):
            flat: Iterator[Any] = iter(value[:LONGEST_TEXT])
        else:
            flat = iter(value.splitlines()) if isinstance(value, str) else iter(() if value is None else (value,))
        return tuple(text for one in flat if (text := self._plain(one, names[0])))

    def count(self, *names: str) -> int | None:
        """As a number of sessions, None where there is none that can be used."""
        value = self.value(*names)
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 20:
            self.remarks.note(f"{names[0]} is a text, not a number")
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_COUNT:
            if value is not None:
                self.remarks.note(f"{names[0]} is no number of sessions")
            return None
        return value

    def moment(self, *names: str) -> int | None:
        """As POSIX seconds, from a date-time (RFC 3339 §5.6), a date, or a number of seconds or milliseconds."""
        value = self.value(*names)
        if value is None:
            return None
        seconds = _seconds(value)
        if seconds is None:
            self.remarks.note(f"{names[0]} is no date")
        elif not isinstance(value, str) or value.strip().isdecimal():
            self.remarks.note(f"{names[0]} is a number, not a date-time")
        return seconds

    def domain(self, *names: str) -> str:
        """As a domain in A-labels, lower case; what is none stays as it is."""
        text = self.text(*names).strip().rstrip(".").lower()
        try:
            return Domain.from_text(text).ascii
        except DomainError:
            if text:
                self.remarks.note(f"{names[0]} is no domain name")
            return text

    def _plain(self, value: Any, name: str) -> str:
        if not isinstance(value, str):
            if not isinstance(value, int | float) or isinstance(value, bool):
                self.remarks.note(f"{name} is no text")
                return ""
            self.remarks.note(f"{name} is a number, not a text")
            value = str(value)
        # Halves of surrogate pairs can be in no file, NUL in no column.
        text: str = value.encode("utf-8", "replace").decode("utf-8").replace("\0", "").strip()
        if len(text) > LONGEST_TEXT:
            self.remarks.note(f"{name} is cut at {LONGEST_TEXT} characters")
        return text[:LONGEST_TEXT]


def _seconds(value: Any) -> int | None:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = int(value / 1000 if abs(value) >= _MILLISECONDS else value)
        except (OverflowError, ValueError):
            return None
        return seconds if 0 <= seconds < _MILLISECONDS else None
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value.strip()[:40])
        found = int((when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
    return found if found >= 0 else None
