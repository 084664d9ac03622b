"""Suspensions in the running gateway: set by command or by reply, kept across restarts, ended by time or command."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError
from danelaw.queue.suspensions import Suspension, decode, encode

if TYPE_CHECKING:
    from danelaw.queue.gate import Gate
    from danelaw.spool import Spool
    from danelaw.telemetry import Log

SETTING = "suspensions"
LONGEST = 366 * 86400.0


class Suspending:
    """Sets and ends suspensions at the gate, in the spool and in the log. `woken` is called when queues may go on;
    `spread` with what others should hear: filter, end (0 for one ended by command), reason, who.
    """

    def __init__(
        self, gate: Gate, spool: Spool, log: Log, *, clock: Callable[[], float], woken: Callable[[], None]
    ) -> None:
        self._gate = gate
        self._spool = spool
        self._log = log
        self._clock = clock
        self._woken = woken
        self.spread: Callable[[str, float, str, str], None] = lambda text, until, because, who: None

    def restore(self) -> None:
        """At start: those that have not ended."""
        try:
            found = decode(self._spool.setting(SETTING), self._clock())
        except (DanelawError, ValueError) as error:
            self._log.error("suspensions-unreadable", reason=str(error))
            return
        for one in found:
            self._gate.suspended.suspend(one)

    def suspend(self, text: str, seconds: float, because: str, who: str) -> dict[str, Any]:
        """Start nothing for the queues a filter names; `queues` of the result is how many of them are known now.

        Raises `DanelawError`.
        """
        if not 0 < seconds <= LONGEST:
            raise DanelawError("a suspension lasts up to a year and has to end", advice="give --for, such as --for 4h")
        one = Suspension.make(text, self._clock() + seconds, because, who)
        self._gate.suspended.suspend(one)
        self._store()
        self._log.event("suspended", filter=text, seconds=round(seconds), reason=because or None, who=who)
        self.spread(*_told(one))
        return described(one) | {"queues": self._gate.matching(one)}

    def suspend_by_reply(self, text: str, seconds: float, because: str, who: str) -> None:
        """A response called for it. One that lasts longer already stays; what cannot be suspended is only logged."""
        if self._holds(text, self._clock() + seconds):
            return
        try:
            self.suspend(text, seconds, because, who)
        except DanelawError as error:
            self._log.warning("not-suspended", filter=text, reason=error.reason)

    def resume(self, text: str, who: str) -> int:
        """End the suspension with this filter, or all for an empty text; returns how many."""
        texts = [text] if text else [one.filter.text for one in self._gate.suspended.in_force()]
        ended = [one for one in texts if self._gate.suspended.resume(one)]
        for one in ended:
            self._log.event("resumed", filter=one, who=who)
            self.spread(one, 0.0, "", who)
        if ended:
            self._store()
            self._woken()
        return len(ended)

    def follow(self, text: str, until: float, because: str, who: str) -> None:
        """Another shard has learned that, and has logged it."""
        if until <= 0:
            if self._gate.suspended.resume(text):
                self._store()
                self._woken()
            return
        if until <= self._clock() or self._holds(text, until):
            return
        try:
            self._gate.suspended.suspend(Suspension.make(text, until, because, who))
        except DanelawError as error:
            self._log.warning("not-suspended", filter=text, reason=error.reason)
            return
        self._store()

    def told(self) -> list[tuple[str, float, str, str]]:
        """Those in force, as `spread` is given them."""
        return [_told(one) for one in self._gate.suspended.in_force()]

    def _holds(self, text: str, until: float) -> bool:
        return any(one.filter.text == text and one.until >= until for one in self._gate.suspended.in_force())

    def listed(self) -> list[dict[str, Any]]:
        """Those in force, as JSON has them."""
        return [described(one) for one in self._gate.suspended.in_force()]

    def _store(self) -> None:
        self._spool.save_setting(SETTING, encode(self._gate.suspended.in_force()))


def _told(one: Suspension) -> tuple[str, float, str, str]:
    return one.filter.text, one.until, one.because, one.who


def described(one: Suspension) -> dict[str, Any]:
    """One suspension as JSON has it."""
    return {"filter": one.filter.text, "until": one.until, "because": one.because, "who": one.who}
