"""A message and its parts: a tree of spans, each read when it is asked for (RFC 2045 §2.4, RFC 2046 §5)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from danelaw.message.charsets import decode
from danelaw.message.contenttype import ContentType, Disposition
from danelaw.message.defects import Defect, Defects
from danelaw.message.errors import MessageLimit
from danelaw.message.header import Header
from danelaw.message.limits import DEFAULT, Limits
from danelaw.message.multipart import MOST_OTHER_LINES, Division, divide
from danelaw.message.octets import Octets, chunks, note_lines
from danelaw.message.scan import header_defects, scan
from danelaw.message.transfer import TransferEncoding, undo

# Each level of multiparts is searched for its own boundary: so often may the octets of a large message be read.
_MOST_READINGS = 32
_ALWAYS_READ = 64 << 20
_MESSAGES = frozenset({"message/rfc822", "message/global", "message/news"})


class _Tree:
    """What all parts of one message share: its octets, the limits, and how much may still be found."""

    __slots__ = ("left", "limits", "octets_left", "others_left", "source")

    def __init__(self, source: Octets, limits: Limits) -> None:
        self.source = source
        self.limits = limits
        self.left = limits.parts
        self.others_left = MOST_OTHER_LINES
        self.octets_left = _MOST_READINGS * len(source) + _ALWAYS_READ


class Part:
    """An entity: a header and a body, the whole message or a part of it.

    Offsets count from the beginning of the message. `start` to `end` are its own octets; `delimiter` is where the
    delimiter line before it begins, None for what is no part of a multipart. `number` is its place: "" for the message,
    "2" for its second part, "2.1" for the first within that; a message within a part is the first of that part.
    """

    def __init__(
        self,
        tree: _Tree,
        start: int,
        end: int,
        *,
        depth: int = 0,
        number: str = "",
        digest: bool = False,
        delimiter: int | None = None,
    ) -> None:
        self._tree = tree
        self.start = start
        self.end = end
        self.depth = depth
        self.number = number
        self.delimiter = delimiter
        self._digest = digest
        self._noted = Defects()

    @classmethod
    def from_octets(cls, source: Octets, *, limits: Limits = DEFAULT) -> Part:
        """The message in `bytes`, a memory map, or `FileOctets`, which must stay as they are while it is used."""
        return cls(_Tree(source, limits), 0, len(source))

    @cached_property
    def header(self) -> Header:
        """Its header, scanned."""
        return scan(self._tree.source, self.start, self.end, limits=self._tree.limits)

    @property
    def source(self) -> Octets:
        """The octets of the whole message."""
        return self._tree.source

    @property
    def body_start(self) -> int:
        """Where its body begins."""
        return self.header.body_offset

    @cached_property
    def content_type(self) -> ContentType:
        """Its Content-Type, or the default: text/plain, in a digest message/rfc822 (RFC 2046 §5.1.5)."""
        value = self._value("Content-Type")
        found = ContentType.from_value(value, self._noted) if value is not None else ContentType(stated=False)
        return ContentType("message", "rfc822", stated=False) if self._digest and not found.stated else found

    @cached_property
    def disposition(self) -> Disposition | None:
        """Its Content-Disposition, None without one."""
        value = self._value("Content-Disposition")
        return Disposition.from_value(value, self._noted) if value is not None else None

    @cached_property
    def encoding(self) -> TransferEncoding:
        """Its Content-Transfer-Encoding; 7bit without one (RFC 2045 §6.1)."""
        value = self._value("Content-Transfer-Encoding")
        if value is None:
            return TransferEncoding.SEVEN_BIT
        name = value.partition(b";")[0].partition(b"(")[0].strip().strip(b"\"'").lower().decode("latin-1")
        try:
            return TransferEncoding(name)
        except ValueError:
            self._noted.note(Defect.UNKNOWN_ENCODING)
            return TransferEncoding.UNKNOWN

    @property
    def filename(self) -> str | None:
        """The name its sender gave the file: of Content-Disposition, else of Content-Type. May contain anything."""
        named = self.disposition.parameters.get("filename") if self.disposition is not None else None
        return named or self.content_type.parameters.get("name") or None

    @property
    def is_attachment(self) -> bool:
        """True when it has the disposition attachment or names a file."""
        return (self.disposition is not None and self.disposition.type != "inline") or self.filename is not None

    def _value(self, name: str) -> bytes | None:
        found = self.header.all(name)
        if len(found) > 1:
            self._noted.note(Defect.REPEATED_FIELD)
        return found[0].body if found else None

    @property
    def is_multipart(self) -> bool:
        """True when it says so; it may have no parts nevertheless."""
        return self.content_type.type == "multipart"

    @cached_property
    def division(self) -> Division | None:
        """How a multipart's body is divided, None for another part and where a limit is reached."""
        if not self.is_multipart:
            return None
        boundary = self.content_type.boundary
        if not boundary:
            self._noted.note(Defect.NO_BOUNDARY)
            return None
        if self.encoding.encodes:
            self._noted.note(Defect.ENCODED_COMPOSITE)
        tree = self._tree
        tree.octets_left -= self.end - self.body_start
        if self._too_deep():
            return None
        division = divide(
            tree.source,
            self.body_start,
            self.end,
            boundary,
            most=tree.left,
            defects=self._noted,
            most_others=tree.others_left,
        )
        tree.left -= len(division.parts)
        tree.others_left = max(tree.others_left - division.others, 0)
        return division

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The parts of a multipart, the message within a message/rfc822; nothing for others."""
        if self.content_type.value in _MESSAGES:
            return self._message()
        division = self.division
        if division is None:
            return ()
        digest = self.content_type.subtype == "digest"
        prefix = f"{self.number}." if self.number else ""
        return tuple(
            Part(
                self._tree,
                span.start,
                span.end,
                depth=self.depth + 1,
                number=f"{prefix}{count}",
                digest=digest,
                delimiter=span.delimiter,
            )
            for count, span in enumerate(division.parts, 1)
        )

    def _message(self) -> tuple[Part, ...]:
        if self.encoding.encodes:
            self._noted.note(Defect.ENCODED_COMPOSITE)
            return ()
        if self._too_deep():
            return ()
        if self._tree.left < 1:
            self._noted.note(Defect.TOO_MANY_PARTS)
            return ()
        self._tree.left -= 1
        number = f"{self.number}.1" if self.number else "1"
        return (Part(self._tree, self.body_start, self.end, depth=self.depth + 1, number=number),)

    def _too_deep(self) -> bool:
        if self.depth < self._tree.limits.depth and self._tree.octets_left >= 0:
            return False
        self._noted.note(Defect.TOO_DEEP)
        return True

    def walk(self) -> Iterator[Part]:
        """This part and all within it, each before its own parts."""
        pending = [self]
        while pending:
            part = pending.pop()
            yield part
            pending.extend(reversed(part.parts))

    def raw(self) -> Iterator[bytes]:
        """Its octets, header included, in pieces."""
        return chunks(self._tree.source, self.start, self.end)

    def body(self) -> Iterator[bytes]:
        """Its body's octets as they stand, in pieces."""
        return chunks(self._tree.source, self.body_start, self.end)

    def decoded(self, *, max_octets: int | None = None) -> Iterator[bytes]:
        """Its body with the transfer encoding undone, in pieces.

        Raises `MessageLimit` before giving more than `max_octets`, by default `Limits.decoded_octets`.
        """
        most = self._tree.limits.decoded_octets if max_octets is None else max_octets
        given = 0
        for piece in undo(self.encoding, self.body(), self._noted):
            given += len(piece)
            if given > most:
                raise MessageLimit(f"a part is longer than {most} octets once decoded")
            if piece:
                yield piece

    def content(self, *, max_octets: int | None = None) -> bytes:
        """The same as one. Raises `MessageLimit`."""
        return b"".join(self.decoded(max_octets=max_octets))

    def text(self, *, max_octets: int | None = None) -> str:
        """Its content as text by its charset, UTF-8 or windows-1252 where that is wrong. Raises `MessageLimit`."""
        text, known = decode(self.content(max_octets=max_octets), self.content_type.charset or "us-ascii")
        if not known:
            self._noted.note(Defect.UNKNOWN_CHARSET)
        return text

    def line_defects(self) -> tuple[Defect, ...]:
        """What is odd about the lines of its header and body: NUL, lone CR, lone LF, too long. Reads it all once."""
        defects = Defects()
        note_lines(self._tree.source, self.start, self.end, defects)
        return defects.seen()

    @property
    def defects(self) -> tuple[Defect, ...]:
        """What is odd about its header, its MIME fields and its division, and what decoding noticed so far.

        Not its parts', and not the lines of its body: see `line_defects`.
        """
        for noticing in (self.content_type, self.disposition, self.encoding, self.parts):
            del noticing
        return tuple(dict.fromkeys((*header_defects(self.header), *self._noted)))
