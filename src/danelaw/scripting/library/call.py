"""What every call of the library has in common: the guard does not stop it half way, and a trace shows it.

A script that has worked too long is stopped by an exception out of nowhere. In the gateway's own code that could leave
a connection or a counter half changed. So each step of a call is shielded from the guard, the script's waits in between
are not counted, and a script that was to be stopped meanwhile is, as soon as the call has ended.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, ParamSpec, TypeVar, cast

from danelaw.errors import DanelawError
from danelaw.scripting.calling import CALLING, Calling, LibraryCall
from danelaw.scripting.guard import GUARD, Guard, Overrun
from danelaw.scripting.library.short import in_short

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


class Shielded(Generic[R]):
    """A coroutine of the gateway that a script awaits."""

    __slots__ = ("_begun", "_coroutine", "_error", "_guard", "_has_ended", "_owed", "_result", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, R], guard: Guard = GUARD) -> None:
        self._coroutine = coroutine
        self._guard = guard
        self._begun = False
        self._has_ended = False
        self._owed = False
        self._waits_for: Any = None
        self._result: Any = None
        self._error: BaseException | None = None

    def begin(self) -> bool:
        """Run it until it waits for the first time; True when that was its end."""
        self._begun = True
        try:
            self._advance(self._coroutine.send, None)
        except BaseException:
            self._coroutine.close()
            raise
        return self._has_ended

    def result(self) -> R:
        """What it gave. Raises what it raised, and `Overrun` instead where the script was to be stopped meanwhile."""
        if self._owed:
            raise Overrun
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None
        return cast("R", self._result)

    def __await__(self) -> Generator[Any, Any, R]:
        """Raises as `result` does."""
        if not self._begun:
            self.begin()
        try:
            while not self._has_ended:
                try:
                    yield self._waits_for
                except BaseException as error:
                    self._advance(self._coroutine.throw, error)
                else:
                    self._advance(self._coroutine.send, None)
        finally:
            if not self._has_ended:
                self._advance(self._coroutine.throw, GeneratorExit())
        return self.result()

    def _advance(self, call: Callable[[Any], Any], argument: Any) -> None:
        """One step, of which nothing of the guard gets out: it may come at any moment between two shields."""
        self._guard.enter_shield()
        try:
            self._waits_for = call(argument)
        except StopIteration as end:
            self._has_ended, self._result = True, end.value
        except BaseException as error:
            self._has_ended, self._error = True, error
        try:
            self._owed = self._guard.leave_in_debt() or self._owed
        except Overrun:
            self._owed = True


def library_call(name: str, *, hides: frozenset[str] = frozenset(), hides_result: bool = False) -> Callable[[F], F]:
    """Make a method a call of the library. `name` is what traces say; arguments in `hides`, and a result that is
    hidden, are secrets and not shown in them.
    """

    def decorated(function: F) -> F:
        make: Any = _coroutine_call if inspect.iscoroutinefunction(function) else _function_call
        return cast("F", make(function, _Shown(name, hides, hides_result)))

    return decorated


class _Shown:
    """How calls of one method are written down."""

    __slots__ = ("hides", "hides_result", "name")

    def __init__(self, name: str, hides: frozenset[str], hides_result: bool) -> None:
        self.name = name
        self.hides = hides
        self.hides_result = hides_result

    def note(
        self, calling: Calling, started: float, positional: tuple[Any, ...], named: dict[str, Any],
        result: object, error: BaseException | None,
    ) -> None:  # fmt: skip
        """Write a call down that has ended. The first of the positional arguments is the part of the library; where
        that has a name, it is shown first.
        """
        arguments = [*getattr(positional[0], "name", "").split(), *(in_short(value) for value in positional[1:])]
        arguments += [
            f"{key}={'…' if key in self.hides and value else in_short(value)}" for key, value in named.items()
        ]
        if error is not None:
            words = error.reason if isinstance(error, DanelawError) else str(error)
            said = f"{type(error).__name__}: {words}"[:200]
        else:
            said = "…" if self.hides_result else in_short(result)
        calling.add(
            LibraryCall(self.name, ", ".join(arguments), said, time.perf_counter() - started, error is not None)
        )


def _coroutine_call(function: Callable[P, Coroutine[Any, Any, R]], shown: _Shown) -> Callable[P, Any]:
    @functools.wraps(function)
    async def called(*arguments: P.args, **named: P.kwargs) -> R:
        calling = CALLING.get()
        if calling is None or calling.calls is None:
            shielded = Shielded(function(*arguments, **named))
            return shielded.result() if shielded.begin() else await shielded
        started = time.perf_counter()
        try:
            result = await Shielded(function(*arguments, **named))
        except BaseException as error:
            shown.note(calling, started, arguments, named, None, error)
            raise
        shown.note(calling, started, arguments, named, result, None)
        return result

    return called


def _function_call(function: Callable[P, R], shown: _Shown) -> Callable[P, R]:
    @functools.wraps(function)
    def called(*arguments: P.args, **named: P.kwargs) -> R:
        calling = CALLING.get()
        started = time.perf_counter()
        GUARD.enter_shield()
        try:
            result = function(*arguments, **named)
        except BaseException as error:
            if calling is not None:
                shown.note(calling, started, arguments, named, None, error)
            raise
        finally:
            GUARD.leave_shield()
        if calling is not None and calling.calls is not None:
            shown.note(calling, started, arguments, named, result, None)
        return result

    return called
