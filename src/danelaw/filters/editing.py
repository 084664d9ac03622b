"""The edits of filters carried out on a header and a body. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import cast

from danelaw.filters.result import FilterEdit, RemoveField, ReplaceHeader
from danelaw.message import Header
from danelaw.milter import AddHeader, ChangeHeader, Edit, InsertHeader, ReplaceBody, edited_header

_LARGEST = 1 << 20
_LINE_END = re.compile(rb"\r\n|\r|\n")


def edited_content_header(header: bytes, edits: Sequence[FilterEdit], *, leading_space: bool = False) -> bytes:
    """A header (whole fields, no empty line) with the edits that concern it, in their order.

    Whatever a filter gives as a value stays one field.
    """
    for fields_only, group in groupby(edits, lambda edit: isinstance(edit, AddHeader | InsertHeader | ChangeHeader)):
        if fields_only:
            # In one go: taking a header apart is what costs.
            header = edited_header(header, cast("list[Edit]", list(group)), leading_space=leading_space)
            continue
        for edit in group:
            if isinstance(edit, RemoveField):
                header = _without(header, edit)
            elif isinstance(edit, ReplaceHeader):
                header = _whole_fields(edit.octets)
    return header


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


def _without(header: bytes, edit: RemoveField) -> bytes:
    parsed = _parsed(header)
    key = edit.name.lower()
    places = [place for place, field in enumerate(parsed.fields) if field.name.lower() == key]
    if edit.index:
        place = edit.index - 1 if edit.index > 0 else edit.index
        places = [places[place]] if -len(places) <= place < len(places) else []
    if not places:
        return header
    kept = b"".join(field.raw for place, field in enumerate(parsed.fields) if place not in places)
    return kept + header[len(parsed.raw) :]


def _parsed(header: bytes) -> Header:
    return Header.from_bytes(header, max_octets=len(header), max_fields=len(header) + 1)


def _whole_fields(octets: bytes) -> bytes:
    """Lines that end with CRLF, none of them empty."""
    lines = [line.rstrip(b"\r") for line in octets[:_LARGEST].split(b"\n")]
    return b"".join(line + b"\r\n" for line in lines if line.strip())
