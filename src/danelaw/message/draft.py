"""A message to be changed: what changes is noted beside the original octets, and all others go out as they came.

Every change can be taken back: `snapshot` gives the state as a value, `restore` returns to it. Nothing is copied until
`chunks` gives the message out, piece by piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from danelaw.message.errors import FieldError, MessageError
from danelaw.message.header import FIELD, Field
from danelaw.message.multipart import is_boundary
from danelaw.message.octets import chunks
from danelaw.message.part import Part
from danelaw.message.replacement import Rank, Replacement, put

_NEW = -1
_MOVED = frozenset(
    {
        b"content-type",
        b"content-transfer-encoding",
        b"content-disposition",
        b"content-id",
        b"content-description",
        b"content-language",
        b"content-location",
        b"content-md5",
    }
)
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")


class Snapshot(NamedTuple):
    """All changes so far: the lines of the message's header, and what is replaced behind it."""

    tiles: tuple[Field, ...]
    replaced: tuple[Replacement, ...]


class Draft:
    """Changes to a message. Positions of fields count the header as it is by then; parts are those of the original."""

    def __init__(self, message: Part) -> None:
        """`message` is the whole message, whose octets must stay while the draft is used.

        Raises `MessageError` for a part of a message.
        """
        if message.start or message.depth:
            raise MessageError("only a whole message can be changed")
        self.message = message
        self._original = message.header.tiles
        self._tiles = self._original
        self._replaced: tuple[Replacement, ...] = ()

    def snapshot(self) -> Snapshot:
        """The state as a value."""
        return Snapshot(self._tiles, self._replaced)

    def restore(self, snapshot: Snapshot) -> None:
        """Return to a state of this draft."""
        self._tiles, self._replaced = snapshot

    @property
    def is_changed(self) -> bool:
        """Whether anything differs from the original."""
        return self._tiles is not self._original or bool(self._replaced)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of the message's header as it is now; the offset of a new one is -1."""
        return tuple(tile for tile in self._tiles if tile.name)

    def position(self, name: str, number: int = 0) -> int | None:
        """Which of `fields` is the one of that name, `number` counting those from 0; None where there is none."""
        key = name.lower().encode("ascii")
        size, place, found = len(key), -1, []
        for tile in self._tiles:
            if tile.name:
                place += 1
                if len(tile.name) == size and tile.key == key:
                    found.append(place)
        return found[number] if -len(found) <= number < len(found) else None

    def add_field(self, raw: bytes, at: int = 0) -> None:
        """Put a whole field before the one at that position: 0 is on top, the number of fields is below all.

        Raises `FieldError` for what is not exactly one field with CRLF at its end.
        """
        added = _checked(raw)
        if at == 0 and self._tiles and self._tiles[0].name:
            before = 0
        else:
            places = self._places()
            before = places[at] if at < len(places) else len(self._tiles)
        self._separate(self.message)
        self._tiles = (*self._tiles[:before], added, *self._tiles[before:])

    def remove_field(self, at: int) -> None:
        """Take away the field at that position. Raises `IndexError`."""
        place = self._places()[at]
        self._separate(self.message)
        self._tiles = (*self._tiles[:place], *self._tiles[place + 1 :])

    def replace_field(self, at: int, raw: bytes) -> None:
        """Put a whole field in the place of another. Raises `FieldError` as `add_field` does, `IndexError`."""
        place = self._places()[at]
        field = _checked(raw)
        self._separate(self.message)
        self._tiles = (*self._tiles[:place], field, *self._tiles[place + 1 :])

    def _places(self) -> list[int]:
        return [place for place, tile in enumerate(self._tiles) if tile.name]

    def set_field(self, part: Part, raw: bytes) -> None:
        """Put a whole field in the place of the first one of its name in a part's header, or at the header's end.

        Raises `FieldError`, and `MessageError` where the part has been replaced.
        """
        field = _checked(raw)
        if part is self.message:
            at = self.position(field.name.decode("ascii"))
            if at is None:
                self.add_field(raw, len(self.fields))
            else:
                self.replace_field(at, raw)
            return
        header = part.header
        found = header.first(field.name.decode("ascii"))
        if found is not None:
            line = raw if found.raw.endswith(b"\n") else raw[:-2]
            self.replace(found.offset, found.offset + len(found.raw), line)
            return
        end = part.start + len(header.raw)
        self._separate(part)
        self._put(end, end, (b"" if not header.raw or header.raw.endswith(b"\n") else b"\r\n") + raw, Rank.FIELD)

    def replace_body(self, octets: bytes, part: Part | None = None) -> None:
        """Put other octets in the place of the whole body of the message, or of a part. Raises `MessageError`."""
        part = part or self.message
        self._separate(part, always=True)
        empty = part.body_start == part.end
        self._put(part.body_start, part.end, octets, given_up=Rank.CONTENT if empty else Rank.FIELD)

    def _separate(self, part: Part, *, always: bool = False) -> None:
        """Put the empty line between header and body that was not there: what follows could be taken for a field."""
        raw, place = part.header.raw, part.body_start
        if place > part.start + len(raw) or (place == part.end and not always):
            return
        if any(one.is_insertion and one.start == place and one.rank is Rank.SEPARATOR for one in self._replaced):
            return
        self._put(place, place, b"\r\n" if not raw or raw.endswith(b"\n") else b"\r\n\r\n", Rank.SEPARATOR)

    def replace_part(self, part: Part, octets: bytes) -> None:
        """Put a whole entity, header, empty line and body, in the place of a part. Raises `MessageError`."""
        if part is self.message:
            raise MessageError("the message as a whole cannot be replaced")
        self._put(part.start, part.end, octets, given_up=Rank.FIELD)

    def remove_part(self, part: Part) -> None:
        """Take a part of a multipart away, with the delimiter before it. Raises `MessageError` for another."""
        if part.delimiter is None:
            raise MessageError("only a part of a multipart can be taken away")
        self._put(part.delimiter, part.end, b"", given_up=Rank.FIELD)

    def add_part(self, multipart: Part, octets: bytes) -> None:
        """Put a whole entity behind the last part of a multipart, and close it where it is not closed.

        Raises `MessageError` where there are no parts, or the boundary occurs in the octets.
        """
        division = multipart.division
        boundary = multipart.content_type.boundary
        if division is None or not division.parts:
            raise MessageError("a part can only be added to a multipart that has one")
        _free(boundary, octets)
        place = multipart.end if division.close is None else division.close
        close = b"\r\n--" + boundary + b"--\r\n" if division.close is None else b""
        self._put(place, place, b"\r\n--" + boundary + b"\r\n" + octets + close, Rank.SIBLING)

    def wrap(self, boundary: bytes, octets: bytes) -> None:
        """Make the message a multipart/mixed of what it was and another whole entity.

        `boundary` must occur nowhere in the message; only the entity is searched. The message's MIME fields become the
        first part's. Raises `MessageError` for a boundary that the entity contains or that is none, and when the
        message has been wrapped before.
        """
        _free(boundary, octets)
        if not is_boundary(boundary):
            raise MessageError(f"{boundary[:80]!r} is no boundary (RFC 2046 §5.1.1)")
        if any(one.rank is Rank.OPENING for one in self._replaced):
            raise MessageError("the message has been wrapped already")
        moved = b"".join(field.raw for field in self.fields if field.key in _MOVED)
        self._tiles = tuple(tile for tile in self._tiles if tile.key not in _MOVED)
        if self.position("MIME-Version") is None:
            self.add_field(b"MIME-Version: 1.0\r\n", len(self.fields))
        content_type = b'Content-Type: multipart/mixed;\r\n boundary="' + boundary + b'"\r\n'
        self.add_field(content_type, len(self.fields))
        start, end = self.message.body_start, self.message.end
        self._separate(self.message, always=True)
        self._put(start, start, b"--" + boundary + b"\r\n" + moved + b"\r\n", Rank.OPENING)
        close = b"\r\n--" + boundary + b"--\r\n"
        self._put(end, end, b"\r\n--" + boundary + b"\r\n" + octets + close, Rank.SIBLING)

    def replace(self, start: int, end: int, octets: bytes) -> None:
        """Put octets in the place of original ones behind the message's header; several at one place stand in order.

        Replacements within the span are given up. Raises `MessageError` where the span cuts one, or the header.
        """
        self._put(start, end, octets)

    def is_replaced(self, part: Part) -> bool:
        """Whether a part, its body, or what it stands in has been replaced or taken away."""
        return any(
            not one.is_insertion and one.start <= part.body_start and one.end >= part.end and one.end > part.body_start
            for one in self._replaced
        )

    def _put(
        self, start: int, end: int, octets: bytes, rank: Rank = Rank.CONTENT, *, given_up: Rank | None = None
    ) -> None:
        """What was put behind the span's last octet from the rank `given_up` to content belonged to what stood there,
        and goes with it.
        """
        if start < len(self.message.header.raw) or end < start or end > self.message.end:
            raise MessageError("what is replaced must lie behind the message's header")
        self._replaced = put(self._replaced, Replacement(start, end, rank, octets), given_up)

    @property
    def size(self) -> int:
        """How many octets `chunks` gives."""
        message = self.message
        header = sum(end - start if octets is None else len(octets) for start, end, octets in self._header())
        changed = sum(len(one.octets) - (one.end - one.start) for one in self._replaced)
        return header + message.end - len(message.header.raw) + changed

    def chunks(self) -> Iterator[bytes]:
        """The message as it is now, in pieces of at most 64 KiB of the original."""
        yield from self._header_chunks()
        yield from self.body_chunks()

    def header_octets(self) -> bytes:
        """The header as it is now, without the empty line."""
        return b"".join(self._header_chunks())

    @property
    def body_changed(self) -> bool:
        """Whether anything behind the header differs from the original."""
        return bool(self._replaced)

    def _header_chunks(self) -> Iterator[bytes]:
        for start, end, octets in self._header():
            if octets is None:
                yield from chunks(self.message.source, start, end)
            else:
                yield octets

    def body_chunks(self) -> Iterator[bytes]:
        """What follows the header as it is now, the empty line first, in pieces."""
        source = self.message.source
        place = len(self.message.header.raw)
        for one in self._replaced:
            yield from chunks(source, place, one.start)
            if one.octets:
                yield one.octets
            place = one.end
        yield from chunks(source, place, self.message.end)

    def to_bytes(self) -> bytes:
        """The message as one."""
        return b"".join(self.chunks())

    def _header(self) -> Iterator[tuple[int, int, bytes | None]]:
        """Spans of the original header, or octets instead: neighbours that were neighbours are one span."""
        message = self.message
        raw = message.header.raw
        if self._tiles is self._original:
            yield 0, len(raw), None
            return
        begin = end = 0
        ended = True
        for tile in self._tiles:
            if tile.offset == end and tile.offset != _NEW:
                end += len(tile.raw)
            else:
                yield begin, end, None
                if not ended:
                    yield 0, 0, b"\r\n"
                begin = end = max(tile.offset, 0)
                if tile.offset == _NEW:
                    yield 0, 0, tile.raw
                    begin = end = _NEW
                else:
                    end += len(tile.raw)
            ended = tile.raw.endswith(b"\n")
        yield begin, end, None


def _checked(raw: bytes) -> Field:
    match = FIELD.fullmatch(raw)
    if match is None or not raw.endswith(b"\r\n") or _BARE.search(raw) or b"\r\n\r\n" in raw:
        raise FieldError(f"{raw[:60]!r} is not one field with CRLF at its end")
    return Field(match[2], raw, _NEW)


def _free(boundary: bytes, octets: bytes) -> None:
    if b"--" + boundary in octets:
        raise MessageError("the boundary occurs in the part that is added")
