"""The control process: the control socket and the HTTP server of a gateway with workers.

What only reads goes to the shards' files; acts go to the workers that have the shards; numbers are those of all workers
added up. To the command line it looks like a gateway in one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from danelaw import __version__
from danelaw.errors import DanelawError
from danelaw.gateway import limiting, policies, quarantine, shared_numbers, shared_operations, snapshot
from danelaw.gateway.control import ControlServer, Operation
from danelaw.gateway.line import Line, LineError
from danelaw.gateway.operations import reading_operations
from danelaw.gateway.quarantine_web import quarantine_web
from danelaw.gateway.switchboard import SUPERVISOR
from danelaw.spool import database, shards
from danelaw.spool import operations as queue_operations
from danelaw.telemetry import HTTPServer, Metrics, Sums

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.gateway.listeners import Listeners
    from danelaw.telemetry import Log

_GATHER_SECONDS = 5.0
_FAREWELL_SECONDS = 5.0
_ANSWER_SECONDS = 2.0
_OWNERLESS_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.2


class Desk:
    """Runs in the control process until told to stop or the supervisor is gone."""

    def __init__(
        self, config: Config, listeners: Listeners, addresses: list[str], end: socket.socket, log: Log
    ) -> None:
        self._config = config
        self._listeners = listeners
        self._addresses = addresses
        self._end = end
        self._log = log
        self._stop = asyncio.Event()
        self._sums = Sums()
        self._statuses: list[dict[str, Any]] = []
        self._supervisor: dict[str, Any] = {}
        self._traced: dict[str, Any] = {}
        self._line: Line

    async def run(self) -> int:
        """Serve; gives the exit status."""
        loop = asyncio.get_running_loop()
        self._log.attach(loop)
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        handlers = {"retire": lambda sender, args: self._stop.set(), "last-numbers": self._last_numbers}
        self._line = await Line.open(self._end, handlers, self._stop.set)
        control = ControlServer(
            self._config.control_socket,
            self._operations(),
            broken=lambda name, error: self._log.error("operation-broken", operation=name, reason=repr(error)),
        )
        await control.start(self._listeners.sockets[f"control {self._config.control_socket}"])
        http = None
        if self._config.http.listen is not None:
            http = HTTPServer(
                Metrics(),
                healthy={"workers": self._no_worker},
                ready={"gateway": self._not_ready, "resolver": self._resolver_unfit},
                gather=self._numbers,
            )
            await http.start_on(self._listeners.sockets[f"http {self._config.http.listen}"])
        web = quarantine_web(self._config, self._act_by_link, self._log, time.time)
        if web is not None:
            await web.start_on(self._listeners.sockets[f"quarantine {self._config.quarantine.web.listen}"])
        self._line.tell(SUPERVISOR, "ready")
        keeping = loop.create_task(self._keep_gathering())
        await self._stop.wait()
        keeping.cancel()
        await control.close(_FAREWELL_SECONDS)
        if http is not None:
            await http.close()
        if web is not None:
            await web.close()
        self._line.close()
        return 0

    # numbers

    async def _keep_gathering(self) -> None:
        """What a worker counted is known here when it dies."""
        while True:
            await self._numbers()
            await asyncio.sleep(_GATHER_SECONDS)

    async def _numbers(self) -> Metrics:
        """The numbers now, or those known last with nobody said to be well."""
        try:
            return await self._gathered()
        except DanelawError:
            self._statuses = []
            return self._sums.total()

    async def _gathered(self) -> Metrics:
        await self._look()
        names = self._names()
        answers = await asyncio.gather(*(self._ask(name, "metrics") for name in names))
        for name, answer in zip(names, answers, strict=True):
            if answer is not None:
                self._sums.update(name, answer)
        for name in self._sums.names - set(names):
            self._sums.forget(name)
        total = self._sums.total()
        for state, number in self._supervisor.get("states", {}).items():
            total.workers.set(float(number), state)
        for cause, number in self._supervisor.get("deaths", {}).items():
            total.worker_deaths.add(cause, by=number)
        with contextlib.suppress(LineError):
            shared_numbers.of_store(total, await self._state("list", {}))
        total.start_time.set(self._supervisor.get("started", time.time()))
        return total

    def _last_numbers(self, sender: str, args: Mapping[str, Any]) -> None:
        self._sums.update(sender, args["numbers"])
        self._sums.forget(sender)

    # how it is

    def _names(self) -> list[str]:
        return [str(name) for name in self._supervisor.get("workers", ())]

    async def _ask(self, name: str, operation: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """A worker's answer; None from one that is starting, stuck or just gone."""
        with contextlib.suppress(LineError):
            return await self._line.ask(name, operation, arguments, seconds=_ANSWER_SECONDS)
        return None

    async def _look(self) -> None:
        self._supervisor = await self._line.ask(SUPERVISOR, "status", seconds=_ANSWER_SECONDS)
        answers = await asyncio.gather(*(self._ask(name, "status") for name in self._names()))
        self._statuses = [answer for answer in answers if answer is not None]

    def _no_worker(self) -> str | None:
        return None if self._statuses else "no worker answers"

    def _not_ready(self) -> str | None:
        if not self._statuses:
            return "no worker answers"
        reasons = [status["not_ready"] for status in self._statuses]
        return None if None in reasons else str(reasons[0])

    def _resolver_unfit(self) -> str | None:
        found = [status["resolver"] for status in self._statuses if status["resolver"] is not None]
        return None if not found or [] in found else "; ".join(found[0])

    # operations

    def _operations(self) -> dict[str, Operation]:
        found: dict[str, Operation] = {
            "gateway.status": self._status,
            "gateway.health": self._health,
            "gateway.reload": self._reload,
            "policy.status": self._policy,
            "policy.shadow": self._shadow,
            "policy.trace": self._trace,
            "top": self._top,
        }
        found |= reading_operations(self._config.spool.directory, time.time, self._limits)
        found |= shared_operations.operations(self._state_listed, self._caches, self._log)
        found |= {f"queue.{name}": self._suspending(name) for name in limiting.SUSPENDING}
        found |= {f"queue.{name}": self._acting(name) for name in queue_operations.CHANGING}
        return found | {name: self._acting(name) for name in map(quarantine.PREFIX.__add__, quarantine.CHANGING)}

    async def _limits(self) -> list[list[str]]:
        await self._look()
        answers = await asyncio.gather(*(self._ask(name, "limits") for name in self._names()))
        return [row for answer in answers for row in answer or ()]

    async def _state(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        request = {"name": name, "arguments": dict(arguments)}
        found: dict[str, Any] = await self._line.ask(SUPERVISOR, shared_operations.STATE, request)
        return found

    async def _state_listed(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        found = await self._state(name, arguments)
        if name != "list":
            return found
        await self._look()
        answers = await asyncio.gather(*(self._ask(worker, "shared-calls") for worker in self._names()))
        return shared_operations.with_calls(found, [answer for answer in answers if answer is not None])

    async def _caches(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """By every worker: each has caches of its own."""
        await self._look()
        request = {"name": name, "arguments": dict(arguments)}
        asking = (self._line.ask(worker, shared_operations.CACHE, request) for worker in self._names())
        return shared_operations.of_workers(name, await asyncio.gather(*asking, return_exceptions=True))

    def _suspending(self, name: str) -> Operation:
        async def act(arguments: Mapping[str, Any], caller: str) -> dict[str, Any]:
            """By every worker: a suspension holds for the whole gateway."""
            await self._look()
            request = {"name": name, "arguments": dict(arguments), "caller": caller}
            results = [await self._line.ask(worker, "suspending", request) for worker in self._names()]
            if not results:
                raise DanelawError("no worker runs at the moment", advice="try again in a moment")
            return limiting.together(name, results)

        return act

    async def _status(self, _: Mapping[str, Any], __: str) -> dict[str, Any]:
        await self._look()
        findings = [status["resolver"] for status in self._statuses if status["resolver"] is not None]
        return {
            "version": __version__,
            "pid": self._supervisor["pid"],
            "listening": self._addresses,
            "sessions": sum(status["sessions"] for status in self._statuses),
            "deliveries": sum(status["deliveries"] for status in self._statuses),
            "not_ready": self._not_ready(),
            "resolver": findings[0] if findings else None,
            "time": time.time(),
            "workers": self._supervisor["roster"],
        }

    async def _health(self, _: Mapping[str, Any], __: str) -> list[dict[str, str]]:
        """What each worker suffers from, the same fault of several said once, worst first."""
        await self._look()
        answers = await asyncio.gather(*(self._ask(name, "health") for name in self._names()))
        found = {(one["check"], one["what"]): one for answer in answers for one in answer or ()}
        if any(one["severity"] in ("error", "warning") for one in found.values()):
            found = {key: one for key, one in found.items() if one["severity"] != "ok"}
        return list(found.values())

    async def _policy(self, _: Mapping[str, Any], __: str) -> dict[str, Any]:
        await self._look()
        return policies.together(await asyncio.gather(*(self._ask(name, "policy") for name in self._names())))

    async def _shadow(self, _: Mapping[str, Any], __: str) -> dict[str, Any]:
        await self._look()
        return policies.shadows_together(await asyncio.gather(*(self._ask(name, "shadow") for name in self._names())))

    async def _trace(self, arguments: Mapping[str, Any], _: str) -> dict[str, Any]:
        """By every worker; those that were started since a trace began join in when it is looked at."""
        await self._look()
        if arguments.get("act", "show") != "show":
            self._traced = dict(arguments)
        names = self._names()
        found = await asyncio.gather(*(self._ask(name, "trace", dict(arguments)) for name in names))
        if self._traced.get("act") == "start" and time.time() < float(self._traced.get("until", 0.0)):
            late = [name for name, one in zip(names, found, strict=True) if one is not None and one["wanted"] is None]
            await asyncio.gather(*(self._ask(name, "trace", self._traced) for name in late))
        return policies.traces_together(found)

    async def _top(self, arguments: Mapping[str, Any], _: str) -> dict[str, Any]:
        await self._look()
        request = {"match": arguments.get("match")}
        answers = await asyncio.gather(*(self._ask(name, "top", request) for name in self._names()))
        reports = [answer for answer in answers if answer is not None]
        if not reports:
            raise DanelawError("no worker answers at the moment", advice="try again in a moment")
        return snapshot.together(reports)

    async def _reload(self, _: Mapping[str, Any], __: str) -> dict[str, Any]:
        await self._line.ask(SUPERVISOR, "reload")
        return {}

    def _acting(self, name: str) -> Operation:
        async def act(arguments: Mapping[str, Any], caller: str) -> dict[str, Any]:
            results = await self._act(name, arguments, caller)
            return shards.together(list(results.values()), arguments)

        return act

    async def _act_by_link(self, name: str, arguments: dict[str, Any], who: str) -> dict[str, Any]:
        results = await self._act(quarantine.PREFIX + name, arguments, who)
        return shards.together(list(results.values()), arguments)

    async def _act(self, name: str, arguments: Mapping[str, Any], caller: str) -> dict[str, dict[str, Any]]:
        """An act on every shard, by whoever has it; a shard that is changing hands is waited for."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _OWNERLESS_SECONDS
        results: dict[str, dict[str, Any]] = {}
        while True:
            missing = {str(number) for number in database.shards(self._config.spool.directory)} - set(results)
            if not missing:
                return results
            await self._look()
            for worker in self._names():
                request = {"name": name, "arguments": dict(arguments), "caller": caller, "shards": sorted(missing)}
                try:
                    results |= await self._line.ask(worker, "act", request)
                except LineError as error:
                    # A worker that is gone did what it did; its shards are asked for again from the next one. The
                    # supervisor may know of a broken line before it knows of the end.
                    if error.sender != SUPERVISOR and worker in await self._still_there():
                        raise DanelawError(error.reason, advice=error.advice) from None
            if set(results) >= missing:
                continue
            if loop.time() > deadline:
                numbers = ", ".join(sorted(missing - set(results)))
                raise DanelawError(
                    f"nobody works on shard {numbers} of the spool at the moment; the rest is done",
                    advice="try again in a moment, or look at the log",
                )
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _still_there(self) -> list[str]:
        await self._look()
        return self._names()
