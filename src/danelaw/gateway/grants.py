"""What the supervisor grants to workers: permits of limits, and shares of `[delivery]`'s slots. One life for both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from danelaw.gateway import settings
from danelaw.gateway.permit_line import Ceilings, PermitService
from danelaw.gateway.slots import Most, Party, SlotService, most

if TYPE_CHECKING:
    from pathlib import Path

    from danelaw.config import Config
    from danelaw.gateway.switchboard import Switchboard


class Allowed(NamedTuple):
    """What a configuration allows."""

    ceilings: Ceilings
    most: Most


def allowed(config: Config) -> Allowed:
    """What a configuration allows. Raises `DanelawError` when its files cannot be used."""
    return Allowed(settings.permit_ceilings(config, time.time), most(config))


class Grants:
    """Both services. `attach` them, `look` in each turn, and tell when a worker was `reaped`. `ticks` is monotonic."""

    def __init__(self, allowed: Allowed, ticks: Callable[[], float]) -> None:
        self.allowed = allowed
        self.permits = PermitService(allowed.ceilings, ticks)
        self.slots = SlotService(allowed.most, ticks)

    @property
    def closed(self) -> bool:
        """Nothing is granted: workers of a supervisor that was killed are still at work."""
        return self.permits.broker.closed

    def attach(self, switchboard: Switchboard) -> None:
        """Hear what workers say from now on."""
        self.permits.attach(switchboard)
        self.slots.attach(switchboard)

    def await_strangers(self, directory: Path) -> None:
        """Grant no permits while workers of a killed supervisor still hold shards of the spool. Slots are given
        all the same: those workers begin nothing any more, and mail without limits need not wait for their last reply.
        """
        self.permits.await_strangers(directory)

    def look(self, owned: Iterable[int] | None = None) -> None:
        """Serve those whom time lets in; with the shards of our workers as `owned` once a turn."""
        self.permits.look(owned)
        if owned is not None:
            self.slots.look()

    def next_look(self) -> float | None:
        """When to `look` at the latest (monotonic seconds)."""
        return self.permits.next_look()

    def renew(self, allowed: Allowed) -> None:
        """Another configuration holds from now on."""
        self.allowed = allowed
        self.permits.renew(allowed.ceilings)
        self.slots.ledger.renew(allowed.most)
        self.slots.look()

    def reaped(self, worker: str) -> None:
        """A worker is dead: what it held is free."""
        self.permits.reaped(worker)
        self.slots.reaped(worker)

    def state(self) -> dict[str, Any]:
        """Everything, as JSON has it, for the program that follows in this process."""
        return {"permits": self.permits.broker.state(), "slots": self.slots.ledger.state()}

    def restore(self, inherited: dict[str, Any]) -> None:
        """What `state` gave."""
        self.permits.restore(inherited["permits"])
        if "slots" in inherited:
            self.slots.ledger.restore(inherited["slots"], lambda party: Party(*party))
