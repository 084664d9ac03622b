"""The lab on disk: signed zones, trust anchor, certificates, and configuration for other people's daemons.

What a daemon cannot be told to do wrong (DNS faults, attackers, broken servers) stays in the running lab.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import dns.name
from cryptography.hazmat.primitives import serialization

from danelaw.lab.catalogue import SCENARIOS
from danelaw.lab.denial import proofs
from danelaw.lab.scenario import Scenario
from danelaw.lab.world import World
from danelaw.lab.zone import Zone

_NSD_PORT = 5300
_UNBOUND_PORT = 5301

_NSD_SERVER = """\
# Start in this directory:  nsd -d -c nsd.conf
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{directory}/zones"
  pidfile: "{directory}/nsd.pid"
  database: ""
  xfrdfile: "{directory}/xfrd.state"
  zonelistfile: "{directory}/zone.list"
  xfrdir: "{directory}"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
"""

_UNBOUND_SERVER = """\
# Start in this directory, after nsd:  unbound -d -c unbound.conf
# Postfix asks port 53 of the addresses in resolv.conf: as root, set interface: 127.0.0.53@53 and name that there.
server:
  interface: 127.0.0.1@{port}
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: "{directory}/unbound.pid"
  use-syslog: no
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  trust-anchor-file: "{directory}/anchor.ds"
  num-threads: 1
remote-control:
  control-enable: no
"""

_POSTFIX_SENDER = """\
# Parameters of a Postfix that sends into the lab; resolv.conf must lead to a validating resolver (unbound.conf).
smtp_dns_support_level = dnssec
smtp_host_lookup = dns
smtp_tls_security_level = dane
smtp_tls_loglevel = 1
smtp_tls_CAfile = {directory}/tls/roots.pem
"""

_POSTFIX_RECEIVER = """\
# Parameters of a Postfix that is the mail server of {domain}: {name}.
# Listeners go to master.cf, since inet_interfaces takes only addresses that an interface carries:
{listeners}
inet_interfaces = loopback-only
myhostname = {name}
mydestination = {domain}
smtpd_tls_security_level = may
smtpd_tls_chain_files = {directory}/tls/{name}.pem
"""

_README = """\
The lab of danelaw, written {date} UTC; signatures are valid for 14 days.

zones/          {zones} signed and unsigned zones in zone-file form, the root among them
anchor.ds       trust anchor as DS, anchor.dnskey as DNSKEY: danelaw dns ... --anchor anchor.ds
tls/            key and certificate chain of each mail host; roots.pem is the public CA, private-root.pem the other
hosts.json      mail hosts: domain, name, addresses, files, and what is expected of a sender
policies/       MTA-STS policies, to be served at https://mta-sts.DOMAIN/.well-known/mta-sts.txt
nsd.conf        serves all zones on 127.0.0.1 port {nsd}
unbound.conf    validates them, on 127.0.0.1 port {unbound}
postfix/        parameters for a sending Postfix, and for one as server of each domain

Keys here protect nothing: do not use them for anything else.

next: nsd -d -c nsd.conf, then unbound -d -c unbound.conf, then
      danelaw dns _25._tcp.mx.dane.lab TLSA --server 127.0.0.1:{unbound} --anchor anchor.ds
"""


def export(directory: Path, scenarios: Sequence[Scenario] = SCENARIOS, *, now: float | None = None) -> list[Path]:
    """Write everything into `directory`, made when absent; gives the files written. `now` in POSIX seconds."""
    world = World(scenarios, time.time() if now is None else now)
    return _Export(world, directory.absolute()).write()


class _Export:
    def __init__(self, world: World, directory: Path) -> None:
        self._world = world
        self._directory = directory
        self._written: list[Path] = []

    def write(self) -> list[Path]:
        for part in ("zones", "tls", "policies", "postfix"):
            (self._directory / part).mkdir(parents=True, exist_ok=True)
        for zone in self._world.zones.values():
            self._put(f"zones/{zone_file(zone.origin)}", zone_text(zone))
        self._put("anchor.ds", self._world.anchor_ds)
        self._put("anchor.dnskey", self._world.anchor_dnskey)
        self._certificates()
        self._daemons()
        self._put("hosts.json", json.dumps(self._hosts(), indent=2) + "\n")
        for policy in self._world.policies:
            self._put(f"policies/{policy.scenario.domain}.txt", policy.policy)
        date = time.strftime("%Y-%m-%d %H:%M", time.gmtime(self._world.now))
        zones = len(self._world.zones)
        self._put("README", _README.format(date=date, zones=zones, nsd=_NSD_PORT, unbound=_UNBOUND_PORT))
        return self._written

    def _put(self, name: str, text: str, *, secret: bool = False) -> None:
        path = self._directory / name
        if secret:
            path.touch(0o600)
        path.write_text(text)
        self._written.append(path)

    def _certificates(self) -> None:
        authorities = self._world.authorities
        self._put("tls/roots.pem", authorities.roots_pem.decode())
        root = authorities.private.root.public_bytes(serialization.Encoding.PEM)
        self._put("tls/private-root.pem", root.decode())
        for host in self._world.hosts:
            # Postfix wants the key first (smtpd_tls_chain_files).
            self._put(f"tls/{host.name}.pem", (host.shown.key_pem + host.shown.chain_pem).decode(), secret=True)

    def _daemons(self) -> None:
        directory = str(self._directory)
        nsd = [_NSD_SERVER.format(port=_NSD_PORT, directory=directory)]
        unbound = [_UNBOUND_SERVER.format(port=_UNBOUND_PORT, directory=directory)]
        for origin in self._world.zones:
            nsd.append(f'zone:\n  name: "{origin}"\n  zonefile: "{zone_file(origin)}"\n')
            unbound.append(f'stub-zone:\n  name: "{origin}"\n  stub-addr: 127.0.0.1@{_NSD_PORT}\n  stub-prime: no\n')
        self._put("nsd.conf", "".join(nsd))
        self._put("unbound.conf", "".join(unbound))
        self._put("postfix/sender.cf", _POSTFIX_SENDER.format(directory=directory))
        for host in self._world.hosts:
            listeners = "\n".join(f"#   {_listener(address)} inet n - n - - smtpd" for address, _ in host.addresses)
            text = _POSTFIX_RECEIVER.format(
                domain=host.scenario.domain, name=host.name, listeners=listeners, directory=directory
            )
            self._put(f"postfix/{host.name}.cf", text)

    def _hosts(self) -> list[dict[str, object]]:
        return [
            {
                "domain": host.scenario.domain,
                "name": host.name,
                "addresses": [address for address, _ in host.addresses],
                "certificate": f"tls/{host.name}.pem",
                "starttls": host.host.behaviour.starttls.value,
                "outcome": host.scenario.outcome,
                "protection": host.scenario.protection,
                "level": host.scenario.level,
                "needs_lab": needs_lab(host.scenario),
            }
            for host in self._world.hosts
        ]


def _listener(address: str) -> str:
    return f"[{address}]:25" if ":" in address else f"{address}:25"


def needs_lab(scenario: Scenario) -> bool:
    """True when the expected result comes from something only the running lab does, not from zones and certificates."""
    default = type(scenario.hosts[0].behaviour)()
    return bool(scenario.faults) or any(
        host.behaviour != default or host.attack.name != "NONE" for host in scenario.hosts
    )


def zone_file(origin: dns.name.Name) -> str:
    """The name of a zone's file."""
    return "root.zone" if origin == dns.name.root else f"{origin.to_text(omit_final_dot=True)}.zone"


def zone_text(zone: Zone) -> str:
    """A whole zone in zone-file form, SOA first, with its signatures and denial chain."""
    plain = sorted(zone.rrsets(), key=lambda rrset: (rrset.name, rrset.rdtype.name != "SOA", rrset.rdtype))
    records = [*plain, *(proofs(zone).records() if zone.signed else ())]
    lines = []
    for record in records:
        lines.append(record.to_text())
        signature = zone.signature(record)
        if signature is not None:
            lines.append(signature.to_text())
    return "\n".join(lines) + "\n"
