"""Where the header ends and what its fields are, byte for byte (RFC 5322 §2.1, §2.2, RFC 6532 §3.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from danelaw.message.errors import HeaderTooLarge

# The first empty line, or the very start when the message begins with one. Lines end with CRLF; a lone LF is
# taken as a line end too, because messages stored by others have it. A lone CR is an ordinary octet.
_END_OF_HEADER = re.compile(rb"(?:\A|\n)(\r?\n)")
# RFC 5322 §2.2: field-name = 1*ftext; §4.5 allows white space before the colon in what we read.
_FIELD_START = re.compile(rb"([!-9;-~]{1,998})[ \t]*:")
_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_MESSAGE_ID = re.compile(rb"<[^<>\s]{1,990}>")

_NO_FIELD = "a line is neither a field nor the continuation of one; the header ends before it"
_NO_END = "the header has no empty line behind it"

DEFAULT_MAX_HEADER = 1 << 20
DEFAULT_MAX_FIELDS = 10_000


@dataclass(frozen=True, slots=True)
class Field:
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


@dataclass(frozen=True)
class Header:
    """The header of a message.

    `raw` is everything up to, not including, the empty line; `body_offset` is where the body begins.
    When a line is no field, the header ends before it (`defect` says so) and that line belongs to the body,
    as most software sees it; `raw` then stops there.
    """

    raw: bytes
    fields: tuple[Field, ...]
    body_offset: int
    defect: str | None = None

    @classmethod
    def from_bytes(
        cls, message: bytes, *, max_octets: int = DEFAULT_MAX_HEADER, max_fields: int = DEFAULT_MAX_FIELDS
    ) -> Header:
        """Split off the header of a whole message, or of a beginning of it that contains the header.

        Raises `HeaderTooLarge` when the header has more than `max_octets` or `max_fields`.
        """
        end, body = boundary(message, max_octets)
        fields: list[Field] = []
        start = 0
        while start < end:
            stop = _end_of_field(message, start, end)
            match = _FIELD_START.match(message, start, stop)
            if match is None:
                return cls(message[:start], tuple(fields), start, _NO_FIELD)
            if len(fields) == max_fields:
                raise HeaderTooLarge(f"the header has more than {max_fields} fields")
            fields.append(Field(match[1], message[start:stop], start))
            start = stop
        return cls(message[:end], tuple(fields), body, None if body > end else _NO_END)

    def all(self, name: str) -> tuple[Field, ...]:
        """Every field of that name, top first."""
        return tuple(self._by_key.get(name.lower().encode("ascii"), ()))

    def first(self, name: str) -> Field | None:
        """The topmost field of that name."""
        return next(iter(self.all(name)), None)

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    @cached_property
    def _by_key(self) -> dict[bytes, list[Field]]:
        found: dict[bytes, list[Field]] = {}
        for field in self.fields:
            found.setdefault(field.key, []).append(field)
        return found

    @property
    def received_count(self) -> int:
        """How many Received fields there are (RFC 5321 §6.3)."""
        return len(self.all("Received"))

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


def boundary(message: bytes, max_octets: int = DEFAULT_MAX_HEADER) -> tuple[int, int]:
    """(end of the header, start of the body). Without an empty line both are the length of the message.

    Raises `HeaderTooLarge` when no empty line comes within `max_octets`.
    """
    match = _END_OF_HEADER.search(message, 0, max_octets + 4)
    if match is not None and match.start(1) <= max_octets:
        return match.start(1), match.end()
    if len(message) > max_octets:
        raise HeaderTooLarge(f"the header is longer than {max_octets} octets")
    return len(message), len(message)


def count_received(header: bytes) -> int:
    """How many lines of a header begin a Received field: one pass in C, for the hot path (RFC 5321 §6.3)."""
    return len(_RECEIVED.findall(header))


def _end_of_field(message: bytes, start: int, end: int) -> int:
    """Past the line end of the last line of the field that begins at `start`."""
    while True:
        newline = message.find(b"\n", start, end)
        if newline < 0:
            return end
        start = newline + 1
        if message[start : start + 1] not in (b" ", b"\t") or start >= end:
            return start
