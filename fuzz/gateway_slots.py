"""Fuzz target: what workers say of slots to the supervisor. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import contextlib
import json
import sys

from danelaw.errors import DanelawError
from danelaw.gateway.slots import decoded


def test_one_input(data: bytes) -> None:
    """Sense, which comes out again as it went in, or an error; nothing else is raised."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    with contextlib.suppress(DanelawError):
        uses = decoded(value)
        assert json.loads(json.dumps(uses)) == value


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
