"""Where the parts of a multipart begin and end (RFC 2046 §5.1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from danelaw.message.defects import Defect, Defects
from danelaw.message.octets import Octets, occurrences

# A delimiter line: the boundary, two hyphens for the last, white space that transport may have added.
_REST = re.compile(rb"(--)?[ \t]*+(\r?\n|\Z)")
_REST_WINDOWS = (80, 1000)
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]\Z")
# Lines that begin with the boundary and go on are looked at too; a message of nothing else takes bounded time.
MOST_OTHER_LINES = 20_000


class Span(NamedTuple):
    """A part between delimiters: `delimiter` is where the line end before its delimiter line begins."""

    delimiter: int
    start: int
    end: int


class Division(NamedTuple):
    """A multipart's body: its parts, the span before the first delimiter, and the span behind the last.

    `close` is where the closing delimiter begins, None without one. `others` counts the lines that begin with the
    boundary and go on.
    """

    parts: tuple[Span, ...]
    preamble: tuple[int, int]
    epilogue: tuple[int, int]
    close: int | None
    others: int = 0


def is_boundary(octets: bytes) -> bool:
    """Whether these may be a boundary: 1 to 70 of certain characters, no space at the end (RFC 2046 §5.1.1)."""
    return _BOUNDARY.match(octets) is not None


def divide(
    source: Octets,
    start: int,
    end: int,
    boundary: bytes,
    *,
    most: int,
    defects: Defects,
    most_others: int = MOST_OTHER_LINES,
) -> Division:
    """Divide the body between start and end, at most into `most` parts.

    A delimiter is a whole line. One that begins with the boundary and goes on is none, since the boundaries of parts
    within may begin with this one; a defect says that there was one.
    """
    if not is_boundary(boundary):
        defects.note(Defect.BAD_BOUNDARY)
    parts: list[Span] = []
    preamble_end = begun = begun_delimiter = None
    others = 0
    close = None
    behind = end
    for place in _candidates(source, start, end, boundary):
        text = place if place == start and source[place : place + 1] == b"-" else place + 1
        rest = _rest(source, text + 2 + len(boundary), end)
        if rest is None:
            others += 1
            if others > most_others:
                defects.note(Defect.TOO_MANY_PARTS)
                break
            continue
        delimiter = place - 1 if text > place > start and source[place - 1 : place] == b"\r" else place
        if begun is None or begun_delimiter is None:
            preamble_end = delimiter
        else:
            parts.append(Span(begun_delimiter, begun, max(delimiter, begun)))
        begun = begun_delimiter = None
        behind = text + 2 + len(boundary) + rest.end()
        if rest[1]:
            close = delimiter
            break
        if len(parts) >= most:
            defects.note(Defect.TOO_MANY_PARTS)
            break
        begun_delimiter, begun = delimiter, behind
    if begun is not None and begun_delimiter is not None:
        parts.append(Span(begun_delimiter, begun, end))
        behind = end
    if others:
        defects.note(Defect.TEXT_AFTER_BOUNDARY)
    if preamble_end is None:
        defects.note(Defect.NO_DELIMITER)
        return Division((), (start, end), (end, end), None, others)
    if close is None:
        defects.note(Defect.NO_CLOSE_DELIMITER)
    return Division(tuple(parts), (start, preamble_end), (min(behind, end), end), close, others)


def _candidates(source: Octets, start: int, end: int, boundary: bytes) -> Iterator[int]:
    needle = b"--" + boundary
    if source[start : min(start + len(needle), end)] == needle:
        yield start
    yield from occurrences(source, b"\n" + needle, start, end)


def _rest(source: Octets, place: int, end: int) -> re.Match[bytes] | None:
    """What follows the boundary to the end of its line; None where this is no delimiter line."""
    for size in _REST_WINDOWS:
        window = source[place : min(place + size, end)]
        match = _REST.match(window)
        if match is not None and (match[2] or place + len(window) == end):
            return match
    return None
