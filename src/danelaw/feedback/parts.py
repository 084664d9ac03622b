"""Reports taken apart: a mail with a part of fields for programs, and the message they are about, or its header."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from danelaw.feedback.errors import FeedbackError
from danelaw.message import Header, HeaderTooLarge, MessageLimit, Part

MOST_OCTETS = 64 << 10
"""Octets of the part for programs; more is no report that can be used."""
MOST_FIELDS = 500
LONGEST = 1000
"""Characters of a value that are kept."""
_MOST_PARTS = 50
_ABOUT = frozenset({"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"})


@dataclass(frozen=True, slots=True)
class Told:
    """The whole mail, the octets of its part for programs, and the header of the message it is about, or None."""

    mail: Part
    fields: bytes
    about: Header | None


def told(octets: bytes, kinds: frozenset[str]) -> Told | None:
    """A report whose fields are in a part of one of these media types; None where there is no such part.

    Raises `FeedbackError` for a part that is too large.
    """
    whole = Part.from_octets(octets)
    fields: Part | None = None
    about: Part | None = None
    for part in _parts(whole):
        kind = part.content_type.value
        if fields is None and kind in kinds:
            fields = part
        elif about is None and kind in _ABOUT:
            about = part
    if fields is None:
        return None
    try:
        content = fields.content(max_octets=MOST_OCTETS)
    except MessageLimit:
        raise FeedbackError(f"the part for programs has more than {MOST_OCTETS} octets") from None
    return Told(whole, content, None if about is None else _header(about))


def group(octets: bytes) -> Header:
    """Fields that stand together. Raises `FeedbackError` for too many."""
    try:
        return Header.from_bytes(octets.strip(b"\r\n") + b"\r\n\r\n", max_fields=MOST_FIELDS)
    except HeaderTooLarge as error:
        raise FeedbackError(error.reason) from None


def value(header: Header | None, name: str) -> str:
    """The first field of that name, printable and not too long; empty where there is none."""
    found = None if header is None else header.first(name)
    return "" if found is None else printed(found.decoded)


def values(header: Header, name: str, most: int = 100) -> tuple[str, ...]:
    """All fields of that name, at most so many."""
    return tuple(printed(one.decoded) for one in header.all(name)[:most])


def printed(text: str) -> str:
    """A text that harms no log and no terminal."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text[:LONGEST]).strip()


def address(text: str) -> str:
    """An address without its type (`rfc822; anna@example.org`) and its brackets."""
    kind, semicolon, rest = text.partition(";")
    return (rest if semicolon and "@" not in kind else text).strip().strip("<>").strip()


def _parts(whole: Part) -> Iterator[Part]:
    """The parts in their order, without looking into messages within it."""
    pending, given = [whole], 0
    while pending and given < _MOST_PARTS:
        part = pending.pop()
        given += 1
        yield part
        if part.is_multipart:
            pending.extend(reversed(part.parts))


def _header(part: Part) -> Header | None:
    octets = b""
    for piece in part.decoded():
        octets += piece
        if len(octets) >= MOST_OCTETS:
            break
    try:
        return Header.from_bytes(octets[:MOST_OCTETS].rstrip(b"\r\n") + b"\r\n\r\n", max_fields=MOST_FIELDS)
    except HeaderTooLarge:
        return None
