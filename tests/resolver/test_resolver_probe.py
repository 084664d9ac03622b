"""The probe says what is wrong with a resolver, how bad it is, and what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from tests.resolver.scripted_dns import NOW, Asked, ScriptedServer, SignedZone, Trick

from danelaw.dnsdata import DNSSECStatus, Question
from danelaw.dnssec import TrustAnchors
from danelaw.resolver import (
    ProbeReport,
    Resolver,
    ResolverMode,
    ResolverSettings,
    ResolverTimeouts,
    Severity,
)

ZONE = SignedZone()
QUICK = ResolverTimeouts(stagger=0.1, query=1.0, lookup=2.0, run=3.0)


def probe(trick: Trick | None, *, now: float = NOW, listen_tcp: bool = True, **changes: Any) -> ProbeReport:
    async def main() -> ProbeReport:
        async with ScriptedServer(ZONE, trick, listen_tcp=listen_tcp) as server:
            values: dict[str, Any] = {"servers": (server.address,), "anchors": ZONE.anchors, "timeouts": QUICK}
            async with Resolver(ResolverSettings(**(values | changes)), clock=lambda: now) as resolver:
                return await resolver.probe()

    return asyncio.run(main())


def codes(report: ProbeReport) -> set[str]:
    for finding in report.findings:
        assert finding.what
        assert finding.fix
    return {finding.code for finding in report.findings}


def without(*types: str, everywhere: bool = True) -> Trick:
    """Leave out RRsets of these types, from all sections or from the authority section only."""
    gone = {dns.rdatatype.from_text(rdtype) for rdtype in types}

    def trick(asked: Asked) -> bytes:
        reply = asked.reply()
        for section in (reply.answer, reply.authority) if everywhere else (reply.authority,):
            section[:] = [rrset for rrset in section if rrset.rdtype not in gone]
        return reply.to_wire(max_size=65535)

    return trick


def no_edns(asked: Asked) -> bytes:
    reply = asked.reply()
    reply.use_edns(False)
    return reply.to_wire(max_size=65535)


def invents(asked: Asked) -> bytes:
    reply = asked.reply()
    if reply.rcode() == dns.rcode.NXDOMAIN:
        reply.set_rcode(dns.rcode.NOERROR)
        reply.answer = [dns.rrset.from_text(asked.message.question[0].name, 60, "IN", "A", "192.0.2.99")]
    return reply.to_wire(max_size=65535)


def clears(flag: int, edns: bool) -> Trick:
    def trick(asked: Asked) -> bytes:
        reply = asked.reply()
        if edns:
            reply.ednsflags &= ~flag
        else:
            reply.flags &= ~flag
        return reply.to_wire(max_size=65535)

    return trick


def udp_only_without(condition: Callable[[Asked], bool]) -> Trick:
    return lambda asked: None if not asked.tcp and condition(asked) else asked.honest()


def test_a_good_resolver_gives_no_finding() -> None:
    report = probe(None)
    assert report.findings == ()
    assert report.usable
    assert report.worst is None
    assert report.at == NOW


@pytest.mark.parametrize(
    ("trick", "code", "usable"),
    [
        (without("RRSIG"), "rrsig-stripped", False),
        (without("NSEC", "RRSIG", everywhere=False), "denial-stripped", False),
        (no_edns, "no-edns", False),
        (lambda asked: asked.honest() if asked.tcp else no_edns(asked), "edns-stripped", True),
        (invents, "nxdomain-rewritten", False),
        (lambda asked: asked.error(dns.rcode.REFUSED), "refuses", False),
        (lambda asked: asked.error(dns.rcode.SERVFAIL), "refuses", False),
        (lambda asked: None, "silent", False),
        (lambda asked: None if asked.tcp else asked.honest(), "no-tcp", True),
        (udp_only_without(lambda asked: True), "no-udp", True),
        (udp_only_without(lambda asked: asked.rdtype == dns.rdatatype.TLSA), "tlsa-dropped", True),
        (lambda asked: None if asked.rdtype == dns.rdatatype.TLSA else asked.honest(), "tlsa-dropped", False),
        (clears(dns.flags.DO, edns=True), "do-cleared", True),
        (clears(dns.flags.CD, edns=False), "cd-cleared", True),
    ],
)
def test_each_defect_has_its_finding(trick: Trick, code: str, usable: bool) -> None:
    report = probe(trick)
    assert code in codes(report)
    assert report.usable is usable
    assert ("no-usable-resolver" in codes(report)) is not usable
    if not usable:
        assert report.findings[0].code == "no-usable-resolver"
        assert report.worst is Severity.ERROR
        assert "nothing is sent unprotected" in report.findings[0].what


def test_a_server_that_refuses_tcp_connections() -> None:
    report = probe(None, listen_tcp=False)
    assert codes(report) == {"no-tcp"}
    assert "refused" in report.findings[0].what


@pytest.mark.parametrize(("days", "code"), [(60, "clock-ahead"), (-60, "clock-behind")])
def test_a_clock_that_disagrees_with_the_signatures(days: int, code: str) -> None:
    report = probe(None, now=NOW + days * 86400)
    assert code in codes(report)
    assert not report.usable
    assert any("timedatectl" in finding.fix for finding in report.findings)


def test_a_trust_anchor_that_does_not_fit() -> None:
    assert "not-proved" in codes(probe(None, anchors=TrustAnchors.root()))


def test_one_bad_server_of_two_is_named_and_mail_goes_on() -> None:
    async def main() -> ProbeReport:
        async with ScriptedServer(ZONE, without("RRSIG")) as bad, ScriptedServer(ZONE) as good:
            chosen = ResolverSettings(servers=(bad.address, good.address), anchors=ZONE.anchors, timeouts=QUICK)
            async with Resolver(chosen, clock=lambda: float(NOW)) as resolver:
                return await resolver.probe()

    report = asyncio.run(main())
    assert report.usable
    assert len(report.fit) == len(report.unfit) == 1
    assert {finding.server for finding in report.findings} == set(report.unfit)


def vouches(asked: Asked) -> bytes:
    """A validating resolver: AD for everything in the signed zone."""
    reply = asked.reply()
    reply.flags |= dns.flags.AD
    return reply.to_wire(max_size=65535)


def ask_trusting(trick: Trick, question: Question) -> tuple[Any, ProbeReport, list[Asked]]:
    async def main() -> tuple[Any, ProbeReport, list[Asked]]:
        async with ScriptedServer(ZONE, trick) as server:
            chosen = ResolverSettings(servers=(server.address,), mode=ResolverMode.TRUST_AD, timeouts=QUICK)
            async with Resolver(chosen, clock=lambda: float(NOW)) as resolver:
                return await resolver.ask(question), await resolver.probe(), server.asked

    return asyncio.run(main())


@pytest.mark.parametrize(("name", "found"), [("mx.example", True), ("alias.example", True), ("absent.example", False)])
def test_trust_ad_believes_ad(name: str, found: bool) -> None:
    answer, report, asked = ask_trusting(vouches, Question.from_text(name, "A"))
    assert answer.secure
    assert bool(answer.records) is found
    assert answer.nxdomain is not found
    assert report.findings == ()
    assert asked[0].message.flags == dns.flags.RD | dns.flags.AD


def test_trust_ad_takes_no_ad_as_unsigned_only_from_one_that_validates() -> None:
    def partly(asked: Asked) -> bytes:
        return vouches(asked) if asked.rdtype == dns.rdatatype.SOA else asked.honest()

    answer, _, _ = ask_trusting(partly, Question.from_text("mx.example", "A"))
    assert answer.status is DNSSECStatus.INSECURE
    assert answer.records
    answer, report, _ = ask_trusting(Asked.honest, Question.from_text("mx.example", "A"))
    assert answer.failed
    assert answer.records == ()
    assert "does not validate" in answer.reason
    assert "no-ad" in codes(report)
    assert not report.usable


@pytest.mark.parametrize(("code", "status"), [(6, DNSSECStatus.BOGUS), (22, DNSSECStatus.INDETERMINATE)])
def test_trust_ad_takes_servfail_as_failure_and_reads_why(code: int, status: DNSSECStatus) -> None:
    def fails(asked: Asked) -> bytes:
        if asked.name != "mx.example.":
            return vouches(asked)
        reply = dns.message.make_response(asked.message)
        reply.set_rcode(dns.rcode.SERVFAIL)
        reply.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode(code), "because")])
        return reply.to_wire()

    answer, _, _ = ask_trusting(fails, Question.from_text("mx.example", "A"))
    assert (answer.failed, answer.status, answer.ede) == (True, status, code)
