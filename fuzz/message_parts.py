"""Fuzz target: any octets as a message with parts. Run with atheris, or feed `test_one_input` yourself.

The tree is read, decoded and changed: no octet is lost, no exception but the documented one, and both sources agree.
"""

from __future__ import annotations

import contextlib
import io
import sys

from danelaw.message import Draft, FileOctets, Limits, MessageError, MessageLimit, Part, append_text, text_field

_LIMITS = Limits(header_octets=20_000, fields=50, depth=6, parts=40, decoded_octets=5_000)


def test_one_input(data: bytes) -> None:
    """One message."""
    message = Part.from_octets(data, limits=_LIMITS)
    parts = list(message.walk())
    assert len(parts) <= 1 + _LIMITS.parts
    for part in parts:
        _look_at(part, data)
    again = list(Part.from_octets(FileOctets(io.BytesIO(data)), limits=_LIMITS).walk())
    assert [(one.start, one.body_start, one.end, one.number) for one in again] == [
        (one.start, one.body_start, one.end, one.number) for one in parts
    ]
    _change(message, parts, data)


def _look_at(part: Part, data: bytes) -> None:
    assert 0 <= part.start <= part.body_start <= part.end <= len(data)
    assert part.depth <= _LIMITS.depth
    assert b"".join(tile.raw for tile in part.header.tiles) == part.header.raw
    assert data[part.start :].startswith(part.header.raw)
    assert data[part.start + len(part.header.raw) : part.body_start] in (b"", b"\n", b"\r\n")
    for field in part.header.fields:
        assert data[field.offset :].startswith(field.raw)
        field.decoded.encode()
    for inner in part.parts:
        assert part.body_start <= inner.start <= inner.end <= part.end
    with contextlib.suppress(MessageLimit):
        assert len(part.content()) <= _LIMITS.decoded_octets
        part.text().encode()
    for value in (*part.content_type.parameters.values(), part.filename or ""):
        value.encode()
    assert all(defect.value for defect in (*part.defects, *part.line_defects()))


def _change(message: Part, parts: list[Part], data: bytes) -> None:
    draft = Draft(message)
    assert draft.to_bytes() == data
    before = draft.snapshot()
    draft.add_field(text_field("X-Added", "Grüße"))
    changed = Part.from_octets(draft.to_bytes(), limits=_LIMITS)
    assert [field.raw for field in changed.header.fields][:1] == [draft.fields[0].raw]
    for part in parts[1:]:
        with contextlib.suppress(MessageError):
            append_text(draft, part, "Fuß\n", max_octets=5_000)
        with contextlib.suppress(MessageError):
            draft.remove_part(part)
        assert len(draft.to_bytes()) == draft.size
    if draft.fields:
        draft.remove_field(len(draft.fields) - 1)
    draft.replace_body(b"other")
    assert draft.to_bytes().endswith(b"other")
    draft.restore(before)
    assert draft.to_bytes() == data


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
