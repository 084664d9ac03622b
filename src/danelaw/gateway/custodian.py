"""What becomes of held mail by time alone: the end of its term, the limits of the quarantine, and its numbers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from danelaw.errors import DanelawError
from danelaw.gateway import quarantine
from danelaw.quarantine import AtEnd, Held, Retention, excess
from danelaw.queue import id_to_text
from danelaw.spool import quarantine as held
from danelaw.spool.shards import in_each, reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from danelaw.gateway.gateway import Gateway
    from danelaw.gateway.shards import Shard

LOOK_SECONDS = 5.0
LIMIT_SECONDS = 60.0
_AT_ONCE = 50


class Custodian:
    """Looks after the held mail of the shards this process has; the limits count that of all."""

    def __init__(self, gateway: Gateway, retention: Retention) -> None:
        self._gateway = gateway
        self._retention = retention
        self._counted = float("-inf")

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
            if shard.engine.lifetimes.trusts_clock(now, monotonic):
                await self._end_terms(shard, now)
        if monotonic - self._counted >= LIMIT_SECONDS:
            self._counted = monotonic
            await self._keep_limits()

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
