"""From probes to one level: hosts that would be skipped do not count, and our own network is not their fault."""

from __future__ import annotations

import asyncio

import pytest

from danelaw.dane import TLSARecord
from danelaw.dnsdata import DNSSECStatus
from danelaw.outbound.checkup import Checkup, untaken
from danelaw.outbound.destination import HostPlan, survey
from danelaw.outbound.probe import Probed, Unreached
from danelaw.routing import NextHop
from danelaw.testing import FakeDNS, FakeResolver
from danelaw.tlspolicy import Handshake, StartTLSOutcome, judge, refused

NOW = 1_790_000_000.0
ZONE = """
    example.org. MX 10 a.example.org.
    example.org. MX 20 b.example.org.
    a.example.org. A 192.0.2.1
    b.example.org. A 192.0.2.2
    _25._tcp.b.example.org. TLSA 3 1 1 0d6f88a10d6f88a10d6f88a10d6f88a10d6f88a10d6f88a10d6f88a10d6f88a1
"""


def checkup(*kinds: str | Unreached, blocked: str | None = None, dns: FakeDNS | None = None) -> Checkup:
    """One probe per kind: `clear` talks without STARTTLS, which host a allows and host b's TLSA records do not."""
    found = asyncio.run(survey(NextHop.from_text("example.org"), FakeResolver(dns or FakeDNS(ZONE)), None, (), now=NOW))
    probes = [_probed(plan, kind) for plan, kind in zip(found.hosts, kinds, strict=False)]
    return Checkup("example.org", found, tuple(probes), blocked)


def _probed(plan: HostPlan, kind: str | Unreached) -> Probed:
    address = plan.records.addresses[0] if plan.records.addresses else None
    if plan.requirement.refusal is not None:
        judgement = refused(plan.requirement)
        return Probed(plan, address, None, judgement, judgement.reason)
    if isinstance(kind, Unreached):
        return Probed(plan, address, None, None, kind.value, kind)
    handshake = Handshake(plan.host, address or "", 25, 1, StartTLSOutcome.NOT_OFFERED)
    judgement = judge(plan.requirement, handshake, None, NOW)
    return Probed(plan, address, handshake, judgement, judgement.reason)


@pytest.mark.parametrize(
    ("kinds", "blocked", "level", "status"),
    [
        (("clear", "clear"), None, "clear", 30),
        (("clear", Unreached.REFUSED), None, "clear", 30),
        ((Unreached.REFUSED, Unreached.REFUSED), None, "waits", 40),
        ((Unreached.SILENT, Unreached.SILENT), None, "waits", 40),
        ((Unreached.SILENT, Unreached.SILENT), "this network blocks port 25", "unknown", 60),
        ((Unreached.NO_ROUTE, Unreached.NO_ROUTE), None, "unknown", 60),
        ((Unreached.NO_ROUTE, "clear"), None, "unknown", 60),
        ((Unreached.REFUSED, "clear"), None, "waits", 40),
        (("clear", Unreached.SILENT), "this network blocks port 25", "clear", 30),
    ],
)
def test_level(kinds: tuple[str | Unreached, ...], blocked: str | None, level: str, status: int) -> None:
    found = checkup(*kinds, blocked=blocked)
    assert (found.level, found.exit_status) == (level, status)
    if level in ("waits", "unknown"):
        assert found.reason


def test_a_blocked_network_still_shows_what_dns_says() -> None:
    found = checkup(Unreached.SILENT, Unreached.SILENT, blocked="this network blocks port 25").to_json()
    (record,) = found["hosts"][1]["tlsa"]
    assert record["usable"]
    assert not record["matched"]
    assert "not compared" in record["reason"]
    assert TLSARecord.from_text(record["record"]).usage == 3
    assert found["mx"] == {"status": "secure", "names": ["a.example.org", "b.example.org"], "implicit": False}
    assert found["reason"] == "this network blocks port 25"


def test_hosts_whose_look_up_failed_are_listed_and_skipped() -> None:
    dns = FakeDNS(ZONE).fail("a.example.org", DNSSECStatus.BOGUS).fail("b.example.org", DNSSECStatus.BOGUS)
    found = checkup("clear", "clear", dns=dns)
    assert (found.level, found.exit_status) == ("waits", 40)
    assert [host["address"] for host in found.to_json()["hosts"]] == [None, None]


def test_only_when_nobody_takes_a_connection_is_our_network_suspect() -> None:
    assert untaken(checkup(Unreached.SILENT, Unreached.SILENT).probes) == ("192.0.2.1", "192.0.2.2")
    assert untaken(checkup(Unreached.SILENT, Unreached.NO_ROUTE).probes) == ("192.0.2.1",)
    assert untaken(checkup(Unreached.SILENT, Unreached.REFUSED).probes) == ("192.0.2.1", "192.0.2.2")
    assert untaken(checkup(Unreached.SILENT, Unreached.BROKEN).probes) == ()
    assert untaken(checkup(Unreached.SILENT, "clear").probes) == ()
