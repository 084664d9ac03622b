"""What the trust groups of a destination demand of its hosts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from danelaw.tlspolicy.demand import SenderDemand


@dataclass(frozen=True, slots=True)
class GroupDemand:
    """All groups of one destination together: `demand` is the strongest of theirs (`ENCRYPTED`, `VERIFIED` or `DANE`),
    `names` are the groups that demand something. `returns`: mail that cannot be sent so is returned at once.
    """

    demand: SenderDemand
    names: tuple[str, ...]
    returns: bool = False

    @property
    def owner(self) -> str:
        """Whose demand it is, in words."""
        quoted = " and ".join(f'"{name}"' for name in self.names)
        return f"trust group{'s' if len(self.names) > 1 else ''} {quoted}"

    @classmethod
    def together(cls, demands: Iterable[GroupDemand]) -> GroupDemand | None:
        """What satisfies them all; None when none demands anything."""
        found = tuple(one for one in demands if one.demand is not SenderDemand.NONE)
        if not found:
            return None
        strongest = SenderDemand.NONE
        for one in found:
            strongest = strongest.with_demand(one.demand)
        names = tuple(dict.fromkeys(name for one in found for name in one.names))
        return cls(strongest, names, any(one.returns for one in found))
