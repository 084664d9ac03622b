"""The step that takes its time with strangers, and notices those who cannot wait to be greeted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from danelaw.address import ReversePath
from danelaw.frontdoor.premises import Premises
from danelaw.frontdoor.remembered import Remembered
from danelaw.inbound.arrival import Finding
from danelaw.inbound.steps import Stage, Step
from danelaw.smtp import Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from danelaw.frontdoor.dnslists import DNSListStep
    from danelaw.inbound.arrival import Arrival, Client, Ruling

_MOST = 10_000
_REMEMBER_SECONDS = 3600.0
_EARLY = Reply.of(554, None, "you spoke before you were greeted")


class TarpitStep(Step):
    """Waits cost a timer each; above `[tarpit] connections` at once clients are served without."""

    name = "tarpit"
    stages = Stage.CONNECT | Stage.REFUSAL | Stage.MESSAGE

    def __init__(
        self,
        premises: Premises,
        lists: DNSListStep | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Clients in an allow list of `lists` are spared. `sleep` waits so many seconds."""
        self.premises = premises
        self.sleep = sleep
        self.waiting = 0
        self._lists = lists
        self._settings = premises.config.tarpit
        self._early: Remembered[tuple[str, int], bool] = Remembered(_MOST)

    async def connect(self, client: Client) -> Reply | None:
        """Let the client wait for its greeting."""
        await self._wait(client, self._settings.greeting_delay.total_seconds(), "greeting")
        return None

    def spoke_early(self, client: Client) -> Reply | None:
        """RFC 5321 §4.3.1: a client waits for the greeting."""
        self.premises.metrics.tarpitted.add("early-talker")
        if self._settings.early_talker == "refuse":
            return _EARLY
        self._early.put((client.address, client.port), True, self.premises.clock() + _REMEMBER_SECONDS)
        return None

    async def before_refusal(self, client: Client) -> None:
        """Let the client wait for its no."""
        await self._wait(client, self._settings.refusal_delay.total_seconds(), "refusal")

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Say of an early talker that it is one."""
        client = arrival.client
        if self._early.get((client.address, client.port), self.premises.clock()):
            arrival.findings.append(Finding(self.name, "early-talker", "the client spoke before it was greeted"))
        return None

    async def _wait(self, client: Client, seconds: float, why: str) -> None:
        if not seconds:
            return
        if self._lists is not None and (await self._lists.opinion(client, ReversePath(None))).allowed:
            return
        if self.waiting >= self._settings.connections:
            self.premises.metrics.tarpitted.add("full")
            return
        self.premises.metrics.tarpitted.add(why)
        self.waiting += 1
        try:
            await self.sleep(seconds)
        finally:
            self.waiting -= 1
