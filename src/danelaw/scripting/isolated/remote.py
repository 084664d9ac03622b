"""The gateway as an isolated worker sees it: a line, and a library whose calls go over it.

Everything waits where it stands: a worker runs one hook at a time, and nobody else waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from danelaw.policy import Library, LibraryError, calls
from danelaw.policy.forms import WireError
from danelaw.policy.wire import from_octets
from danelaw.scripting.isolated.frames import HEAD, LARGEST_OCTETS, Frame, encode, head


class LineEnded(BaseException):
    """The gateway has gone, or wants nothing more. No `Exception`: no script goes on without it."""


class Line:
    """Whole frames over one descriptor. `serial` is that of the hook that is asked."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.serial = 0

    def read(self) -> Frame:
        """The next frame."""
        length, beside = head(self._octets(HEAD.size), LARGEST_OCTETS)
        return Frame(from_octets(self._octets(length)), self._octets(beside))

    def write(self, value: dict[str, Any]) -> None:
        """Send an object. Raises `WireError` for what is no JSON or too much of it."""
        data = memoryview(encode(value | {"re": self.serial}))
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError:
                raise LineEnded from None

    def ask(self, value: dict[str, Any]) -> Frame:
        """Send, and wait for the answer. Raises `LibraryError` where the gateway says why there is none."""
        self.write(value)
        answer = self.read()
        if "error" in answer.object:
            raise LibraryError(answer.object["error"], advice=answer.object.get("advice", ""))
        return answer

    def _octets(self, count: int) -> bytes:
        parts = []
        while count:
            try:
                part = os.read(self._descriptor, min(count, 1 << 20))
            except OSError:
                part = b""
            if not part:
                raise LineEnded
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


class RemotePart:
    """A part of the library: its methods are those that its interface declares."""

    def __init__(self, line: Line, interface: type, path: list[Any]) -> None:
        self._line = line
        self._interface = interface
        self._path = path

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = calls.methods(self._interface).get(name)
        if method is None:
            known = hasattr(self._interface, name) and not name.startswith("_")
            if known:
                raise LibraryError(f"{self._path[0][0]}.{name} is not at hand in isolated mode")
            raise AttributeError(f"{self._path[0][0]} has no {name}")
        if method.is_coroutine:

            async def wait(*positional: Any, **named: Any) -> Any:
                return self._call(method, positional, named)

            return wait
        return lambda *positional, **named: self._call(method, positional, named)

    def _call(self, method: calls.Method, positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
        path = [*self._path, [method.name, calls.arguments_to_object(method, positional, named)]]
        if method.part is not None:
            return RemotePart(self._line, method.part, path)
        assert method.result is not None
        try:
            if _is_word(method):
                return self._line.write({"word": path})
            answer = self._line.ask({"call": path})
        except WireError as error:
            raise LibraryError(error.reason) from None
        return method.result.read(answer.object.get("result"), method.name, None)


def _is_word(method: calls.Method) -> bool:
    """A line for the log and a count are said without waiting for an answer."""
    return not method.is_coroutine and method.signature.return_annotation in (None, "None")


class Unreachable:
    """A part that has no interface to be called over a line."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        raise LibraryError(f"{self._name} is not at hand in isolated mode")


def remote_library(line: Line) -> Library:
    """The library over a line."""
    interfaces = calls.parts()
    found: dict[str, Any] = {
        one.name: RemotePart(line, interfaces[one.name], [[one.name]])
        if one.name in interfaces
        else Unreachable(one.name)
        for one in fields(Library)
    }
    return Library(**found)
