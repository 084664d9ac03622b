"""The edits of filters carried out on a header and a body. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from danelaw.filters.result import FilterEdit, RemoveField, ReplaceHeader
from danelaw.message import Header
from danelaw.milter import AddHeader, ChangeHeader, FieldList, InsertHeader, ReplaceBody

_LARGEST = 1 << 20
_LINE_END = re.compile(rb"\r\n|\r|\n")


def edited_content_header(header: bytes, edits: Sequence[FilterEdit], *, leading_space: bool = False) -> bytes:
    """A header (whole fields, no empty line) with the edits that concern it, in their order.

    Whatever a filter gives as a value stays one field.
    """
    if not any(
        isinstance(edit, AddHeader | InsertHeader | ChangeHeader | RemoveField | ReplaceHeader) for edit in edits
    ):
        return header
    fields = FieldList(header)
    for edit in edits:
        if isinstance(edit, RemoveField):
            fields.remove(edit.name, edit.index)
        elif isinstance(edit, ReplaceHeader):
            fields = FieldList(_whole_fields(edit.octets))
        elif isinstance(edit, AddHeader | InsertHeader | ChangeHeader):
            fields.edit(edit, leading_space=leading_space)
    return fields.to_bytes()


def new_body(edits: Sequence[FilterEdit]) -> bytes | None:
    """The body the edits want, None when they leave it as it is."""
    chunks = [edit.chunk for edit in edits if isinstance(edit, ReplaceBody)]
    if not chunks:
        return None
    body = b"".join(chunks)
    # Line ends that are none in SMTP would end the message early elsewhere (RFC 5321 §2.3.8).
    if not body.count(b"\r") == body.count(b"\n") == body.count(b"\r\n"):
        body = _LINE_END.sub(b"\r\n", body)
    return body


def without_named(header: bytes, patterns: Sequence[str]) -> tuple[bytes, tuple[str, ...]]:
    """The header without fields whose name matches a pattern (`X-Spam-*`), and the names of those removed."""
    exact = {pattern.lower().encode() for pattern in patterns if not pattern.endswith("*")}
    prefixes = tuple(pattern[:-1].lower().encode() for pattern in patterns if pattern.endswith("*"))
    parsed = _parsed(header)
    kept, removed = [], []
    for field in parsed.fields:
        name = field.name.lower()
        if name in exact or (prefixes and name.startswith(prefixes)):
            removed.append(field.name.decode("ascii", "replace"))
        else:
            kept.append(field.raw)
    if not removed:
        return header, ()
    return b"".join(kept) + header[len(parsed.raw) :], tuple(removed)


def _parsed(header: bytes) -> Header:
    return Header.from_bytes(header, max_octets=len(header), max_fields=len(header) + 1)


def _whole_fields(octets: bytes) -> bytes:
    """Lines that end with CRLF, none of them empty."""
    lines = [line.rstrip(b"\r") for line in octets[:_LARGEST].split(b"\n")]
    return b"".join(line + b"\r\n" for line in lines if line.strip())
