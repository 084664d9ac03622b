"""The slots of `[delivery]` over all shards, and of each destination: how schedulers get their shares
(`danelaw.queue.shares`).

Ten times a second a process looks at what its shards could use and tells the supervisor when that changed, in one
frame; the supervisor divides, and tells those whose share changes. Nothing is asked for a message, and nobody waits on
the line: a scheduler goes on with the share it has. A worker's shares are its own until it is reaped. Without workers
the same ledger is called directly, and a single shard has all of it without a look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol

from danelaw.errors import DanelawError
from danelaw.gateway.switchboard import SUPERVISOR
from danelaw.queue.demand import Demand, busiest, demand, has_work
from danelaw.queue.pages import SchedulerSettings
from danelaw.queue.shares import P, Shares

if TYPE_CHECKING:
    from danelaw.config import Config
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


class Word(NamedTuple):
    """What a shard says of one number: the last order it had heard, what it could use, and what it uses or may use."""

    order: int
    wanted: int
    using: int


class Use(NamedTuple):
    """What a shard says of slots, and of deliveries to each destination; `gone` when it is let go, and uses nothing."""

    shard: int
    slots: Word
    each: Word
    gone: bool = False


class Order(NamedTuple):
    """Told to a shard: its share of slots, or of deliveries to `each` destination."""

    shard: int
    each: bool
    order: int
    share: int


class Most(NamedTuple):
    """What there is for all shards together: deliveries at once, and to each destination."""

    slots: int
    each: int


def most(config: Config) -> Most:
    """What a configuration allows."""
    return Most(config.delivery.connections, settings_of(config).cap)


def settings_of(config: Config, slots: int | None = None) -> SchedulerSettings:
    """What a scheduler goes by that has so many slots, or all."""
    delivery = config.delivery
    return SchedulerSettings(
        slots=delivery.connections if slots is None else slots, total=delivery.connections,
        destination_concurrency=delivery.connections_per_destination,
    )  # fmt: skip


class SlotHolder:
    """A shard's shares. `most` is what there is for all, `changed` is called when more may begin. `clock` gives POSIX
    seconds, as schedulers want them.
    """

    def __init__(
        self, shard: int, scheduler: Scheduler, most: Most, changed: Callable[[], None], clock: Callable[[], float]
    ) -> None:
        self.shard = shard
        self._ending = False
        self._scheduler, self._most, self._changed, self._clock = scheduler, most, changed, clock
        self._slots = self._each = 0
        self._heard = [0, 0]
        self._demand, self._work = Demand(), Demand()
        scheduler.resize(0, 0, clock())

    def use(self) -> Use:
        """What it uses and could use now."""
        scheduler, (heard, heard_each) = self._scheduler, self._heard
        taken, near = scheduler.in_flight, busiest(scheduler)
        if self._ending:
            return Use(self.shard, Word(heard, taken, taken), Word(heard_each, near, near))
        wanted = self._demand.look(demand(scheduler, self._most.slots, self._most.each))
        at_work = self._work.look(bool(wanted) or (not self._each and has_work(scheduler)))
        return Use(
            self.shard,
            # Who waits for its turn at destinations wants no slot before: so two lines cannot wait for each other.
            Word(heard, wanted, max(taken, self._slots)),
            Word(heard_each, self._most.each if at_work else 0, max(near, self._each)),
        )

    def hear(self, order: Order) -> None:
        """This is its share from now on."""
        more = order.share > (self._each if order.each else self._slots)
        self._heard[order.each] = order.order
        if self._ending:
            return
        if order.each:
            self._each = order.share
        else:
            self._slots = order.share
        self._scheduler.resize(self._slots, self._each, self._clock())
        if more:
            self._changed()

    def end(self) -> None:
        """Begin nothing any more: what ends is free for others."""
        self._ending = True
        self._scheduler.resize(0, 0, self._clock())


class SlotLedger(Generic[P]):
    """Both numbers for all parties. Of deliveries to a destination each party keeps one, so that no slow destination of
    another keeps it from beginning; the rest goes to those with mail, in equal parts. A ledger for each destination
    would cost words whenever mail for it comes and goes; who wants one destination's limit used to the full by several
    workers has `[[limit]]`, whose permits do that.
    """

    def __init__(self, most: Most) -> None:
        self._slots: Shares[P] = Shares(most.slots)
        self._each: Shares[P] = Shares(most.each, reserve=0.0, least=1)

    def renew(self, most: Most) -> None:
        """There is more or less from now on."""
        self._slots.total, self._each.total = most

    def join(self, party: P) -> None:
        """One more party, or one that is known."""
        self._slots.join(party)
        self._each.join(party)

    def leave(self, party: P) -> None:
        """A party uses nothing any more."""
        self._slots.leave(party)
        self._each.leave(party)

    def parties(self) -> tuple[P, ...]:
        """Who is known."""
        return self._slots.parties()

    def hear(self, party: P, use: Use) -> None:
        """What a party says."""
        self._slots.hear(party, *use.slots)
        self._each.hear(party, *use.each)

    def settle(self, now: float) -> list[tuple[P, bool, int, int]]:
        """Divide anew: whom to tell, whether of each destination, the order and the share."""
        told = [(one.party, False, one.order, one.share) for one in self._slots.settle(now)]
        return told + [(one.party, True, one.order, one.share) for one in self._each.settle(now)]

    def state(self) -> list[Any]:
        """Everything, as JSON has it."""
        return [self._slots.state(), self._each.state()]

    def restore(self, state: Sequence[Any], party: Callable[[Any], P]) -> None:
        """What `state` gave; `party` makes one of what JSON made of it."""
        for shares, known in zip((self._slots, self._each), state, strict=True):
            shares.restore((party(name), *rest) for name, *rest in known)


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

    def __init__(self, most: Most, ticks: Callable[[], float]) -> None:
        self._ledger: SlotLedger[int] = SlotLedger(most)
        self._ticks = ticks
        self._holders: dict[int, SlotHolder] = {}

    def join(self, holder: SlotHolder) -> None:
        """One more shard."""
        self._holders[holder.shard] = holder
        self._ledger.join(holder.shard)
        self.look()

    def leave(self, shard: int) -> None:
        """A shard is let go."""
        self._holders.pop(shard, None)
        self._ledger.leave(shard)
        self.look()

    def look(self) -> None:
        """Divide by what all could use now; what one gives up at once another has at once."""
        for _ in range(2):
            for holder in self._holders.values():
                self._ledger.hear(holder.shard, holder.use())
            for shard, each, order, share in self._ledger.settle(self._ticks()):
                self._holders[shard].hear(Order(shard, each, order, share))


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
            self._line.tell(SUPERVISOR, OPERATION, uses=[Use(shard, Word(0, 0, 0), Word(0, 0, 0), True)])

    def look(self) -> None:
        """Tell what changed."""
        changed = [use for holder in self._holders.values() if (use := holder.use()) != self._said.get(use.shard)]
        if changed:
            self._said |= {use.shard: use for use in changed}
            self._line.tell(SUPERVISOR, OPERATION, uses=changed)

    def _hear(self, sender: str, args: Mapping[str, Any]) -> None:
        for told in args["told"]:
            order = Order(*told)
            if (holder := self._holders.get(order.shard)) is not None:
                holder.hear(order)
        self.look()  # what became less is said at once: somebody waits for it


class SlotService:
    """The supervisor's side: `attach` it to the switchboard, call `look` in each turn, `reaped` for every worker that
    is gone. `ticks` is the monotonic clock.
    """

    def __init__(self, most: Most, ticks: Callable[[], float]) -> None:
        self.ledger: SlotLedger[Party] = SlotLedger(most)
        self._ticks = ticks
        self._switchboard: Switchboard | None = None

    def attach(self, switchboard: Switchboard) -> None:
        """Hear what workers say from now on."""
        self._switchboard = switchboard
        switchboard.services[OPERATION] = self._serve

    def look(self) -> None:
        """Divide anew."""
        told: dict[str, list[Order]] = {}
        for party, each, order, share in self.ledger.settle(self._ticks()):
            told.setdefault(party.worker, []).append(Order(party.shard, each, order, share))
        for worker, news in told.items():
            if self._switchboard is not None:
                self._switchboard.tell(worker, OPERATION, told=news)

    def reaped(self, worker: str) -> None:
        """A worker is dead: its shares are free."""
        for party in self.ledger.parties():
            if party.worker == worker:
                self.ledger.leave(party)
        self.look()

    def _serve(self, worker: str, args: dict[str, Any]) -> None:
        for use in decoded(args.get("uses")):
            party = Party(worker, use.shard)
            if use.gone:
                self.ledger.leave(party)
                continue
            self.ledger.join(party)
            self.ledger.hear(party, use)
        self.look()


def decoded(value: Any) -> list[Use]:
    """Uses after JSON. Raises `DanelawError` for anything else."""
    if not isinstance(value, list) or len(value) > _MOST_AT_ONCE:
        raise DanelawError("slots are spoken of in lists")
    try:
        return [
            Use(_whole(shard), Word(*map(_whole, slots)), Word(*map(_whole, each)), _flag(gone))
            for shard, slots, each, gone in value
        ]
    except (TypeError, ValueError):
        raise DanelawError("what was said about slots makes no sense") from None


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise ValueError(value)
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(value)
    return value


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
