"""Any bytes as a query to the lab's name server: an answer or silence, never an exception.

python -m fuzz.lab_nameserver [libFuzzer options]
"""

from __future__ import annotations

import sys

from danelaw.lab.catalogue.demo import DEMO
from danelaw.lab.nameserver import NameServer
from danelaw.lab.world import World

_WORLD = World(DEMO, 1_790_000_000)
_SERVER = NameServer(_WORLD.recursion, _WORLD.faults)


def test_one_input(data: bytes) -> None:
    """The first bit chooses UDP or TCP, the rest is the query."""
    wire = _SERVER.answer(data[1:], tcp=bool(data[:1] and data[0] & 1))
    assert wire is None or len(wire) >= 7


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
