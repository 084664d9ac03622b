"""Fuzz target: PROXY protocol headers. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.net.proxy import ProxyError, ProxyReader


def test_one_input(data: bytes) -> None:
    """Whole and octet by octet must agree."""
    outcomes = []
    for size in (max(len(data), 1), 1):
        reader, found = ProxyReader(), None
        try:
            for start in range(0, len(data), size):
                found = reader.receive(data[start : start + size])
                if found is not None:
                    break
        except ProxyError:
            outcomes.append("refused")
        else:
            outcomes.append(repr((found.source, found.destination)) if found is not None else "unfinished")
    assert outcomes[0] == outcomes[1], outcomes


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
