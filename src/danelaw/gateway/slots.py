"""The slots of `[delivery] connections` over all shards: how schedulers get their shares (`danelaw.queue.shares`).

Ten times a second a process looks at what its shards could use and tells the supervisor when that changed, in one
frame; the supervisor divides, and tells those whose share changes. Nothing is asked for a message, and nobody waits on
the line: a scheduler goes on with the share it has. A worker's shares are its own until it is reaped. Without workers
the same ledger is called directly, and a single shard has all of it without a look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from danelaw.errors import DanelawError
from danelaw.gateway.switchboard import SUPERVISOR
from danelaw.queue.demand import Demand
from danelaw.queue.shares import Shares

if TYPE_CHECKING:
    from danelaw.gateway.line import Line
    from danelaw.gateway.switchboard import Switchboard
    from danelaw.queue.scheduler import Scheduler

OPERATION = "slots"
LOOK_SECONDS = 0.1
_MOST_AT_ONCE = 1000
_LARGEST = 1 << 40


class Party(NamedTuple):
    """A shard in the hands of a worker."""

    worker: str
    shard: int


class Use(NamedTuple):
    """What a shard says: the last order it had heard, what it could use, and what it uses or is free to use. `gone`
    when it is let go, and uses nothing.
    """

    shard: int
    order: int
    wanted: int
    using: int
    gone: bool = False


class SlotHolder:
    """A shard's share. `total` is what there is for all, `changed` is called when more may begin."""

    def __init__(self, shard: int, scheduler: Scheduler, total: int, changed: Callable[[], None]) -> None:
        self.shard = shard
        self._ending = False
        self._scheduler, self._total, self._changed = scheduler, total, changed
        self._order = self._share = 0
        self._demand = Demand()

    def use(self) -> Use:
        """What it uses and could use now."""
        scheduler = self._scheduler
        taken = scheduler.in_flight
        if self._ending:
            return Use(self.shard, self._order, taken, taken)
        wanted = self._demand.look(scheduler.could_use(self._total))
        return Use(self.shard, self._order, wanted, max(taken, self._share))

    def hear(self, order: int, share: int) -> None:
        """This is its share from now on."""
        more, self._order, self._share = share > self._share, order, share
        if self._ending:
            return
        self._scheduler.resize(share, self._scheduler.settings.destination_concurrency)
        if more:
            self._changed()

    def end(self) -> None:
        """Begin nothing any more: what ends is free for others."""
        self._ending = True
        self._scheduler.resize(0, self._scheduler.settings.destination_concurrency)


class Slots(Protocol):
    """How a process's shards come by their shares."""

    def join(self, holder: SlotHolder) -> None:
        """One more shard; it has no slots before it hears of some."""

    def leave(self, shard: int) -> None:
        """A shard is let go, and nothing of it is under way."""

    def look(self) -> None:
        """Tell what changed; to be called every `LOOK_SECONDS`."""


class DirectSlots:
    """The ledger of a gateway in one process. `ticks` is the monotonic clock."""

    def __init__(self, total: int, ticks: Callable[[], float]) -> None:
        self._shares: Shares[int] = Shares(total)
        self._ticks = ticks
        self._holders: dict[int, SlotHolder] = {}

    def join(self, holder: SlotHolder) -> None:
        """One more shard."""
        self._holders[holder.shard] = holder
        self._shares.join(holder.shard)
        self.look()

    def leave(self, shard: int) -> None:
        """A shard is let go."""
        self._holders.pop(shard, None)
        self._shares.leave(shard)
        self.look()

    def look(self) -> None:
        """Divide by what all could use now; what one gives up at once another has at once."""
        for _ in range(2):
            for holder in self._holders.values():
                use = holder.use()
                self._shares.hear(use.shard, use.order, use.wanted, use.using)
            for shard, order, share in self._shares.settle(self._ticks()):
                self._holders[shard].hear(order, share)


class LineSlots:
    """A worker's side."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._holders: dict[int, SlotHolder] = {}
        self._said: dict[int, Use] = {}
        line.handle(OPERATION, self._hear)

    def join(self, holder: SlotHolder) -> None:
        """One more shard."""
        self._holders[holder.shard] = holder
        self.look()

    def leave(self, shard: int) -> None:
        """A shard is let go."""
        self._said.pop(shard, None)
        if self._holders.pop(shard, None) is not None:
            self._line.tell(SUPERVISOR, OPERATION, uses=[Use(shard, 0, 0, 0, True)])

    def look(self) -> None:
        """Tell what changed."""
        changed = [use for holder in self._holders.values() if (use := holder.use()) != self._said.get(use.shard)]
        if changed:
            self._said |= {use.shard: use for use in changed}
            self._line.tell(SUPERVISOR, OPERATION, uses=changed)

    def _hear(self, sender: str, args: Mapping[str, Any]) -> None:
        for shard, order, share in args["told"]:
            holder = self._holders.get(shard)
            if holder is not None:
                holder.hear(order, share)
        self.look()  # what became less is said at once: somebody waits for it


class SlotService:
    """The supervisor's side: `attach` it to the switchboard, call `look` in each turn, `reaped` for every worker that
    is gone. `ticks` is the monotonic clock.
    """

    def __init__(self, total: int, ticks: Callable[[], float]) -> None:
        self.shares: Shares[Party] = Shares(total)
        self._ticks = ticks
        self._switchboard: Switchboard | None = None

    def attach(self, switchboard: Switchboard) -> None:
        """Hear what workers say from now on."""
        self._switchboard = switchboard
        switchboard.services[OPERATION] = self._serve

    def look(self) -> None:
        """Divide anew."""
        told: dict[str, list[tuple[int, int, int]]] = {}
        for party, order, share in self.shares.settle(self._ticks()):
            told.setdefault(party.worker, []).append((party.shard, order, share))
        for worker, news in told.items():
            if self._switchboard is not None:
                self._switchboard.tell(worker, OPERATION, told=news)

    def reaped(self, worker: str) -> None:
        """A worker is dead: its shares are free."""
        for party in self.shares.parties():
            if party.worker == worker:
                self.shares.leave(party)
        self.look()

    def _serve(self, worker: str, args: dict[str, Any]) -> None:
        for use in decoded(args.get("uses")):
            party = Party(worker, use.shard)
            if use.gone:
                self.shares.leave(party)
                continue
            self.shares.join(party)
            self.shares.hear(party, use.order, use.wanted, use.using)
        self.look()


def decoded(value: Any) -> list[Use]:
    """Uses after JSON. Raises `DanelawError` for anything else."""
    if not isinstance(value, list) or len(value) > _MOST_AT_ONCE:
        raise DanelawError("slots are spoken of in lists")
    uses: list[Use] = []
    for one in value:
        if not isinstance(one, list) or len(one) != 5 or type(one[4]) is not bool:
            raise DanelawError("what was said about slots makes no sense")
        if not all(type(number) is int and 0 <= number < _LARGEST for number in one[:4]):
            raise DanelawError("what was said about slots makes no sense")
        uses.append(Use(*one))
    return uses


class Looking:
    """Calls `look` every `LOOK_SECONDS` until it is closed."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(LOOK_SECONDS, self._turn)

    def close(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _turn(self) -> None:
        self._timer = self._loop.call_later(LOOK_SECONDS, self._turn)
        self._look()
