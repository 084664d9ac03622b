"""Fuzz target: what is shown of held messages. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.quarantine import Summary, anatomy
from danelaw.quarantine.anatomy import MOST_DEPTH, MOST_PARTS
from danelaw.quarantine.digest import unlinked


def test_one_input(data: bytes) -> None:
    """Any octets have a harmless summary, and a sketch within its limits."""
    summary = Summary.of(data)
    for text in (summary.subject, summary.author, summary.date, unlinked(summary.subject)):
        assert text.isprintable()
    parts, _ = anatomy(data)
    assert 1 <= len(parts) <= MOST_PARTS + 1
    for part in parts:
        assert part.depth <= MOST_DEPTH
        assert part.kind.isprintable()
        assert part.name.isprintable()


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
