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


def edited_header(header: bytes, edits: Iterable[Edit], *, leading_space: bool = False) -> bytes:
    """The header (without its empty line) with the edits that concern it, in their order. Other octets stay."""
    parsed = Header.from_bytes(header, max_octets=len(header), max_fields=len(header) + 1)
    fields = [(field.name.lower(), field.raw) for field in parsed.fields]
    rest = header[len(parsed.raw) :]
    for edit in edits:
        if isinstance(edit, AddHeader):
            fields.append((edit.name.lower(), _new(edit, leading_space)))
        elif isinstance(edit, InsertHeader):
            fields.insert(edit.index, (edit.name.lower(), _new(edit, leading_space)))
        elif isinstance(edit, ChangeHeader):
            _change(fields, edit, leading_space)
    return b"".join(raw for _, raw in fields) + rest


def _new(edit: AddHeader | InsertHeader | ChangeHeader, leading_space: bool) -> bytes:
    return field_octets(edit.name, edit.value, leading_space=leading_space)


def _change(fields: list[tuple[bytes, bytes]], edit: ChangeHeader, leading_space: bool) -> None:
    key = edit.name.lower()
    places = [place for place, (name, _) in enumerate(fields) if name == key]
    number = max(edit.index, 1)
    if number > len(places):
        # A field that is not there is added, as the usual mail servers do; there is nothing to remove.
        if edit.value:
            fields.append((key, _new(edit, leading_space)))
    elif edit.value:
        fields[places[number - 1]] = (key, _new(edit, leading_space))
    else:
        del fields[places[number - 1]]
