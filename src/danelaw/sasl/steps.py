"""What follows from one response of the client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Secret:
    """A password on its way to being checked; it shows itself nowhere."""

    text: str = field(repr=False)

    def __str__(self) -> str:
        return "…"


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send these octets; the client answers them."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Claimed:
    """The client says who it is. `password` is what it gave as proof, None where the proof comes later (SCRAM)."""

    user: str
    password: Secret | None


@dataclass(frozen=True, slots=True)
class Proved:
    """The client is this user: the mechanism itself has shown it."""

    user: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The exchange is over. `reason` is for the log; the client is told no more than that it failed.

    `malformed` tells that the client does not follow the mechanism; else its proof is wrong.
    """

    reason: str
    user: str = ""
    malformed: bool = False


Step: TypeAlias = Challenge | Claimed | Proved | Failed
