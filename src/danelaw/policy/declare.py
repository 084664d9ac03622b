"""Declaring hooks: `@hook.rcpt_to` above a function makes it part of the policy whose file is being loaded.

    from danelaw.policy import RecipientContext, Reject, hook

    @hook.rcpt_to
    def closed(ctx: RecipientContext) -> Reject | None:
        return Reject("this mailbox is closed") if ctx.recipient == "old@example.org" else None

    @hook.end_of_data(order=10, seconds=2.0, on_failure="ignore")
    async def looked_up(ctx: MessageContext) -> None: ...

A hook is an ordinary function or a coroutine function. Several of one kind are asked by `order`, then as they stand in
the files; the first verdict other than None ends the asking at that step.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar, overload

from danelaw.errors import DanelawError
from danelaw.policy import contexts, verdicts
from danelaw.policy.points import POINTS, FailurePolicy

if TYPE_CHECKING:
    from danelaw.policy.cached import CachedFunction

C = TypeVar("C", bound=contexts.Context)
V = TypeVar("V")
FailureWord: TypeAlias = Literal["defer", "ignore"]


class DeclarationError(DanelawError):
    """A hook that cannot be: declared outside a policy, twice under one name, or not a function."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One declared hook.

    `name` is that of its function, unique in the policy. `seconds` bounds how long it may wait, `cpu` how long it may
    work without waiting; None means the configured budget. `every` is for timers, in seconds.
    """

    point: str
    name: str
    function: Callable[[Any], Any]
    module: str = ""
    line: int = 0
    order: int = 0
    seconds: float | None = None
    cpu: float | None = None
    on_failure: FailurePolicy = FailurePolicy.DEFER
    every: float | None = None
    is_coroutine: bool = False

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"{self.module}:{self.line}" if self.line else self.module


@dataclass(slots=True)
class Declarations:
    """The hooks of a policy, and its functions with a cache, while its files are loaded; `root` is the path of its
    directory.
    """

    root: str = ""
    hooks: list[Hook] = field(default_factory=list)
    caches: list[CachedFunction[Any, Any]] = field(default_factory=list)

    def add(self, hook: Hook) -> None:
        """One more. Raises `DeclarationError` for a name that is taken."""
        taken = next((one for one in self.hooks if one.name == hook.name), None)
        if taken is not None:
            raise DeclarationError(
                f"two hooks have the name {hook.name}: {taken.place} and {hook.place}",
                advice="rename one of them; names appear in the log, in explain and in metrics",
            )
        self.hooks.append(hook)

    def sorted(self) -> tuple[Hook, ...]:
        """All hooks in the order in which they are asked."""
        return tuple(sorted(self.hooks, key=lambda one: one.order))


loading: ContextVar[Declarations | None] = ContextVar("danelaw_policy_loading", default=None)
"""What is being loaded; None outside of loading, so that importing a policy by mistake says so."""


class Point(Generic[C, V]):
    """One decorator, with or without arguments: for functions that take this context and give such a verdict."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    @overload
    def __call__(self, function: Callable[[C], V | Awaitable[V]], /) -> Callable[[C], V | Awaitable[V]]: ...

    @overload
    def __call__(
        self,
        *,
        order: int = 0,
        seconds: float | None = None,
        cpu: float | None = None,
        on_failure: FailureWord | None = None,
    ) -> Callable[[Callable[[C], V | Awaitable[V]]], Callable[[C], V | Awaitable[V]]]: ...

    def __call__(
        self,
        function: Callable[[C], V | Awaitable[V]] | None = None,
        *,
        order: int = 0,
        seconds: float | None = None,
        cpu: float | None = None,
        on_failure: FailureWord | None = None,
    ) -> Any:
        """Make a function a hook. Raises `DeclarationError`."""

        def decorated(function: Callable[[C], V | Awaitable[V]]) -> Callable[[C], V | Awaitable[V]]:
            _declare(self._name, function, order=order, seconds=seconds, cpu=cpu, on_failure=on_failure)
            return function

        return decorated if function is None else decorated(function)


class TimerPoint:
    """The decorator of timers: `@hook.timer(every=300)`, in seconds."""

    __slots__ = ()

    def __call__(
        self,
        *,
        every: float,
        seconds: float | None = None,
        cpu: float | None = None,
    ) -> Callable[
        [Callable[[contexts.TimerContext], Awaitable[None] | None]],
        Callable[[contexts.TimerContext], Awaitable[None] | None],
    ]:
        """Make a function a timer. Raises `DeclarationError`."""

        def decorated(
            function: Callable[[contexts.TimerContext], Awaitable[None] | None],
        ) -> Callable[[contexts.TimerContext], Awaitable[None] | None]:
            _declare("timer", function, seconds=seconds, cpu=cpu, every=every)
            return function

        return decorated


def _declare(
    point: str,
    function: Callable[..., Any],
    *,
    order: int = 0,
    seconds: float | None = None,
    cpu: float | None = None,
    on_failure: FailureWord | None = None,
    every: float | None = None,
) -> None:
    declarations = loading.get()
    if declarations is None:
        raise DeclarationError(
            f"@hook.{point} outside a policy",
            advice="hooks are declared in files of the policy directory, which danelaw loads itself",
        )
    if not inspect.isfunction(function):
        raise DeclarationError(f"@hook.{point} stands above something that is no function: {function!r}")
    taken = len(inspect.signature(function).parameters)
    if taken != 1:
        context = POINTS[point].context.__name__
        raise DeclarationError(f"{function.__name__} takes {taken} arguments; a hook takes one, the {context}")
    for name, value in (("seconds", seconds), ("cpu", cpu), ("every", every)):
        if value is not None and not value > 0:
            raise DeclarationError(f"{name} of {function.__name__} must be more than 0")
    declarations.add(
        Hook(
            point=point,
            name=function.__name__,
            function=function,
            module=function.__code__.co_filename.removeprefix(declarations.root).lstrip("/"),
            line=function.__code__.co_firstlineno,
            order=order,
            seconds=seconds,
            cpu=cpu,
            on_failure=POINTS[point].on_failure if on_failure is None else FailurePolicy(on_failure),
            every=every,
            is_coroutine=inspect.iscoroutinefunction(function),
        )
    )


class Hooks:
    """All decorators, by the name of the step."""

    __slots__ = ()

    connect: ClassVar[Point[contexts.ConnectContext, verdicts.ConnectVerdict]] = Point("connect")
    proxy: ClassVar[Point[contexts.CommandContext, verdicts.CommandVerdict]] = Point("proxy")
    helo: ClassVar[Point[contexts.HeloContext, verdicts.HeloVerdict]] = Point("helo")
    auth: ClassVar[Point[contexts.AuthContext, verdicts.AuthVerdict]] = Point("auth")
    mail_from: ClassVar[Point[contexts.MailContext, verdicts.MailVerdict]] = Point("mail_from")
    rcpt_to: ClassVar[Point[contexts.RecipientContext, verdicts.RecipientVerdict]] = Point("rcpt_to")
    end_of_data: ClassVar[Point[contexts.MessageContext, verdicts.MessageVerdict]] = Point("end_of_data")
    disconnect: ClassVar[Point[contexts.DisconnectContext, None]] = Point("disconnect")
    pre_delivery: ClassVar[Point[contexts.DeliveryContext, verdicts.PreDeliveryVerdict]] = Point("pre_delivery")
    post_delivery: ClassVar[Point[contexts.AttemptContext, verdicts.PostDeliveryVerdict]] = Point("post_delivery")
    report: ClassVar[Point[contexts.ReportContext, verdicts.ReportVerdict]] = Point("report")
    timer: ClassVar[TimerPoint] = TimerPoint()


hook = Hooks()
