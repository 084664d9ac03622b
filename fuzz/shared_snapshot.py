"""Fuzz target: the file in which shared state outlives restarts. Run with atheris, or feed `test_one_input`."""

from __future__ import annotations

import contextlib
import json
import sys
import zlib

from danelaw.shared import Store, UnreadableSnapshot, lines, restore, restore_file


def test_one_input(data: bytes) -> None:
    """A store that can be saved and loaded again, or an error; nothing else is raised. Rows are tried without the
    checksum too, which would keep nearly all of them out.
    """
    with contextlib.suppress(UnreadableSnapshot):
        restore_file(Store(1 << 20), data, 0.0, 1e9)
    body = data if data.endswith(b"\n") else data + b"\n"
    number = len(body.splitlines()) - 1
    sealed = body + json.dumps(["end", number, f"{zlib.crc32(body):08x}"]).encode() + b"\n"
    for octets in (sealed, b'{"format":"danelaw shared state","version":1}\n' + sealed):
        store = Store(1 << 20)
        try:
            restore_file(store, octets, 0.0, 1e9)
        except UnreadableSnapshot:
            continue
        restore_file(Store(1 << 20), b"".join(lines(store, 0.0, 1e9)), 0.0, 1e9)
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError):
        return
    store = Store(1 << 20)
    try:
        restore(store, rows if isinstance(rows, list) else [rows], 0.0)
    except UnreadableSnapshot:
        return
    restore_file(Store(1 << 20), b"".join(lines(store, 0.0, 1e9)), 0.0, 1e9)


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
