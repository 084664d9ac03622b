"""What processes say to the store of shared state, and hear: rows of JSON, one per operation.

A request is `[number, code, space, key, …arguments]`; its answer `[number, result]`, or `[number, null, code, reason,
advice]` for an operation that was not done. `OPERATIONS` says for every code the kind of its space and the form of
each argument; a row of any other form is a `BadRequest`, whatever sent it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from danelaw.shared.errors import BadRequest, SharedStateError, error_from_code
from danelaw.shared.spaces import LONGEST_KEY, LONGEST_SECONDS, LONGEST_VALUE, MOST_EVENTS, Kind

MOST_AT_ONCE = 512
"""Rows in one batch."""
_LONGEST_NAME = 40
_LONGEST_WAIT = 600.0
_MOST_LISTED = 1000


class Request(NamedTuple):
    """One operation. `number` is chosen by who asks, and comes back in the answer."""

    number: int
    code: str
    space: str
    key: str
    args: tuple[Any, ...] = ()


class Form(NamedTuple):
    """An operation: the kind of its space, None for any, and what checks each argument."""

    kind: Kind | None
    arguments: tuple[Callable[[Any], bool], ...] = ()


def _text(most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and len(value.encode("utf-8", "surrogatepass")) <= most


def _whole(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _seconds(most: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and 0 < value <= most


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _or_nothing(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (type(value) in (int, float) and value == 0) or check(value)


def _yes_or_no(value: Any) -> bool:
    return type(value) is bool


_MEMBER = _text(LONGEST_KEY)
_JSON = _text(LONGEST_VALUE)
_EXPIRES = _or_none(_seconds(LONGEST_SECONDS))
_LENDING = _seconds(LONGEST_SECONDS)
_EVENTS = _whole(1, MOST_EVENTS)
_LIMIT = _or_none(_whole(0, MOST_EVENTS))
_NUMBER = _whole(1, (1 << 63) - 1)
_WAIT = _or_nothing(_seconds(_LONGEST_WAIT))
_STEP = _whole(-(1 << 53), 1 << 53)

OPERATIONS: dict[str, Form] = {
    "declare": Form(None, (lambda value: isinstance(value, dict) and len(value) <= 20,)),
    "clear": Form(None),
    # counter: how much, seconds until it expires, whether that counts anew from now
    "add": Form(Kind.COUNTER, (_STEP, _EXPIRES, _yes_or_no)),
    "count": Form(Kind.COUNTER),
    # rate: events, another limit than the space's; allot: and for how many seconds they may be used
    "take": Form(Kind.RATE, (_EVENTS, _LIMIT)),
    "taken": Form(Kind.RATE),
    "allot": Form(Kind.RATE, (_EVENTS, _EVENTS, _LIMIT, _seconds(3600.0))),
    "unused": Form(Kind.RATE, (_EVENTS, _whole(-(1 << 62), 1 << 62))),
    # set
    "join": Form(Kind.SET, (_MEMBER, _EXPIRES)),
    "leave": Form(Kind.SET, (_MEMBER,)),
    "has": Form(Kind.SET, (_MEMBER,)),
    "size": Form(Kind.SET),
    "members": Form(Kind.SET, (_MEMBER, _whole(1, _MOST_LISTED))),
    # value: JSON text; swap: what must be there (None for nothing), what is to be there (None for nothing)
    "put": Form(Kind.VALUE, (_JSON, _EXPIRES)),
    "read": Form(Kind.VALUE),
    "swap": Form(Kind.VALUE, (_or_none(_JSON), _or_none(_JSON), _EXPIRES)),
    # semaphore: seconds of the lease, seconds to wait; the number of a lease
    "acquire": Form(Kind.SEMAPHORE, (_LENDING, _WAIT)),
    "release": Form(Kind.SEMAPHORE, (_NUMBER,)),
    "renew": Form(Kind.SEMAPHORE, (_NUMBER, _LENDING)),
    "held": Form(Kind.SEMAPHORE),
}  # fmt: skip
_NAME = _text(_LONGEST_NAME)
_KEY = _text(LONGEST_KEY)


def checked(request: Request) -> Request:
    """The same request. Raises `BadRequest` where a part of it has another form."""
    form = OPERATIONS.get(request.code) if isinstance(request.code, str) else None
    if form is None:
        raise BadRequest(f"shared state knows no operation {request.code!r}"[:100])
    if not _NAME(request.space) or not _KEY(request.key):
        raise BadRequest(f"a key is text of at most {LONGEST_KEY} octets")
    if len(request.args) != len(form.arguments):
        raise BadRequest(f"{request.code} takes {len(form.arguments)} arguments")
    for place, (check, value) in enumerate(zip(form.arguments, request.args, strict=True), 1):
        if not check(value):
            raise BadRequest(f"argument {place} of {request.code} has another form, or is too large")
    return request


def request_to_row(request: Request) -> list[Any]:
    """A request as JSON has it."""
    number, code, space, key, args = request
    return [number, code, space, key, *args]


def request_from_row(row: Any) -> Request:
    """What `request_to_row` gave, after JSON. Raises `BadRequest` for a row without a number, which nobody can be
    answered; the rest is for `checked`.
    """
    if not isinstance(row, list) or not 4 <= len(row) <= 10 or not _NUMBER(row[0]):
        raise BadRequest("a request for shared state makes no sense")
    number, code, space, key, *args = row
    return Request(number, code, space, key, tuple(args))


def answer_to_row(number: int, result: Any) -> list[Any]:
    """An answer as JSON has it."""
    if isinstance(result, SharedStateError):
        return [number, None, result.code, result.reason, result.advice]
    return [number, result]


def answer_from_row(row: Any) -> tuple[int, Any]:
    """The number and the result; a `SharedStateError` is a result too. Raises `BadRequest` for anything else."""
    if isinstance(row, list) and row and _NUMBER(row[0]):
        if len(row) == 2:
            return row[0], row[1]
        if len(row) == 5 and all(isinstance(text, str) for text in row[2:4]) and isinstance(row[4], str | None):
            return row[0], error_from_code(row[2], row[3], row[4])
    raise BadRequest("an answer about shared state makes no sense")
