"""The running lab: name server, mail hosts, policy hosts and attackers of all scenarios on loopback."""

from __future__ import annotations

import ssl
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import dns.name

from danelaw.dnssec import TrustAnchors
from danelaw.lab.attackers import ImpersonatingProxy, StrippingProxy
from danelaw.lab.catalogue import SCENARIOS, SENDERS
from danelaw.lab.certificates import Credential
from danelaw.lab.channel import Conversation, Listener
from danelaw.lab.collector import Collector
from danelaw.lab.letter import Letters
from danelaw.lab.mailhost import MailHost
from danelaw.lab.nameserver import Manners, NameServer
from danelaw.lab.policyhost import PolicyServer
from danelaw.lab.received import Journal, ReceivedMessage
from danelaw.lab.scenario import Attack, Certificate, Scenario
from danelaw.lab.sender import Sender
from danelaw.lab.world import NO_COLLECTORS, PlacedHost, PlacedPolicy, RememberedPolicy, World
from danelaw.resolver import ResolverSettings

_DNS_HOST = "127.0.0.1"
_LISTEN = "127.0.0.1"


class Lab:
    """An internet in a box.

    `scenarios` and `senders` default to all of the catalogue; the zone of `letters` is there if they are given;
    `collectors` are host names in those zones, with what they show, to which reports can be posted; `now` (POSIX
    seconds) fixes the dates of certificates and signatures; with `port25` mail hosts listen on port 25 of
    their own addresses (needs root), else on free high ports to which `routes` lead. Use as an asynchronous context,
    or `start()` and `close()`.
    """

    def __init__(
        self,
        scenarios: Sequence[Scenario] = SCENARIOS,
        *,
        senders: Sequence[Sender] = SENDERS,
        letters: Letters | None = None,
        collectors: Mapping[str, Certificate] = NO_COLLECTORS,
        now: float | None = None,
        port25: bool = False,
    ) -> None:
        self.world = World(scenarios, time.time() if now is None else now, senders, letters, collectors)
        self.journal = Journal()
        self.routes: dict[tuple[str, int], tuple[str, int]] = {}
        self.policy_servers: dict[str, PolicyServer] = {}
        self.collectors: dict[str, Collector] = {}
        self.name_server = NameServer(self.world.recursion, self.world.faults)
        self._port25 = port25
        self._listeners: list[Listener] = []
        self._other_servers: list[NameServer] = []

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """The destinations, in the order of the catalogue."""
        return self.world.scenarios

    @property
    def senders(self) -> tuple[Sender, ...]:
        """The domains mail may claim to come from, in the order of the catalogue."""
        return self.world.senders

    @property
    def roots_pem(self) -> bytes:
        """The public CA of the lab, to be trusted for MTA-STS and `verify`."""
        return self.world.authorities.roots_pem

    @property
    def anchors_text(self) -> str:
        """The trust anchor in zone-file form, for a file."""
        return self.world.anchor_ds

    @property
    def resolver(self) -> ResolverSettings:
        """What a `danelaw.resolver.Resolver` needs to see the lab. Only after `start`."""
        return ResolverSettings(
            servers=(self.name_server.address,),
            anchors=TrustAnchors.from_text(self.anchors_text),
            probe_zone=dns.name.root,
        )

    @property
    def remembered(self) -> tuple[RememberedPolicy, ...]:
        """MTA-STS policies to put into the gateway's cache before it starts, as if fetched last week."""
        return tuple(self.world.remembered)

    def scenario(self, domain: str) -> Scenario:
        """The scenario of a domain; raises `KeyError`."""
        for scenario in self.scenarios:
            if scenario.domain == domain:
                return scenario
        raise KeyError(domain)

    def received(self, domain: str) -> tuple[ReceivedMessage, ...]:
        """Messages for recipients at `domain` that a mail host accepted."""
        return tuple(self.journal.for_domain(domain))

    def exposed(self, domain: str) -> tuple[str, ...]:
        """Every recipient command for `domain` that any server or attacker saw: empty when nothing was transmitted."""
        return self.journal.exposed(domain)

    async def start(self) -> None:
        """Open every socket. Raises `OSError` when one cannot be had (port 25 without root)."""
        try:
            await self.name_server.start(_DNS_HOST)
            for authority in self.world.authorities_of_zones:
                server = NameServer(self.world.recursion, authority.faults)
                self._other_servers.append(server)
                await server.start(_DNS_HOST)
                self.routes[authority.address, 53] = server.address
            with tempfile.TemporaryDirectory(prefix="danelaw-lab-") as directory:
                for placed in self.world.hosts:
                    self._start_host(placed, Path(directory))
                for policy in self.world.policies:
                    self._start_policy(policy, Path(directory))
                for collector in self.world.collectors:
                    taker = Collector(collector.name, server_context(collector.shown, Path(directory)))
                    self.collectors[collector.name] = taker
                    self._expose(taker.converse, collector.address, 443, True)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close every socket and end every conversation."""
        for listener in self._listeners:
            await listener.close()
        self._listeners.clear()
        for server in (*self._other_servers, self.name_server):
            await server.close()
        self._other_servers.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def bad_resolver(self, manners: Manners) -> tuple[str, int]:
        """Start a second resolver over the same zones that behaves badly; gives its address and port."""
        server = NameServer(self.world.recursion, self.world.faults, manners=manners)
        await server.start(_DNS_HOST)
        self._other_servers.append(server)
        return server.address

    def _start_host(self, placed: PlacedHost, directory: Path) -> None:
        behaviour, attack = placed.host.behaviour, placed.host.attack
        context = server_context(placed.shown, directory, old=behaviour.old_tls)
        spied = attack is not Attack.NONE
        conversation: Conversation = MailHost(placed.name, behaviour, context, self.journal, spied=spied).converse
        if attack is not Attack.NONE:
            hidden = self._listen(conversation, _LISTEN, 0)
            if attack is Attack.STRIP:
                conversation = StrippingProxy(placed.name, hidden, self.journal).converse
            else:
                assert placed.forged is not None
                forged = server_context(placed.forged, directory)
                conversation = ImpersonatingProxy(placed.name, hidden, forged, self.journal).converse
        for address, alive in placed.addresses:
            self._expose(conversation, address, 25, alive)

    def _start_policy(self, placed: PlacedPolicy, directory: Path) -> None:
        assert placed.scenario.sts is not None
        server = PolicyServer(placed.policy, placed.scenario.sts.host, server_context(placed.shown, directory))
        self.policy_servers[placed.scenario.domain] = server
        self._expose(server.converse, placed.address, 443, True)

    def _expose(self, conversation: Conversation, address: str, port: int, alive: bool) -> None:
        """Let `address`:`port` lead to the conversation, or to a refused connection when not alive."""
        if self._port25 and port == 25 and ":" not in address:
            if alive:
                self._listen(conversation, address, port)
            return
        self.routes[address, port] = self._listen(conversation, _LISTEN, 0, refuse=not alive)

    def _listen(self, conversation: Conversation, host: str, port: int, *, refuse: bool = False) -> tuple[str, int]:
        listener = Listener(conversation)
        self._listeners.append(listener)
        listener.bind(host, port, refuse=refuse)
        return listener.address


def server_context(shown: Credential, directory: Path, *, old: bool = False) -> ssl.SSLContext:
    """A server's TLS context; `old` speaks TLS 1.0 and nothing later. `directory` is used for a moment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if old:
        with warnings.catch_warnings():
            # Old on purpose, and Python says so.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    # The ssl module reads keys from files only.
    chain = directory / "shown.pem"
    chain.touch(0o600)
    chain.write_bytes(shown.chain_pem + shown.key_pem)
    context.load_cert_chain(chain)
    return context
