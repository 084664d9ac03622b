"""Of which parts a message is made, for somebody who decides about it without opening it (RFC 2046 §5.1).

A sketch and no parser of record: bounded in depth, parts and octets, and tolerant of everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from danelaw.message import Header, MessageError
from danelaw.quarantine.summary import one_line, shown

MOST_DEPTH = 12
MOST_PARTS = 200
MOST_OCTETS = 4 << 20
_PARAMETER = r"""(?i:[;\s]{name}\*?)\s*=\s*(?:"((?:[^"\\]|\\.){{0,998}})"|([^\s;"]{{1,998}}))"""
_BOUNDARY = re.compile(_PARAMETER.format(name="boundary"))
_NAME = re.compile(_PARAMETER.format(name=r"(?:file)?name(?:\*0)?"))


@dataclass(frozen=True, slots=True)
class Part:
    """One part: how deep it lies, its media type in lower case, its file name, its octets as they stand (encoded)."""

    depth: int
    kind: str
    name: str
    octets: int


def anatomy(message: bytes) -> tuple[tuple[Part, ...], bool]:
    """The parts in the order they come, and whether that is all: False where a limit was reached."""
    found: list[Part] = []
    whole = _walk(message[:MOST_OCTETS], 0, found)
    return tuple(found), whole and len(message) <= MOST_OCTETS


def _walk(entity: bytes, depth: int, found: list[Part]) -> bool:
    if len(found) >= MOST_PARTS:
        return False
    try:
        header = Header.from_bytes(entity)
    except MessageError:
        found.append(Part(depth, "with an unreadable header", "", len(entity)))
        return False
    field = header.first("Content-Type")
    given = field.value.decode("utf-8", "replace") if field is not None else ""
    kind = one_line(given.partition(";")[0].strip().lower() or "text/plain", 80)
    body = entity[header.body_offset :]
    found.append(Part(depth, kind, _name(header, given), len(body)))
    inner: Iterator[bytes]
    if kind.startswith("multipart/"):
        boundary = _value(_BOUNDARY.search(given))
        inner = _between(body, boundary.encode("utf-8", "replace")) if boundary else iter(())
    elif kind in ("message/rfc822", "message/global"):
        inner = iter((body,))
    else:
        return True
    if depth >= MOST_DEPTH:
        return next(inner, None) is None
    whole = True
    for one in inner:
        whole = _walk(one, depth + 1, found) and whole
        if len(found) >= MOST_PARTS:
            return False
    return whole


def _between(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """What stands between the delimiter lines."""
    delimiter = re.compile(rb"(?:\A|\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r?\n|\Z)")
    before: int | None = None
    for match in delimiter.finditer(body):
        if before is not None:
            yield body[before : match.start()].removesuffix(b"\r")
        if match[1]:
            return
        before = match.end()
    if before is not None:
        yield body[before:]


def _name(header: Header, content_type: str) -> str:
    disposition = header.first("Content-Disposition")
    texts = [disposition.value.decode("utf-8", "replace")] if disposition is not None else []
    for text in (*texts, content_type):
        name = _value(_NAME.search(text))
        if name:
            return shown(name.encode("utf-8", "replace"), 120)
    return ""


def _value(match: re.Match[str] | None) -> str:
    if match is None:
        return ""
    return re.sub(r"\\(.)", r"\1", match[1]) if match[1] is not None else match[2]
