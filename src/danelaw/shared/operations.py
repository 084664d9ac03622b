"""What each operation does to one key. All arguments have been checked (`danelaw.shared.protocol.checked`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from danelaw.shared.contents import Members, Text, Total
from danelaw.shared.leases import Leases
from danelaw.shared.window import Window

if TYPE_CHECKING:
    from danelaw.shared.protocol import Request
    from danelaw.shared.shelf import Shelf

LATER: Final = object()
"""The result of an operation that is answered later."""
Operation = Callable[["Shelf", str, "Request", float, Iterator[int]], Any]
"""The space, who asks, the request, the time, and numbers for leases; gives the result."""


def _due(now: float, expires: float | None) -> float:
    return math.inf if expires is None else now + expires


def _add(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> int:
    by, expires, prolong = request.args
    content = shelf.get(request.key, now)
    if content is None:
        content = shelf.make(request.key, now)
        prolong = True
    assert isinstance(content, Total)
    total = content.add(by)
    if prolong:
        content.due = _due(now, expires)
        shelf.changed(request.key, content)
    return total


def _count(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> int:
    content = shelf.get(request.key, now)
    return content.total if isinstance(content, Total) else 0


def _take(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> list[Any]:
    """[whether there was room, seconds until there is]."""
    number, limit = request.args
    taken = _book(shelf, request.key, number, number, limit, now, now)
    return [True, 0.0] if taken[0] else [False, taken[1]]


def _allot(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> list[Any]:
    """[tokens, seconds until there are some, their slot]: at least `least` of them, or none."""
    least, wanted, limit, seconds = request.args
    return _book(shelf, request.key, least, wanted, limit, now, now + seconds)


def _book(shelf: Shelf, key: str, least: int, wanted: int, limit: int | None, now: float, at: float) -> list[Any]:
    space = shelf.space
    most = space.limit if limit is None else limit
    content = shelf.get(key, now)
    if content is None:
        if least > most:
            return [0, None, 0]
        content = shelf.make(key, now)
    assert isinstance(content, Window)
    free = most - content.taken(now, space.span)
    if free < least:
        return [0, content.retry_after(least, now, space.span, most), 0]
    # Half of what is free at most, so that a process which comes later finds some.
    number = max(least, min(wanted, free // 2))
    slot = content.take(number, at, space.span)
    shelf.changed(key, content)
    return [number, 0.0, slot]


def _unused(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> int:
    content = shelf.get(request.key, now)
    return content.give_back(*request.args) if isinstance(content, Window) else 0


def _taken(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> int:
    content = shelf.get(request.key, now)
    return content.taken(now, shelf.space.span) if isinstance(content, Window) else 0


def _join(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> bool:
    member, expires = request.args
    content = shelf.get(request.key, now)
    if content is None:
        content = shelf.make(request.key, now)
    assert isinstance(content, Members)
    try:
        shelf.room(request.key, content.needs(member), now)
        fresh = content.add(member, _due(now, expires), shelf.space.members)
    finally:
        if not content.members:
            shelf.drop(request.key)
    shelf.changed(request.key, content)
    return fresh


def _leave(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> bool:
    content = shelf.get(request.key, now)
    if not isinstance(content, Members) or not content.remove(*request.args):
        return False
    if content.members:
        shelf.changed(request.key, content)
    else:
        shelf.drop(request.key)
    return True


def _has(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> bool:
    content = shelf.get(request.key, now)
    return isinstance(content, Members) and request.args[0] in content.members


def _size(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> int:
    content = shelf.get(request.key, now)
    return len(content.members) if isinstance(content, Members) else 0


def _members(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> list[str]:
    content = shelf.get(request.key, now)
    return content.page(*request.args) if isinstance(content, Members) else []


def _put(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> bool:
    """Whether the key is new."""
    text, expires = request.args
    before = shelf.get(request.key, now)
    held = before.octets if before is not None else 0
    shelf.room(request.key, max(0, len(text) - held), now)
    shelf.put(request.key, Text(text, _due(now, expires)))
    return before is None


def _read(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> str | None:
    content = shelf.get(request.key, now)
    return content.text if isinstance(content, Text) else None


def _swap(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> list[Any]:
    """[whether it was done, what is there now]."""
    expected, text, expires = request.args
    found = _read(shelf, holder, request, now, numbers)
    if found != expected:
        return [False, found]
    if text is None:
        shelf.drop(request.key)
    else:
        _put(shelf, holder, request._replace(args=(text, expires)), now, numbers)
    return [True, text]


def _acquire(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> Any:
    """[number of the lease, 0 for none; seconds until one ends]; later when there is something to wait for."""
    seconds, wait = request.args
    seconds = min(seconds, shelf.space.lease)
    content = shelf.get(request.key, now)
    if content is None:
        content = shelf.make(request.key, now)
    assert isinstance(content, Leases)
    number = next(numbers)
    if content.acquire(number, holder, seconds, shelf.space.limit, now):
        shelf.changed(request.key, content)
        return [number, 0.0]
    if not wait:
        return [0, content.retry_after(now)]
    content.wait(holder, request.number, seconds, now + wait)
    shelf.changed(request.key, content)
    return LATER


def _release(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> bool:
    content = shelf.get(request.key, now)
    return isinstance(content, Leases) and content.release(request.args[0], holder)


def _renew(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> bool:
    number, seconds = request.args
    content = shelf.get(request.key, now)
    if not isinstance(content, Leases) or not content.renew(number, holder, min(seconds, shelf.space.lease), now):
        return False
    shelf.changed(request.key, content)
    return True


def _held(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> int:
    content = shelf.get(request.key, now)
    return len(content.held) if isinstance(content, Leases) else 0


def _clear(shelf: Shelf, holder: str, request: Request, now: float, numbers: Iterator[int]) -> bool:
    content = shelf.get(request.key, now)
    if content is None:
        return False
    if isinstance(content, Leases):
        for lease in content.held:
            content.release(lease.number, None)
    else:
        shelf.drop(request.key)
    return True


PERFORM: dict[str, Operation] = {
    "clear": _clear, "add": _add, "count": _count, "take": _take, "taken": _taken, "allot": _allot,
    "unused": _unused, "join": _join, "leave": _leave, "has": _has, "size": _size, "members": _members, "put": _put,
    "read": _read, "swap": _swap, "acquire": _acquire, "release": _release, "renew": _renew,
    "held": _held,
}  # fmt: skip
"""By code."""
READING = frozenset(("count", "taken", "has", "size", "members", "read", "held"))
"""Operations that change nothing."""
FREEING = frozenset(("acquire", "release", "clear"))
"""Operations after which somebody who waits for a semaphore may be served."""
