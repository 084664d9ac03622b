"""What an examination finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """`OK` was looked at and is well; `NOTE` is worth knowing; `WARNING` will hurt some mail; `ERROR` stops mail."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result: `check` is a stable word, `what` and `fix` are for a postmaster (`fix` is empty when all is well)."""

    check: str
    severity: Severity
    what: str
    fix: str = ""
