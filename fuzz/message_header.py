"""Any octets as a message: split without losing one, every property readable."""

from __future__ import annotations

import sys

from danelaw.message import Header, count_received, hide_localparts_in, keep_fields, passed_before, truncate

_MOST = 64 << 10


def test_one_input(data: bytes) -> None:
    """One message."""
    message = data[:_MOST]
    header = Header.from_bytes(message, max_octets=_MOST, max_fields=_MOST)
    fields = b"".join(field.raw for field in header)
    assert fields == header.raw == message[: len(fields)]
    assert message[len(fields) : header.body_offset] in (b"", b"\r\n", b"\n")
    for field in header:
        assert field.raw.startswith(field.name)
        assert b"\n" not in field.value or b"\n" in field.body
    assert len(truncate(header, 100)) <= 100
    assert len(keep_fields(header)) <= len(header.raw)
    assert passed_before(header, "mx.example.org") <= header.received_count <= count_received(header.raw) + len(fields)
    for text in (header.message_id, header.date, header.subject):
        assert text is None or isinstance(text, str)
    hide_localparts_in(header.raw)


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
