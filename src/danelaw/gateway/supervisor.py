"""The supervisor: binds the sockets, forks the workers and the control process, and replaces what dies or hangs.

It carries out what `roster` decides and does nothing else: no user code, no TLS, no SQL, no thread, no event loop. So
there is little it could die of, and forking from it is safe at any time. Modules of the mail path are imported here
once, and their memory is shared by all workers.

SIGTERM and SIGINT end the gateway in good order, SIGHUP replaces the workers by new ones under the configuration as it
is now, SIGUSR2 does the same under the program as it is now: this process runs itself anew (exec) with sockets, lock
and workers passed on, and then replaces the workers. Listening sockets stay open throughout.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import uvloop

from danelaw.config import load
from danelaw.errors import DanelawError
from danelaw.gateway.board import Board
from danelaw.gateway.children import Child, Nursery, Rehearsed, predecessor
from danelaw.gateway.conditions import ConditionService
from danelaw.gateway.front import Front
from danelaw.gateway.gateway import Gateway, prepare_process
from danelaw.gateway.grants import Allowed, Grants, allowed
from danelaw.gateway.listeners import Listeners, handed
from danelaw.gateway.place import Place
from danelaw.gateway.roster import Action, Adopt, Kill, Retire, Roster, Start, State, Yield
from danelaw.gateway.settings import log_of
from danelaw.gateway.shared_keeping import SharedKeeping
from danelaw.gateway.succession import handed_on
from danelaw.gateway.switchboard import Switchboard
from danelaw.gateway.worker import CONTROL, WorkerProcess
from danelaw.queue import id_to_text
from danelaw.spool import database
from danelaw.spool.shards import is_free, lock_spool

if TYPE_CHECKING:
    from danelaw.config import Config

PROBE_OPTION = "--only-load"
"""The option of `danelaw serve` that only loads program and configuration."""
_TICK_SECONDS = 0.25
_PORT_PATIENCE = 10.0
_MOST_EARLY_DEATHS = 5
_SLEPT_SECONDS = 5.0

Said = Callable[[list[str]], None]
"""Told, once, where mail is accepted, when all workers are ready."""


class Supervisor:
    """One gateway's supervisor; `run` it. `first` is called in the first worker when that is ready."""

    def __init__(
        self,
        config: Config,
        said: Said | None = None,
        first: Callable[[Gateway], None] | None = None,
    ) -> None:
        """Lock the spool and bind the sockets. Raises `DanelawError`."""
        inherited = predecessor(os.environ)  # type: ignore[arg-type]
        self._config = config
        self._said, self._first = said, first
        self._log = log_of(config)
        directory = config.spool.directory
        self._lock = int(inherited["lock"]) if inherited else lock_spool(directory)
        os.set_inheritable(self._lock, False)
        found = handed(config, inherited.get("sockets", {}), os.environ)
        # The spool is ours: who holds a port can only be a worker that has just lost its supervisor.
        self._listeners = found.fit(config, _PORT_PATIENCE)
        found.close_others(self._listeners)
        self._before: tuple[Config, Listeners, Allowed] | None = None
        self._roster = Roster(config.server.worker_count, config.server.worker_stall_limit.total_seconds())
        self._board = Board()
        self._switchboard = Switchboard(
            {
                "ready": self._ready,
                "failed": self._failed,
                "adopted": self._adopted,
                "released": self._released,
                "status": self._status,
                "reload": self._reload_asked,
            }
        )
        self._nursery = Nursery(self._switchboard)
        self._wants = self._nursery.signals
        self._started = time.time()
        self._deaths: Counter[str] = Counter()
        self._words: dict[str, DanelawError] = {}
        self._fatal: DanelawError | None = None
        self._ever_ready = bool(inherited)
        self._front = Front(self._nursery, self._switchboard, self._log, self._lock, int(inherited.get("control", 0)))
        self._rehearsed: Rehearsed | None = None
        self._last_turn, self._news = time.monotonic(), True
        self._grants = Grants(allowed(config), time.monotonic)
        self._grants.attach(self._switchboard)
        ConditionService(self._switchboard, time.time)
        self._shared = SharedKeeping(config, self._nursery, self._switchboard, self._lock, self._log, inherited)
        self._take_over(inherited)

    def run(self) -> None:
        """Watch over the gateway until it is told to end and has ended. Raises `DanelawError` when it cannot start."""
        self._log.event(
            "supervising", pid=os.getpid(), workers=self._roster.wanted, listen=" ".join(self._addresses()),
            spool=str(self._config.spool.directory),
        )  # fmt: skip
        gc.collect()
        gc.freeze()
        due = 0.0
        while not self._ended():
            if self._news or time.monotonic() >= due:
                self._news, due = False, time.monotonic() + _TICK_SECONDS
                self._turn()
            # What workers say to each other passes without a look at everything.
            when = min(due, self._grants.next_look() or due, self._shared.service.next_work(due))
            self._news |= self._nursery.wait(max(0.0, when - time.monotonic()))
            self._grants.look()
            self._shared.service.work()
        self._front.end()
        self._shared.save_now(self._log)
        if self._config.control_socket.is_socket():
            self._config.control_socket.unlink()
        self._log.event("stopped", pid=os.getpid())
        self._log.close()
        if self._fatal is not None:
            raise self._fatal

    # one turn

    def _turn(self) -> None:
        now = time.monotonic()
        for child, status in self._nursery.reap():
            self._buried(child, status, now)
        for child in self._nursery.cut_off(now):
            if child.serial in self._roster.workers:
                self._roster.cut_off(child.serial, now)
        self._heed()
        directory = self._config.spool.directory
        actions: list[Action] = self._roster.next_actions(
            now, database.shards(directory), lambda shard: is_free(directory, shard)
        )
        # A machine that slept, or a supervisor that was stopped, says nothing about the workers.
        if now - self._last_turn < _SLEPT_SECONDS:
            actions += self._roster.overdue(now, self._board.beat, self._board.message)
        self._last_turn = now
        for action in actions:
            self._carry_out(action)
        if not self._roster.stopping:
            self._front.look(self._config, self._listeners, now)
        self._look_at_rehearsal()
        self._shared.look(now, self._config, resting=self._grants.closed)
        self._grants.look(self._roster.owned)
        if self._roster.complete and not self._roster.rolling:
            self._settled()

    def _ended(self) -> bool:
        return self._roster.stopping and not self._roster.workers

    def _heed(self) -> None:
        """Do what signals, and the control process, asked for."""
        wants = self._wants
        if wants & {signal.SIGTERM, signal.SIGINT} and not self._roster.stopping:
            self._stop()
        if signal.SIGHUP in wants:
            self._reload()
        if signal.SIGUSR2 in wants and self._rehearsed is None and not self._roster.stopping:
            self._rehearsed = Rehearsed(PROBE_OPTION)
        wants.clear()

    def _settled(self) -> None:
        """All workers are of this generation and ready."""
        if self._said is not None:
            self._said(self._addresses())
            self._said = None
        if self._before is not None:
            self._before[1].close_others(self._listeners)
            self._before = None
            self._log.event("reloaded")

    def _stop(self) -> None:
        self._roster.stopping = True
        for name, one in self._listeners.sockets.items():
            if not name.startswith(CONTROL):
                one.close()

    # workers

    def _carry_out(self, action: Action) -> None:
        name = f"worker-{action.worker.serial}"
        match action:
            case Start(worker, hold):
                self._board.clear(worker.seat, time.monotonic())
                place = Place(
                    worker.home, hold, self._roster.wanted, self._listeners, self._board, self._board.seat(worker.seat)
                )
                config, first = self._config, self._first
                self._first = None
                self._nursery.fork(
                    name, worker.serial, lambda end: self._in_worker(config, place, end, first), (self._lock,)
                )
            case Adopt(worker, shard, hold):
                self._switchboard.tell(name, "adopt", shard=shard, hold=hold)
            case Yield(worker, shard):
                self._switchboard.tell(name, "yield", shard=shard)
            case Retire():
                self._switchboard.tell(name, "retire")
            case Kill(worker, reason):
                for child in self._nursery.children.values():
                    if child.serial == worker.serial and not child.killed:
                        self._log.error("killed", worker=name, pid=child.pid, reason=reason)
                        self._nursery.kill(child)

    def _in_worker(
        self, config: Config, place: Place, end: socket.socket, first: Callable[[Gateway], None] | None
    ) -> int:
        self._log.close()
        for name, one in self._listeners.sockets.items():
            if not name.startswith("smtp "):
                one.close()

        async def main() -> int:
            return await WorkerProcess(config, place, end, first).run()

        return uvloop.run(main())

    def _buried(self, child: Child, status: int, now: float) -> None:
        """A child has ended."""
        if not child.serial:
            self._front.ended(child, status, now)
            self._shared.ended(child, status, self._log)
            return
        self._grants.reaped(child.name)
        self._shared.service.reaped(child.name)
        worker = self._roster.workers[child.serial]
        message = self._board.message(worker.seat) if worker.seat >= 0 else 0
        unready, retiring = worker.state is State.STARTING, worker.state is State.RETIRING
        poison = self._roster.died(child.serial, now, message, cleanly=status == 0)
        if worker.seat >= 0:
            self._board.clear(worker.seat, 0.0)
        words = self._words.pop(child.name, None)
        if retiring and status == 0:
            return
        self._deaths["stalled" if child.killed else "signal" if status < 0 else "exit"] += 1
        reason = words.reason if words else f"signal {-status}" if status < 0 else f"exit status {status}"
        self._log.error(
            "worker-died", worker=child.name, pid=child.pid, reason=reason,
            shards=" ".join(map(str, sorted(worker.shards))) or None, advice=words.advice if words else None,
            message=id_to_text(message) if message else None, held=poison or None,
        )  # fmt: skip
        if unready:
            self._not_started(
                words or DanelawError(f"a worker ended before it was ready ({reason})"), words is not None
            )

    def _not_started(self, error: DanelawError, said: bool) -> None:
        if self._before is not None:
            self._log.error("reload-failed", reason=error.reason, advice=error.advice)
            self._give_up_reload()
        elif not self._ever_ready and (said or sum(self._deaths.values()) >= _MOST_EARLY_DEATHS):
            self._fatal = self._fatal or error
            if not self._roster.stopping:
                self._stop()

    # what workers say

    def _ready(self, sender: str, args: dict[str, Any]) -> None:
        serial, self._news = self._serial(sender), True
        if serial:
            self._ever_ready = True
            self._roster.ready(serial, time.monotonic())
            self._roster.strikes.held([int(one) for one in args.get("held", ())])

    def _failed(self, sender: str, args: dict[str, Any]) -> None:
        self._words[sender] = DanelawError(str(args.get("reason")), advice=args.get("advice"))

    def _adopted(self, sender: str, args: dict[str, Any]) -> None:
        self._roster.strikes.held([int(one) for one in args.get("held", ())])

    def _released(self, sender: str, args: dict[str, Any]) -> None:
        self._news = True
        self._roster.released(self._serial(sender), int(args["shard"]))

    def _reload_asked(self, sender: str, args: dict[str, Any]) -> None:
        self._news = True
        self._wants.add(signal.SIGHUP)

    def _serial(self, name: str) -> int:
        number = name.removeprefix("worker-")
        return int(number) if number.isdecimal() and int(number) in self._roster.workers else 0

    def _status(self, sender: str, args: dict[str, Any]) -> dict[str, Any]:
        pids = {child.serial: child.pid for child in self._nursery.children.values()}
        return {
            "pid": os.getpid(),
            "started": self._started,
            "deaths": dict(self._deaths),
            **self._roster.described(pids, self._board.load),
        }

    # reload

    def _reload(self) -> None:
        """SIGHUP: the configuration anew; a faulty one changes nothing."""
        if self._roster.stopping:
            return
        try:
            fresh = load(self._config.source) if self._config.source is not None else self._config
            self._refuse_what_needs_restart(fresh)
            allowance = allowed(fresh)
            listeners = self._listeners.fit(fresh)
            if fresh.log == self._config.log:
                self._log.reopen()
            else:
                self._log_to(fresh)
        except DanelawError as error:
            self._log.error("reload-failed", reason=error.reason, advice=error.advice)
            return
        if self._before is not None:  # the reload before this one is not at its end yet
            self._listeners.close_others(listeners)
        self._before = self._before or (self._config, self._listeners, self._grants.allowed)
        self._config, self._listeners = fresh, listeners
        self._grants.renew(allowance)
        self._roster.wanted = fresh.server.worker_count
        self._roster.stall_limit = fresh.server.worker_stall_limit.total_seconds()
        self._roster.reload()
        self._front.replace(self._config, self._listeners)

    def _log_to(self, fresh: Config) -> None:
        log = log_of(fresh)
        self._log.close()
        self._log = self._front.log = log

    def _give_up_reload(self) -> None:
        assert self._before is not None
        config, listeners, before = self._before
        self._listeners.close_others(listeners)
        self._config, self._listeners, self._before = config, listeners, None
        self._grants.renew(before)
        self._roster.wanted = config.server.worker_count
        self._roster.give_up_reload()
        self._front.replace(self._config, self._listeners)

    def _refuse_what_needs_restart(self, fresh: Config) -> None:
        if fresh.spool.directory != self._config.spool.directory:
            raise DanelawError("another spool directory needs a restart", advice="stop the gateway, and start it anew")
        if not fresh.server.worker_count:
            raise DanelawError("a gateway without workers needs a restart", advice="stop it, and start it anew")

    # other code

    def _look_at_rehearsal(self) -> None:
        """SIGUSR2: when the program loads, and no reload is under way, become it."""
        if self._rehearsed is None or self._roster.rolling or (found := self._rehearsed.result()) is None:
            return
        self._rehearsed = None
        well, words = found
        if not well:
            self._log.error("replace-failed", reason=words[-500:] or "the program does not start")
            return
        self._log.event("replacing", pid=os.getpid())
        try:
            os.set_inheritable(self._lock, True)
            self._nursery.become(
                handed_on(self._nursery, self._roster, self._listeners, self._lock, self._front.number, self._grants)
                | {"shared": self._shared.service.state()}
            )
        except OSError as error:
            self._log.error("replace-failed", reason=f"{sys.executable}: {error.strerror}")

    def _take_over(self, inherited: dict[str, Any]) -> None:
        for facts in inherited.get("children", ()):
            child = self._nursery.take_over(facts)
            if child.serial:
                self._roster.inherit(
                    child.serial, int(facts["home"]), facts["shards"], time.monotonic(), retiring=facts["retiring"]
                )
                self._first = None
        if inherited:
            self._grants.restore(inherited)
            self._log.event("replaced", pid=os.getpid())
        else:
            self._grants.await_strangers(self._config.spool.directory)

    def _addresses(self) -> list[str]:
        return self._listeners.addresses(self._config)


def supervise(config: Config, said: Said | None = None, first: Callable[[Gateway], None] | None = None) -> None:
    """Run a gateway with workers until it is told to stop. Raises `DanelawError` when it cannot start."""
    prepare_process()
    Supervisor(config, said, first).run()
