"""What all sessions share: listeners, limits per client, the way to the disk, and the sweep of slow clients."""

from __future__ import annotations

import asyncio
import functools
import ssl
import time
from typing import TYPE_CHECKING, Protocol, TypeAlias

from danelaw.errors import DanelawError
from danelaw.inbound import receipt
from danelaw.inbound.admission import Admission
from danelaw.inbound.handshakes import Handshakes
from danelaw.inbound.keeping import Room
from danelaw.inbound.listener import listener_of
from danelaw.inbound.lobby import Lobby
from danelaw.inbound.pace import Floor
from danelaw.inbound.precedence import Precedence
from danelaw.inbound.session import Session
from danelaw.inbound.steps import Steps
from danelaw.net import tls
from danelaw.net.certificates import ServerCertificates
from danelaw.quarantine import Retention
from danelaw.smtp import Reply
from danelaw.telemetry import Pulse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from danelaw.config import Config
    from danelaw.config.receiving import Listen
    from danelaw.inbound.arrival import Arrival, Discard
    from danelaw.inbound.ceilings import Ceilings, Visit
    from danelaw.inbound.demanding import Asking
    from danelaw.inbound.login import Logins
    from danelaw.inbound.relay import RelayPolicy
    from danelaw.queue import QueuedMessage, RetrySchedule
    from danelaw.smtp import MailFrom
    from danelaw.spool import Spool, SpoolError
    from danelaw.telemetry import Log, Metrics

_BUSY = Reply.of(421, "4.3.2", "too many connections to this gateway; try again later")
_OVERLOADED_AT_ALL = Reply.of(421, "4.3.2", "this gateway is overloaded at the moment; try again soon")
_OVERLOADED = Reply.of(451, "4.3.2", "this gateway is overloaded at the moment; try again soon")
_BACKLOG = 1024
USUAL_TERMS = Retention()
_STALL_SECONDS = 5.0
_LOBBY_SECONDS = 0.1


class Closeable(Protocol):
    """What accepts connections until it is closed."""

    def close(self) -> None:
        """Accept nothing more."""


OpenListener: TypeAlias = (
    "Callable[[Listen, Callable[[], Session]], Awaitable[tuple[Closeable, list[tuple[str, int]]]]]"
)
"""Serves one `[[listen]]` entry with protocols from the factory; gives the server and the addresses bound."""


class Intake:
    """Accepts mail. `arrived(message, body, claimed)` is called once a message is on stable storage."""

    def __init__(
        self,
        config: Config,
        *,
        relay: RelayPolicy,
        spool: Spool,
        schedule: RetrySchedule,
        log: Log,
        metrics: Metrics,
        certificates: ServerCertificates | None,
        ceilings: Ceilings,
        admit: Callable[[QueuedMessage, int], bool],
        abandoned: Callable[[QueuedMessage, int], None],
        arrived: Callable[[QueuedMessage, bytes | None, bool], None],
        steps: Steps | None = None,
        logins: Logins | None = None,
        asking: Asking | None = None,
        terms: Retention = USUAL_TERMS,
        open_listener: OpenListener | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self.hostname = str(config.hostname)
        self.limits = config.limits
        self.command_seconds = config.limits.command_timeout.total_seconds()
        self.data_seconds = config.limits.data_timeout.total_seconds()
        self.session_seconds = config.limits.session_time.total_seconds()
        self.relay = relay
        self.steps, self.logins, self.asking = steps or Steps(), logins, asking
        self.terms = terms
        self.spool = spool
        self.schedule = schedule
        self.log = log
        self.metrics = metrics
        self.admit, self.abandoned, self.arrived = admit, abandoned, arrived
        self.clock = clock
        self.sessions: set[Session] = set()
        self.accepting = True
        self.now = asyncio.get_running_loop().time()
        """Loop time as of the last sweep: exact enough for time-outs of minutes, and it costs nothing."""
        self.admission, self.precedence = Admission(), Precedence()
        self.examining = 0
        """Messages that steps are looking at now."""
        self.pulse = Pulse(metrics)
        self.room = Room()
        self.ceilings = ceilings
        self.handshakes = Handshakes(config.limits.handshakes)
        self.lobby: Lobby[Session] = Lobby()
        self.floor = _floor(config)
        ceilings.reached = self._ceiling_reached
        self._certificates = certificates
        self._servers: list[Closeable] = []
        self._open_listener = open_listener or _bound
        self.crowd: Callable[[], int] = lambda: len(self.sessions)
        self._sweep: asyncio.TimerHandle | None = None
        self._lobby_timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._messages = metrics.inbound_messages.cell()
        self._octets = metrics.inbound_bytes.cell()
        self._show_numbers()

    def _show_numbers(self) -> None:
        metrics = self.metrics
        metrics.inbound_open.read_from(lambda: float(len(self.sessions)))
        metrics.inbound_window.read_from(lambda: self.admission.window)
        metrics.inbound_pace.read_from(lambda: 0.0 if self.precedence.pace == float("inf") else self.precedence.pace)
        metrics.inbound_lobby.read_from(lambda: float(len(self.lobby)))

    async def start(self) -> list[tuple[str, int]]:
        """Bind every listener; gives the addresses bound. Raises `DanelawError` naming the address that is taken."""
        bound: list[tuple[str, int]] = []
        for listen in self.config.listen:
            # Implicit TLS too is begun by the session: a PROXY header may come first, and clients in the handshake
            # count as connections.
            server, addresses = await self._open_listener(
                listen, functools.partial(Session, self, listener_of(self.config, listen))
            )
            self._servers.append(server)
            bound.extend(addresses)
        self._sweep = self._loop.call_later(1.0, self._look)
        self.pulse.start()
        return bound

    def stop_accepting(self) -> None:
        """Close the listening sockets; open sessions go on."""
        self.accepting = False
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def drain(self, seconds: float, mute_seconds: float = 0.0) -> None:
        """Say 421 between transactions, let running ones end, and abort what is left after `seconds`. For
        `mute_seconds` handshakes may end, so that those clients too can be told.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        mute_until = loop.time() + mute_seconds
        await asyncio.sleep(0)  # what was accepted in this turn becomes a session in the next
        while self.sessions and loop.time() < end:
            for session in tuple(self.sessions):
                session.shut_down(gently=loop.time() < mute_until)
            await asyncio.sleep(0.05)
        for session in tuple(self.sessions):
            if session.asking is not None or not session.waiting_for_disk:
                session.abort()
        for timer in (self._sweep, self._lobby_timer):
            if timer is not None:
                timer.cancel()
        self.pulse.stop()

    # for sessions

    def enter(self, session: Session) -> Reply | None:
        """Count a client in; a reply refuses it (421)."""
        trusted = self.relay.trusts(session.client_address)
        session.row, session.visit, refusal = self.ceilings.arrive(session.client_address, trusted=trusted)
        if self.crowd() > self.limits.connections:
            refusal = _BUSY
        session.trusted = trusted and refusal is None
        self.metrics.inbound_connections.add("refused" if refusal else "accepted")
        if refusal is not None:
            self.log.warning("refused", client=session.client_address, reply=refusal.to_text())
        return refusal

    def let_wait(self, session: Session) -> bool:
        """Whether a client must wait for its greeting (`Session.welcome`), since there is too much to do."""
        if not self.lobby.enter(session, self._loop.time()):
            return False
        if self._lobby_timer is None:
            self._lobby_timer = self._loop.call_later(_LOBBY_SECONDS, self._open_lobby)
        return True

    def leave(self, session: Session) -> None:
        """Forget a client."""
        if session in self.sessions:
            self.sessions.discard(session)
            self.lobby.leave(session)
            if session.entered:
                self.ceilings.leave(session.row)

    def refusal_of_transaction(self, event: MailFrom, visit: Visit | None = None) -> Reply | None:
        """Whether a message may be begun at all, and by a client under ceilings."""
        if self.admission.full or self.examining >= self.limits.examinations:
            return _OVERLOADED
        if self.precedence.refuses(self._loop.time()):
            return _OVERLOADED
        if visit is not None and (put_off := visit.transaction()) is not None:
            return put_off
        refusal = self.spool.refusal()
        if refusal is None:
            return None
        self.log.warning("refused", reason=refusal.reason)
        return Reply.of(refusal.code, refusal.enhanced, "this gateway cannot store mail at the moment; try again later")

    def step_failed(self, step: str, stage: str, reason: str) -> None:
        """A step raised or took too long; the client was told 451."""
        self.metrics.inbound_step_failures.add(step)
        self.log.error("step-failed", step=step, stage=stage, reason=reason)

    def count_refusal(self, reply: Reply, stage: str) -> None:
        """Count a refused command."""
        self.metrics.inbound_refusals.add(stage, str(reply.code // 100))

    def accepted(self, messages: Sequence[QueuedMessage]) -> Reply:
        """A message, or all that were made of it, is on stable storage: say so in log, numbers and to the client."""
        self._messages.value += 1
        self._octets.value += messages[0].size
        return receipt.received(self.log, messages)

    def discarded(self, arrival: Arrival, ruling: Discard) -> Reply:
        """A message goes nowhere, as a step ruled; the client is told what it would be told otherwise."""
        self.metrics.inbound_discarded.add(ruling.step or "none")
        return receipt.discarded(self.log, arrival, ruling)

    def not_stored(self, message: QueuedMessage, error: SpoolError) -> Reply:
        """A message could not be stored: the client keeps it."""
        self.log.error("not-stored", id=message.id_text, client=message.client_address, reason=error.reason)
        return Reply.of(error.code, error.enhanced, "the message could not be stored; try again later")

    async def start_tls(self, transport: asyncio.Transport, session: Session, first: bytes) -> asyncio.Transport:
        """The handshake, whose octets `first` have arrived already. Raises `DanelawError` when it fails."""
        timeout = self.limits.handshake_timeout.total_seconds()
        place = await self.handshakes.begin(timeout)
        try:
            return await tls.start_tls(
                transport, session, self._context(), server_side=True, timeout=timeout, first=first
            )
        finally:
            self.handshakes.ended(place)

    def tls_established(self, facts: tuple[str, str] | None) -> None:
        """Count a client's handshake; `facts` are version and cipher."""
        self.metrics.inbound_handshakes.add(facts[0] if facts is not None else "unknown")

    def tls_failed(self, session: Session, error: DanelawError) -> None:
        """A client's handshake came to nothing."""
        self.metrics.inbound_handshakes.add("failed")
        self.log.event("tls-failed", client=session.client_address, reason=error.reason)
        if session.visit is not None:
            session.visit.erred()

    def _context(self) -> ssl.SSLContext:
        if self._certificates is None:
            raise DanelawError("no certificate is configured")
        return self._certificates.context

    def _look(self) -> None:
        now = self._loop.time()
        stalled = now - self.now > _STALL_SECONDS  # then what clients sent meanwhile is not read yet
        self.now = now
        for session in [item for item in self.sessions if item.deadline < now or item.look_at < now]:
            if session.deadline < now:
                session.expire(now)
            else:
                session.look(now, judge=not stalled)
        self.handshakes.look(now)
        self.lobby.look(now, full=self.admission.full, lag=self.pulse.lag)
        ended = self.metrics.outbound_recipients.total
        self.precedence.look(now, taken=self._messages.value, ended=ended, busy=self.pulse.busy)
        self._sweep = self._loop.call_later(1.0, self._look)

    def _open_lobby(self) -> None:
        self._lobby_timer = None
        greeted, late = self.lobby.admit(self._loop.time())
        for session in greeted:
            session.welcome(None)
        for session in late:
            session.welcome(_OVERLOADED_AT_ALL)
        if self.lobby:
            self._lobby_timer = self._loop.call_later(_LOBBY_SECONDS, self._open_lobby)

    def _ceiling_reached(self, ceiling: str, client: str, new: bool) -> None:
        self.metrics.inbound_ceilings.add(ceiling, "client" if client else "total")
        if new:
            self.log.warning("ceiling", ceiling=ceiling, client=client or None)


def _floor(config: Config) -> Floor:
    limits = config.limits
    window, grace = limits.minimum_rate_window.total_seconds(), limits.minimum_rate_grace.total_seconds()
    return Floor(limits.minimum_rate, window, grace)


async def _bound(listen: Listen, factory: Callable[[], Session]) -> tuple[Closeable, list[tuple[str, int]]]:
    """A listener of our own."""
    address = listen.address
    try:
        server = await asyncio.get_running_loop().create_server(factory, address.host, address.port, backlog=_BACKLOG)
    except OSError as error:
        raise DanelawError(
            f"cannot listen on {address}: {error.strerror or error}",
            advice="another mail server may hold the port; ports below 1024 need root or CAP_NET_BIND_SERVICE",
        ) from None
    return server, [socket.getsockname()[:2] for socket in server.sockets]
