"""Looks at what was recorded of deliveries and says which destinations prove less than they did (`danelaw.watch`).

Every process runs one and the file gives each look to one of them. A look reads the recorded tries in a thread, beside
the mail: days that are over go into the histories, the present day is held against them. It can be cut off anywhere
and is simply done again.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from danelaw.errors import DanelawError
from danelaw.gateway.own_mail import post
from danelaw.routing import mx_site
from danelaw.spool import SpoolError
from danelaw.spool.database import shards
from danelaw.spool.shards import reading
from danelaw.spool.tallies import Row, days_recorded, tallies
from danelaw.state.watching import FILE_NAME, WatchStore
from danelaw.watch import History, Observation, Rules, Weakening, weakening_of
from danelaw.watch.letter import letter
from danelaw.watch.plan import DAY, day_text

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.gateway.gateway import Gateway
    from danelaw.telemetry import Log, Metrics

GRACE = 600.0
"""Seconds after its end in which a day may still get tries."""
REST = 100.0
"""A look is followed by a pause of so many times its length."""
LETTER_PAUSE = 6 * 3600.0
"""Seconds between two letters to the operator: a provider that changes has very many customers."""
_ASK_AGAIN = 60.0
_REST_OF_SLICE = 2.0


@dataclass(slots=True)
class Looked:
    """What one look found: events that are new, and those that are over."""

    weakened: list[Weakening] = field(default_factory=list)
    recovered: list[Weakening] = field(default_factory=list)
    destinations: int = 0


def look(
    store: WatchStore, directory: Path, now: float, rules: Rules, *, site_of: Callable[[str], str] = mx_site,
    keep_days: int = 365, pause: Callable[[float], None] = time.sleep, renew: Callable[[], None] = lambda: None,
) -> Looked:  # fmt: skip
    """Take in what the spool has recorded until `now` (POSIX seconds). `renew` is called after each day that is closed.

    Raises `SpoolError`, `StateError`.
    """
    found = Looked()
    today, closable = int(now // DAY), int((now - GRACE) // DAY)
    numbers = shards(directory)
    for day in sorted({day for number in numbers for day in _recorded(directory, number)}):
        if day < closable and not store.is_closed(day):
            store.replace_day(day, _counted(directory, numbers, day, pause))
            _fold(store, day, rules, site_of, found, pause)
            store.close_day(day)
            renew()
    for day in range(closable, today + 1):
        store.replace_day(day, _counted(directory, numbers, day, pause))
    for name, seen in store.weaker_today(today):
        _judge(store, store.history(name), seen, rules, site_of, found)
    for event in store.open_events():
        _see_whether_over(store, event, store.observation(event.destination, today), found)
    store.forget(today - keep_days)
    return found


def _recorded(directory: Path, number: int) -> list[int]:
    with reading(directory, number) as connection:
        return days_recorded(connection)


def _counted(directory: Path, numbers: Sequence[int], day: int, pause: Callable[[float], None]) -> Iterator[list[Row]]:
    for number in numbers:
        with reading(directory, number) as connection:
            yield from tallies(connection, day, pause=pause)


def _fold(
    store: WatchStore, day: int, rules: Rules, site_of: Callable[[str], str], found: Looked,
    pause: Callable[[float], None],
) -> None:  # fmt: skip
    """A day that is over: judge it, then add it to each history."""
    after = ""
    while observed := store.observations(day, after):
        begun = time.monotonic()
        changed = []
        for name, seen in observed:
            history = store.history(name)
            if history.last >= day:
                continue
            _judge(store, history, seen, rules, site_of, found)
            event = store.open_of(name)
            if event is not None:
                _see_whether_over(store, event, seen, found)
            changed.append(history.with_day(seen))
        store.save(one for one in changed if one.spans)
        found.destinations += len(observed)
        after = observed[-1][0]
        pause(_REST_OF_SLICE * (time.monotonic() - begun))


def _judge(
    store: WatchStore, history: History, seen: Observation, rules: Rules, site_of: Callable[[str], str], found: Looked
) -> None:
    event = weakening_of(history, seen, rules, site_of)
    if event is not None and store.note(event):
        found.weakened.append(event)


def _see_whether_over(store: WatchStore, event: Weakening, seen: Observation | None, found: Looked) -> None:
    if seen is None or not seen.messages or seen.day <= event.day or seen.level < event.before:
        return
    if store.end(event.destination, seen.day):
        found.recovered.append(event)


def tell(found: Looked, log: Log, metrics: Metrics, most: int) -> None:
    """Into the log and the numbers, the strongest fall first, at most `most` lines."""
    falls = sorted(found.weakened, key=Weakening.depth)
    for one in falls:
        metrics.watch_weakenings.add(one.kind.value)
    for one in falls[:most]:
        log.warning(
            "weakened",
            destination=one.destination,
            kind=one.kind.value,
            before=one.before.value,
            after=one.after.value,
            since=day_text(one.since),
            days=one.days,
            messages=one.messages,
            host=" ".join(one.hosts),
            reason=one.kind.words,
            advice=f"danelaw watch history {one.destination}",
        )
    if len(falls) > most:
        log.warning("weakened-more", count=len(falls) - most, advice="danelaw watch list")
    for one in found.recovered[:most]:
        log.event("strengthened", destination=one.destination, before=one.after.value, after=one.before.value)


def rules_of(config: Config) -> Rules:
    """`[watch]`."""
    return Rules(config.watch.days, config.watch.messages)


class Watcher:
    """Looks again and again while the gateway runs."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._section = gateway.config.watch
        self._directory = gateway.config.spool.directory

    async def keep(self) -> None:
        """Until cancelled."""
        wait = min(_ASK_AGAIN, self._section.interval.total_seconds())
        while True:
            await asyncio.sleep(wait)
            with contextlib.suppress(asyncio.TimeoutError):
                await self.look_once()

    async def look_once(self) -> Looked | None:
        """One look, if it is this process's turn; trouble is logged."""
        gateway = self._gateway
        try:
            found = await self._looked_and_told()
        except (DanelawError, SpoolError) as error:
            gateway.log.error("watch", reason=error.reason, advice=error.advice)
            return None
        except Exception as error:  # the next look must come
            gateway.log.error("watch-broken", step="destinations", reason=f"{type(error).__name__}: {error}")
            return None
        return found

    async def _looked_and_told(self) -> Looked | None:
        gateway = self._gateway
        found = await asyncio.to_thread(self._look, gateway.clock())
        if found is not None:
            tell(found, gateway.log, gateway.metrics, self._section.most_events)
            if self._section.notify is not None:
                await self._write_letter(self._section.notify)
        return found

    async def _write_letter(self, to: str) -> None:
        """One letter about all events that none told of yet; told again only if the gateway ends in between."""
        gateway, now = self._gateway, self._gateway.clock()
        events = await asyncio.to_thread(self._untold, now)
        if not events:
            return
        hostname = str(gateway.config.hostname)
        message_id = f"<{secrets.token_hex(16)}@{hostname}>"
        content = letter(
            events, to=to, sender=f"postmaster@{hostname}", hostname=hostname, date=now, message_id=message_id
        )
        queued = await post(gateway, content, (to,), kind="watch", message_id=message_id, now=now)
        await asyncio.to_thread(self._told, events, now)
        gateway.log.event("watch-letter", id=queued, to=to, count=len(events))

    def _untold(self, now: float) -> list[Weakening]:
        with contextlib.closing(WatchStore(self._directory / FILE_NAME)) as store:
            return store.untold(now, LETTER_PAUSE)

    def _told(self, events: list[Weakening], now: float) -> None:
        with contextlib.closing(WatchStore(self._directory / FILE_NAME)) as store:
            store.tell(events, now)

    def _look(self, now: float) -> Looked | None:
        interval = self._section.interval.total_seconds()
        with contextlib.closing(WatchStore(self._directory / FILE_NAME)) as store:
            if not store.take_turn(now, now + interval):
                return None
            begun = time.monotonic()
            keep_days = int(self._section.keep.total_seconds() // DAY)
            found = look(
                store,
                self._directory,
                now,
                rules_of(self._gateway.config),
                keep_days=keep_days,
                renew=lambda: store.yield_turn(self._gateway.clock() + interval),
            )
            store.yield_turn(self._gateway.clock() + max(interval, REST * (time.monotonic() - begun)))
            return found
