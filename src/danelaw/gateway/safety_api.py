"""The safety API of `[safety]`, with a resolver, a memory and connections of its own: what others ask for neither
crowds out what deliveries remember nor waits for them.

It runs in the control process; where one process does everything, beside the mail, and its bounds are what keeps it
from slowing that.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from danelaw.config.trusting import trust_groups
from danelaw.config.ways import Ways
from danelaw.errors import DanelawError
from danelaw.gateway import settings
from danelaw.keydiscovery import KeyReport, KeySource, KeyState
from danelaw.net import tls
from danelaw.net.fetch import fetch_policy
from danelaw.net.forbidden import leads_into
from danelaw.net.key_search import search_source
from danelaw.outbound.connection import Sweep
from danelaw.outbound.destination import Survey, Surveyor
from danelaw.outbound.opening import Door
from danelaw.outbound.probe import Probed, probe
from danelaw.outbound.transmission import Patience
from danelaw.pkix import Roots
from danelaw.queue import Attempt
from danelaw.queue.rates import Rate
from danelaw.resolver import Resolver
from danelaw.routing import NextHop, carrier_of
from danelaw.safety import Bounds, Means, ProbeLimits, SafetyService, SafetyWeb, Terms, TokenFileError, Tokens
from danelaw.spool import SpoolError
from danelaw.spool.attempts import latest_at
from danelaw.spool.shards import in_each
from danelaw.state import (
    FILE_NAME,
    OverrideStore,
    StateDatabase,
    StateError,
    STSStore,
    TrustRoll,
    configured_overrides,
)
from danelaw.tlspolicy import SenderDemand

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from danelaw.address import Domain, Mailbox
    from danelaw.config import Config
    from danelaw.telemetry import Log

_HISTORY_SECONDS = 7 * 86_400.0
_REPLY_SECONDS = 10.0
_LOOK_AT_FILE_SECONDS = 2.0
_NOT_LOOKED_FOR = "keys are not looked for here ([safety] keys)"


class SafetyAPI:
    """The server with everything it needs; `clock` gives POSIX seconds."""

    def __init__(self, config: Config, log: Log, count: Callable[[int, str], None], clock: Callable[[], float]) -> None:
        """Raises `DanelawError` for roots, anchors or a file of tokens that cannot be used."""
        self._config = config
        self._section = section = config.safety
        self._log = log
        self._clock = clock
        self._roots = Roots.from_file(config.tls.roots_file) if config.tls.roots_file else Roots.system()
        self._resolver = Resolver(settings.resolver_settings(config), clock=clock)
        self._state = _state(config.spool.directory / FILE_NAME)
        self._sts = self._sts_store() if config.mta_sts.enabled else None
        self._overrides = OverrideStore(self._state, configured_overrides(config.override))
        self._trust = TrustRoll(trust_groups(config.trust_group), self._resolver)
        self._surveyor = Surveyor(self._resolver, self._sts, self._overrides, self._trust)
        self._ways = Ways(config)
        self._door = self._own_door() if section.probe else None
        self._probe_limits = ProbeLimits()
        self.tokens = TokenFile(section.tokens, log) if section.tokens is not None else None
        terms = Terms(
            tokens=self.tokens.now if self.tokens is not None else Tokens,
            allow=section.allow,
            rate=Rate.from_text(section.rate),
            live_rate=Rate.from_text(section.live_rate),
            bulk=section.bulk,
            deadline=section.deadline.total_seconds(),
            longest=section.longest_deadline.total_seconds(),
            origins=frozenset(section.origins),
        )
        self.service = SafetyService(self._means(), self._bounds())
        self._web = SafetyWeb(self.service, terms, count=count, broken=self._broken)

    def configure(self, config: Config) -> None:
        """Take over what a reload changes: overrides, trust groups, the file of tokens. What was remembered is
        looked up anew.
        """
        self._overrides.configure(configured_overrides(config.override))
        self._trust.configure(trust_groups(config.trust_group))
        self._surveyor.forget()
        self.service.forget()
        if self.tokens is not None:
            self.tokens.look_again()

    async def listen(self) -> tuple[str, int]:
        """Listen where `[safety]` says; gives address and port. Raises `DanelawError`."""
        listen = self._section.listen
        assert listen is not None
        try:
            return await self._web.start(*listen.pair)
        except OSError as error:
            raise DanelawError(
                f"cannot listen on {listen} for [safety]: {error.strerror or error}", advice="choose another port"
            ) from None

    async def start_on(self, listening: socket.socket) -> None:
        """Serve on a socket that listens already."""
        await self._web.start_on(listening)

    async def close(self) -> None:
        """Stop, and close what was opened."""
        await self._web.close()
        if self._sts is not None:
            await self._sts.close()
        await self._resolver.close()
        self._state.close()

    # means

    def _bounds(self) -> Bounds:
        section = self._section
        return Bounds(
            remember=section.cache.total_seconds(),
            probe_every=section.probe_every.total_seconds(),
            at_once=section.at_once,
            probes_at_once=section.probes_at_once,
            entries=section.cache_entries,
        )

    def _means(self) -> Means:
        return Means(
            next_hop=self._next_hop,
            survey=self._survey,
            tries=self._tries,
            probe=self._probe if self._door is not None else None,
            keys=self._keys,
            clock=self._clock,
            failed=lambda what, error: self._broken(error),
        )

    def _may_connect(self, address: str) -> bool:
        return not leads_into(address, self._section.forbidden_networks)

    def _next_hop(self, domain: Domain) -> NextHop | None:
        set_by_us = self._ways.to(domain.ascii).next_hop
        if set_by_us is None:
            return NextHop(domain)
        return None if carrier_of(set_by_us) is not None else NextHop.from_text(set_by_us)

    async def _survey(self, next_hop: NextHop) -> Survey:
        return await self._surveyor.survey(next_hop, SenderDemand.NONE, self._clock())

    async def _tries(self, survey: Survey) -> Mapping[str, Attempt]:
        """Our own last tries, read in a thread; a spool that cannot be read knows of none."""
        since, destination = self._clock() - _HISTORY_SECONDS, survey.next_hop.to_text()
        found: dict[str, Attempt] = {}
        try:
            directory = self._config.spool.directory
            of_shards = await asyncio.to_thread(in_each, directory, lambda one: latest_at(one, destination, since))
        except SpoolError:
            return found
        for tries in of_shards:
            for host, attempt in tries.items():
                if host not in found or found[host].time < attempt.time:
                    found[host] = attempt
        return found

    async def _probe(self, survey: Survey) -> tuple[Probed, ...]:
        """Only at addresses that may be connected to, and no server often; a host that is left out is not probed."""
        assert self._door is not None
        plans = []
        for plan in survey.hosts:
            allowed = tuple(filter(self._may_connect, plan.records.addresses))
            if allowed or plan.requirement.refusal is not None:
                plans.append(replace(plan, records=replace(plan.records, addresses=allowed)))
        hosts = self._probe_limits.allowed(plans, time.monotonic())
        return await probe(replace(survey, hosts=hosts), self._door, self._roots, self._clock)

    async def _keys(self, source: KeySource, mailbox: Mailbox) -> KeyReport:
        if not self._section.keys:
            return KeyReport(source, KeyState.FAILED, _NOT_LOOKED_FOR, expires=float("inf"))
        return await search_source(
            source,
            mailbox,
            resolver=self._resolver,
            roots=self._roots,
            now=self._clock(),
            routes=self._config.lab.dial,
            may_connect=self._may_connect,
        )

    def _sts_store(self) -> STSStore:
        fetch = functools.partial(
            fetch_policy,
            resolver=self._resolver,
            roots=self._roots,
            routes=self._config.lab.dial,
            timeout=_REPLY_SECONDS,
            may_connect=self._may_connect,
        )
        # The database is only read: what a question made us fetch, or fail to, is none of the deliveries' knowledge.
        wait = self._config.mta_sts.on_txt_error == "wait"
        return STSStore(self._state, self._resolver, fetch, wait_on_txt_error=wait)

    def _own_door(self) -> Door:
        return Door(
            opportunistic=tls.client_context(minimum=self._config.tls.minimum_version),
            verified=tls.client_context(minimum="1.2"),
            patience=Patience(_REPLY_SECONDS, _REPLY_SECONDS, _REPLY_SECONDS, _REPLY_SECONDS),
            sweep=Sweep(),
            addresses=settings.local_addresses(self._config, self._clock),
            routes=self._config.lab.dial,
        )

    def _broken(self, error: BaseException) -> None:
        self._log.error("safety-api", reason=f"{type(error).__name__}: {error}")


class TokenFile:
    """The tokens of a file that may change. A faulty change is told once, and the tokens from before go on to hold."""

    def __init__(self, path: Path, log: Log) -> None:
        """Raises `TokenFileError`."""
        self._path = path
        self._log = log
        self._looked = time.monotonic()
        self._seen = self._mark()
        self._tokens = self._read()

    def look_again(self) -> None:
        """Look at the file when it is next asked for, however lately that was done."""
        self._looked = float("-inf")

    def now(self) -> Tokens:
        """Those that hold."""
        if time.monotonic() - self._looked >= _LOOK_AT_FILE_SECONDS:
            self._looked = time.monotonic()
            mark = self._mark()
            if mark != self._seen:
                self._seen = mark
                try:
                    self._tokens = self._read()
                except TokenFileError as error:
                    self._log.error("safety-tokens", reason=error.reason, advice=error.advice)
        return self._tokens

    def _mark(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Tokens:
        try:
            return Tokens.from_text(self._path.read_text("utf-8"), str(self._path))
        except (OSError, UnicodeDecodeError) as error:
            words = getattr(error, "strerror", None) or "it is not text"
            raise TokenFileError(
                f"{self._path} cannot be read: {words}", advice="danelaw safety token NAME prints a line for it"
            ) from None


def safety_api(
    config: Config, log: Log, count: Callable[[int, str], None], clock: Callable[[], float] = time.time
) -> SafetyAPI | None:
    """The API that `[safety]` asks for, None without `listen`. Raises `DanelawError`."""
    return SafetyAPI(config, log, count, clock) if config.safety.listen is not None else None


def _state(path: Path) -> StateDatabase:
    """Remembered policies and overrides, to be read; made where the gateway has not done so yet."""
    try:
        return StateDatabase(path, read_only=True)
    except StateError:
        StateDatabase(path).close()
        return StateDatabase(path, read_only=True)
