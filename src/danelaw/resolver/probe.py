"""Is the resolver fit to prove anything? Findings with their fix in words (RFC 4035 §3.2, RFC 8027 §3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How loud to say it: `NOTE` in doctor only; `WARNING` also in the log; `ERROR` means mail will wait."""

    NOTE = 1
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    `code` is a stable word for metrics; `server` is "address:port" or None when it concerns all; `what`
    and `fix` are sentences for a postmaster, without a final stop.
    """

    severity: Severity
    code: str
    server: str | None
    what: str
    fix: str


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a probe found at time `at` (POSIX seconds); `fit` and `unfit` list servers as "address:port"."""

    at: float
    findings: tuple[Finding, ...] = ()
    fit: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """True when at least one server can carry what validation needs: otherwise all mail waits."""
        return bool(self.fit)

    @property
    def worst(self) -> Severity | None:
        """The loudest severity, None when nothing is wrong."""
        return max((finding.severity for finding in self.findings), default=None)
