"""Fuzz target: what a milter says. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import struct
import sys

from danelaw.milter import NEED_DATA, MilterConnection, MilterError, Negotiated, edited_header

_OPTIONS = struct.pack(">IcIII", 13, b"O", 6, 0x1FF, 0)
_HEADER = b"Subject: x\r\nReceived: y\r\n"


def _run(chunks: list[bytes], *, negotiated: bool) -> list[object]:
    connection = MilterConnection(largest_packet=4096, largest_total=100_000, most_edits=100)
    connection.open()
    told: list[object] = []
    try:
        if negotiated:
            connection.receive_data(_OPTIONS)
            assert isinstance(connection.next_event(), Negotiated)
            connection.mail(b"<a@b.example>", macros={"i": "1"})
            connection.data_to_send()
        for chunk in chunks:
            connection.receive_data(chunk)
            while (event := connection.next_event()) is not NEED_DATA:
                told.append(event)
                if connection.due is None and not _next(connection, len(told)):
                    return told
    except MilterError as error:
        assert error.reason
        told.append(MilterError)
    return told


def _next(connection: MilterConnection, count: int) -> bool:
    """Ask whatever comes next."""
    steps = (lambda: connection.rcpt(b"<c@d>"), lambda: connection.body(b"x"), connection.end_of_message)
    return any(steps[(count + shift) % 3]() for shift in range(3))


def test_one_input(data: bytes) -> None:
    """Events do not depend on chunks, apart from how an error comes about; edits keep a header a header."""
    negotiated = bool(data[:1]) and data[0] % 2 == 0
    octets = data[1:]
    whole = _run([octets] if octets else [], negotiated=negotiated)
    size = data[0] % 5 + 1 if data else 1
    pieces = _run([octets[i : i + size] for i in range(0, len(octets), size)], negotiated=negotiated)
    if MilterError not in whole and MilterError not in pieces:
        assert whole == pieces
    edits = [event for event in whole if hasattr(event, "name")]
    edited = edited_header(_HEADER, edits)  # type: ignore[arg-type]
    assert edited.endswith(b"\r\n") or not edited


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
