"""What becomes of held mail by time alone: the end of its term, the limits of the quarantine, and its numbers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from danelaw.errors import DanelawError
from danelaw.gateway import quarantine
from danelaw.quarantine import AtEnd, Held, Retention, excess
from danelaw.quarantine.retention import DAY
from danelaw.queue import floor_id, id_to_text
from danelaw.spool import custody
from danelaw.spool import quarantine as held
from danelaw.spool.shards import in_each, reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from danelaw.gateway.gateway import Gateway
    from danelaw.gateway.shards import Shard

LOOK_SECONDS = 5.0
LIMIT_SECONDS = 60.0
_AT_ONCE = 50
_TERMS_AT_ONCE = 2000


class Custodian:
    """Looks after the held mail of the shards this process has; the limits count that of all."""

    def __init__(self, gateway: Gateway, retention: Retention) -> None:
        self._gateway = gateway
        self._retention = retention
        self._counted = float("-inf")
        self._termed: dict[int, int] = {}

    async def keep(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                await self.look(loop.time())
            except DanelawError as error:
                self._gateway.log.error("quarantine", reason=error.reason, advice=error.advice)
            except Exception as error:  # a defect here must not let held mail lie for ever
                self._gateway.log.error("quarantine-broken", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, monotonic: float) -> None:
        """End what is to end now. While the clock may be wrong nothing ends."""
        gateway = self._gateway
        now = gateway.clock()
        for shard in tuple(gateway.parts.shards.open.values()):
            self._give_terms(shard, now)
            if shard.engine.lifetimes.trusts_clock(now, monotonic):
                await self._end_terms(shard, now)
        if monotonic - self._counted >= LIMIT_SECONDS:
            self._counted = monotonic
            await self._keep_limits()

    def _give_terms(self, shard: Shard, now: float) -> None:
        """A step that names no time means the usual one. Holds made in the last day are looked at each time, since a
        large message is stored long after it got its id.
        """
        after = self._termed.get(shard.number, 0)
        found = held.without_end(shard.spool.reader, after, _TERMS_AT_ONCE)
        ends: list[tuple[int, float]] = []
        for number, given in found:
            until = self._retention.custody([(hold, None) for hold in given.holds], given.since).until
            if until is not None:
                ends.append((number, until))
        if ends:
            with shard.spool.transaction() as writer:
                for number, until in ends:
                    custody.prolong(writer.connection, number, until)
        if found:
            last = found[-1][0]
            settled = last if len(found) == _TERMS_AT_ONCE else min(last, floor_id(now - DAY))
            self._termed[shard.number] = max(after, settled)

    async def _end_terms(self, shard: Shard, now: float) -> None:
        """A page at a time; what steps want kept after all is not looked at again before its new end."""
        while due := held.at_their_end(shard.spool.reader, now, _AT_ONCE):
            by_act: dict[AtEnd, list[int]] = defaultdict(list)
            for number, step in due:
                by_act[self._retention.of(step).at_end].append(number)
            for at_end, numbers in by_act.items():
                await self._act(shard, at_end, numbers, "its time in the quarantine is over")
            if held.at_their_end(shard.spool.reader, now, _AT_ONCE) == due:
                return  # nothing can be done about these now: the next look comes soon

    async def _keep_limits(self) -> None:
        gateway, terms = self._gateway, self._retention
        directory = gateway.config.spool.directory
        everything = await asyncio.to_thread(in_each, directory, held.held_sizes)
        too_many = set(excess((one for part in everything for one in part), terms.most_messages, terms.most_octets))
        mine: list[Held] = []
        for shard in tuple(gateway.parts.shards.open.values()):
            found = await asyncio.to_thread(self._sizes, shard.number)
            gone = [one.id for one in found if one.id in too_many]
            for start in range(0, len(gone), _AT_ONCE):
                await self._act(shard, AtEnd.DELETE, gone[start : start + _AT_ONCE], "the quarantine is full")
            mine += [one for one in found if one.id not in too_many]
        gateway.metrics.quarantine_messages.set(float(len(mine)))
        gateway.metrics.quarantine_octets.set(float(sum(one.octets for one in mine)))

    def _sizes(self, shard: int) -> list[Held]:
        with reading(self._gateway.config.spool.directory, shard) as connection:
            return held.held_sizes(connection)

    async def _act(self, shard: Shard, at_end: AtEnd, numbers: Iterable[int], why: str) -> None:
        ids = list(numbers)
        arguments = {
            "filter": " or ".join(f"id:{id_to_text(one)}" for one in ids),
            "who": "quarantine",
            "why": why,
        }
        total = dict.fromkeys(("messages", "recipients", "skipped"), 0)
        async for step in quarantine.act(self._gateway, shard, at_end.value, arguments):
            total = step
            shard.engine.pump()
        self._gateway.metrics.quarantine_ended.add(at_end.value, by=total["messages"])
        for one in ids:
            self._gateway.log.event("quarantine-end", id=id_to_text(one), act=at_end.value, reason=why)
