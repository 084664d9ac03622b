"""The library for a version that must leave no trace: what only reads is done, everything else is noted instead.

A call that is noted is answered as if it had worked, by the emptiest answer there is. What this module has not heard
of counts as a change, so that a new part of the library is quiet before anybody thinks of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from danelaw.policy import HTTPResponse, Library
from danelaw.policy import library as interfaces
from danelaw.scripting.shadowing.taping import SPACES, UNTOLD, Tape, space_name

READING: dict[str, frozenset[str]] = {
    "dns": frozenset({"lookup", "addresses", "names", "listed"}),
    "http": frozenset({"get"}),
    "callahead": frozenset({"verify"}),
    "ldap": frozenset({"search"}),
    "sql": frozenset(),
    "tls": frozenset({"probe"}),
    "certificates": frozenset({"of"}),
    "files": frozenset({"examine"}),
    "secrets": frozenset({"get"}),
    "measures": frozenset(),
    "log": frozenset(),
    "state": frozenset({"get", "taken", "contains", "size", "members", "held"}),
}
"""Methods of each part that change nothing anywhere. `sql.query` is looked at by its statement."""
_LONGEST = 120
Note = Callable[[str], None]


def quiet(library: Library, note: Note, tape: Tape | None = None) -> Library:
    """A library that calls `note` with what would have been done (`http.post https://…`). What is on the tape is
    answered from there, and was done by whoever it was answered.
    """
    tape = tape or Tape()
    parts: dict[str, Any] = {one.name: getattr(library, one.name) for one in fields(library)}
    quieter = {name: None if part is None else _Part(name, part, note, tape) for name, part in parts.items()}
    return Library(**quieter)  # type: ignore[arg-type]


class _Part:
    """One part of the library, or a space of shared state."""

    def __init__(self, name: str, part: Any, note: Note, tape: Tape) -> None:
        self._name = name
        self._part = part
        self._note = note
        self._tape = tape

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._part, method)
        if not callable(found):
            return found
        if self._name == "state" and method in SPACES:
            return lambda *args, **kwargs: _Part(
                space_name(method, args), found(*args, **kwargs), self._note, self._tape
            )
        kind = self._name.partition(".")[0]
        instead = self._instead(kind, method, found)
        if _is_awaited(kind, method, found):
            return self._awaited(method, instead)

        def told(*args: Any, **kwargs: Any) -> Any:
            answer = self._tape.answer(self._name, method, (*args, *sorted(kwargs.items())))
            return instead(*args, **kwargs) if answer is UNTOLD else answer

        return told

    def _awaited(self, method: str, instead: Callable[..., Any]) -> Callable[..., Any]:
        async def told(*args: Any, **kwargs: Any) -> Any:
            answer = self._tape.answer(self._name, method, (*args, *sorted(kwargs.items())))
            if answer is not UNTOLD:
                return answer
            found = instead(*args, **kwargs)
            return await found if inspect.isawaitable(found) else found

        return told

    def _instead(self, kind: str, method: str, found: Callable[..., Any]) -> Callable[..., Any]:
        """The call itself where it only reads, else a note and an answer."""
        if method in READING.get(kind, ()):
            return found
        if kind == "sql" and method == "query":
            return self._query
        if kind == "http" and method == "request":
            return self._request
        returns = _answer_of(kind, method)

        def noted(*args: Any, **kwargs: Any) -> Any:
            first = f" {args[0]}" if args and isinstance(args[0], str) else ""
            self._note(f"{self._name}.{method}{first}"[:_LONGEST])
            return returns(*args)

        return noted

    def _query(self, name: str, statement: str, values: Any = ()) -> Any:
        word = statement.lstrip().partition(" ")[0].lower()
        if word == "select" and ";" not in statement.rstrip().rstrip(";"):
            return self._part.query(name, statement, values)
        self._note(f"sql.query {name}: {statement}"[:_LONGEST])
        return []

    def _request(self, method: str, url: str, **options: Any) -> Any:
        if method.upper() in ("GET", "HEAD"):
            return self._part.request(method, url, **options)
        self._note(f"http.{method.lower()} {url}"[:_LONGEST])
        return HTTPResponse(202, {}, b"")


def _is_awaited(part: str, method: str, found: Callable[..., Any]) -> bool:
    if part == "state":
        return True
    kind = getattr(interfaces, str(inspect.get_annotations(Library).get(part)), None)
    return inspect.iscoroutinefunction(getattr(kind, method, found))


def _answer_of(part: str, method: str) -> Callable[..., Any]:
    """The emptiest answer that such a call can have."""
    if part == "http":
        return lambda *args: HTTPResponse(202, {}, b"")
    if part == "state":
        return _STATE.get(method, lambda *args: None)
    return {"execute": lambda *args: 0}.get(method, lambda *args: None)


class _Allowed(tuple[bool, None]):
    """As `Taken`: there was room."""

    allowed = True
    retry_after = None


class _Held:
    """As a part of a semaphore, which is not taken."""

    async def renew(self, lease: float) -> bool:
        """It lasts."""
        return True

    async def release(self) -> bool:
        """It was there."""
        return True

    async def __aenter__(self) -> _Held:
        return self

    async def __aexit__(self, *error: object) -> None: ...


_STATE: dict[str, Callable[..., Any]] = {
    "add": lambda *args: args[1] if len(args) > 1 and isinstance(args[1], int) else 1,
    "take": lambda *args: _Allowed((True, None)),
    "remove": lambda *args: True,
    "compare_and_set": lambda *args: True,
    "acquire": lambda *args: _Held(),
    "hold": lambda *args: _Held(),
}
