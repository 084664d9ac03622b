"""The rules in force, put in front of whichever version of the policy a connection has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from danelaw.rules import Rule, hooks_of

if TYPE_CHECKING:
    from danelaw.policy import MailContext
    from danelaw.scripting.loading import LoadedPolicy


class Rulebook:
    """Rules can be replaced while the gateway runs; connections that have begun keep theirs."""

    def __init__(self, rules: Iterable[Rule], matched: Callable[[Rule, MailContext], None]) -> None:
        """`matched` is told of each rule that applies to a recipient or message."""
        self._matched = matched
        self.replace(rules)

    def replace(self, rules: Iterable[Rule]) -> None:
        """Other rules from now on."""
        self.rules = tuple(rules)
        self._hooks = hooks_of(self.rules, self._matched)
        self._known: dict[str, LoadedPolicy] = {}

    @property
    def points(self) -> frozenset[str]:
        """The steps at which there are rules."""
        return frozenset(hook.point for hook in self._hooks)

    def onto(self, policy: LoadedPolicy) -> LoadedPolicy:
        """The policy with the rules in front."""
        if not self._hooks:
            return policy
        found = self._known.get(policy.version)
        if found is None:
            found = self._known[policy.version] = replace(policy, hooks=(*self._hooks, *policy.hooks))
        return found
