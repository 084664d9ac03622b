"""What a filter found, with its evidence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from danelaw.errors import DanelawError
from danelaw.milter import Edit


class FilterError(DanelawError):
    """A server of a filter does not answer, or answers nonsense."""


class Verdict(Enum):
    """The result in one word."""

    CLEAN = "clean"
    TAG = "tag"
    """Doubtful: to be marked."""
    GREYLIST = "greylist"
    FOUND = "found"
    """What the filter is there to find: a virus, spam beyond doubt; a milter that refuses."""
    DEFER = "defer"
    """The filter wants the client to come again."""
    HOLD = "hold"
    DISCARD = "discard"
    TOO_LARGE = "too-large"
    """Not shown to the filter, or not looked at by it."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RemoveField:
    """Remove fields of a name: all of them, or the `index`-th from the top, or from the end where it is negative."""

    name: bytes
    index: int = 0


@dataclass(frozen=True, slots=True)
class ReplaceHeader:
    """Another header altogether, whole fields with CRLF."""

    octets: bytes


FilterEdit: TypeAlias = Edit | RemoveField | ReplaceHeader

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_LONGEST_TEXT = 400


@dataclass(frozen=True, slots=True)
class FilterResult:
    """A filter's finding. `score` and `required` where it counts; `names` of rules or of what was found, the heaviest
    first; `edits` it wants; `reply` its own words for the client, as (code, enhanced code, lines); `reason` in words.
    """

    filter: str
    verdict: Verdict
    reason: str = ""
    score: float | None = None
    required: float | None = None
    names: tuple[str, ...] = ()
    edits: tuple[FilterEdit, ...] = ()
    reply: tuple[int, str | None, tuple[str, ...]] | None = None
    leading_space: bool = False
    server: str = ""
    seconds: float = 0.0

    def as_object(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "filter": self.filter,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "score": self.score,
            "required": self.required,
            "names": list(self.names),
            "edits": [shown_edit(edit) for edit in self.edits],
            "reply": None if self.reply is None else {"code": self.reply[0], "enhanced": self.reply[1],
                                                      "lines": list(self.reply[2])},
            "server": self.server,
            "seconds": round(self.seconds, 4),
        }  # fmt: skip


def plain(text: str, longest: int = _LONGEST_TEXT) -> str:
    """Text of a filter on one line, without control characters, of limited length."""
    return _CONTROLS.sub(" ", text).strip()[:longest]


def shown_edit(edit: FilterEdit) -> str:
    """An edit on one line: its kind, and what it says."""
    parts = []
    for name in edit.__dataclass_fields__:
        value = getattr(edit, name)
        if isinstance(value, bytes):
            value = f"{len(value)} octets" if name in ("chunk", "octets") else value.decode("utf-8", "replace")
        parts.append(plain(str(value), 120))
    return f"{type(edit).__name__} {' '.join(parts)}".rstrip()
