"""Fuzz target: what a worker says to the store of shared state, and what it hears. Run with atheris, or feed
`test_one_input` yourself.
"""

from __future__ import annotations

import contextlib
import json
import sys

from danelaw.shared import LATER, BadRequest, Kind, Space, Store
from danelaw.shared.protocol import answer_from_row, answer_to_row, request_from_row, request_to_row

SPACES = (
    Space("c", Kind.COUNTER, keys=3),
    Space("r", Kind.RATE, limit=3, span=10.0, keys=3),
    Space("s", Kind.SET, keys=3, members=3),
    Space("v", Kind.VALUE, keys=3),
    Space("m", Kind.SEMAPHORE, limit=2, keys=3),
)


def test_one_input(data: bytes) -> None:
    """Rows are done, refused with a reason, or make no sense; the accounts stay right, and nothing else is raised."""
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError):
        return
    store = Store(most_octets=20_000)
    for space in SPACES:
        store.declare(space, 0.0)
    for turn, row in enumerate(rows if isinstance(rows, list) else [rows]):
        with contextlib.suppress(BadRequest):
            number, result = answer_from_row(row)
            assert answer_from_row(answer_to_row(number, result))[0] == number
        try:
            request = request_from_row(row)
        except BadRequest:
            continue
        assert request_to_row(request) == row
        result = store.perform(f"w{turn % 2}", request, float(turn))
        if result is not LATER:
            json.dumps(answer_to_row(request.number, result))
        store.look(float(turn))
        assert store.budget.used == sum(shelf.octets for shelf in store.shelves.values()) <= 20_000


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
