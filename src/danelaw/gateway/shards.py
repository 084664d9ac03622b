"""The shards one process works on: each with its queue, its scheduler and its deliveries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from danelaw.caches import Caches
from danelaw.gateway import settings
from danelaw.gateway.conditions import SharedConditions
from danelaw.gateway.slots import Looking, SlotHolder, Slots, most, settings_of
from danelaw.outbound.courier import Courier, SessionCount
from danelaw.outbound.engine import Engine
from danelaw.outbound.notices import Notices
from danelaw.outbound.pool import Pool
from danelaw.outbound.steps import DeliverySteps
from danelaw.queue import Filter, id_to_text
from danelaw.queue.scheduler import Scheduler
from danelaw.spool import Spool
from danelaw.spool.acts import Act, perform

if TYPE_CHECKING:
    from danelaw.carriers import Carrier
    from danelaw.config import Config
    from danelaw.gateway.place import Place
    from danelaw.inbound.relay import RelayPolicy
    from danelaw.outbound.destination import Surveyor
    from danelaw.outbound.opening import Door
    from danelaw.pkix import Roots
    from danelaw.queue import RetrySchedule
    from danelaw.queue.direct import Permits
    from danelaw.shared import SharedStore
    from danelaw.telemetry import Log, Metrics

HOLDER = "danelaw"
POISON = "it ended the process that had it in hand, more than once"


@dataclass(slots=True)
class Shard:
    """A shard this process has locked. `held` are the poison messages found in it and held."""

    number: int
    spool: Spool
    engine: Engine
    slots: SlotHolder
    held: tuple[int, ...] = ()


@dataclass(slots=True, kw_only=True)
class Workshop:
    """What the deliveries of all shards of a process share, and how a shard is opened with it.

    The `slots` of `[delivery]` are divided by demand over all shards of all workers; what `[[limit]]` allows is asked
    for through `permits`, and belongs to nobody beforehand. `shared` is what policy
    shares with all workers, `caches` are this process's; `steps` are asked about deliveries, `sessions` counts them.
    """

    config: Config
    surveyor: Surveyor
    door: Door
    roots: Roots | None
    relay: RelayPolicy
    schedule: RetrySchedule
    conduct: settings.Conduct
    permits: Permits
    slots: Slots
    shared: SharedStore
    log: Log
    metrics: Metrics
    place: Place | None = None
    carriers: Mapping[str, Carrier] = field(default_factory=dict)
    steps: DeliverySteps = field(default_factory=DeliverySteps)
    clock: Callable[[], float] = time.time
    observe: Callable[[int, float | None], None] = lambda messages, seconds: None
    caches: Caches = field(default_factory=Caches)
    sessions: SessionCount | None = None

    def spool(self, number: int) -> Spool:
        """Lock and recover a shard. May take long, and may run in a thread. Raises `SpoolError`."""
        return Spool.open(
            self.config.spool.directory, number, settings=settings.spool_settings(self.config), clock=self.clock
        )

    def shard(self, number: int, spool: Spool, hold: Sequence[int] = ()) -> Shard:
        """A shard on an open spool; nothing is delivered before its engine starts. `hold` is held first."""
        held = _hold(spool, hold, self.clock())
        for message in held:
            self.metrics.poison.add()
            self.log.error(
                "poison", id=id_to_text(message), reason=POISON,
                advice="look at it, then: danelaw queue release or drop id:" + id_to_text(message),
            )  # fmt: skip
        spool.observe(self.observe)
        delivery = self.config.delivery
        gate = settings.gate(self.conduct, self.clock, self.permits, delivery.idle.total_seconds())
        scheduler = Scheduler(replace(settings_of(self.config), backoff=self.schedule), gate)
        courier = Courier(
            surveyor=self.surveyor,
            door=self.door,
            pool=Pool(delivery.idle.total_seconds(), delivery.messages_per_connection),
            roots=self.roots,
            spool=spool,
            log=self.log,
            metrics=self.metrics,
            families=delivery.families,
            own_names=frozenset({str(self.config.hostname)}),
            clock=self.clock,
            gate=gate,
            answers=settings.answers(self.conduct, self.log, self.metrics, self.door.addresses),
            steps=self.steps,
            sessions=self.sessions,
            carriers=self.carriers,
            last_stops=frozenset(one.name for one in self.config.carrier if one.is_last_stop),
        )
        notices = Notices(
            str(self.config.hostname),
            spool,
            self.schedule,
            self.relay.next_hop,
            scheduler.reason,
            self.log,
            self.metrics,
            sender_address=self.config.bounce_from,
        )
        engine = Engine(spool, scheduler, courier, notices, self.schedule, self.log, self.metrics, clock=self.clock)
        if self.place is not None:
            engine.watch(self.place.in_hand, self.place.seat.hold)
        slots = SlotHolder(number, scheduler, most(self.config), engine.pump, self.clock)
        return Shard(number, spool, engine, slots, held)


class Shards:
    """The shards of this process by number; the first one taken is `home`, where new mail goes."""

    def __init__(self, workshop: Workshop, home: int, hold: Sequence[int] = ()) -> None:
        """Lock the home shard. Raises `SpoolError`."""
        self._workshop = workshop
        self.home = workshop.shard(home, workshop.spool(home), hold)
        self.open: dict[int, Shard] = {home: self.home}
        self._looking: Looking | None = None
        place = workshop.place
        self._conditions = SharedConditions(workshop.clock) if place is None else place.conditions

    def take(self, number: int) -> Shard:
        """Open one more at once, before anything runs. Raises `SpoolError`."""
        shard = self.open[number] = self._workshop.shard(number, self._workshop.spool(number))
        return shard

    async def adopt(self, number: int, hold: Sequence[int] = ()) -> Shard:
        """Open one more and deliver what is in it; mail goes on meanwhile. Raises `SpoolError`."""
        spool = await asyncio.to_thread(self._workshop.spool, number)
        shard = self.open[number] = self._workshop.shard(number, spool, hold)
        self._begin(shard)
        self._watch_slots()
        return shard

    async def let_go(self, number: int, seconds: float) -> None:
        """End the deliveries of a shard, for at most `seconds`, and unlock it; the home shard is never let go."""
        shard = self.open.get(number)
        if shard is None or shard is self.home:
            return
        self._conditions.detach(shard)
        shard.slots.end()
        await shard.engine.stop(seconds)
        self._workshop.slots.leave(number)
        await shard.spool.close()
        del self.open[number]
        self._watch_slots()

    def start(self) -> None:
        """Begin to deliver."""
        for shard in self.open.values():
            self._begin(shard)
        self._watch_slots()

    def _begin(self, shard: Shard) -> None:
        shard.engine.start()
        self._workshop.slots.join(shard.slots)
        self._conditions.attach(shard)

    async def stop(self, seconds: float) -> None:
        """Start nothing new and let running deliveries end."""
        for shard in self.open.values():
            shard.slots.end()
        await asyncio.gather(*(shard.engine.stop(seconds) for shard in self.open.values()))

    async def close(self) -> None:
        """Store what is pending and unlock."""
        if self._looking is not None:
            self._looking.close()
        for shard in self.open.values():
            await shard.spool.close()

    def close_now(self) -> None:
        """Unlock, where nothing was started."""
        for shard in self.open.values():
            shard.spool.close_now()

    def _watch_slots(self) -> None:
        """Look at demand, unless a single shard has everything anyhow."""
        needed = self._workshop.place is not None or len(self.open) > 1
        if needed and self._looking is None:
            self._looking = Looking(self._workshop.slots.look)
        elif not needed and self._looking is not None:
            self._looking.close()
            self._looking = None


def _hold(spool: Spool, messages: Sequence[int], now: float) -> tuple[int, ...]:
    """Hold what of `messages` is in the queue; gives those that are."""
    held: set[int] = set()
    for message in messages:
        act = Act("hold", Filter.from_text(f"id:{id_to_text(message)}"), HOLDER, POISON)
        for step in perform(spool, act, now):
            held |= step.messages
    return tuple(sorted(held))
