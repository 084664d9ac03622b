"""One worker: a gateway on some shards of the spool, between the shared sockets and its line to the supervisor."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError
from danelaw.gateway import conditions, limiting, policies, shared_operations
from danelaw.gateway.conditions import SharedConditions
from danelaw.gateway.gateway import Gateway
from danelaw.gateway.health import findings
from danelaw.gateway.line import Line
from danelaw.gateway.operations import perform, status_of
from danelaw.gateway.permit_line import LinePermits
from danelaw.gateway.shared_line import LineCarrier
from danelaw.gateway.slots import LineSlots
from danelaw.gateway.snapshot import Watch
from danelaw.gateway.switchboard import SUPERVISOR
from danelaw.telemetry import snapshot

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.gateway.place import Place

CONTROL = "control"
_LAST_RESORT_SECONDS = 75


class WorkerProcess:
    """What runs in a worker from its fork to its end. `end` is its end of the line."""

    def __init__(
        self, config: Config, place: Place, end: socket.socket, started: Callable[[Gateway], None] | None = None
    ) -> None:
        self._config = config
        self._place = place
        self._end = end
        self._started = started
        self._stop = asyncio.Event()
        self._gateway = Gateway(config, place=place)
        self._watch = Watch(self._gateway)
        self._line: Line

    async def run(self) -> int:
        """Serve until told to stop or the supervisor is gone; gives the exit status."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        handlers = {
            "adopt": self._adopt,
            "yield": self._yield,
            "retire": lambda sender, args: self._stop.set(),
            "status": lambda sender, args: status_of(self._gateway),
            "metrics": lambda sender, args: snapshot(self._gateway.metrics),
            "act": self._act,
            "health": self._health,
            "top": self._top,
            "policy": lambda sender, args: policies.report(self._gateway),
            "trace": lambda sender, args: policies.on_traces(self._gateway, args),
            "shadow": lambda sender, args: policies.shadow_report(self._gateway),
            shared_operations.CACHE: lambda sender, args: shared_operations.on_caches(
                self._gateway.parts.workshop.caches, str(args["name"]), args["arguments"]
            ),
            "shared-calls": lambda sender, args: self._gateway.parts.workshop.shared.calls(),
            "limits": lambda sender, args: limiting.reasons(self._gateway),
            "suspending": lambda sender, args: limiting.perform(
                self._gateway, str(args["name"]), args["arguments"], str(args["caller"])
            ),
        }
        self._line = await Line.open(self._end, handlers, self._orphaned)
        self._place.permits = LinePermits(self._line, time.monotonic, self._gateway.metrics.permit_seconds.observe)
        self._place.slots = LineSlots(self._line)
        self._place.shared = LineCarrier(self._line, time.monotonic)
        try:
            await self._share_conditions()
            await self._gateway.start()
        except DanelawError as error:
            self._line.tell(SUPERVISOR, "failed", reason=error.reason, advice=error.advice)
            self._line.close()
            return 1
        parts = self._gateway.parts
        self._place.seat.accepting(True)
        self._line.tell(SUPERVISOR, "ready", held=parts.shards.home.held)
        if self._started is not None:
            self._started(self._gateway)
        await self._stop.wait()
        await self._finish()
        return 0

    async def _share_conditions(self) -> None:
        """What the other workers know, before the first delivery; and from now on what any of us learns."""
        shared = SharedConditions(time.time, lambda told: self._line.tell(SUPERVISOR, conditions.OPERATION, told=told))
        self._place.conditions = shared
        self._line.handle(conditions.OPERATION, shared.hear)
        shared.learn(conditions.decoded(await self._line.ask(SUPERVISOR, conditions.OPERATION)))

    async def _finish(self) -> None:
        # Where even this takes too long, the kernel ends the process; its mail is on disk.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_LAST_RESORT_SECONDS)
        await self._gateway.stop()
        self._line.tell(CONTROL, "last-numbers", numbers=snapshot(self._gateway.metrics))
        self._line.close()

    def _orphaned(self) -> None:
        """The supervisor is gone: another one waits for the sockets and the shards."""
        self._stop.set()
        if self._place.permits is not None:
            self._place.permits.cut_off()
        if self._place.shared is not None:
            self._place.shared.cut_off()

    async def _adopt(self, sender: str, args: Mapping[str, Any]) -> None:
        shard = int(args["shard"])
        if self._stop.is_set():
            self._line.tell(SUPERVISOR, "released", shard=shard)
            return
        try:
            held = await self._gateway.adopt(shard, [int(one) for one in args["hold"]])
        except DanelawError as error:
            self._gateway.log.error("not-adopted", shard=shard, reason=error.reason, advice=error.advice)
            self._line.tell(SUPERVISOR, "released", shard=shard)
            return
        self._line.tell(SUPERVISOR, "adopted", shard=shard, held=held)

    async def _yield(self, sender: str, args: Mapping[str, Any]) -> None:
        shard = int(args["shard"])
        await self._gateway.let_go(shard)
        self._line.tell(SUPERVISOR, "released", shard=shard)

    async def _top(self, sender: str, args: Mapping[str, Any]) -> dict[str, Any]:
        return await self._watch.report(args)

    async def _health(self, sender: str, args: Mapping[str, Any]) -> list[dict[str, str]]:
        return [finding.to_json() for finding in await findings(self._gateway)]

    async def _act(self, sender: str, args: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        only = frozenset(int(number) for number in args["shards"])
        found = await perform(self._gateway, str(args["name"]), args["arguments"], str(args["caller"]), only)
        return {str(number): result for number, result in found.items()}
