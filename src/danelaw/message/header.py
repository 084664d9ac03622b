"""Where the header ends and what its fields are, byte for byte (RFC 5322 §2.1, §2.2, RFC 6532 §3.2)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cached_property
from itertools import accumulate, islice
from typing import NamedTuple

from danelaw.message.defects import Defect
from danelaw.message.encodedwords import decode_field
from danelaw.message.errors import HeaderTooLarge

# The first empty line, or the very start when the message begins with one. Lines end with CRLF; a lone LF is
# taken as a line end too, because messages stored by others have it. A lone CR is an ordinary octet.
_END_OF_HEADER = re.compile(rb"(?:\A|\n)(\r?\n)")
# RFC 5322 §2.2: field-name = 1*ftext; §4.5 allows white space before the colon in what we read. Possessive: what has
# been read is never read again, so that any octets take linear time.
_NAME = rb"[!-9;-~]{1,998}+"
_BODY = rb"[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*+(?:\n|\Z)"
FIELD = re.compile(rb"^((" + _NAME + rb")" + _BODY + rb")", re.MULTILINE)
FIELDS = re.compile(rb"(?:" + _NAME + _BODY + rb")*+")
_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_MESSAGE_ID = re.compile(rb"<[^<>\s]{1,990}>")

_NO_FIELD = "a line is neither a field nor the continuation of one; the header ends before it"
_NO_END = "the header has no empty line behind it"

DEFAULT_MAX_HEADER = 1 << 20
DEFAULT_MAX_FIELDS = 10_000


class Field(NamedTuple):
    """One header field as it stands in the message.

    `name` is spelled as found; `raw` holds every octet including name, folding and final line end;
    `offset` is the position of its first octet in the message.
    """

    name: bytes
    raw: bytes
    offset: int

    @property
    def key(self) -> bytes:
        """The name in lower case, for comparing (RFC 5322 §1.2.2)."""
        return self.name.lower()

    @property
    def body(self) -> bytes:
        """Everything after the colon, folding included, without the final line end."""
        return self.raw[self.raw.index(b":") + 1 :].removesuffix(b"\n").removesuffix(b"\r")

    @property
    def value(self) -> bytes:
        """The body unfolded (RFC 5322 §2.2.3) and without white space at both ends."""
        return _FOLD.sub(b"", self.body).strip(b" \t")

    @property
    def decoded(self) -> str:
        """The value for people: encoded words decoded (RFC 2047), raw UTF-8 or whatever else it is as text."""
        return decode_field(self.value)


class Header:
    """The header of a message or of a part of one.

    `raw` is everything up to, not including, the empty line; `body_offset` is where the body begins, both counted from
    where the octets began that were read. `defect` says where `from_bytes` found a line that is no field, or no empty
    line; `scanned` is what `danelaw.message.scan` noticed. Fields are listed when first asked for.
    """

    def __init__(
        self,
        raw: bytes,
        body_offset: int,
        defect: str | None = None,
        *,
        offset: int = 0,
        tiles: tuple[Field, ...] | None = None,
        defects: tuple[Defect, ...] = (),
        max_fields: int = DEFAULT_MAX_FIELDS,
    ) -> None:
        """`offset` is the position of `raw` in the message. `tiles` are the lines where not all of them are fields:
        what is none has an empty name.
        """
        self.raw = raw
        self.body_offset = body_offset
        self.defect = defect
        self.scanned = defects
        self._offset = offset
        self._tiles = tiles
        self._max_fields = max_fields

    @classmethod
    def from_bytes(
        cls, message: bytes, *, max_octets: int = DEFAULT_MAX_HEADER, max_fields: int = DEFAULT_MAX_FIELDS
    ) -> Header:
        """Split off the header of a whole message, or of a beginning of it that contains the header.

        Raises `HeaderTooLarge` when the header has more than `max_octets` or `max_fields`. When a line is no field,
        the header ends before it (`defect` says so) and that line belongs to the body, as most software sees it.
        """
        match = FIELDS.match(message, 0, max_octets + 4)
        assert match is not None
        end = match.end()
        body = end + line_end(message, end)
        defect = None
        if end > max_octets or body == end:
            whole, body = boundary(message, max_octets)
            defect = _NO_END if whole == end else _NO_FIELD
            body = body if whole == end else end
        raw = message[:end]
        if more_fields(raw, max_fields):
            raise HeaderTooLarge(f"the header has more than {max_fields} fields")
        return cls(raw, body, defect, max_fields=max_fields)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Every field, top first; of a scanned header with too many, the first ones."""
        if self._tiles is not None:
            return tuple(islice((tile for tile in self._tiles if tile.name), self._max_fields))
        return tuple(map(Field, self._names, self._raws, self._offsets))

    @property
    def tiles(self) -> tuple[Field, ...]:
        """The lines of the header without gap, those included that are no field or one too many; their name is
        empty.
        """
        tiles = self.fields if self._tiles is None else self._tiles
        read = tiles[-1].offset - self._offset + len(tiles[-1].raw) if tiles else 0
        if read == len(self.raw):
            return tiles
        return (*tiles, Field(b"", self.raw[read:], self._offset + read))

    @cached_property
    def _found(self) -> list[tuple[bytes, bytes]]:
        if self._tiles is not None:
            return [(field.raw, field.name) for field in self.fields]
        if more_fields(self.raw, self._max_fields):
            return [(match[1], match[2]) for match in islice(FIELD.finditer(self.raw), self._max_fields)]
        found: list[tuple[bytes, bytes]] = FIELD.findall(self.raw)
        return found

    @property
    def pairs(self) -> tuple[tuple[bytes, bytes], ...]:
        """(name, raw octets) of every field, top first: what `fields` holds, without where it stands."""
        return tuple([(name, raw) for raw, name in self._found])

    @property
    def _raws(self) -> list[bytes]:
        return [raw for raw, _ in self._found]

    @property
    def _names(self) -> list[bytes]:
        return [name for _, name in self._found]

    @cached_property
    def _offsets(self) -> list[int]:
        if self._tiles is not None:
            return [field.offset for field in self.fields]
        return list(accumulate(map(len, self._raws), initial=self._offset))[:-1]

    def all(self, name: str) -> tuple[Field, ...]:
        """Every field of that name, top first."""
        return tuple(map(self._field, self._places.get(name.lower().encode("ascii"), ())))

    def first(self, name: str) -> Field | None:
        """The topmost field of that name."""
        places = self._places.get(name.lower().encode("ascii"))
        return self._field(places[0]) if places else None

    def _field(self, place: int) -> Field:
        raw, name = self._found[place]
        return Field(name, raw, self._offsets[place])

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    @cached_property
    def _places(self) -> dict[bytes, list[int]]:
        places: dict[bytes, list[int]] = {}
        for place, (_, name) in enumerate(self._found):
            places.setdefault(name.lower(), []).append(place)
        return places

    @property
    def received_count(self) -> int:
        """How many Received fields there are (RFC 5321 §6.3)."""
        return len(self._places.get(b"received", ()))

    @property
    def message_id(self) -> str | None:
        """The first msg-id of the Message-ID field, angle brackets included; octets above 127 as U+FFFD."""
        field = self.first("Message-ID")
        match = _MESSAGE_ID.search(field.value) if field is not None else None
        return match[0].decode("utf-8", "replace") if match is not None else None

    @property
    def date(self) -> str | None:
        """The Date field's text, unfolded, as the sender wrote it."""
        field = self.first("Date")
        return field.value.decode("utf-8", "replace") if field is not None else None

    @property
    def subject(self) -> str | None:
        """The Subject field's text, unfolded, encoded words left as they are."""
        field = self.first("Subject")
        return field.value.decode("utf-8", "replace") if field is not None else None


def without_fields(header: bytes, names: Collection[bytes]) -> bytes:
    """The octets of a header without its fields of these names (any case), also behind lines that are no fields; every
    other octet as it was, and the same object where there is none.
    """
    wanted = {name.lower() for name in names}
    lowered = header.lower()
    if not any(name in lowered for name in wanted):
        return header
    return FIELD.sub(lambda match: b"" if match[2].lower() in wanted else match[0], header)


def boundary(message: bytes, max_octets: int = DEFAULT_MAX_HEADER) -> tuple[int, int]:
    """(end of the header, start of the body). Without an empty line both are the length of the message.

    Raises `HeaderTooLarge` when no empty line comes within `max_octets`.
    """
    # A pattern takes ten times as long; it is for the header that begins with its end, or has lone line feeds.
    end = message.find(b"\n\r\n", 0, max_octets + 4)
    if 0 <= end < max_octets and message.find(b"\n\n", 0, end + 1) < 0 and not message.startswith((b"\r\n", b"\n")):
        return end + 1, end + 3
    match = _END_OF_HEADER.search(message, 0, max_octets + 4)
    if match is not None and match.start(1) <= max_octets:
        return match.start(1), match.end()
    if len(message) > max_octets:
        raise HeaderTooLarge(f"the header is longer than {max_octets} octets")
    return len(message), len(message)


def count_received(header: bytes) -> int:
    """How many lines of a header begin a Received field: one pass in C, for the hot path (RFC 5321 §6.3)."""
    return len(_RECEIVED.findall(header))


def more_fields(raw: bytes, most: int) -> bool:
    """Whether a header has more fields than that; most are too short for it, or have too few lines."""
    if len(raw) < 3 * most or raw.count(b"\n") < most:
        return False
    return sum(1 for _ in islice(FIELD.finditer(raw), most + 1)) > most


def line_end(octets: bytes, place: int) -> int:
    """How many octets the line end has that stands there: 2, 1, or 0 for none."""
    if octets[place : place + 1] == b"\n":
        return 1
    return 2 if octets[place : place + 2] == b"\r\n" else 0
