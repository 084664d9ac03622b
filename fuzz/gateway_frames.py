"""Fuzz target: frames between the processes of a gateway. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.gateway.frames import FrameError, FrameReader


def test_one_input(data: bytes) -> None:
    """Whole and in pieces the same messages, or an error in both."""
    cut = data[0] + 1 if data else 1
    whole, pieces = _read([data]), _read([data[place : place + cut] for place in range(0, len(data), cut)])
    assert whole == pieces


def _read(chunks: list[bytes]) -> list[object]:
    reader, found = FrameReader(), list[object]()
    for chunk in chunks:
        try:
            found += reader.receive(chunk)
        except FrameError:
            return ["error"]
    return found


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
