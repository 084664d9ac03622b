"""Name servers are judged by what they do at their own sockets, and only when they were heard."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from danelaw.dnsdata import DNSSECStatus
from danelaw.outbound import nameservers
from danelaw.outbound.destination import survey
from danelaw.outbound.nameservers import TLSAAnswers, ZoneReport, examine_name_servers
from danelaw.routing import NextHop
from danelaw.testing import FakeDNS, FakeResolver

NOW = 1_790_000_000.0
ZONE = """
    example.org. MX 10 mx.example.org.
    mx.example.org. A 192.0.2.1
    _25._tcp.mx.example.org. TLSA 3 1 1 0d6f88a10d6f88a10d6f88a10d6f88a10d6f88a10d6f88a10d6f88a10d6f88a1
    example.org. NS ns.example.org.
    ns.example.org. A 192.0.2.53
"""


class Scripted(asyncio.DatagramProtocol):
    """Answers each type with a code; a type that is missing gets no answer. Keeps the queries."""

    def __init__(self, codes: Mapping[str, dns.rcode.Rcode]) -> None:
        self.codes = codes
        self.queries: list[dns.message.Message] = []
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        self.queries.append(query)
        code = self.codes.get(dns.rdatatype.to_text(query.question[0].rdtype))
        if code is not None:
            reply = dns.message.make_response(query)
            reply.set_rcode(code)
            self.transport.sendto(reply.to_wire(), addr)


async def examined(server: Scripted, zone: FakeDNS) -> tuple[ZoneReport, ...]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
    try:
        resolver = FakeResolver(zone)
        found = await survey(NextHop.from_text("example.org"), resolver, None, (), now=NOW)
        routes = {("192.0.2.53", 53): transport.get_extra_info("sockname")[:2]}
        return await examine_name_servers(found, resolver, routes)
    finally:
        transport.close()
        await asyncio.sleep(0)  # the socket is closed in the next turn of the loop


OK, REFUSED, SERVFAIL = dns.rcode.NOERROR, dns.rcode.REFUSED, dns.rcode.SERVFAIL


@pytest.mark.parametrize(
    ("codes", "tlsa", "tries"),
    [
        ({"SOA": OK, "TLSA": OK}, TLSAAnswers.ANSWERS, 1),
        ({"SOA": OK, "TLSA": dns.rcode.NXDOMAIN}, TLSAAnswers.ANSWERS, 1),
        ({"SOA": OK, "TLSA": SERVFAIL}, TLSAAnswers.REFUSES, 1),
        ({"SOA": OK}, TLSAAnswers.SILENT, 3),
        ({"SOA": REFUSED, "TLSA": REFUSED}, TLSAAnswers.NOT_ASKED, 0),
        ({}, TLSAAnswers.NOT_ASKED, 0),
    ],
)
def test_what_a_name_server_does(codes: dict[str, dns.rcode.Rcode], tlsa: TLSAAnswers, tries: int) -> None:
    server = Scripted(codes)
    ((report,),) = [zone.servers for zone in asyncio.run(examined(server, FakeDNS(ZONE)))]
    assert (report.name, report.tlsa, report.tries) == ("ns.example.org", tlsa, tries)
    assert bool(report.reason) == (tlsa is not TLSAAnswers.ANSWERS)
    assert not any(query.flags & dns.flags.RD for query in server.queries), "asked as an authority, not as a resolver"
    assert len({query.id for query in server.queries}) > 1


def test_what_cannot_be_looked_up_is_said_and_nobody_is_accused() -> None:
    server = Scripted({})
    (zone,) = asyncio.run(examined(server, FakeDNS(ZONE).fail("mx.example.org NS", DNSSECStatus.BOGUS)))
    assert zone.servers == ()
    assert zone.error
    assert server.queries == []


def test_a_resolver_that_never_answers_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(FakeResolver):
        async def run(self, lookup: object) -> object:  # type: ignore[override]
            return await asyncio.Event().wait()

    async def examine() -> tuple[ZoneReport, ...]:
        found = await survey(NextHop.from_text("example.org"), FakeResolver(FakeDNS(ZONE)), None, (), now=NOW)
        return await examine_name_servers(found, Stuck(FakeDNS(ZONE)), {})

    monkeypatch.setattr(nameservers, "DEADLINE", 0.01)
    (zone,) = asyncio.run(examine())
    assert zone.servers == ()
    assert zone.error == "not finished in 0.01 s"


def test_hosts_without_tlsa_question_need_no_name_server() -> None:
    server = Scripted({})
    assert asyncio.run(examined(server, FakeDNS("example.org. MX 10 mx.example.org.\n"))) == ()
    assert server.queries == []
