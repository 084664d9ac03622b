"""Recorded messages: what their header says about who sent them, to whom, and when, in any octets."""

from __future__ import annotations

import sys

from danelaw.errors import DanelawError
from danelaw.message import Header, HeaderTooLarge
from danelaw.scripting.recording.recorded import Given, from_file
from danelaw.scripting.recording.recorded_fields import (
    MOST_RECIPIENTS,
    origin_in,
    origin_of,
    received,
    recipients,
    sender,
)


def test_one_input(data: bytes) -> None:
    """Everything is read, within limits, or refused in words."""
    try:
        header = Header.from_bytes(data)
    except HeaderTooLarge:
        return
    for field in header.all("Received")[:20]:
        received(field)
    sender(header)
    assert len(recipients(header)[0]) <= MOST_RECIPIENTS
    origin_in(header, ("mx.example.org",))
    origin_of((), header)
    try:
        from_file("x", data, Given(), now=0.0)
    except DanelawError as error:
        assert error.reason


def main() -> None:
    """Fuzz until stopped."""
    import atheris

    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
