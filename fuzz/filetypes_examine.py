"""Fuzz target: files of every kind and archives in archives. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.filetypes import Limits, examine

LIMITS = Limits(octets=1 << 20, members=50, depth=3, member=1 << 18)


def test_one_input(data: bytes) -> None:
    """Nothing is raised, and no limit is passed."""
    name, _, octets = data.partition(b"\n")
    facts = examine(octets, name.decode("utf-8", "replace"), LIMITS)
    assert len(facts.members) <= LIMITS.members
    assert all(1 <= one.depth <= LIMITS.depth for one in facts.members)


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
