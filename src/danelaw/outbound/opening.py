"""Opening a connection to one address of one host: greeting, EHLO, STARTTLS, EHLO again, and the facts for `judge`.

Delivery and `danelaw check` both come through here, so that what is checked is what would be used.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from danelaw.errors import DanelawError
from danelaw.net import dialer, tls
from danelaw.outbound.connection import Connection, ConnectionLost, Sweep
from danelaw.outbound.local_addresses import LocalAddress
from danelaw.outbound.steps import USUAL, Way
from danelaw.outbound.transmission import Patience
from danelaw.smtp import (
    USUAL_CLIENT_LIMITS,
    ClientEvent,
    GreetingReceived,
    HandshakeDue,
    HelloReceived,
    RemoteProtocolError,
    Reply,
    ReplyReceived,
    ServiceClosing,
    StartTLSInjection,
)
from danelaw.tlspolicy import Handshake, StartTLSOutcome, TLSUse

if TYPE_CHECKING:
    from danelaw.address import Domain
    from danelaw.outbound.local_addresses import LocalAddresses
    from danelaw.tlspolicy import Requirement

_Maker = Callable[[StartTLSOutcome, str], Handshake]
_ids = count(1)
_SERVER_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?|\[[0-9A-Za-z:.]{2,60}\]", re.ASCII)
_NO_CERTIFICATES: Mapping[str, tuple[ssl.SSLContext, ssl.SSLContext]] = MappingProxyType({})


class HostUnusable(DanelawError):
    """This address took no connection, or did not get as far as EHLO. `reply` is what it said, if it spoke.

    `throttled` tells that it asked for fewer connections (421) or fell silent.
    """

    def __init__(self, reason: str, *, reply: Reply | None = None, throttled: bool = False) -> None:
        super().__init__(reason)
        self.reply = reply
        self.throttled = throttled


class Certificates(Protocol):
    """What this module needs of `danelaw.net.certificates.ClientCertificates`."""

    def __contains__(self, name: object) -> bool: ...

    def __getitem__(self, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]: ...


@dataclass(frozen=True, slots=True)
class Door:
    """How connections are opened: TLS contexts, time-outs, our addresses and names, the lab's routes, and by name the
    certificates we can show: a context for opportunistic and one for verified connections.
    """

    opportunistic: ssl.SSLContext
    verified: ssl.SSLContext
    patience: Patience
    sweep: Sweep
    addresses: LocalAddresses
    routes: Mapping[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    certificates: Certificates = field(default_factory=lambda: _NO_CERTIFICATES)

    def from_here(self, address: str, next_hop: str, mx: str, way: Way = USUAL) -> LocalAddress:
        """Our address to send from towards `address`, and the name said from it."""
        usual = self.addresses.choose(address, next_hop, mx)
        if way is USUAL:
            return usual
        own = next((one for one in way.local if (":" in one) == (":" in address)), usual.address)
        return LocalAddress(own, way.helo or usual.helo)

    def context(self, requirement: Requirement, certificate: str = "") -> ssl.SSLContext:
        """The TLS context for a requirement: verified connections have a floor of TLS 1.2 whatever the setting. With
        the name of a client certificate it is shown when the server asks; one that is not known is a `KeyError`.
        """
        opportunistic, verified = self.certificates[certificate] if certificate else (self.opportunistic, self.verified)
        return verified if requirement.checks else opportunistic


async def open_connection(
    door: Door,
    host: Domain,
    address: str,
    port: int,
    requirement: Requirement,
    *,
    without_tls: bool = False,
    next_hop: str = "",
    way: Way = USUAL,
) -> tuple[Connection, Handshake]:
    """Connect and come as far as the requirement's STARTTLS allows.

    `without_tls` is for the second try after opportunistic TLS failed. Raises `HostUnusable`; a failed STARTTLS
    is no exception but part of the `Handshake`, since `judge` decides what it means.
    """
    local = door.from_here(address, next_hop, host.ascii, way)
    context = door.context(requirement, way.certificate)
    connection = Connection(next(_ids), USUAL_CLIENT_LIMITS)
    connection.phase = "connecting"
    try:
        await dialer.dial(
            lambda: connection,
            address,
            port,
            timeout=door.patience.connect,
            source=local.address,
            routes=door.routes,
        )
    except dialer.DialError as error:
        raise HostUnusable(error.reason) from None
    door.sweep.add(connection)
    try:
        return connection, await _converse(
            door, connection, host, address, port, requirement, context, without_tls, local.helo
        )
    except (ConnectionLost, RemoteProtocolError) as error:
        close(door, connection)
        raise HostUnusable(error.reason, throttled=isinstance(error, ConnectionLost)) from None
    except BaseException:
        close(door, connection)
        raise


def close(door: Door, connection: Connection) -> None:
    """Drop a connection and its watch."""
    door.sweep.discard(connection)
    connection.abort()


async def _converse(
    door: Door,
    connection: Connection,
    host: Domain,
    address: str,
    port: int,
    requirement: Requirement,
    context: ssl.SSLContext,
    without_tls: bool,
    helo: str,
) -> Handshake:
    greeting = await _next(connection, door.patience.greeting, "waiting for the greeting")
    if not isinstance(greeting, GreetingReceived) or greeting.reply.code != 220:
        reply = _reply_of(greeting)
        raise HostUnusable(
            f"the server does not take mail now: {reply}" if reply else "the server closed the connection",
            reply=reply,
            throttled=reply is not None and reply.code == 421,
        )
    extended = await _hello(door, connection, helo)
    extensions = connection.protocol.extensions
    here, named = connection.local_address, _greeted_by(greeting.reply)

    def handshake(outcome: StartTLSOutcome, detail: str = "") -> Handshake:
        number = connection.protocol.connection_id
        return Handshake(host, address, port, number, outcome, detail=detail, local=here, helo=named)

    if without_tls or requirement.tls is TLSUse.NEVER:
        return handshake(StartTLSOutcome.NOT_TRIED, "")
    if not extended:
        return handshake(StartTLSOutcome.HELO_ONLY)
    if not extensions.starttls:
        return handshake(StartTLSOutcome.NOT_OFFERED)
    return await _secure(door, connection, requirement, context, handshake, helo)


async def _hello(door: Door, connection: Connection, helo: str) -> bool:
    """EHLO, or HELO where EHLO is refused (RFC 5321 §3.2). Returns whether the server speaks ESMTP."""
    connection.protocol.ehlo(helo)
    connection.flush()
    answer = await _next(connection, door.patience.command, "waiting for the reply to EHLO")
    if isinstance(answer, HelloReceived) and answer.reply.is_permanent:
        connection.protocol.helo(helo)
        connection.flush()
        answer = await _next(connection, door.patience.command, "waiting for the reply to HELO")
    reply = _reply_of(answer)
    if not isinstance(answer, HelloReceived) or not answer.reply.is_positive:
        words = f"the server refuses EHLO: {reply}" if reply is not None else "the server closed the connection at EHLO"
        raise HostUnusable(words, reply=reply, throttled=reply is not None and reply.code == 421)
    return answer.extended


async def _secure(
    door: Door,
    connection: Connection,
    requirement: Requirement,
    context: ssl.SSLContext,
    handshake: _Maker,
    helo: str,
) -> Handshake:
    connection.protocol.starttls()
    connection.flush()
    try:
        answer = await _next(connection, door.patience.command, "waiting for the reply to STARTTLS")
    except StartTLSInjection as error:
        return handshake(StartTLSOutcome.FAILED, error.reason)
    if not isinstance(answer, HandshakeDue):
        reply = _reply_of(answer)
        # After a refusal the conversation goes on; one that is over has failed like a handshake.
        outcome = StartTLSOutcome.FAILED if connection.protocol.closed else StartTLSOutcome.REFUSED
        return handshake(outcome, str(reply) if reply else "the server closed the connection at STARTTLS")
    connection.phase = "TLS handshake"
    name = requirement.sni.ascii if requirement.sni is not None else None
    try:
        transport = await tls.start_tls(
            connection.transport,
            connection,
            context,
            server_hostname=name,
            timeout=door.patience.handshake,
        )
    except tls.HandshakeFailed as error:
        return handshake(StartTLSOutcome.FAILED, error.reason)
    connection.secured(transport)
    facts = transport.get_extra_info("ssl_object")
    cipher = facts.cipher()
    chain = tls.presented_chain(facts)
    await _hello(door, connection, helo)
    return replace(
        handshake(StartTLSOutcome.ESTABLISHED, ""),
        version=facts.version(),
        cipher=cipher[0] if cipher else None,
        chain=chain,
        sni=requirement.sni,
        requiretls_offered=connection.protocol.extensions.requiretls,
    )


def _greeted_by(greeting: Reply) -> str:
    """The name a server gives itself, the first word of its greeting (RFC 5321 §4.2); "" for what is no name."""
    word = (greeting.text.split(None, 1) or [""])[0]
    return word if _SERVER_NAME.fullmatch(word) else ""


async def _next(connection: Connection, timeout: float, phase: str) -> ClientEvent:
    connection.phase = phase
    return await connection.event(timeout)


def _reply_of(event: ClientEvent) -> Reply | None:
    match event:
        case GreetingReceived() | HelloReceived() | ReplyReceived() | ServiceClosing() | HandshakeDue():
            return event.reply
        case _:
            return None
