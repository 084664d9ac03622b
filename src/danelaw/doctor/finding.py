"""What an examination finds."""

from __future__ import annotations

from collections.abc import Mapping
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

    def to_json(self) -> dict[str, str]:
        """As plain words: the control socket and `--json` have this form."""
        return {"check": self.check, "severity": self.severity.value, "what": self.what, "fix": self.fix}

    @classmethod
    def from_json(cls, value: Mapping[str, str]) -> Finding:
        """What `to_json` made. Raises `ValueError` or `KeyError` for anything else."""
        return cls(str(value["check"]), Severity(value["severity"]), str(value["what"]), str(value["fix"]))
