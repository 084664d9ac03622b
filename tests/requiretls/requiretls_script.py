"""A play of octets and facts: MX hosts with what they publish and say, and one message that is to reach them.

No sockets: the client's machine, `requirement`, `judge` and `conclude` are the gateway's own, the hosts are written
here from RFC 8689 and RFC 3207.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from tests.tlspolicy.tlspolicy_chains import NOW, chain, roots_pem, spki

from danelaw.address import Domain, ForwardPath, ReversePath
from danelaw.dane import HostRecords, TLSARecord, TLSAState
from danelaw.dnsdata import DNSSECStatus
from danelaw.mtasts import PolicyMode, STSPolicy
from danelaw.pkix import Roots
from danelaw.routing import Destination, MXHost, MXResult, NextHop
from danelaw.smtp import (
    NEED_DATA,
    USUAL_CLIENT_LIMITS,
    ClientConnection,
    Envelope,
    HandshakeDue,
    NextHopLacks,
    Recipient,
)
from danelaw.tlspolicy import (
    NO_STS,
    Conclusion,
    Handshake,
    Judgement,
    Override,
    SenderDemand,
    StartTLSOutcome,
    STSState,
    conclude,
    judge,
    refused,
    requirement,
)

DOMAIN = Domain("example.org")
REQUIRED = SenderDemand.REQUIRETLS
ROOTS = Roots.from_pem(roots_pem())
GOOD = "mx.example.org"
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class MX:
    """One host: `tlsa` is "matches", "other" (another key's), "failed" (look-up), or empty; `certificate` the name in
    it, `days` for how long it is good, `ca` who issued it; the rest is what it says.
    """

    tlsa: str = ""
    certificate: str = GOOD
    days: int = 90
    ca: str = "Test CA"
    before: tuple[str, ...] = ("STARTTLS",)
    starttls: str = "220 go"
    tls: str = "TLSv1.3"
    inside: tuple[str, ...] = ("REQUIRETLS",)
    dead: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """The destination: `sts` is "", a mode with the host listed, `enforce-` with it not listed, or "unknown"."""

    hosts: tuple[MX, ...] = (MX(),)
    signed: bool = True
    sts: str = ""
    static: bool = False
    override: Override | None = None
    demand: SenderDemand = REQUIRED
    sender: str = "<anna@sender.example>"


@dataclass(slots=True)
class Ending:
    """`sent` is the MAIL line of the host that was given the message, None when none was; `tried` the host names that
    were connected to.
    """

    sent: str | None = None
    judgements: list[Judgement] = field(default_factory=list)
    conclusion: Conclusion | None = None
    tried: int = 0

    @property
    def told(self) -> str:
        """What the sender is told: the MAIL line, the status of a return, or `waits`."""
        if self.sent is not None:
            return self.sent
        assert self.conclusion is not None
        return ".".join(map(str, self.conclusion.status)) if self.conclusion.bounce else "waits"


def play(world: World) -> Ending:
    """Try the hosts in order, as RFC 8689 §4.2.1 has it."""
    ending, unreached = Ending(), 0
    for number, mx in enumerate(world.hosts):
        wanted = requirement(*_facts(world, number, mx), world.override, world.demand)
        if wanted.refusal is not None:
            ending.judgements.append(refused(wanted))
            continue
        if mx.dead:
            unreached += 1
            continue
        ending.tried += 1
        client, handshake = _conversation(mx, _host(number))
        verdict = judge(wanted, handshake, ROOTS, NOW)
        ending.judgements.append(verdict)
        if verdict.clearance is None:
            client.quit()
            assert client.data_to_send() == b"QUIT\r\n"
            continue
        envelope = Envelope(
            ReversePath.from_text(world.sender),
            (Recipient(ForwardPath.from_text("<bob@example.org>")),),
            requiretls=world.demand.requiretls,
        )
        try:
            client.mail(verdict.clearance, envelope, eight_bit=False)
        except NextHopLacks:
            continue
        ending.sent = client.data_to_send().split(b"\r\n")[0].decode()
        return ending
    ending.conclusion = conclude(world.demand, ending.judgements, unreached=unreached)
    return ending


def _host(number: int) -> Domain:
    return Domain(GOOD if number == 0 else f"mx{number}.example.org")


def _facts(world: World, number: int, mx: MX) -> tuple[Destination, HostRecords, STSState]:
    host, (leaf, *_) = _host(number), _chain(mx, number)
    shown = leaf if mx.tlsa == "matches" else chain("other.example.net")[0]
    records = (TLSARecord(3, 1, 1, spki(shown)),) if mx.tlsa in ("matches", "other") else ()
    error = "TLSA look-up failed" if mx.tlsa == "failed" else None
    state = TLSAState.USABLE if records else TLSAState.ABSENT
    base = host if records or error else None
    found = HostRecords(host, ("192.0.2.1",), DNSSECStatus.SECURE, base, state, records, error)
    next_hop = NextHop.from_text(f"[{host}]") if world.static else NextHop(DOMAIN)
    names = tuple(MXHost(10 + place, _host(place)) for place in range(len(world.hosts)))
    result = MXResult(next_hop, world.signed or world.static, names)
    return Destination(result, (found,)), found, _policy(world, host)


def _policy(world: World, host: Domain) -> STSState:
    if world.sts == "unknown":
        return STSState(domain=DOMAIN, unknown=True, note="TXT look-up failed")
    if not world.sts:
        return NO_STS
    listed = "other.example.net" if world.sts.endswith("-") else host.ascii
    return STSState(domain=DOMAIN, policy=STSPolicy(PolicyMode(world.sts.rstrip("-")), (listed,), 86400))


def _chain(mx: MX, number: int) -> tuple[bytes, ...]:
    name = mx.certificate if mx.certificate != GOOD else _host(number).ascii
    return chain(name, days=mx.days, ca=mx.ca)


def _conversation(mx: MX, host: Domain) -> tuple[ClientConnection, Handshake]:
    """Greeting, EHLO, STARTTLS, EHLO: the client's machine hears what the host says."""
    client = ClientConnection(next(_NUMBERS), USUAL_CLIENT_LIMITS)
    _hear(client, "220 mx ESMTP")
    client.ehlo("client.example")
    _hear(client, *_ehlo(mx.before))

    def ended(outcome: StartTLSOutcome) -> tuple[ClientConnection, Handshake]:
        return client, Handshake(host, "192.0.2.1", 25, client.connection_id, outcome)

    if not client.extensions.starttls:
        return ended(StartTLSOutcome.NOT_OFFERED)
    client.starttls()
    if not any(isinstance(event, HandshakeDue) for event in _hear(client, mx.starttls)):
        return ended(StartTLSOutcome.REFUSED)
    if not mx.tls:
        broken = ClientConnection(
            next(_NUMBERS), USUAL_CLIENT_LIMITS
        )  # the connection is over: nothing more can be said on it
        _hear(broken, "220 mx ESMTP")
        return broken, Handshake(host, "192.0.2.1", 25, broken.connection_id, StartTLSOutcome.FAILED)
    client.tls_established()
    client.ehlo("client.example")
    _hear(client, *_ehlo(mx.inside))
    certificates = _chain(mx, 0 if host.ascii == GOOD else int(host.ascii[2]))
    offered = client.extensions.requiretls
    _, handshake = ended(StartTLSOutcome.ESTABLISHED)
    return client, replace(handshake, version=mx.tls, chain=certificates, sni=host, requiretls_offered=offered)


def _ehlo(offers: tuple[str, ...]) -> tuple[str, ...]:
    lines = ("mx.example.org", *offers)
    return tuple(f"250{' ' if number == len(lines) else '-'}{line}" for number, line in enumerate(lines, 1))


def _hear(client: ClientConnection, *lines: str) -> list[object]:
    client.data_to_send()
    client.receive_data("".join(f"{line}\r\n" for line in lines).encode())
    events: list[object] = []
    while (event := client.next_event()) is not NEED_DATA:
        events.append(event)
    return events
