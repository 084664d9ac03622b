"""One record that should be published, and how DNS stands towards it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """`OPTIONAL` is missing and does no harm; `UNSIGNED` is in a zone without signatures, where it has no effect."""

    PRESENT = "present"
    MISSING = "missing"
    DIFFERS = "differs"
    STALE = "stale"
    UNSIGNED = "unsigned"
    OPTIONAL = "optional"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True)
class PlannedRecord:
    """`purpose` is what it is for: `TLSA`, `MX`, `MTA-STS`, `TLSRPT`, `SPF`, `DKIM`, `DMARC`. `rdata` as in a zone
    file, empty where a record is to go (`STALE`) or only a person can say what it should be; `now` is what DNS has, in
    the same form.
    """

    purpose: str
    owner: str
    rdtype: str
    rdata: str
    state: State
    reason: str
    now: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """As a line of a zone file; empty without data."""
        return f"{self.owner} IN {self.rdtype} {self.rdata}" if self.rdata else ""

    @property
    def replaced(self) -> tuple[str, ...]:
        """What `line` is to stand in place of: beside it, both would count for nothing."""
        return self.now if self.line and self.state is State.DIFFERS else ()

    @property
    def is_to_do(self) -> bool:
        """Whether somebody should change DNS."""
        return self.state in (State.MISSING, State.DIFFERS, State.STALE, State.UNSIGNED)


def quoted(text: str) -> str:
    """A TXT record's data: strings of at most 255 octets, which readers join (RFC 1035 §3.3.14, §5.1)."""
    escaped = [
        text[start : start + 250].replace("\\", "\\\\").replace('"', '\\"') for start in range(0, len(text), 250)
    ]
    return " ".join(f'"{part}"' for part in escaped) or '""'
