"""What `danelaw message` prints, as a page and as JSON (docs/schemas/message.md)."""

from __future__ import annotations

import shlex
from typing import Any

from danelaw.cli.output import Output, Symbol
from danelaw.message import Authors, Defect, MessageLimit, Part, author_addresses

_MOST_FIELDS = 100
_MOST_PARTS = 200
_LONGEST_VALUE = 400


def as_object(message: Part) -> dict[str, Any]:
    """The message as JSON values."""
    authors = _authors(message)
    parts = list(message.walk())
    return {
        "octets": len(message.source),
        "fields": [
            {
                "name": field.name.decode("ascii", "replace"),
                "value": field.decoded,
                "offset": field.offset,
                "octets": len(field.raw),
            }
            for field in message.header.fields
        ],
        "authors": {
            "fields": authors.fields,
            "mailboxes": [
                {"display_name": one.display_name, "address": one.address, "domain": one.domain, "group": one.group}
                for one in authors.mailboxes
            ],
            "domains": list(authors.domains),
            "ambiguous": authors.ambiguous,
            "defects": _named(authors.defects),
        },
        "parts": [_part(part) for part in parts],
        "line_defects": _named(message.line_defects()),
    }


def _part(part: Part) -> dict[str, Any]:
    octets = _decoded_octets(part)
    return {
        "number": part.number,
        "type": part.content_type.value,
        "parameters": dict(part.content_type.parameters),
        "encoding": part.encoding.value,
        "disposition": part.disposition.type if part.disposition is not None else None,
        "filename": part.filename,
        "start": part.start,
        "body_start": part.body_start,
        "end": part.end,
        "decoded_octets": octets,
        "defects": _named(part.defects),
    }


def _authors(message: Part) -> Authors:
    return author_addresses((field.name, field.raw) for field in message.header)


def _decoded_octets(part: Part) -> int | None:
    """How long its content is, None above the limit and for what holds parts."""
    if part.parts:
        return None
    try:
        return sum(map(len, part.decoded()))
    except MessageLimit:
        return None


def _named(defects: tuple[Defect, ...]) -> list[dict[str, str]]:
    return [{"name": defect.name.lower(), "meaning": defect.value} for defect in defects]


def show(out: Output, message: Part, file: str) -> None:
    """The page."""
    authors = _authors(message)
    parts = list(message.walk())
    sizes = [_decoded_octets(part) for part in parts]
    odd = _oddities(message, authors, parts)
    words = f"{len(message.source):,} octets, {len(message.header.fields)} fields, {_counted(len(parts) - 1)} within"
    out.headline(Symbol.CLEAR if odd else Symbol.VERIFIED, f"{words}; {_oddness(odd)}.")
    for author in authors.mailboxes:
        out.paragraph(f"from: {author.display_name} <{author.address}>".replace("  ", " "), hang=6)
    if authors.ambiguous:
        out.paragraph("Readers may see another author: the From field can be taken in more than one way.")
    out.line()
    fields = message.header.fields[:_MOST_FIELDS]
    out.table(
        [(Symbol.NONE, (field.name.decode("ascii", "replace"), _clipped(field.decoded))) for field in fields],
        heads=("FIELD", "VALUE"),
    )
    if len(message.header.fields) > len(fields):
        out.paragraph(f"… and {len(message.header.fields) - len(fields)} fields more: --json shows all")
    out.line()
    rows = [_row(part, size) for part, size in zip(parts[:_MOST_PARTS], sizes, strict=False)]
    out.table(rows, heads=("PART", "TYPE", "ENCODING", "OCTETS", "NAME"))
    if len(parts) > _MOST_PARTS:
        out.paragraph(f"… and {len(parts) - _MOST_PARTS} parts more: --json shows all")
    if odd:
        out.line()
        for place, defect in odd[:_MOST_FIELDS]:
            out.paragraph(f"{place}: {defect.value}", hang=2)
    out.line()
    out.next(f"danelaw dkim verify {shlex.quote(file)}")


def _row(part: Part, size: int | None) -> tuple[Symbol, tuple[str, ...]]:
    kind = part.content_type
    described = f"{kind.value}; charset={kind.charset}" if kind.charset else kind.value
    octets = f"{size:,}" if size is not None else ""
    name = _clipped(part.filename or "")
    return Symbol.NONE, (part.number or "message", described, part.encoding.value, octets, name)


def _oddities(message: Part, authors: Authors, parts: list[Part]) -> list[tuple[str, Defect]]:
    """(where, what), each once; what all lines have in common is the message's."""
    lines = message.line_defects()
    found = [("message", defect) for defect in lines]
    found += [("from", defect) for defect in authors.defects]
    for part in parts:
        place = f"part {part.number}" if part.number else "message"
        found += [(place, defect) for defect in part.defects if defect not in lines]
    return list(dict.fromkeys(found))


def _oddness(odd: list[tuple[str, Defect]]) -> str:
    if not odd:
        return "nothing odd about it"
    return "one thing is odd" if len(odd) == 1 else f"{len(odd)} things are odd"


def _counted(count: int) -> str:
    return "no parts" if not count else "one part" if count == 1 else f"{count} parts"


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"
