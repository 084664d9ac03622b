"""When a day is over its mail is added up, for `danelaw stats`, in each shard this process has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from danelaw.config.limiting import site_roll
from danelaw.errors import DanelawError
from danelaw.spool import traffic
from danelaw.spool.shards import reading

if TYPE_CHECKING:
    from danelaw.adoption.traffic import TrafficRow
    from danelaw.gateway.gateway import Gateway
    from danelaw.gateway.shards import Shard

LOOK_SECONDS = 600.0
FIRST_LOOK_SECONDS = 60.0
_PAUSE_SECONDS = 0.005


class DaySums:
    """Looks every ten minutes for days to add up; the adding is done in a thread."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._site_of = site_roll(gateway.config.sites.file).of_host

    async def keep(self) -> None:
        """Until cancelled."""
        await asyncio.sleep(FIRST_LOOK_SECONDS)
        while True:
            try:
                await self.look()
            except DanelawError as error:
                self._gateway.log.error("stats", reason=error.reason, advice=error.advice)
            except Exception as error:  # sums that are late must not end anything else
                self._gateway.log.error("stats-broken", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> int:
        """Add up what is due; gives how many days of shards that were. Raises `SpoolError`."""
        count = 0
        for shard in tuple(self._gateway.parts.shards.open.values()):
            for day in traffic.due_days(shard.spool.reader, self._gateway.clock()):
                rows = await asyncio.to_thread(self._sums, shard.number, day)
                if self._gateway.parts.shards.open.get(shard.number) is not shard:
                    break  # another process has it now, and will do it
                self._write(shard, day, rows)
                count += 1
        return count

    def _sums(self, shard: int, day: int) -> list[TrafficRow]:
        with reading(self._gateway.config.spool.directory, shard) as connection:
            return traffic.sums_of_day(connection, day, site_of=self._site_of, pause=_PAUSE_SECONDS)

    def _write(self, shard: Shard, day: int, rows: list[TrafficRow]) -> None:
        with shard.spool.transaction(flush=False) as writer:
            traffic.write_day(writer.connection, day, rows, self._gateway.clock())
            writer.attempts.day_counted()
