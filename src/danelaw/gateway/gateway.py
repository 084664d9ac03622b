"""The running gateway: start, watch, reload, stop. With `workers = 0` it is all there is, else each worker runs one."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from danelaw.address import SocketAddress
from danelaw.config import load
from danelaw.config.trusting import trust_groups
from danelaw.errors import DanelawError
from danelaw.gateway import numbers, policies, settings, shared_here
from danelaw.gateway import parts as assembly
from danelaw.gateway.control import ControlServer
from danelaw.gateway.custodian import Custodian
from danelaw.gateway.day_sums import DaySums
from danelaw.gateway.digests import Digests
from danelaw.gateway.health import ClockRecord
from danelaw.gateway.history import History
from danelaw.gateway.http_servers import HTTPServers
from danelaw.gateway.operations import operations, perform
from danelaw.gateway.policy_parts import rules_of, timers_of
from danelaw.gateway.reporter import Reporter
from danelaw.gateway.tls_reporter import TLSReporter
from danelaw.gateway.trust_watch import TrustWatch
from danelaw.gateway.watcher import Watcher
from danelaw.resolver import ProbeReport, Severity
from danelaw.spool.shards import together
from danelaw.state import configured_overrides
from danelaw.telemetry import Log, Metrics
from danelaw.telemetry.collector import REST

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.gateway.parts import Parts
    from danelaw.gateway.place import Place

_PROBE_SECONDS = 900.0
_UNFIT_PROBE_SECONDS = 30.0
_DRAIN_SECONDS = 30.0
_MUTE_SECONDS = 10.0
_WATCH_SECONDS = 5.0
_COUNTING_REST = 50  # a queue of a million takes a while to count: 2 % of the time at most
# A commit must not wait for the loop's turn of the interpreter: see docs/architecture.md, group commit.
_SWITCH_INTERVAL = 0.0001
# Messages come and go without cycles: looking for cycles after every 700 objects would find next to nothing.
_GC_THRESHOLD = (20_000, 20, 50)


class Gateway:
    """One gateway on one spool; with a `place` one worker of it, whose control socket and HTTP server are elsewhere."""

    def __init__(
        self,
        config: Config,
        *,
        log: Log | None = None,
        place: Place | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives POSIX seconds."""
        self.config = config
        self.place = place
        self.clock = clock
        self.log = log or settings.log_of(config)
        self.metrics = Metrics()
        self.listening: list[tuple[str, int]] = []
        self.resolver_report: ProbeReport | None = None
        self.clock_record = ClockRecord()
        self._probe_again = asyncio.Event()
        self._said_at = float("-inf")
        self._parts: Parts | None = None
        self._control: ControlServer | None = None
        self.http = HTTPServers(self.config, self.log, self.metrics, self._act_by_link, clock)
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()

    @property
    def addresses(self) -> list[str]:
        """Where it accepts mail, as `address:port`."""
        return [SocketAddress(host, port).to_text() for host, port in self.listening]

    @property
    def parts(self) -> Parts:
        """The parts of a started gateway."""
        assert self._parts is not None
        return self._parts

    async def start(self) -> None:
        """Bring everything up. Raises `DanelawError`; what was opened by then is closed again."""
        loop = asyncio.get_running_loop()
        self.log.attach(loop)
        self._parts = parts = assembly.assemble(self.config, self.log, self.metrics, self.place, self.clock)
        self.history = History(self.metrics, parts.resolver.counts)
        try:
            if self.place is None:
                await self._start_control()
            parts.engine.lifetimes.jumped = self._clock_jumped
            if self.place is not None:  # the first delivery may hang already
                self.place.sit_down(lambda: len(parts.intake.sessions))
            parts.shards.start()
            self.listening = await parts.intake.start()
            if self.place is None:
                await self.http.start({"gateway": self.not_ready, "resolver": self._resolver_unfit})
        except BaseException:
            await self.stop()
            raise
        numbers.connect(self.metrics, parts, self.log)
        self._tasks = [
            loop.create_task(
                parts.resolver.keep_probing(
                    _PROBE_SECONDS, self._probed, unfit_interval=_UNFIT_PROBE_SECONDS, again=self._probe_again
                )
            ),
            loop.create_task(self._watch()),
            loop.create_task(self.history.keep()),
            loop.create_task(Custodian(self, settings.retention(self.config)).keep()),
            loop.create_task(DaySums(self).keep()),
            loop.create_task(shared_here.keep_flushing(parts.workshop.shared)),
            *([loop.create_task(parts.scripts.keep_looking())] if parts.scripts is not None else []),
            *([loop.create_task(timers_of(parts).keep())] if parts.scripts is not None else []),
            loop.create_task(policies.keep_for_queue(self)),
            loop.create_task(TrustWatch(self).keep()),
            *([loop.create_task(parts.shared_here.keep())] if parts.shared_here is not None else []),
            *([loop.create_task(Digests(self, parts.digests).keep())] if parts.digests is not None else []),
        ]
        if self.config.watch.enabled:
            self._tasks.append(loop.create_task(Watcher(self).keep()))
        if parts.reporting is not None:
            reporter = Reporter(self, parts.reporting)
            self._tasks += map(loop.create_task, (reporter.keep(), reporter.keep_counting(), reporter.keep_telling()))
        if parts.counting is not None:
            tls_reporter = TLSReporter(self, parts.counting)
            self._tasks += map(loop.create_task, (tls_reporter.keep(), tls_reporter.keep_counting()))
        shards = list(parts.shards.open.values())
        # In a thread: mail flows already, and a million rows that nobody has read yet take a while to count.
        waiting = sum([await asyncio.to_thread(numbers.waiting, shard.spool.directory) for shard in shards])
        self.log.event(
            "started",
            listen=" ".join(self.addresses),
            spool=str(self.config.spool.directory),
            shards=" ".join(str(shard.number) for shard in shards) if self.place or len(shards) > 1 else None,
            waiting=waiting,
            possible_duplicates=sum(shard.spool.recovered for shard in shards) or None,
        )

    async def run(self, started: Callable[[Gateway], None] | None = None) -> None:
        """Start, serve until SIGTERM or SIGINT, stop. SIGHUP reloads what can change while running."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        await self.start()
        gc.freeze()
        if started is not None:
            started(self)
        await self._stop.wait()
        await self.stop()

    async def stop(self) -> None:
        """Take no new mail, let transactions and deliveries end, write everything down."""
        parts = self._parts
        if parts is None:
            return
        for task in self._tasks:
            task.cancel()
        parts.intake.stop_accepting()
        if self.place is not None:
            self.place.seat.accepting(False)
            await self.place.settled()
        await parts.intake.drain(_DRAIN_SECONDS, _MUTE_SECONDS if self.place is not None else 0.0)
        await parts.shards.stop(_DRAIN_SECONDS)
        await shared_here.settle(parts.workshop.shared, self.log)
        if parts.shared_here is not None:
            await parts.shared_here.save()
        if self._control is not None:
            await self._control.close()
        await self.http.close()
        self.metrics.refresh()
        self.metrics.refresh = lambda: None  # what it reads is closed now; the numbers stay
        await assembly.close(parts)
        REST.end()  # a notice may have been written while deliveries ended
        self._parts = None
        if self.place is not None:
            self.place.leave()
        self.log.event("stopped")
        self.log.close()

    def background(self, work: Coroutine[object, object, None]) -> None:
        """Run something beside the mail; it ends with the gateway."""
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    def reload(self) -> None:
        """SIGHUP: certificates, overrides, trust groups, rules and log file anew; the rest of the configuration needs a
        restart, and is said to. A faulty file changes nothing.
        """
        parts = self._parts
        if parts is None:
            return
        try:
            if self.config.source is not None:
                fresh = load(self.config.source)
                trusted = trust_groups(fresh.trust_group)
                parts.overrides.configure(configured_overrides(fresh.override))
                parts.trust.configure(trusted)
                self.http.configure(fresh)
                if parts.scripts is not None:
                    parts.scripts.use_rules(rules_of(fresh))
                self._say_what_needs_restart(fresh)
        except DanelawError as error:
            self.log.error("reload-failed", reason=error.reason, advice=error.advice)
            return
        parts.surveyor.forget()
        steps = [self.log.reopen] + ([parts.certificates.reload] if parts.certificates is not None else [])
        failed = False
        for step in steps:
            try:
                step()
            except DanelawError as error:
                failed = True
                self.log.error("reload-failed", reason=error.reason, advice=error.advice)
        if not failed:
            self.log.event("reloaded")

    def not_ready(self) -> str | None:
        """Why mail should not be sent here now, None when all is well (for /ready)."""
        if self._parts is None or not self._parts.intake.accepting:
            return "going down"
        refusal = self._parts.spool.refusal()
        return refusal.reason if refusal is not None else None

    async def adopt(self, number: int, hold: Sequence[int]) -> tuple[int, ...]:
        """Work on one more shard; gives the poison messages now held in it. Raises `SpoolError`."""
        shard = await self.parts.shards.adopt(number, hold)
        self.log.event(
            "adopted",
            shard=number,
            waiting=await asyncio.to_thread(numbers.waiting, shard.spool.directory),
            possible_duplicates=shard.spool.recovered or None,
        )
        return shard.held

    async def let_go(self, number: int) -> None:
        """Work on a shard no more."""
        await self.parts.shards.let_go(number, _DRAIN_SECONDS)

    @property
    def deliveries(self) -> int:
        """Deliveries under way."""
        return sum(shard.engine.busy for shard in self.parts.shards.open.values())

    # inside

    async def _start_control(self) -> None:
        self._control = ControlServer(
            self.config.control_socket,
            operations(self),
            group=self.config.control.group,
            broken=lambda name, error: self.log.error("operation-broken", operation=name, reason=repr(error)),
        )
        await self._control.start()

    async def _act_by_link(self, name: str, arguments: dict[str, Any], who: str) -> dict[str, Any]:
        results = await perform(self, f"quarantine.{name}", arguments, who)
        return together(list(results.values()), arguments)

    def _resolver_unfit(self) -> str | None:
        report = self.resolver_report
        if report is None or report.usable:
            return None
        return "; ".join(finding.what for finding in report.findings)

    def _probed(self, report: ProbeReport) -> None:
        """A bad resolver is said loudly, with the fix: nothing silently becomes "no DANE"."""
        before, self.resolver_report = self.resolver_report, report
        self.metrics.resolver_healthy.set(1.0 if report.usable and not report.findings else 0.0)
        monotonic = asyncio.get_running_loop().time()
        if before is not None and before.findings == report.findings and monotonic - self._said_at < _PROBE_SECONDS:
            return  # asked again soon while it is bad, but not said again each time
        self._said_at = monotonic
        if before is not None and not before.usable and report.usable:
            self.log.event("resolver", fit=" ".join(report.fit), reason="a name server is fit again")
        for finding in report.findings:
            tell = self.log.error if finding.severity is Severity.ERROR else self.log.warning
            if finding.severity is not Severity.NOTE:
                tell("resolver", server=finding.server, reason=finding.what, advice=finding.fix)

    def _clock_jumped(self, seconds: float) -> None:
        """Whatever was believed until a time of day is looked up again, and the resolver examined by the new clock."""
        self.clock_record.jumped(seconds, asyncio.get_running_loop().time())
        self.parts.resolver.forget()
        self.parts.surveyor.forget()
        self._probe_again.set()

    async def _watch(self) -> None:
        """Certificates that changed on disk, and the size of the queue, which a thread counts."""
        counting = 0.0
        while True:
            try:
                self._look_at_certificates()
                counting = await self._count_queue(counting)
            except Exception as error:  # what is only watched must not end the watch
                self.log.warning("watch", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(_WATCH_SECONDS)

    async def _count_queue(self, not_before: float) -> float:
        """Count in a thread; gives the moment, by the loop's clock, before which to count again would be too often."""
        began = asyncio.get_running_loop().time()
        if began < not_before:
            return not_before
        shards = [shard.spool.directory for shard in self.parts.shards.open.values()]
        numbers.show_queue(self.metrics, await asyncio.to_thread(numbers.queue_size, shards), self.clock())
        ended = asyncio.get_running_loop().time()
        return ended + _COUNTING_REST * (ended - began)

    def _look_at_certificates(self) -> None:
        certificates = self.parts.certificates
        if certificates is None:
            return
        try:
            certificates.reload_if_changed()
        except DanelawError as error:
            self.log.error("certificate", reason=error.reason, advice=error.advice)
        for name, ends in certificates.expiry().items():
            self.metrics.certificate_expiry.set(ends, name)

    def _say_what_needs_restart(self, fresh: Config) -> None:
        live = {"override"} | ({"rule"} if self.parts.scripts is not None else set())
        if self.config.trust_group:  # else no step looks at mail for the sake of groups yet
            live.add("trust_group")
        changed = [
            name
            for name in type(fresh).model_fields
            if name not in live and getattr(fresh, name) != getattr(self.config, name)
        ]
        if changed:
            self.log.warning("reload-partial", reason=f"changes in {', '.join(changed)} need a restart")


def prepare_process() -> None:
    """What the process as a whole is set to, once: descriptors up to the hard limit, quick thread switches."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sys.setswitchinterval(_SWITCH_INTERVAL)
    gc.set_threshold(*_GC_THRESHOLD)


def run(config: Config, started: Callable[[Gateway], None] | None = None) -> None:
    """Run a gateway in this process until it is told to stop. Raises `DanelawError` when it cannot start."""
    import uvloop

    prepare_process()

    async def main() -> None:
        await Gateway(config).run(started)

    uvloop.run(main())
