"""The rules in force, asked before whichever version of the policy a connection has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from danelaw.rules import Rule, hooks_of

if TYPE_CHECKING:
    from danelaw.policy import Hook, MailContext


class Rulebook:
    """Rules as hooks. It never changes: other rules are another one."""

    __slots__ = ("_hooks", "_unseen", "rules")

    def __init__(self, rules: Iterable[Rule], matched: Callable[[Rule, MailContext], None]) -> None:
        """`matched` is told of each rule that applies to a recipient or message."""
        self.rules = tuple(rules)
        self._unseen: Rulebook | None = None
        self._hooks = {hook.point: (hook,) for hook in hooks_of(self.rules, matched)}

    @property
    def points(self) -> frozenset[str]:
        """The steps at which there are rules."""
        return frozenset(self._hooks)

    def at(self, point: str) -> tuple[Hook, ...]:
        """The hooks of one step: one, or none."""
        return self._hooks.get(point, ())

    @property
    def unseen(self) -> Rulebook:
        """The same rules, for whoever only wants to know what they would say: nobody is told that they apply."""
        if self._unseen is None:
            self._unseen = Rulebook(self.rules, lambda rule, context: None)
        return self._unseen
