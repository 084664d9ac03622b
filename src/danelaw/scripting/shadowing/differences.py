"""Differences of many messages, in groups, with the ids of some messages of each; bounded in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from danelaw.scripting.shadowing.comparing import Difference

MOST_GROUPS = 500
MOST_MESSAGES = 20


@dataclass(slots=True)
class Group:
    """Differences that read the same: how many, and of which messages the first were."""

    point: str
    what: str
    ours: str
    theirs: str
    count: int = 0
    messages: list[str] = field(default_factory=list)
    detail: str = ""


@dataclass(slots=True)
class Differences:
    """What a comparison has found. `steps` were compared, `messages` of them at end of data; `dropped` are connections
    that were not followed, `failed` calls of the other version's hooks that failed; `effects` is what it would have
    done elsewhere; `beyond` counts differences in groups that were too many to keep.
    """

    steps: int = 0
    messages: int = 0
    dropped: int = 0
    failed: int = 0
    beyond: int = 0
    groups: dict[tuple[str, str, str, str], Group] = field(default_factory=dict)
    effects: dict[str, int] = field(default_factory=dict)

    def add(self, found: Iterable[Difference], message: str) -> None:
        """Note the differences of one step of a message, by its id, or what else names it."""
        for one in found:
            group = self._group(one.point, one.what, one.ours, one.theirs)
            if group is None:
                self.beyond += 1
                continue
            group.count += 1
            group.detail = group.detail or one.detail
            if message and message not in group.messages and len(group.messages) < MOST_MESSAGES:
                group.messages.append(message)

    def would_do(self, effect: str) -> None:
        """The other version would have done this elsewhere."""
        if effect in self.effects or len(self.effects) < MOST_GROUPS:
            self.effects[effect] = self.effects.get(effect, 0) + 1
        else:
            self.beyond += 1

    def _group(self, point: str, what: str, ours: str, theirs: str) -> Group | None:
        key = (point, what, ours, theirs)
        group = self.groups.get(key)
        if group is None and len(self.groups) < MOST_GROUPS:
            group = self.groups[key] = Group(point, what, ours, theirs)
        return group

    def to_object(self) -> dict[str, Any]:
        """As JSON, the largest group first."""
        ordered = sorted(self.groups.values(), key=lambda one: (-one.count, one.point, one.what, one.theirs))
        return {
            "steps": self.steps,
            "messages": self.messages,
            "dropped": self.dropped,
            "failed": self.failed,
            "beyond": self.beyond,
            "groups": [
                {
                    "step": one.point, "what": one.what, "active": one.ours, "shadow": one.theirs, "count": one.count,
                    "messages": one.messages, "detail": one.detail,
                }
                for one in ordered
            ],
            "effects": dict(sorted(self.effects.items(), key=lambda item: (-item[1], item[0]))),
        }  # fmt: skip


def together(reports: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The `to_object` of several processes as one."""
    whole = Differences()
    for report in reports:
        for name in ("steps", "messages", "dropped", "failed", "beyond"):
            setattr(whole, name, getattr(whole, name) + report[name])
        for one in report["groups"]:
            group = whole._group(one["step"], one["what"], one["active"], one["shadow"])
            if group is None:
                whole.beyond += one["count"]
                continue
            group.count += one["count"]
            group.messages = [*group.messages, *one["messages"]][:MOST_MESSAGES]
            group.detail = group.detail or one["detail"]
        for effect, count in report["effects"].items():
            if effect in whole.effects or len(whole.effects) < MOST_GROUPS:
                whole.effects[effect] = whole.effects.get(effect, 0) + count
    return whole.to_object()
