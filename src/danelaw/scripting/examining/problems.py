"""A mistake in a policy, as a value with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake. `kind` is a word to search for (`syntax`, `declaration`, `name`, `await`, `blocking`, `verdict`,
    `except`, `state`, `clock`, `test`, or mypy's own code); an `error` would go wrong, a `warning` may.
    """

    file: str
    line: int
    kind: str
    text: str
    severity: Severity = "error"
    advice: str = ""

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}" if self.line else self.file or "the policy"

    def to_object(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_object(cls, found: Mapping[str, Any]) -> Problem:
        """From JSON that `to_object` gave."""
        severity: Severity = "warning" if found.get("severity") == "warning" else "error"
        return cls(
            str(found["file"]), int(found["line"]), str(found["kind"]), str(found["text"]), severity,
            str(found.get("advice", "")),
        )  # fmt: skip


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each once, by file and line."""
    return tuple(sorted(set(problems)))
