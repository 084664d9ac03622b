"""The name server and the bad resolver over UDP and TCP."""

from __future__ import annotations

import asyncio
import socket

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_running import Running

from danelaw.lab import Lab, Manners
from danelaw.lab.catalogue.demo import DEMO
from danelaw.lab.nameserver import NameServer
from danelaw.lab.world import World
from danelaw.resolver import Resolver


def ask(
    running: Running,
    name: str,
    rdtype: str,
    *,
    tcp: bool = False,
    do: bool = True,
    payload: int = 1232,
    edns: bool = True,
    server: tuple[str, int] | None = None,
) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, use_edns=0 if edns else -1, want_dnssec=edns and do, payload=payload)
    host, port = server or running.lab.name_server.address
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, host, timeout=5, port=port)


def types(message: dns.message.Message) -> set[str]:
    return {rrset.rdtype.name for rrset in (*message.answer, *message.authority)}


@pytest.mark.parametrize("tcp", [False, True])
def test_a_signed_answer(running: Running, tcp: bool) -> None:
    message = ask(running, "dane.lab", "MX", tcp=tcp)
    assert types(message) == {"MX", "RRSIG"}
    assert message.flags & dns.flags.RA
    assert not message.flags & dns.flags.AD
    assert not message.flags & dns.flags.AA


def test_without_do_there_are_no_signatures(running: Running) -> None:
    assert types(ask(running, "dane.lab", "MX", do=False)) == {"MX"}
    assert types(ask(running, "nowhere.lab", "MX", do=False)) == {"SOA"}
    assert ask(running, "dane.lab", "MX", edns=False).edns == -1


def test_cd_is_copied(running: Running) -> None:
    query = dns.message.make_query("dane.lab", "MX", want_dnssec=True)
    query.flags |= dns.flags.CD
    host, port = running.lab.name_server.address
    assert dns.query.udp(query, host, port=port, timeout=5).flags & dns.flags.CD


def test_case_of_the_question_is_kept(running: Running) -> None:
    message = ask(running, "DaNe.LaB", "MX")
    assert message.question[0].name.to_text() == "DaNe.LaB."
    assert message.answer


def test_long_answers_are_truncated_over_udp_and_whole_over_tcp(running: Running) -> None:
    short = ask(running, "big-dnskey.lab", "DNSKEY")
    assert short.flags & dns.flags.TC
    assert short.answer == []
    whole = ask(running, "big-dnskey.lab", "DNSKEY", tcp=True)
    assert len(whole.to_wire()) > 1232
    assert not whole.flags & dns.flags.TC


def test_the_answer_fits_what_the_client_announced(running: Running) -> None:
    assert ask(running, "nowhere.lab", "A", payload=512).flags & dns.flags.TC


def test_several_questions_on_one_tcp_connection(running: Running) -> None:
    with socket.create_connection(running.lab.name_server.address, timeout=5) as connection:
        for name in ("dane.lab", "sts.lab"):
            query = dns.message.make_query(name, "MX")
            dns.query.send_tcp(connection, query)
            answer, _ = dns.query.receive_tcp(connection)
            assert answer.answer


@pytest.mark.parametrize(
    ("name", "rdtype", "rcode"),
    [("mx-servfail.lab", "MX", "SERVFAIL"), ("does-not-exist.lab", "MX", "NXDOMAIN"), ("null-mx.lab", "MX", "NOERROR")],
)
def test_rcodes(running: Running, name: str, rdtype: str, rcode: str) -> None:
    assert ask(running, name, rdtype).rcode() == dns.rcode.from_text(rcode)


def test_dropped_over_udp_only(running: Running) -> None:
    query = dns.message.make_query("_25._tcp.mx.tlsa-no-udp.lab", "TLSA").to_wire()
    assert running.lab.name_server.answer(query, tcp=False) is None
    assert ask(running, "_25._tcp.mx.tlsa-no-udp.lab", "TLSA", tcp=True).answer


def test_dropped_the_first_time(running: Running) -> None:
    query = dns.message.make_query("_25._tcp.mx.tlsa-flaky.lab", "TLSA").to_wire()
    answers = [running.lab.name_server.answer(query, tcp=False) is not None for _ in range(4)]
    assert answers == [False, True, False, True]


def test_edns_stripped_over_udp_only(running: Running) -> None:
    message = ask(running, "edns-stripped.lab", "MX")
    assert message.edns == -1
    assert types(message) == {"MX"}
    assert types(ask(running, "edns-stripped.lab", "MX", tcp=True)) == {"MX", "RRSIG"}


def test_forged_answers_keep_the_genuine_signature(running: Running) -> None:
    message = ask(running, "forged-dns.lab", "MX")
    assert "mx.attacker.lab." in message.answer[0].to_text()
    assert types(message) == {"MX", "RRSIG"}


def test_what_was_asked_is_counted(running: Running) -> None:
    before = running.lab.name_server.questions["counted.dane.lab.", "TXT"]
    ask(running, "counted.dane.lab", "TXT")
    assert running.lab.name_server.questions["counted.dane.lab.", "TXT"] == before + 1


@pytest.fixture(scope="module")
def quiet() -> NameServer:
    world = World(DEMO, 1_790_000_000)
    return NameServer(world.recursion, world.faults)


@given(st.binary(max_size=600), st.booleans())
def test_any_bytes_give_an_answer_or_silence(quiet: NameServer, data: bytes, tcp: bool) -> None:
    wire = quiet.answer(data, tcp=tcp)
    assert wire is None or dns.message.from_wire(wire).flags & dns.flags.QR


_LABELS = ("", "mx.", "_25._tcp.mx.", "x.y.", "*.")
_NAMES = [f"{label}{scenario.domain}" for label in _LABELS for scenario in DEMO] + [".", "lab.", "no.such.name."]
_TYPES = ["A", "AAAA", "MX", "TLSA", "DS", "DNSKEY", "NSEC", "NSEC3", "NSEC3PARAM", "CNAME", "SOA", "RRSIG", "ANY"]


@given(st.sampled_from(_NAMES), st.sampled_from(_TYPES), st.booleans(), st.booleans(), st.integers(0, 65535))
def test_every_question_gets_an_answer_that_fits(
    quiet: NameServer, name: str, rdtype: str, do: bool, tcp: bool, payload: int
) -> None:
    query = dns.message.make_query(name, rdtype, use_edns=0, want_dnssec=do, payload=payload)
    wire = quiet.answer(query.to_wire(), tcp=tcp)
    assert wire is not None
    assert tcp or len(wire) <= min(max(payload, 512), 1232)
    answer = dns.message.from_wire(wire)
    assert query.is_response(answer)
    if not answer.flags & dns.flags.TC:
        assert answer.answer or any(rrset.rdtype == dns.rdatatype.SOA for rrset in answer.authority)


def bad(running: Running, manners: Manners) -> tuple[str, int]:
    return asyncio.run_coroutine_threadsafe(running.lab.bad_resolver(manners), running.loop).result(10)


def test_a_resolver_that_strips_signatures(running: Running) -> None:
    server = bad(running, Manners(strip_signatures=True, claim_ad=True))
    message = ask(running, "dane.lab", "MX", server=server)
    assert types(message) == {"MX"}
    assert message.flags & dns.flags.AD


def test_a_resolver_that_invents_answers(running: Running) -> None:
    server = bad(running, Manners(invent_answers=True))
    message = ask(running, "nowhere.lab", "A", server=server)
    assert message.rcode() == dns.rcode.NOERROR
    assert types(message) == {"A"}
    assert ask(running, "nowhere.lab", "MX", server=server).answer == []


def test_a_resolver_without_tcp_and_one_without_edns(running: Running) -> None:
    with pytest.raises(OSError):  # noqa: PT011  the kind of refusal is the system's
        ask(running, "dane.lab", "MX", tcp=True, server=bad(running, Manners(no_tcp=True)))
    assert ask(running, "dane.lab", "MX", server=bad(running, Manners(no_edns=True))).edns == -1


def test_the_gateways_probe_finds_the_lab_fit_and_the_bad_resolver_unfit() -> None:
    async def probes() -> tuple[bool, bool, set[str]]:
        async with Lab(DEMO) as lab:
            good = Resolver(lab.resolver)
            stripping = Resolver(
                type(lab.resolver)(
                    servers=(await lab.bad_resolver(Manners(strip_signatures=True)),), anchors=lab.resolver.anchors
                )
            )
            try:
                fit, unfit = await good.probe(), await stripping.probe()
            finally:
                await good.close()
                await stripping.close()
            return fit.usable, unfit.usable, {finding.code for finding in unfit.findings}

    usable, unusable, codes = asyncio.run(probes())
    assert usable
    assert not unusable
    assert "rrsig-stripped" in codes


@given(st.binary(max_size=200))
def test_the_fuzz_target_takes_any_bytes(data: bytes) -> None:
    from fuzz.lab_nameserver import test_one_input as target

    target(data)
