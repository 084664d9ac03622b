"""Slow-downs in the running gateway: set by reply, kept across restarts, ended by time or by `queue resume`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from danelaw.queue import brakes
from danelaw.queue.brakes import SlowDown

if TYPE_CHECKING:
    from danelaw.queue import RoutingKey
    from danelaw.queue.scheduler import Scheduler
    from danelaw.replies import Response
    from danelaw.spool import Spool
    from danelaw.telemetry import Log

SETTING = "slow-downs"


class Slowing:
    """Sets and ends slow-downs of a scheduler, in the spool and in the log. `under_way` gives the keys of deliveries
    under way; `woken` is called when queues may go on, `spread` with what others should hear: filter, end (0 for one
    ended by command), reason, who, share, beginning.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        spool: Spool,
        log: Log,
        *,
        clock: Callable[[], float],
        under_way: Callable[[], list[RoutingKey]],
        woken: Callable[[], None],
    ) -> None:
        self._brakes = scheduler.brakes
        self._spool = spool
        self._log = log
        self._clock = clock
        self._under_way = under_way
        self._woken = woken
        self.spread: Callable[[str, float, str, str, float, float], None] = lambda *told: None

    def restore(self) -> None:
        """At start: those that have not ended."""
        try:
            found = brakes.decode(self._spool.setting(SETTING), self._clock())
        except ValueError as error:
            self._log.error("slow-downs-unreadable", reason=str(error))
            return
        for one in found:
            self._brakes.restore(one)

    def slow_by_reply(self, response: Response, site: str, key: RoutingKey, because: str) -> None:
        """A response called for it."""
        now = self._clock()
        of, name = ("site", site) if response.of == "site" and site else ("domain", key.next_hop)
        if site:
            self._brakes.belongs(key, site)
        wanted = SlowDown(of, name, 1.0, response.factor, now, now + response.time, because, response.place)
        made = self._brakes.slow(wanted, response.factor, response.floor, self._under_way())
        self._store()
        self._log.event(
            "slowed-down",
            filter=made.text,
            share=round(made.share, 3),
            seconds=round(made.until - now),
            reason=because,
            who=response.place,
        )
        self.spread(*_told(made))

    def follow(self, text: str, until: float, because: str, who: str, share: float, begun: float) -> None:
        """Another shard was told to slow down, and has logged it: the same share of what is under way here."""
        now = self._clock()
        of, _, name = text.partition(":")
        of, name = "site" if of == "site" else "domain", name.strip('"')
        if until <= 0:
            changed = self._brakes.release(of, name)
            self._woken()
        else:
            changed = until > now and self._brakes.follow(
                SlowDown(of, name, 1.0, share, min(begun, now), until, because, who), now, self._under_way()
            )
        if changed:
            self._store()

    def told(self) -> list[tuple[str, float, str, str, float, float]]:
        """Those in force, as `spread` is given them."""
        return [_told(one) for one in self._brakes.in_force(self._clock())]

    def resume(self, text: str, who: str) -> int:
        """End the slow-down with this filter, or all for an empty text; returns how many."""
        now = self._clock()
        ended = [
            one
            for one in self._brakes.in_force(now)
            if text in ("", one.text) and self._brakes.release(one.of, one.name)
        ]
        for one in ended:
            self._log.event("resumed", filter=one.text, who=who)
            self.spread(one.text, 0.0, "", who, 1.0, now)
        if ended:
            self._store()
            self._woken()
        return len(ended)

    def listed(self) -> list[dict[str, Any]]:
        """Those in force, as JSON has them."""
        now = self._clock()
        return [
            {
                "filter": one.text,
                "share": round(one.share_at(now), 3),
                "until": one.until,
                "because": one.because,
                "who": one.who,
            }
            for one in self._brakes.in_force(now)
        ]

    def waiting(self) -> list[brakes.Held]:
        """Queues that a slow-down keeps waiting, and why."""
        return self._brakes.waiting(self._clock())

    def _store(self) -> None:
        self._spool.save_setting(SETTING, brakes.encode(self._brakes.in_force(self._clock())))


def _told(one: SlowDown) -> tuple[str, float, str, str, float, float]:
    return one.text, one.until, one.because, one.who, one.share, one.begun
