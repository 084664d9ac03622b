"""From declarations to a world: names, addresses, certificates and zones of all scenarios, before any socket."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import dns.name
import dns.rrset

from danelaw.lab.certificates import Authorities, Credential
from danelaw.lab.faults import FaultTable, PlacedFault
from danelaw.lab.keys import Window, ZoneKeys
from danelaw.lab.letter import Letters
from danelaw.lab.recursion import Recursion
from danelaw.lab.scenario import (
    STS,
    Algorithm,
    Attack,
    Authority,
    Certificate,
    Denial,
    Fault,
    FaultKind,
    Host,
    Issuer,
    PolicyHost,
    Scenario,
    SideZone,
)
from danelaw.lab.sender import Sender
from danelaw.lab.tlsa import tlsa_rdata
from danelaw.lab.zone import Zone

_DAY = 86400
NO_COLLECTORS: Mapping[str, Certificate] = MappingProxyType({})
# Top level zones: signed with NSEC3, signed with NSEC3 and opt-out, not signed at all.
TOP_LEVEL: tuple[tuple[str, bool, Denial], ...] = (
    ("lab", True, Denial.NSEC3),
    ("optout", True, Denial.OPT_OUT),
    ("unsigned", False, Denial.NSEC),
)


@dataclass(frozen=True, slots=True)
class PlacedHost:
    """A mail host with everything made for it. `addresses`: those in DNS, with False for the dead ones."""

    scenario: Scenario
    host: Host
    name: str
    addresses: tuple[tuple[str, bool], ...]
    shown: Credential
    forged: Credential | None


@dataclass(frozen=True, slots=True)
class PlacedAuthority:
    """A name server of a domain's own, with its faults."""

    address: str
    faults: FaultTable


@dataclass(frozen=True, slots=True)
class PlacedPolicy:
    """The policy host of a domain."""

    scenario: Scenario
    address: str
    policy: str
    shown: Credential


@dataclass(frozen=True, slots=True)
class RememberedPolicy:
    """A policy that was fetched last week and lies in the gateway's cache: what to seed it with.

    `fetched` in POSIX seconds; `policy` is the text of the file.
    """

    domain: str
    id: str
    policy: str
    fetched: float


@dataclass(frozen=True, slots=True)
class PlacedCollector:
    """Where reports may be posted to."""

    name: str
    address: str
    shown: Credential


class World:
    """Everything about the lab that needs no event loop; `now` in POSIX seconds fixes all dates."""

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        now: float,
        senders: Sequence[Sender] = (),
        letters: Letters | None = None,
        collectors: Mapping[str, Certificate] = NO_COLLECTORS,
    ) -> None:
        self.scenarios = tuple(scenarios)
        self.senders = tuple(senders)
        self._publishers = (*self.senders, letters.zone) if letters is not None else self.senders
        self.now = now
        self.authorities = Authorities(now)
        self.window = Window(int(now) - 2 * _DAY, int(now) + 14 * _DAY)
        self.hosts: list[PlacedHost] = []
        self.policies: list[PlacedPolicy] = []
        self.authorities_of_zones: list[PlacedAuthority] = []
        self.remembered: list[RememberedPolicy] = []
        self.collectors: list[PlacedCollector] = []
        self._v4 = (f"127.1.{i // 250}.{i % 250 + 1}" for i in itertools.count())
        self._v6 = (f"2001:db8:25::{i:x}" for i in itertools.count(1))
        self.zones: dict[dns.name.Name, Zone] = {}
        self._top_level()
        for scenario in self.scenarios:
            self._zones(scenario)
        for sender in self._publishers:
            self._sender(sender)
        for scenario in self.scenarios:
            self._populate(scenario)
        for name, certificate in collectors.items():
            address = next(self._v4)
            self.add(name, "A", address)
            self.collectors.append(PlacedCollector(name, address, self.authorities.credential(certificate, name)))
        self._delegate()
        self.recursion = Recursion(self.zones.values())
        self.faults = FaultTable(list(self._placed_faults()))

    @property
    def root(self) -> Zone:
        """The root zone."""
        return self.zones[dns.name.root]

    @property
    def anchor_ds(self) -> str:
        """The trust anchor as a DS record in zone-file form."""
        keys = self.root.keys
        assert keys is not None
        return f". 86400 IN DS {keys.ds.to_text()}\n"

    @property
    def anchor_dnskey(self) -> str:
        """The trust anchor as a DNSKEY record in zone-file form."""
        keys = self.root.keys
        assert keys is not None
        return f". 86400 IN DNSKEY {keys.ksk.dnskey.to_text()}\n"

    def _top_level(self) -> None:
        self._zone(dns.name.root, True, Denial.NSEC)
        self.root.add_text(["nameserver A 127.0.0.1"])
        for label, signed, denial in TOP_LEVEL:
            self._zone(dns.name.from_text(label), signed, denial)

    def _zone(
        self,
        origin: dns.name.Name,
        signed: bool,
        denial: Denial,
        algorithm: Algorithm = Algorithm.P256,
        spare: int = 0,
        name_servers: Sequence[str] = (),
    ) -> None:
        keys = ZoneKeys(origin, algorithm, spare=spare) if signed else None
        named = name_servers or ("nameserver.",)
        self.zones[origin] = Zone(origin, self.window, keys=keys, denial=denial, name_servers=named)

    def _zones(self, scenario: Scenario) -> None:
        if scenario.mx != "missing":
            origin = dns.name.from_text(scenario.domain)
            named = [f"{authority.name}.{origin}" for authority in scenario.authorities]
            self._zone(origin, scenario.signed, scenario.denial, scenario.algorithm, scenario.spare_keys, named)
            self.zones[origin].add_text(scenario.records)
        for side in scenario.also_zones:
            origin = dns.name.from_text(side.origin)
            self._zone(origin, side.signed, side.denial)
            self.zones[origin].add_text(side.records)

    def _sender(self, sender: Sender) -> None:
        for side in (SideZone(origin=sender.domain, signed=sender.signed, records=sender.records), *sender.also_zones):
            origin = dns.name.from_text(side.origin)
            self._zone(origin, side.signed, side.denial)
            self.zones[origin].add_text(side.records)

    def _delegate(self) -> None:
        """NS records, and DS records of signed zones, in each parent."""
        for origin, zone in self.zones.items():
            if origin == dns.name.root:
                continue
            parent = self._zone_of(origin.parent())
            named = zone.rrset(origin, dns.rdatatype.NS)
            assert named is not None
            parent.add(dns.rrset.from_rdata_list(origin, 3600, list(named)))
            if zone.keys is not None and parent.signed:
                parent.add(dns.rrset.from_rdata(origin, 3600, zone.keys.ds))

    def _zone_of(self, name: dns.name.Name) -> Zone:
        while name not in self.zones:
            name = name.parent()
        return self.zones[name]

    def add(self, owner: str, rdtype: str, rdata: str) -> None:
        """One more record, in the zone it belongs to; only before the lab starts."""
        name = dns.name.from_text(owner)
        self._zone_of(name).add(dns.rrset.from_text(name, 3600, "IN", rdtype, rdata))

    def _populate(self, scenario: Scenario) -> None:
        if scenario.mx == "missing":
            return
        if scenario.mx == "null":
            self.add(scenario.domain, "MX", "0 .")
            return
        for host in scenario.hosts:
            name = host_name(host, scenario.domain)
            if scenario.mx == "hosts":
                self.add(scenario.domain, "MX", f"{host.preference} {name}.")
            if not host.elsewhere:
                self._host(scenario, host, name)
        for authority in scenario.authorities:
            self._authority(scenario, authority)
        if scenario.sts is not None:
            self._sts(scenario, scenario.sts)

    def _host(self, scenario: Scenario, host: Host, name: str) -> None:
        expanded = host.alias.rstrip(".") if host.alias else name
        if host.alias:
            self.add(name, "CNAME", f"{expanded}.")
        addresses = []
        for state, pool, rdtype in ((host.v4, self._v4, "A"), (host.v6, self._v6, "AAAA")):
            if state:
                address = next(pool)
                self.add(expanded, rdtype, address)
                addresses.append((address, state == "up"))
        shown = self.authorities.credential(host.certificate, name)
        owner = host.tlsa_owner or f"_25._tcp.{expanded}."
        for words in host.tlsa:
            rdata = tlsa_rdata(words, shown, self.authorities)
            self._zone_of(dns.name.from_text(owner)).add(dns.rrset.from_rdata(owner, 3600, rdata))
        # The attacker's certificate carries the right name: only DNS or a public CA tells it apart.
        forged = self.authorities.self_signed((name,)) if host.attack is Attack.IMPERSONATE else None
        self.hosts.append(PlacedHost(scenario, host, name, tuple(addresses), shown, forged))

    def _authority(self, scenario: Scenario, authority: Authority) -> None:
        address = next(self._v4)
        self.add(f"{authority.name}.{scenario.domain}", "A", address)
        dropping = Fault(kind=FaultKind.DROP, types=authority.drops, below=True)
        faults = [PlacedFault.place(dropping, dns.name.from_text(scenario.domain))] if authority.drops else []
        self.authorities_of_zones.append(PlacedAuthority(address, FaultTable(faults)))

    def _sts(self, scenario: Scenario, sts: STS) -> None:
        domain, identity = scenario.domain, f"{int(self.now)}"
        policy = policy_text(scenario, sts)
        texts = {
            "present": [f'"v=STSv1; id={identity};"'],
            "twice": [f'"v=STSv1; id={identity};"', '"v=STSv1; id=other;"'],
            "malformed": ['"v=STSv1; id=not/allowed!;"'],
            "gone": [],
        }
        for text in texts[sts.txt]:
            self.add(f"_mta-sts.{domain}", "TXT", text)
        if sts.remembered:
            self.remembered.append(RememberedPolicy(domain, "lastweek", policy, self.now - 6 * _DAY))
        if sts.host is not PolicyHost.ABSENT:
            address = next(self._v4)
            self.add(f"mta-sts.{domain}", "A", address)
            shown = self.authorities.credential(_policy_certificate(sts, domain), f"mta-sts.{domain}")
            self.policies.append(PlacedPolicy(scenario, address, policy, shown))

    def _placed_faults(self) -> Iterable[PlacedFault]:
        everybody: tuple[Scenario | Sender, ...] = (*self.scenarios, *self._publishers)
        for declared in everybody:
            for fault in declared.faults:
                yield PlacedFault.place(fault, dns.name.from_text(declared.domain))


def host_name(host: Host, domain: str) -> str:
    """The absolute name of a host, without the final dot."""
    if host.name == "@":
        return domain
    return host.name[:-1] if host.name.endswith(".") else f"{host.name}.{domain}"


def policy_text(scenario: Scenario, sts: STS) -> str:
    """The policy file (RFC 8461 §3.2)."""
    patterns = sts.patterns or tuple(host_name(host, scenario.domain) for host in scenario.hosts)
    lines = ["version: STSv1", f"mode: {sts.mode}", *(f"mx: {pattern}" for pattern in patterns)]
    return "\r\n".join([*lines, f"max_age: {sts.max_age}", ""])


def _policy_certificate(sts: STS, domain: str) -> Certificate:
    if sts.host is PolicyHost.WRONG_CERTIFICATE:
        return Certificate(names=(f"www.{domain}",))
    if sts.host is PolicyHost.UNTRUSTED:
        return Certificate(issuer=Issuer.SELF)
    return Certificate()
