"""Fuzz what carriers are told: the output and status of a program, and Retry-After; never more than a bounded wait."""

from __future__ import annotations

import sys

from danelaw.carriers.pipe import given
from danelaw.carriers.retryafter import LONGEST, seconds_of
from danelaw.smtp import EnhancedStatusCode


def test_one_input(data: bytes) -> None:
    """The first octet is the exit status."""
    end = given("program", data[0] if data else 0, data[1:])
    EnhancedStatusCode.from_text(end.status)
    if len(end.reply) > 500:
        raise AssertionError("more is kept than may be")
    seconds = seconds_of(data.decode("latin-1"), 1.8e9)
    if seconds is not None and not 0 <= seconds <= LONGEST:
        raise AssertionError(f"nobody waits for {seconds}")


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
