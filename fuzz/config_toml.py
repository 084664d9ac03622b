"""Any text as configuration: a `Config` or a `ConfigError` whose problems name places, nothing else."""

from __future__ import annotations

import sys

from danelaw.config import ConfigError, loads

_MOST = 64 << 10


def test_one_input(data: bytes) -> None:
    """One text, whatever its bytes."""
    text = data[:_MOST].decode("utf-8", "replace")
    lines = text.count("\n") + text.count("\r") + 1
    try:
        loads(text, "fuzz.toml")
    except ConfigError as error:
        assert error.problems
        assert all(0 <= problem.line <= lines and problem.wrong for problem in error.problems), error.problems


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
