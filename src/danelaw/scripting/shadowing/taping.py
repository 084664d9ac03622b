"""What the library answered one version of a policy, for another version that asks the same in the same step.

So a shadow is told what the active version was told, down to the sum of a counter that it must not count itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from danelaw.policy import Library

MOST_ANSWERS = 200
UNTOLD: Any = object()
"""There is no answer on the tape."""
SPACES = frozenset({"counter", "rate", "set", "value", "semaphore"})
_NOT_SHARED = frozenset({"acquire", "hold"})  # what they give must be given back by whoever took it


class Tape:
    """Answers of one step, by what was called with which arguments."""

    __slots__ = ("_answers",)

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str, str], Any] = {}

    def note(self, part: str, method: str, arguments: tuple[Any, ...], answer: Any) -> None:
        """The library gave this answer, or raised this error."""
        if method not in _NOT_SHARED and len(self._answers) < MOST_ANSWERS:
            self._answers[part, method, repr(arguments)] = answer

    def answer(self, part: str, method: str, arguments: tuple[Any, ...]) -> Any:
        """The last answer to the same call, `UNTOLD` where nobody has asked. Raises what the library raised."""
        found = self._answers.get((part, method, repr(arguments)), UNTOLD)
        if isinstance(found, Exception):
            raise found
        return found


def taped(library: Library, tape: Tape) -> Library:
    """The same library; its answers are noted."""
    parts: dict[str, Any] = {one.name: getattr(library, one.name) for one in fields(library)}
    noted = {name: None if part is None else _Taped(name, part, tape) for name, part in parts.items()}
    return Library(**noted)  # type: ignore[arg-type]


class _Taped:
    def __init__(self, name: str, part: Any, tape: Tape) -> None:
        self._name = name
        self._part = part
        self._tape = tape

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._part, method)
        if not callable(found):
            return found
        if self._name == "state" and method in SPACES:
            return lambda *args, **kwargs: _Taped(space_name(method, args), found(*args, **kwargs), self._tape)
        return self._noting(method, found)

    def _noting(self, method: str, found: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            arguments = (*args, *sorted(kwargs.items()))
            try:
                answer = found(*args, **kwargs)
            except Exception as error:
                self._tape.note(self._name, method, arguments, error)
                raise
            if inspect.isawaitable(answer):
                return self._awaited(method, arguments, answer)
            self._tape.note(self._name, method, arguments, answer)
            return answer

        return call

    async def _awaited(self, method: str, arguments: tuple[Any, ...], answer: Any) -> Any:
        try:
            found = await answer
        except Exception as error:
            self._tape.note(self._name, method, arguments, error)
            raise
        self._tape.note(self._name, method, arguments, found)
        return found


def space_name(kind: str, arguments: tuple[Any, ...]) -> str:
    """A space of shared state, as a part of the library."""
    return f"state.{kind} {arguments[0]}" if arguments else f"state.{kind}"
