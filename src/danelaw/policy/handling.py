"""How a message is to travel: what a hook may choose for it, kept with the message."""

from __future__ import annotations

from dataclasses import dataclass, fields

from danelaw.errors import DanelawError

DEMANDS = ("", "encrypted", "verified", "dane")
"""What a hook may demand of the way, weakest first: nothing more, TLS, a verified server, DANE."""


class HandlingError(DanelawError, ValueError):
    """A way of handling that there is not."""


@dataclass(frozen=True, slots=True)
class Handling:
    """What is empty stays as it would be.

    `next_hop` is the next hop of all its recipients; `demand` one of `DEMANDS`; `tenant` and `job` are queue keys for
    `[[limit]]`; `priority` is -1 (after other mail), 0, or 1 (before it); `expires_in` seconds until it is returned,
    at most the configured lifetime. Raises `HandlingError`.
    """

    next_hop: str = ""
    demand: str = ""
    tenant: str = ""
    job: str = ""
    priority: int = 0
    expires_in: float | None = None

    def __post_init__(self) -> None:
        if self.demand not in DEMANDS:
            raise HandlingError(f"{self.demand!r} is no demand; write one of encrypted, verified, dane")
        if self.priority not in (-1, 0, 1):
            raise HandlingError(f"priority is -1, 0 or 1, not {self.priority!r}")
        if self.expires_in is not None and not self.expires_in > 0:
            raise HandlingError("a message cannot expire before it is queued")
        for name in ("next_hop", "tenant", "job"):
            text = getattr(self, name)
            if len(text) > 255 or not text.isprintable() or " " in text:
                raise HandlingError(f"{name} {text[:40]!r} has blanks, control characters, or more than 255 characters")

    def strengthened(self, demand: str) -> str:
        """The stronger of two demands."""
        return max(self.demand, demand, key=DEMANDS.index)

    def overlaid(self, other: Handling) -> Handling:
        """This with what another chooses; of two demands the stronger."""
        chosen = {**self.to_object(), **other.to_object()}
        chosen["demand"] = self.strengthened(other.demand)
        return Handling(**chosen)  # type: ignore[arg-type]

    @property
    def is_usual(self) -> bool:
        """Nothing is chosen."""
        return self == USUAL

    def to_object(self) -> dict[str, object]:
        """What is chosen, as JSON."""
        chosen = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in chosen.items() if value != getattr(USUAL, name)}


USUAL = Handling()
