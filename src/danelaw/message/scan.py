"""The header of any octets, as real mail has it: nothing is refused, every oddity gets a name.

Differs from `Header.from_bytes` in what it reads over: a line of mbox files on top, and single lines without colon
that fields follow (RFC 7103 §7.2). Where text comes that is no field, the header ends (RFC 5322 §2.1).
"""

from __future__ import annotations

import re

from danelaw.message.defects import Defect, Defects
from danelaw.message.header import FIELD, FIELDS, Field, Header, line_end, more_fields
from danelaw.message.limits import DEFAULT, Limits
from danelaw.message.octets import Octets, note_lines

_MBOX = re.compile(rb">?From [^\n]*(?:\n|\Z)")
_LINE = re.compile(rb"[^\n]*+(?:\n[ \t][^\n]*+)*+(?:\n|\Z)")
# A name that people give fields: what follows a line without colon must be this, not any text with a colon in it.
_PLAUSIBLE = re.compile(rb"[A-Za-z][A-Za-z0-9-]{0,76}[ \t]*:")
_SPACE_BEFORE_COLON = re.compile(rb"^[!-9;-~]{1,998}+[ \t]+:", re.MULTILINE)
_FIRST_WINDOW = 16 * 1024


def scan(source: Octets, start: int = 0, end: int | None = None, *, limits: Limits = DEFAULT) -> Header:
    """The header that begins at `start` of octets in memory, mapped, or in a file. Never raises.

    What `Header.raw` and the octets from `Header.body_offset` on leave out is the empty line.
    """
    stop = len(source) if end is None else end
    if isinstance(source, bytes):
        return _scan(source, start, stop, 0, limits)
    size = _FIRST_WINDOW
    while True:
        whole = stop - start <= size or size > limits.header_octets + 2
        header = _scan(source[start : min(start + size, stop)], 0, min(size, stop - start), start, limits)
        # The last octets may be half of an empty line, a line that ends the header half of a line before fields.
        if whole or (Defect.NO_EMPTY_LINE not in header.scanned and header.body_offset < start + size - 2):
            return header
        size *= 8


def _scan(octets: bytes, start: int, stop: int, base: int, limits: Limits) -> Header:
    """The header between start and stop; `base` is the position of `octets` in the message."""
    most = min(stop, start + limits.header_octets)
    match = FIELDS.match(octets, start, most)
    assert match is not None
    place = match.end()
    tiles: tuple[Field, ...] | None = None
    defects: tuple[Defect, ...] = ()
    gap = line_end(octets, place) if place < stop else 0
    if place < stop and (not gap or place + gap > stop or place >= most):
        noted = Defects()
        reading = _Lines(octets, start, most, base, limits)
        place = reading.read(place, noted)
        gap = line_end(octets, place) if place < stop else 0
        gap = gap if place + gap <= stop else 0
        if place == most < stop:
            noted.note(Defect.HEADER_TOO_LONG)
        elif place < stop and not gap:
            noted.note(Defect.NO_EMPTY_LINE)
        tiles, defects = reading.tiles(), noted.seen()
    raw = octets[start:place]
    if more_fields(raw, limits.fields):
        defects += (Defect.TOO_MANY_FIELDS,)
    return Header(raw, base + place + gap, offset=base + start, tiles=tiles, defects=defects, max_fields=limits.fields)


class _Lines:
    """The slow way through a header in which a line is no field."""

    def __init__(self, octets: bytes, start: int, most: int, base: int, limits: Limits) -> None:
        self._octets = octets
        self._start = start
        self._most = most
        self._base = base
        self._limits = limits
        self._strange: list[tuple[int, int]] = []
        self._end = start

    def read(self, place: int, defects: Defects) -> int:
        """Where the header ends, from `place` on, where no field stands."""
        octets, most = self._octets, self._most
        while place < most and not line_end(octets, place):
            match = _MBOX.match(octets, place, most) if place == self._start else None
            if match is not None:
                defects.note(Defect.MBOX_LINE)
            else:
                match = _LINE.match(octets, place, most)
                assert match is not None
                if not _PLAUSIBLE.match(octets, match.end(), most):
                    break
                defects.note(Defect.FIELD_WITHOUT_COLON)
            self._strange.append((place, match.end()))
            following = FIELDS.match(octets, match.end(), most)
            assert following is not None
            place = following.end()
        self._end = place
        return place

    def tiles(self) -> tuple[Field, ...] | None:
        """All lines without gap, None where each is a field; beyond the limit the rest is one tile without name."""
        if not self._strange:
            return None
        tiles: list[Field] = []
        place = self._start
        for begin, end in [*self._strange, (self._end, self._end)]:
            for match in FIELD.finditer(self._octets[place:begin]):
                tiles.append(Field(match[2], match[1], self._base + place + match.start()))
                if len(tiles) > 2 * self._limits.fields:
                    return tuple(tiles)
            if begin < end:
                tiles.append(Field(b"", self._octets[begin:end], self._base + begin))
            place = end
        return tuple(tiles)


def header_defects(header: Header) -> tuple[Defect, ...]:
    """Everything odd about a header, down to its octets; `Header.scanned` has what scanning noticed by itself."""
    defects = Defects(dict.fromkeys(header.scanned))
    raw = header.raw
    if not raw.isascii():
        try:
            raw.decode()
            defects.note(Defect.UTF8_IN_HEADER)
        except UnicodeDecodeError:
            defects.note(Defect.NOT_UTF8)
    note_lines(raw, 0, len(raw), defects)
    if _SPACE_BEFORE_COLON.search(raw):
        defects.note(Defect.SPACE_BEFORE_COLON)
    return defects.seen()
