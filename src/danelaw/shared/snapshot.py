"""The state of a store as lines of JSON: the file that outlives restarts, and what a supervisor hands on.

    {"format": "danelaw shared state", "version": 1, "written": 1790000000.0}
    ["space", {"name": "logins", "kind": "counter", …}]
    ["key", "logins", "192.0.2.7", [3, 1790003600.0]]
    ["end", 2, "crc32 of all lines before"]

In the file, times are POSIX seconds, and only kept spaces appear; semaphores do not, for their holders are gone by the
time it is read. What is handed on has everything, times as they are.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from danelaw.errors import DanelawError
from danelaw.shared.contents import Members, Text, Total
from danelaw.shared.leases import Leases
from danelaw.shared.shelf import Content, Shelf
from danelaw.shared.spaces import LONGEST_KEY, Kind, Space
from danelaw.shared.store import Store
from danelaw.shared.window import Window

FORMAT = "danelaw shared state"
VERSION = 1
_CHUNK = 500


class UnreadableSnapshot(DanelawError):
    """The file is no snapshot, is of another version, or was damaged."""


def lines(store: Store, now: float, posix_now: float) -> Iterator[bytes]:
    """The file's octets, some hundred keys at a time: between two of them the store may be changed."""
    crc, number = 0, 0
    header = {"format": FORMAT, "version": VERSION, "written": posix_now}
    octets = _line(header)
    for some in _chunks(store, posix_now - now, everything=False):
        number += len(some)
        octets += b"".join(map(_line, some))
        crc = zlib.crc32(octets, crc)
        yield octets
        octets = b""
    if octets:
        crc = zlib.crc32(octets, crc)
        yield octets
    yield _line(["end", number, f"{crc:08x}"])


def restore_file(store: Store, octets: bytes, now: float, posix_now: float) -> int:
    """Put into a new store what `lines` gave; gives the number of keys. Raises `UnreadableSnapshot`, and `store` is of
    no use then.
    """
    body, _, last = octets.rstrip(b"\n").rpartition(b"\n")
    body += b"\n"
    first, *rest = body.splitlines()
    try:
        head, end = json.loads(first), json.loads(last)
    except (ValueError, RecursionError) as error:
        raise UnreadableSnapshot(f"it is damaged: {error}") from None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise UnreadableSnapshot("it is no snapshot of shared state")
    if head.get("version") != VERSION:
        raise UnreadableSnapshot(f"it has version {head.get('version')!r}, and this program reads {VERSION}")
    if end != ["end", len(rest), f"{zlib.crc32(body):08x}"]:
        raise UnreadableSnapshot("it is incomplete, or was changed")
    return restore(store, map(json.loads, rest), now, now - posix_now)


def everything(store: Store) -> dict[str, Any]:
    """All there is, as JSON has it, for the program that follows in this process."""
    return {
        "lease": store.last_lease,
        "rows": [row for some in _chunks(store, 0.0, everything=True) for row in some],
    }


def restore(store: Store, rows: Iterable[Any], now: float, shift: float = 0.0) -> int:
    """Put rows into a new store, times `shift` later; gives the number of keys. Raises `UnreadableSnapshot`."""
    number = 0
    try:
        for kind, *rest in rows:
            if kind == "space":
                (declared,) = rest
                store.declare(Space.from_json(declared), now)
                continue
            name, key, row = rest
            if kind != "key" or not isinstance(key, str) or len(key.encode("utf-8", "surrogatepass")) > LONGEST_KEY:
                raise UnreadableSnapshot(f"a row of the kind {kind!r} makes no sense"[:100])
            shelf = store.shelves[name]
            # Limits may have become narrower since; what there is stays, and nothing new comes in.
            shelf.put(key, _content(shelf.space, row, shift))
            number += 1
    except UnreadableSnapshot:
        raise
    except DanelawError as error:
        raise UnreadableSnapshot(error.reason) from None
    except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise UnreadableSnapshot(f"a row makes no sense: {type(error).__name__}") from None
    return number


def _chunks(store: Store, shift: float, *, everything: bool) -> Iterator[list[list[Any]]]:
    for shelf in tuple(store.shelves.values()):
        kept = shelf.space.kept and shelf.space.kind is not Kind.SEMAPHORE and len(shelf)
        if not (everything or kept):
            continue
        yield [["space", shelf.space.to_json()]]
        keys = shelf.names()
        for start in range(0, len(keys), _CHUNK):
            yield list(_rows(shelf, keys[start : start + _CHUNK], shift))


def _rows(shelf: Shelf, keys: list[str], shift: float) -> Iterator[list[Any]]:
    for key in keys:
        content = shelf.peek(key)
        if content is not None:
            yield ["key", shelf.space.name, key, _row(content, shelf.space, shift)]


def _row(content: Content, space: Space, shift: float) -> list[Any]:
    if isinstance(content, Window):
        return content.to_row(space.span, shift)
    if isinstance(content, Leases):
        return content.to_row()
    return content.to_row(shift)


def _content(space: Space, row: Any, shift: float) -> Content:
    match space.kind:
        case Kind.COUNTER:
            return Total.from_row(row, shift)
        case Kind.VALUE:
            return Text.from_row(row, shift)
        case Kind.SET:
            return Members.from_row(row, shift)
        case Kind.RATE:
            return Window.from_row(row, space.span, shift)
        case Kind.SEMAPHORE:
            return Leases.from_row(row)


def _line(row: Any) -> bytes:
    return (
        json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "surrogatepass")
        + b"\n"
    )
