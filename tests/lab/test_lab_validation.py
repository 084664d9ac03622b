"""danelaw's own validator over the lab's name server, without sockets: what must be secure is, and no attack is."""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import pytest

from danelaw.dnsdata import Answer, DNSSECStatus, Question
from danelaw.dnssec import Response, TrustAnchors, Validator
from danelaw.lab import SCENARIOS
from danelaw.lab.nameserver import NameServer
from danelaw.lab.scenario import FaultKind, Scenario
from danelaw.lab.world import World

NOW = 1_790_000_000
ATTACKS = {
    FaultKind.FORGE,
    FaultKind.DENY,
    FaultKind.STRIP_SIGNATURES,
    FaultKind.CORRUPT_SIGNATURES,
    FaultKind.EXPIRED_SIGNATURES,
}


class Reader:
    """A validator fed by the name server's answers, TCP after truncation, every question tried twice."""

    def __init__(self, world: World) -> None:
        self._server = NameServer(world.recursion, world.faults)
        self._validator = Validator(TrustAnchors.from_text(world.anchor_ds))

    def __call__(self, name: str, rdtype: str) -> Answer:
        look = self._validator.resolve(Question(dns.name.from_text(name), dns.rdatatype.from_text(rdtype)), NOW)
        try:
            questions = next(look)
            while True:
                questions = look.send(tuple(self._fetch(question) for question in questions))
        except StopIteration as end:
            answer = end.value
            assert isinstance(answer, Answer)
            return answer

    def _fetch(self, question: Question) -> Response:
        query = dns.message.make_query(question.name, question.rdtype, want_dnssec=True, payload=1232)
        query.flags |= dns.flags.CD
        for tcp in (False, False, True):
            wire = self._server.answer(query.to_wire(), tcp=tcp)
            if wire is None:
                continue
            try:
                message = dns.message.from_wire(wire)
            except dns.exception.DNSException:
                continue
            if not message.flags & dns.flags.TC and (tcp or message.edns >= 0):
                return Response(question, wire, message, None, None)
        return Response(question, None, None, "no answer", None)


@pytest.fixture(scope="module")
def world() -> World:
    return World(SCENARIOS, NOW)


@pytest.fixture(scope="module")
def read(world: World) -> Reader:
    return Reader(world)


def test_the_reader_is_fed_the_truth_about_every_name_without_a_fault(world: World, read: Reader) -> None:
    faulty = {s.domain for s in SCENARIOS if s.faults or s.ds != "right"}
    # dnspython cannot hold a TLSA digest of the wrong length; what a gateway makes of it is tested with DANE.
    unreadable = dns.name.from_text("_25._tcp.mx.short-digest.lab.")
    seen = {"secure": 0, "insecure": 0}
    for origin, zone in world.zones.items():
        if any(origin.is_subdomain(dns.name.from_text(domain)) for domain in faulty):
            continue
        for name in zone.names():
            for rdtype in zone.types(name):
                if name in zone.cuts or name == unreadable or name.is_wild() or rdtype.name in ("NS", "SOA", "DNSKEY"):
                    continue
                answer = read(name.to_text(), rdtype.name)
                outside = rdtype == dns.rdatatype.CNAME and not zone.signed
                expected = DNSSECStatus.SECURE if zone.signed and not outside else DNSSECStatus.INSECURE
                assert answer.status is expected, (name, rdtype, answer)
                seen[answer.status.value] += 1
    assert seen["secure"] > 250
    assert seen["insecure"] > 50


@pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS if s.signed and any(f.kind in ATTACKS for f in s.faults)], ids=lambda s: s.domain
)
def test_tampering_with_a_signed_zone_is_bogus(read: Reader, scenario: Scenario) -> None:
    for fault in scenario.faults:
        name = scenario.domain if fault.name == "@" else f"{fault.name}.{scenario.domain}"
        for rdtype in fault.types or ("MX",):
            if fault.below and rdtype in ("A", "TLSA"):
                continue
            assert read(name, rdtype).status is DNSSECStatus.BOGUS


def test_what_a_parent_says_of_a_signed_zone_decides(read: Reader) -> None:
    assert read("no-ds.lab", "MX").status is DNSSECStatus.INSECURE
    assert read("wrong-ds.lab", "MX").status is DNSSECStatus.BOGUS


@pytest.mark.parametrize(
    ("name", "rdtype"),
    [
        ("mx-servfail.lab", "MX"),
        ("mx-silent.lab", "MX"),
        ("mx-garbage.lab", "MX"),
        ("_25._tcp.mx.tlsa-servfail.lab", "TLSA"),
        ("_25._tcp.mx.tlsa-silent.lab", "TLSA"),
        ("mx1.address-servfail.lab", "A"),
    ],
)
def test_what_cannot_be_fetched_is_indeterminate(read: Reader, name: str, rdtype: str) -> None:
    assert read(name, rdtype).status is DNSSECStatus.INDETERMINATE


@pytest.mark.parametrize(
    ("name", "rdtype"),
    [
        ("_25._tcp.mx.tlsa-no-udp.lab", "TLSA"),
        ("_25._tcp.mx.tlsa-flaky.lab", "TLSA"),
        ("edns-stripped.lab", "MX"),
        ("big-dnskey.lab", "DNSKEY"),
        ("_25._tcp.mx.tlsa-wildcard.lab", "TLSA"),
        ("_25._tcp.mx.tlsa-wildcard-nsec3.lab", "TLSA"),
        ("_25._tcp.mx.tlsa-alias.lab", "TLSA"),
        ("alias.domains.lab", "MX"),
        ("user.dnames.lab", "MX"),
        ("does-not-exist.lab", "MX"),
        ("nothing.at.all.nsec3.lab", "A"),
        ("_25._tcp.mx.nsec3-no-tlsa.lab", "TLSA"),
    ],
)
def test_hard_cases_that_are_secure(read: Reader, name: str, rdtype: str) -> None:
    assert read(name, rdtype).status is DNSSECStatus.SECURE


@pytest.mark.parametrize(
    ("name", "rdtype"),
    [
        ("plain.optout", "MX"),
        ("mail.unsigned", "MX"),
        ("mx.alias-unsigned.lab", "A"),
        ("_25._tcp.mx.tlsa-alias-unsigned.lab", "TLSA"),
        ("forged-mx.lab", "MX"),
    ],
)
def test_what_nobody_signed_is_insecure(read: Reader, name: str, rdtype: str) -> None:
    assert read(name, rdtype).status is DNSSECStatus.INSECURE
