"""The stub against a scripted server on real sockets: every way a network can be bad."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from tests.resolver.scripted_dns import NOW, Asked, ScriptedServer, SignedZone, Trick

from danelaw.dnsdata import Answer, DNSSECStatus, Question
from danelaw.resolver import CacheLimits, LoadLimits, Resolver, ResolverSettings, ResolverTimeouts

T = TypeVar("T")
ZONE = SignedZone()
QUICK = ResolverTimeouts(stagger=0.05, query=2.0, lookup=4.0, run=6.0)
MX_A = Question.from_text("mx.example", "A")
TLSA = Question.from_text("_25._tcp.mx.example", "TLSA")


def settings(*servers: ScriptedServer, **changes: Any) -> ResolverSettings:
    values: dict[str, Any] = {"anchors": ZONE.anchors, "timeouts": QUICK}
    return ResolverSettings(servers=tuple(server.address for server in servers), **(values | changes))


def resolver_of(*servers: ScriptedServer) -> Resolver:
    return Resolver(settings(*servers), clock=lambda: float(NOW))


def with_server(trick: Trick | None, use: Callable[[Resolver, ScriptedServer], Awaitable[T]], **changes: Any) -> T:
    """Run `use` with a resolver that asks one scripted server."""

    async def main() -> T:
        async with (
            ScriptedServer(ZONE, trick) as server,
            Resolver(settings(server, **changes), clock=lambda: float(NOW)) as resolver,
        ):
            return await use(resolver, server)

    return asyncio.run(main())


async def just(resolver: Resolver, server: ScriptedServer, question: Question = MX_A) -> Answer:
    return await resolver.ask(question)


@pytest.mark.parametrize(
    ("name", "rdtype", "texts"),
    [
        ("mx.example", "A", ["192.0.2.10"]),
        ("example", "MX", ["10 mx.example."]),
        ("alias.example", "AAAA", ["2001:db8::10"]),
        ("mx.example", "TXT", []),
        ("absent.example", "A", []),
    ],
)
def test_honest_server_gives_secure_answers(name: str, rdtype: str, texts: list[str]) -> None:
    answer = with_server(None, lambda resolver, server: just(resolver, server, Question.from_text(name, rdtype)))
    assert answer.secure, answer.reason
    assert [record.to_text() for record in answer.records] == texts
    assert answer.nxdomain is (name == "absent.example")
    assert answer.evidence


def test_queries_carry_do_cd_rd_and_1232() -> None:
    async def use(resolver: Resolver, server: ScriptedServer) -> None:
        await resolver.ask(MX_A)
        for asked in server.asked:
            assert asked.message.flags == dns.flags.RD | dns.flags.CD
            assert asked.message.ednsflags == dns.flags.DO
            assert asked.message.payload == 1232

    with_server(None, use)


def test_ids_and_ports_differ_between_queries_in_flight() -> None:
    async def use(resolver: Resolver, server: ScriptedServer) -> None:
        questions = [Question.from_text(f"n{number}.example", "A") for number in range(100)]
        await asyncio.gather(*(resolver.ask(question) for question in questions))
        asked = [asked for asked in server.asked if asked.rdtype == dns.rdatatype.A]
        assert len({asked.message.id for asked in asked}) == len(asked) >= 100
        # UDP and TCP number their ports apart; on a slow machine many of these questions end on TCP.
        assert len({(asked.tcp, asked.port) for asked in asked}) == len(asked)

    with_server(None, use)


def test_truncated_answers_come_by_tcp() -> None:
    async def use(resolver: Resolver, server: ScriptedServer) -> None:
        answer = await resolver.ask(Question.from_text("big.example", "TXT"))
        assert answer.secure
        assert len(answer.records) == 20
        assert server.count(tcp=True, rdtype="TXT") == 1
        assert resolver.counts.truncated == 1

    with_server(None, use)


def strip_edns(asked: Asked) -> bytes:
    if asked.tcp:
        return asked.honest()
    reply = asked.reply()
    reply.use_edns(False)
    for section in (reply.answer, reply.authority):
        section[:] = [rrset for rrset in section if rrset.rdtype not in (dns.rdatatype.RRSIG, dns.rdatatype.NSEC)]
    return reply.to_wire(max_size=65535)


def test_stripped_edns_leads_to_tcp_and_is_remembered() -> None:
    async def use(resolver: Resolver, server: ScriptedServer) -> None:
        assert (await resolver.ask(MX_A)).secure
        before = server.count(tcp=False)
        assert (await resolver.ask(TLSA)).secure
        assert server.count(tcp=False) == before

    with_server(strip_edns, use)


def test_without_edns_and_without_tcp_what_came_is_judged_and_cannot_be_proved() -> None:
    async def main() -> None:
        async with ScriptedServer(ZONE, strip_edns, listen_tcp=False) as server, resolver_of(server) as resolver:
            for question in (MX_A, TLSA):
                answer = await resolver.ask(question)
                assert answer.status is DNSSECStatus.BOGUS, answer.reason
                assert answer.records == ()

    asyncio.run(main())


def test_a_type_dropped_over_udp_comes_by_tcp() -> None:
    def drop(asked: Asked) -> bytes | None:
        return None if asked.rdtype == dns.rdatatype.TLSA and not asked.tcp else asked.honest()

    answer = with_server(drop, lambda resolver, server: just(resolver, server, TLSA))
    assert answer.secure
    assert len(answer.records) == 1


def forge(asked: Asked, **changes: Any) -> bytes:
    reply = asked.reply()
    for name, value in changes.items():
        setattr(reply, name, value)
    return reply.to_wire(max_size=65535)


def wrong_question(asked: Asked) -> bytes:
    other = dns.message.make_query("evil.example", "A", use_edns=0, want_dnssec=True, id=asked.message.id)
    return asked.zone.answer(other).to_wire(max_size=65535)


@pytest.mark.parametrize(
    "stray",
    [
        lambda asked: forge(asked, id=asked.message.id ^ 1),
        wrong_question,
        lambda asked: asked.wire,
        lambda asked: b"",
        lambda asked: b"\x00" * 5,
        lambda asked: asked.message.id.to_bytes(2, "big") + b"\x84\x00" + b"\x00" * 8,
    ],
    ids=["wrong id", "wrong question", "own query echoed", "empty", "short", "no question"],
)
def test_stray_datagrams_before_the_answer_are_ignored(stray: Callable[[Asked], bytes]) -> None:
    def trick(asked: Asked) -> list[bytes] | bytes:
        return asked.honest() if asked.tcp else [stray(asked), asked.honest()]

    async def use(resolver: Resolver, server: ScriptedServer) -> None:
        assert (await resolver.ask(MX_A)).secure
        assert server.count(tcp=True) == 0

    with_server(trick, use)


def test_a_flood_of_guesses_leads_to_tcp() -> None:
    def flood(asked: Asked) -> list[bytes] | bytes:
        return asked.honest() if asked.tcp else [forge(asked, id=asked.message.id ^ 1)] * 20 + [asked.honest()]

    async def use(resolver: Resolver, server: ScriptedServer) -> None:
        assert (await resolver.ask(MX_A)).secure
        assert server.count(tcp=True) > 0

    with_server(flood, use)


def test_a_datagram_from_another_address_is_never_read() -> None:
    async def use(resolver: Resolver, server: ScriptedServer) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))

            async def from_elsewhere(asked: Asked) -> bytes | None:
                if asked.tcp:
                    return asked.honest()
                other.sendto(asked.error(dns.rcode.REFUSED), ("127.0.0.1", asked.port))
                await asyncio.sleep(0)
                return asked.honest()

            server.trick = from_elsewhere
            assert (await resolver.ask(MX_A)).secure
            assert server.count(tcp=True) == 0

    with_server(None, use)


@pytest.mark.parametrize(
    "garbage",
    [
        lambda asked: asked.honest()[:-7],
        lambda asked: asked.honest() + b"trailing",
        lambda asked: asked.wire[:2] + b"\x84\x00\x00\x01\xff\xff\xff\xff\xff\xff" + asked.wire[12:],
    ],
    ids=["cut", "trailing", "absurd counts"],
)
def test_an_unreadable_answer_is_a_failure_not_an_absence(garbage: Callable[[Asked], bytes]) -> None:
    answer = with_server(garbage, just)
    assert answer.failed
    assert answer.status is DNSSECStatus.INDETERMINATE
    assert not answer.nodata
    assert not answer.nxdomain


def test_garbage_by_udp_is_mended_by_tcp() -> None:
    assert with_server(lambda asked: asked.honest() if asked.tcp else asked.honest()[:-7], just).secure


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.FORMERR])
def test_an_error_is_a_failure(rcode: dns.rcode.Rcode) -> None:
    async def use(resolver: Resolver, server: ScriptedServer) -> None:
        answer = await resolver.ask(MX_A)
        assert answer.failed
        assert dns.rcode.to_text(rcode) in answer.reason
        assert len(server.asked) <= 8

    with_server(lambda asked: asked.error(rcode), use)


def test_silence_fails_within_the_deadline_and_says_who_was_silent() -> None:
    async def use(resolver: Resolver, server: ScriptedServer) -> None:
        answer = await resolver.ask(MX_A)
        assert answer.failed
        assert answer.status is DNSSECStatus.INDETERMINATE
        assert answer.ede == 22
        assert f"127.0.0.1:{server.address[1]}" in answer.reason

    with_server(lambda asked: None, use, timeouts=ResolverTimeouts(stagger=0.02, query=0.2, lookup=1.0))


def test_tcp_that_never_ends_is_left_behind() -> None:
    async def slow(asked: Asked) -> bytes | None:
        if asked.tcp:
            await asyncio.Event().wait()
        return strip_edns(asked)

    answer = with_server(slow, just, timeouts=ResolverTimeouts(stagger=0.02, query=0.3, lookup=1.0))
    assert answer.failed


async def closed_port() -> tuple[str, int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        address: tuple[str, int] = probe.getsockname()
        return address


def test_refused_connections_fail_at_once_with_the_reason() -> None:
    async def main() -> None:
        chosen = ResolverSettings(servers=(await closed_port(),), anchors=ZONE.anchors, timeouts=QUICK)
        async with Resolver(chosen, clock=lambda: float(NOW)) as resolver:
            answer = await resolver.ask(MX_A)
            assert answer.failed
            assert "refused" in answer.reason

    asyncio.run(main())


@pytest.mark.parametrize("trick", [lambda asked: None, lambda asked: asked.error(dns.rcode.SERVFAIL)])
def test_another_server_takes_over_and_the_bad_one_is_avoided(trick: Trick) -> None:
    async def main() -> None:
        async with ScriptedServer(ZONE, trick) as bad, ScriptedServer(ZONE) as good, resolver_of(bad, good) as resolver:
            assert (await resolver.ask(MX_A)).secure
            assert (await resolver.ask(TLSA)).secure
            assert (await resolver.ask(Question.from_text("example", "MX"))).secure
            silent = trick(bad.asked[0]) is None
            asked = len(bad.asked)
            assert (await resolver.ask(Question.from_text("new.example", "A"))).secure
            assert (len(bad.asked) == asked) is silent

    asyncio.run(main())


def strip_signatures(asked: Asked) -> bytes:
    reply = asked.reply()
    for section in (reply.answer, reply.authority):
        section[:] = [rrset for rrset in section if rrset.rdtype not in (dns.rdatatype.RRSIG, dns.rdatatype.NSEC)]
    return reply.to_wire(max_size=65535)


def test_stripped_signatures_never_become_insecure() -> None:
    answer = with_server(strip_signatures, just)
    assert answer.failed
    assert answer.records == ()


def test_of_two_servers_the_one_that_strips_signatures_does_no_harm() -> None:
    async def main() -> None:
        async with (
            ScriptedServer(ZONE, strip_signatures) as bad,
            ScriptedServer(ZONE) as good,
            resolver_of(bad, good) as resolver,
        ):
            answer = await resolver.ask(MX_A)
            assert answer.secure, answer.reason
            assert resolver.counts.retried == 1

    asyncio.run(main())


def test_equal_questions_share_one_flight() -> None:
    async def use(resolver: Resolver, server: ScriptedServer) -> None:
        answers = await asyncio.gather(*(resolver.ask(MX_A) for _ in range(50)))
        assert all(answer is answers[0] for answer in answers)
        assert server.count(tcp=False, rdtype="A") == 1

    with_server(None, use)


def test_too_many_lookups_fail_instead_of_piling_up() -> None:
    async def use(resolver: Resolver, server: ScriptedServer) -> None:
        questions = [Question.from_text(f"n{number}.example", "A") for number in range(6)]
        answers = await asyncio.gather(*(resolver.ask(question) for question in questions))
        assert [answer.failed for answer in answers] == [False] * 4 + [True] * 2
        assert "too many" in answers[-1].reason
        assert resolver.counts.refused == 2

    with_server(None, use, load=LoadLimits(pending=4, in_flight=2))


def test_close_answers_who_is_waiting() -> None:
    async def use(resolver: Resolver, server: ScriptedServer) -> None:
        waiting = asyncio.create_task(resolver.ask(MX_A))
        while not server.asked:
            await asyncio.sleep(0)
        await resolver.close()
        assert (await waiting).failed
        assert (await resolver.ask(TLSA)).failed

    with_server(lambda asked: None, use)


def test_failures_are_remembered_briefly_and_asked_again_after() -> None:
    async def main() -> None:
        now = [float(NOW)]
        async with ScriptedServer(ZONE, lambda asked: asked.error(dns.rcode.SERVFAIL)) as server:
            chosen = settings(server, cache=CacheLimits(failure_ttl=5.0))
            async with Resolver(chosen, clock=lambda: now[0]) as resolver:
                assert (await resolver.ask(MX_A)).failed
                asked = len(server.asked)
                assert (await resolver.ask(MX_A)).failed
                assert len(server.asked) == asked
                server.trick = Asked.honest
                now[0] += 6
                assert (await resolver.ask(MX_A)).secure

    asyncio.run(main())
