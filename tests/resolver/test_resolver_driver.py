"""Caches, deadlines and the driving of look-ups."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.resolver.scripted_dns import NOW, Asked, ScriptedServer, SignedZone, Trick

from danelaw.dnsdata import Answer, Lookup, Question
from danelaw.resolver import (
    CacheLimits,
    LoadLimits,
    Resolver,
    ResolverMode,
    ResolverSettings,
    ResolverSettingsError,
    ResolverTimeouts,
    system_servers,
)
from danelaw.resolver.cache import BoundedCache, key_of
from danelaw.resolver.records import expanded, record_lines
from danelaw.resolver.transport import Transport
from danelaw.resolver.upstream import Upstream, plan
from danelaw.testing import FakeClock

T = TypeVar("T")
ZONE = SignedZone()
MX_A = Question.from_text("mx.example", "A")


def drive(
    use: Callable[[Resolver, ScriptedServer, FakeClock], Awaitable[T]], trick: Trick | None = None, **changes: Any
) -> T:
    async def main() -> T:
        clock = FakeClock(NOW)
        async with ScriptedServer(ZONE, trick) as server:
            timeouts = ResolverTimeouts(stagger=0.1, query=1.0, lookup=2.0, run=3.0)
            values: dict[str, Any] = {"servers": (server.address,), "anchors": ZONE.anchors, "timeouts": timeouts}
            async with Resolver(ResolverSettings(**(values | changes)), clock=clock) as resolver:
                return await use(resolver, server, clock)

    return asyncio.run(main())


def test_cached_answers_until_the_ttl_is_over() -> None:
    async def use(resolver: Resolver, server: ScriptedServer, clock: FakeClock) -> None:
        assert resolver.cached(MX_A) is None
        answer = await resolver.ask(MX_A)
        assert resolver.cached(MX_A) is answer
        assert answer.expires == NOW + 600
        clock.advance(599)
        asked = len(server.asked)
        assert await resolver.ask(MX_A) is answer
        assert len(server.asked) == asked
        clock.advance(1)
        assert resolver.cached(MX_A) is None
        assert (await resolver.ask(MX_A)).secure
        assert len(server.asked) > asked
        resolver.forget()
        assert resolver.cached(MX_A) is None

    drive(use)


@pytest.mark.parametrize(
    ("name", "seconds"), [("mx.example", 100), ("absent.example", 50), ("short.example", 0), ("alias.example", 100)]
)
def test_ttls_are_capped_and_zero_is_not_kept(name: str, seconds: int) -> None:
    async def use(resolver: Resolver, server: ScriptedServer, clock: FakeClock) -> None:
        answer = await resolver.ask(Question.from_text(name, "A"))
        assert answer.secure
        assert answer.expires - NOW == seconds
        assert (resolver.cached(answer.question) is None) is (seconds == 0)

    drive(use, cache=CacheLimits(max_ttl=100, max_negative_ttl=50))


def test_an_answer_made_of_an_old_response_does_not_live_twice_as_long() -> None:
    async def use(resolver: Resolver, server: ScriptedServer, clock: FakeClock) -> None:
        await resolver.ask(MX_A)
        clock.advance(400)
        resolver._answers.clear()
        assert (await resolver.ask(MX_A)).expires == NOW + 600

    drive(use)


def batches(*names: str) -> Lookup[list[Answer]]:
    found: list[Answer] = []
    for name in names:
        found.extend((yield (Question.from_text(name, "A"), Question.from_text(name, "AAAA"))))
    return found


def test_a_batch_is_asked_at_once_and_answered_in_order() -> None:
    async def use(resolver: Resolver, server: ScriptedServer, clock: FakeClock) -> None:
        answers = await resolver.run(batches("mx.example", "absent.example"))
        assert [str(answer.question) for answer in answers] == [
            "mx.example. A",
            "mx.example. AAAA",
            "absent.example. A",
            "absent.example. AAAA",
        ]
        assert all(answer.secure for answer in answers)
        misses = resolver.counts.misses
        assert await resolver.run(batches("mx.example", "absent.example")) == answers
        assert resolver.counts.misses == misses

    drive(use)


def test_a_lookup_past_its_time_is_answered_with_failures() -> None:
    async def use(resolver: Resolver, server: ScriptedServer, clock: FakeClock) -> None:
        answers = await resolver.run(batches("mx.example", "absent.example"))
        assert all(answer.failed for answer in answers)

    drive(use, lambda asked: None, timeouts=ResolverTimeouts(stagger=0.05, query=1.0, lookup=1.0, run=0.1))


def test_a_lookup_that_asks_too_much_is_answered_with_failures_and_then_stopped() -> None:
    async def use(resolver: Resolver, server: ScriptedServer, clock: FakeClock) -> None:
        answers = await resolver.run(batches("mx.example", "absent.example", "mx.example"))
        assert [answer.failed for answer in answers] == [False] * 2 + [True] * 2 + [False] * 2
        with pytest.raises(RuntimeError, match="used up"):
            await resolver.run(batches(*["mx.example"] * 20))

    drive(use, load=LoadLimits(questions=3))


def test_an_exception_of_the_lookup_itself_is_not_swallowed() -> None:
    def broken() -> Lookup[None]:
        yield (MX_A,)
        raise KeyError("a bug")

    async def use(resolver: Resolver, server: ScriptedServer, clock: FakeClock) -> None:
        with pytest.raises(KeyError, match="a bug"):
            await resolver.run(broken())

    drive(use)


def test_a_cancelled_waiter_does_not_take_the_others_with_it() -> None:
    async def use(resolver: Resolver, server: ScriptedServer, clock: FakeClock) -> None:
        first, second = asyncio.create_task(resolver.ask(MX_A)), asyncio.create_task(resolver.ask(MX_A))
        while not server.asked:
            await asyncio.sleep(0)
        first.cancel()
        assert (await second).secure
        with pytest.raises(asyncio.CancelledError):
            await first

    drive(use)


def test_rolled_keys_are_found_by_asking_again_past_every_cache() -> None:
    async def use(resolver: Resolver, server: ScriptedServer, clock: FakeClock) -> None:
        assert (await resolver.ask(MX_A)).secure
        reply_key = Question.from_text(".", "DNSKEY")
        assert resolver._fetcher.expires(reply_key) is not None
        server.trick = _with_signatures_stripped_from_a
        bogus = await resolver.ask(Question.from_text("a.root.test", "A"))
        assert bogus.failed
        server.trick = Asked.honest
        clock.advance(10)
        assert (await resolver.ask(Question.from_text("a.root.test", "A"))).secure

    drive(use)


def _with_signatures_stripped_from_a(asked: Asked) -> bytes:
    reply = asked.reply()
    if asked.rdtype == dns.rdatatype.A:
        reply.answer = [rrset for rrset in reply.answer if rrset.rdtype != dns.rdatatype.RRSIG]
    return reply.to_wire()


def test_probing_repeats_until_cancelled() -> None:
    async def use(resolver: Resolver, server: ScriptedServer, clock: FakeClock) -> None:
        reports: list[object] = []
        enough = asyncio.Event()

        def note(report: object) -> None:
            reports.append(report)
            if len(reports) == 2:
                enough.set()

        task = asyncio.create_task(resolver.keep_probing(0.0, note))
        await enough.wait()
        task.cancel()
        assert len(reports) >= 2

    drive(use)


def test_expanded_answers_show_the_alias_records() -> None:
    async def use(resolver: Resolver, server: ScriptedServer, clock: FakeClock) -> list[str]:
        return record_lines(expanded(await resolver.ask(Question.from_text("alias.example", "A"))))

    assert drive(use) == ["alias.example. 300 IN CNAME mx.example.", "mx.example. 600 IN A 192.0.2.10"]


def test_the_cache_drops_the_least_recently_used() -> None:
    cache: BoundedCache[str] = BoundedCache(2, 1000)
    cache.put("a", "A", expires=10, size=1)
    cache.put("b", "B", expires=10, size=1)
    assert cache.get("a", 0) == "A"
    cache.put("c", "C", expires=10, size=1)
    assert [cache.get(key, 0) for key in "abc"] == ["A", None, "C"]
    assert cache.get("a", 10) is None
    assert cache.expires("c") == 10


def test_shared_parts_count_once_and_the_bound_holds() -> None:
    cache: BoundedCache[int] = BoundedCache(100, 1000)
    for number in range(20):
        cache.put(number, number, expires=1, size=10, parts=(b"k" * 500, b"%d" % number))
    assert len(cache) == 20
    assert cache.size == 500 + 20 * 10 + sum(len(b"%d" % number) for number in range(20))
    cache.put("huge", 1, expires=1, size=2000)
    assert cache.get("huge", 0) is None
    for number in range(20):
        cache.drop(number)
    assert (len(cache), cache.size) == (0, 0)


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 40), st.lists(st.binary(max_size=30), max_size=3), st.booleans()),
        max_size=60,
    )
)
def test_the_accounts_of_the_cache_balance(steps: list[tuple[int, int, list[bytes], bool]]) -> None:
    cache: BoundedCache[int] = BoundedCache(4, 120)
    for key, size, parts, dropped in steps:
        if dropped:
            cache.drop(key)
        else:
            cache.put(key, key, expires=1, size=size, parts=tuple(parts))
        assert len(cache) <= 4
        assert 0 <= cache.size <= 120
    cache.clear()
    assert cache.size == 0


def test_keys_tell_types_apart() -> None:
    assert key_of(MX_A) != key_of(Question.from_text("mx.example", "AAAA"))
    assert key_of(MX_A) == key_of(Question.from_text("mx.example", "A"))


def test_attempts_prefer_the_healthy_and_end_with_the_one_to_avoid() -> None:
    first, second = Upstream(("127.0.0.1", 53)), Upstream(("::1", 53))
    tlsa = dns.rdatatype.TLSA
    assert (first.name, second.name) == ("127.0.0.1:53", "[::1]:53")
    assert [(step[0], step[1]) for step in plan((first, second), tlsa, 0.0)][:4] == [
        (first, Transport.UDP),
        (second, Transport.UDP),
        (first, Transport.TCP),
        (second, Transport.TCP),
    ]
    first.failed(0.0)
    assert next(plan((first, second), tlsa, 0.0))[0] is first
    first.failed(0.0)
    assert next(plan((first, second), tlsa, 0.0))[0] is second
    assert next(plan((first, second), tlsa, 3600.0))[0] is first
    first.succeeded(Transport.UDP, tlsa)
    assert next(plan((first, second), tlsa, 0.0))[0] is first
    assert next(plan((first, second), tlsa, 0.0, last=first))[0] is second


def test_silence_over_udp_for_one_type_is_remembered_for_that_type() -> None:
    upstream = Upstream(("127.0.0.1", 53))
    for _ in range(2):
        upstream.udp_silent(dns.rdatatype.TLSA, 0.0)
    assert upstream.first_transport(dns.rdatatype.TLSA, 1.0) is Transport.TCP
    assert upstream.first_transport(dns.rdatatype.A, 1.0) is Transport.UDP
    assert upstream.first_transport(dns.rdatatype.TLSA, 10_000.0) is Transport.UDP


@pytest.mark.parametrize(
    ("servers", "mode", "word"),
    [
        ((), ResolverMode.VALIDATE, "no name server"),
        ((("ns.example", 53),), ResolverMode.VALIDATE, "not an IP address"),
        ((("127.0.0.1", 0),), ResolverMode.VALIDATE, "not a port"),
        ((("192.0.2.1", 53),), ResolverMode.TRUST_AD, "anybody between"),
        ((("127.0.0.1", 53), ("2001:db8::1", 53)), ResolverMode.TRUST_AD, "anybody between"),
    ],
)
def test_impossible_settings_are_refused(servers: tuple[tuple[str, int], ...], mode: ResolverMode, word: str) -> None:
    with pytest.raises(ResolverSettingsError, match=word) as caught:
        ResolverSettings(servers=servers, mode=mode)
    assert caught.value.advice


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 192.0.2.1\n# nameserver 192.0.2.9\nnameserver 2001:db8::1\n", ["192.0.2.1", "2001:db8::1"]),
        ("nameserver fe80::1%eth0\nnameserver 192.0.2.1\nnameserver 192.0.2.1\n", ["fe80::1%eth0", "192.0.2.1"]),
        ("nameserver\nnameserver ns.example\noptions edns0\n", ["127.0.0.1"]),
        ("", ["127.0.0.1"]),
    ],
)
def test_system_servers(tmp_path: Path, text: str, servers: list[str]) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(text)
    assert system_servers(file) == tuple((server, 53) for server in servers)


def test_system_without_resolv_conf_asks_itself(tmp_path: Path) -> None:
    assert system_servers(tmp_path / "absent") == (("127.0.0.1", 53),)
