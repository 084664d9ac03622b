"""Header fields between the message and the filter: as the filter is told them, and its edits carried out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from danelaw.message import Header
from danelaw.milter.edits import AddHeader, ChangeHeader, Edit, InsertHeader

_LINE_END = re.compile(rb"\r*\n|\r+")


def fields_of(header: bytes, *, leading_space: bool) -> Iterator[tuple[bytes, bytes]]:
    """Name and value of each field as a filter is told them: line feeds for line ends inside, none at the end.

    Without `leading_space` one space behind the colon is left out, as before protocol version 6.
    """
    for field in Header.from_bytes(header, max_octets=len(header), max_fields=len(header) + 1).fields:
        name, _, value = field.raw.partition(b":")
        value = _LINE_END.sub(b"\n", value).rstrip(b"\n").replace(b"\0", b"")
        if not leading_space:
            value = value.removeprefix(b" ")
        yield name.rstrip(b" \t"), value


def field_octets(name: bytes, value: bytes, *, leading_space: bool = False) -> bytes:
    """A whole field with CRLF. Whatever the value holds, it stays one field: each of its lines is folded in."""
    lines = [line for line in _LINE_END.split(value.replace(b"\0", b"")) if line.strip()]
    first = lines[0] if lines and value[:1] not in (b"\n", b"\r") else b""
    rest = lines[1:] if first else lines
    if not leading_space:
        first = b" " + first
    return (
        b"\r\n".join([name + b":" + first, *(line if line[:1] in b" \t" else b"\t" + line for line in rest)]) + b"\r\n"
    )


class FieldList:
    """The fields of a header, to be changed one after the other. Octets nobody asks to change stay as they are.

    The header is taken apart once, whatever the number of edits, since it may have 100,000 fields.
    """

    def __init__(self, header: bytes) -> None:
        parsed = Header.from_bytes(header, max_octets=len(header), max_fields=len(header) + 1)
        self._fields: list[list[bytes]] = [[field.name.lower(), field.raw] for field in parsed.fields]
        self._rest = header[len(parsed.raw) :]
        self._places: dict[bytes, list[list[bytes]]] | None = None
        self._gaps = False

    def _named(self, name: bytes) -> list[list[bytes]]:
        if self._places is None:
            self._places = {}
            for field in self._fields:
                if field[1]:
                    self._places.setdefault(field[0], []).append(field)
        return self._places.setdefault(name.lower(), [])

    def insert(self, index: int, name: bytes, raw: bytes) -> None:
        """A field at a position, 0 is the top; behind the last one where there are not so many."""
        if self._gaps:
            self._fields = [field for field in self._fields if field[1]]
            self._gaps = False
        self._fields.insert(index, [name.lower(), raw])
        self._places = None

    def add(self, name: bytes, raw: bytes) -> None:
        """A field at the end."""
        field = [name.lower(), raw]
        named = self._named(name)
        self._fields.append(field)
        named.append(field)

    def change(self, number: int, name: bytes, raw: bytes) -> None:
        """Another field for the `number`-th of that name, counted from 1; nothing for it removes it. A field that is
        not there is added, as the usual mail servers do.
        """
        named = self._named(name)
        place = max(number, 1) - 1
        if place < len(named):
            named[place][1] = raw
            if not raw:
                del named[place]
                self._gaps = True
        elif raw:
            self.add(name, raw)

    def remove(self, name: bytes, index: int = 0) -> None:
        """All fields of that name, or the `index`-th, from the end where it is negative."""
        named = self._named(name)
        place = index - 1 if index > 0 else index
        if index and not -len(named) <= place < len(named):
            return
        gone = [named.pop(place)] if index else named[:]
        if not index:
            named.clear()
        for field in gone:
            field[1] = b""
            self._gaps = True

    def edit(self, edit: AddHeader | InsertHeader | ChangeHeader, *, leading_space: bool) -> None:
        """One edit of a filter."""
        if isinstance(edit, ChangeHeader) and not edit.value:
            self.change(edit.index, edit.name, b"")
            return
        raw = field_octets(edit.name, edit.value, leading_space=leading_space)
        if isinstance(edit, InsertHeader):
            self.insert(edit.index, edit.name, raw)
        elif isinstance(edit, AddHeader):
            self.add(edit.name, raw)
        else:
            self.change(edit.index, edit.name, raw)

    def to_bytes(self) -> bytes:
        """The header."""
        return b"".join([raw for _, raw in self._fields]) + self._rest


def edited_header(header: bytes, edits: Iterable[Edit], *, leading_space: bool = False) -> bytes:
    """The header (without its empty line) with the edits that concern it, in their order. Other octets stay."""
    fields = FieldList(header)
    for edit in edits:
        if isinstance(edit, AddHeader | InsertHeader | ChangeHeader):
            fields.edit(edit, leading_space=leading_space)
    return fields.to_bytes()
