"""The memory of MTA-STS policies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from danelaw.address import Domain
from danelaw.dnsdata import DNSSECStatus
from danelaw.errors import DanelawError
from danelaw.mtasts import PolicyError, PolicyMode
from danelaw.state import StateDatabase, STSStore
from danelaw.testing import FakeDNS, FakeResolver

NOW = 1_790_000_000.0
DAY = 86_400.0
DOMAIN = Domain("example.org")
TXT = '_mta-sts.example.org. TXT "v=STSv1; id=20261101;"'


def document(mode: str = "enforce", max_age: int = 604_800, mx: str = "mx.example.org") -> bytes:
    return f"version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: {max_age}\r\n".encode()


class Unfetchable(DanelawError):
    tlsrpt = "sts-webpki-invalid"


class Web:
    """Policy hosts of the world; `error` makes every fetch fail, `hold` makes it wait."""

    def __init__(self, body: bytes = document()) -> None:
        self.body = body
        self.error: DanelawError | None = None
        self.hold: asyncio.Event | None = None
        self.asked: list[Domain] = []

    async def __call__(self, domain: Domain) -> bytes:
        self.asked.append(domain)
        if self.hold is not None:
            await self.hold.wait()
        if self.error is not None:
            raise self.error
        return self.body


def tell(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(_run(story), 20))


async def _run(story: Callable[[], Awaitable[None]]) -> None:
    await story()


def dns(text: str = TXT) -> FakeDNS:
    return FakeDNS(insecure=f"example.org. A 192.0.2.1\n{text}", now=NOW)


def open_store(path: Path, dns: FakeDNS, web: Web, *, wait_on_txt_error: bool = False) -> STSStore:
    database = StateDatabase(path / "state.db")
    return STSStore(database, FakeResolver(dns), web, wait_on_txt_error=wait_on_txt_error)


def test_first_use_waits_for_the_policy_and_remembers_it(tmp_path: Path) -> None:
    web = Web()

    async def story() -> None:
        first = await open_store(tmp_path, dns(), web).state_for(DOMAIN, NOW)
        assert first.policy is not None
        assert first.policy.mode is PolicyMode.ENFORCE
        assert not first.from_cache
        assert first.id == "20261101"
        assert first.expires == NOW + 604_800
        assert first.fresh_until == NOW + 300
        # A restart, and an attacker who hides the TXT record, makes it fail, or stops HTTPS.
        web.error = Unfetchable("certificate for another name")
        hidden = [
            dns(""),
            dns().fail("_mta-sts.example.org", DNSSECStatus.BOGUS),
            dns(),
            dns(TXT + "\n" + TXT.replace("20261101", "2")),
        ]
        for world in hidden:
            again = await open_store(tmp_path, world, web).state_for(DOMAIN, NOW + 6 * DAY)
            assert again.policy == first.policy, again.note
        ended = await open_store(tmp_path, dns(""), web).state_for(DOMAIN, NOW + 7 * DAY + 1)
        assert ended.policy is None

    tell(story)


def test_twins_share_one_fetch(tmp_path: Path) -> None:
    web = Web()

    async def story() -> None:
        web.hold = asyncio.Event()
        store = open_store(tmp_path, dns(), web)
        tasks = [asyncio.create_task(store.state_for(DOMAIN, NOW)) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        web.hold.set()
        states = await asyncio.gather(*tasks)
        assert len(web.asked) == 1
        assert all(state.policy == states[0].policy and state.policy is not None for state in states)

    tell(story)


def test_a_failed_fetch_rests_for_five_minutes(tmp_path: Path) -> None:
    web = Web()
    web.error = Unfetchable("certificate for another name")
    told: list[str] = []

    async def story() -> None:
        store = STSStore(
            StateDatabase(tmp_path / "state.db"),
            FakeResolver(dns()),
            web,
            on_trouble=lambda domain, words: told.append(f"{domain}: {words}"),
        )
        failed = await store.state_for(DOMAIN, NOW)
        assert failed.policy is None
        assert failed.error == "sts-webpki-invalid"
        assert "another name" in failed.note
        web.error = None
        resting = await store.state_for(DOMAIN, NOW + 299)
        assert resting.policy is None
        assert len(web.asked) == 1
        assert (await store.state_for(DOMAIN, NOW + 301)).policy is not None
        assert len(web.asked) == 2
        assert store.known(DOMAIN)[1] is None

    tell(story)
    assert len(told) == 1
    assert "another name" in told[0]


def test_an_invalid_document_does_not_replace_a_policy(tmp_path: Path) -> None:
    web = Web()

    async def story() -> None:
        before = await open_store(tmp_path, dns(), web).state_for(DOMAIN, NOW)
        web.body = b"<html>404</html>"
        changed = dns('_mta-sts.example.org. TXT "v=STSv1; id=2;"')
        after = await open_store(tmp_path, changed, web).state_for(DOMAIN, NOW + 60)
        assert after.policy == before.policy
        assert len(web.asked) == 2

    tell(story)


def test_a_new_id_is_fetched_at_once_and_recheck_says_so(tmp_path: Path) -> None:
    web = Web()

    async def story() -> None:
        store = open_store(tmp_path, dns(), web)
        await store.state_for(DOMAIN, NOW)
        assert not await store.recheck(DOMAIN, NOW + 60)
        web.body = document("none", 86_400)
        store = open_store(tmp_path, dns('_mta-sts.example.org. TXT "v=STSv1; id=2;"'), web)
        assert await store.recheck(DOMAIN, NOW + 60)
        cached, _ = store.known(DOMAIN)
        assert cached is not None
        assert cached.policy.mode is PolicyMode.NONE
        assert cached.id == "2"

    tell(story)


def test_a_day_old_policy_is_refreshed_behind_the_mail(tmp_path: Path) -> None:
    web = Web()

    async def story() -> None:
        store = open_store(tmp_path, dns(), web)
        await store.state_for(DOMAIN, NOW)
        web.hold = asyncio.Event()
        web.body = document("testing")
        later = NOW + 1.5 * DAY
        used = await store.state_for(DOMAIN, later)
        assert used.from_cache
        assert used.policy is not None
        assert used.policy.mode is PolicyMode.ENFORCE
        web.hold.set()
        while len(web.asked) < 2 or store._running:
            await asyncio.sleep(0)
        fresh = await store.state_for(DOMAIN, later)
        assert fresh.policy is not None
        assert fresh.policy.mode is PolicyMode.TESTING
        assert fresh.expires == later + 604_800
        assert len(web.asked) == 2

    tell(story)


@pytest.mark.parametrize("defer", [False, True])
def test_unknown_is_no_absence_and_waiting_is_a_setting(tmp_path: Path, defer: bool) -> None:
    async def story() -> None:
        world = dns().fail("_mta-sts.example.org", DNSSECStatus.BOGUS)
        store = open_store(tmp_path, world, Web(), wait_on_txt_error=defer)
        state = await store.state_for(DOMAIN, NOW)
        assert state.policy is None
        assert state.wait is defer
        assert "unknown" in state.note
        assert state.fresh_until == NOW + 30

    tell(story)


def test_a_full_disk_costs_the_memory_and_not_the_protection(tmp_path: Path) -> None:
    told: list[str] = []

    async def story() -> None:
        StateDatabase(tmp_path / "state.db").close()
        database = StateDatabase(tmp_path / "state.db", read_only=True)
        store = STSStore(database, FakeResolver(dns()), Web(), on_trouble=lambda domain, words: told.append(words))
        assert (await store.state_for(DOMAIN, NOW)).policy is not None
        assert (await store.state_for(DOMAIN, NOW + 60)).from_cache

    tell(story)
    assert "only until the next restart" in told[0]


def test_seed_takes_valid_policies_only(tmp_path: Path) -> None:
    store = open_store(tmp_path, dns(), Web())
    store.seed(DOMAIN, document().decode(), "last-week", NOW - 7 * DAY + 10)
    cached, _ = store.known(DOMAIN)
    assert cached is not None
    assert cached.expires == NOW + 10
    with pytest.raises(PolicyError):
        store.seed(DOMAIN, "mode: enforce", "x", NOW)


def test_closing_ends_a_fetch_that_hangs(tmp_path: Path) -> None:
    web = Web()

    async def story() -> None:
        web.hold = asyncio.Event()
        store = open_store(tmp_path, dns(), web)
        waiting = asyncio.create_task(store.state_for(DOMAIN, NOW))
        while not web.asked:
            await asyncio.sleep(0)
        await store.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    tell(story)


@pytest.mark.parametrize(
    ("result_type", "unknown"), [("sts-policy-fetch-error", True), ("sts-webpki-invalid", False), (None, False)]
)
def test_a_policy_host_that_cannot_be_reached_leaves_it_unknown(
    tmp_path: Path, result_type: str | None, unknown: bool
) -> None:
    """The network hid it; a wrong certificate or document is the domain's own fault (RFC 8460 §4.3.2.1)."""
    web = Web()
    if result_type is not None:
        error = Unfetchable("no answer")
        error.tlsrpt = result_type
        web.error = error

    async def story() -> None:
        state = await STSStore(StateDatabase(tmp_path / "state.db"), FakeResolver(dns()), web).state_for(DOMAIN, NOW)
        assert (state.unknown, state.error) == (unknown, result_type)

    tell(story)


def test_a_failed_txt_look_up_leaves_it_unknown_unless_a_policy_is_remembered(tmp_path: Path) -> None:
    async def story() -> None:
        database = StateDatabase(tmp_path / "state.db")
        failing = FakeResolver(dns().fail("_mta-sts.example.org TXT"))
        assert (await STSStore(database, failing, Web()).state_for(DOMAIN, NOW)).unknown
        await STSStore(database, FakeResolver(dns()), Web()).state_for(DOMAIN, NOW)
        remembered = await STSStore(database, failing, Web()).state_for(DOMAIN, NOW + 1)
        assert remembered.policy is not None
        assert not remembered.unknown

    tell(story)


@pytest.mark.parametrize(("mode", "alerts"), [("none", 0), ("testing", 1), ("enforce", 1)])
def test_a_failed_refresh_is_told_unless_the_policy_asks_for_nothing(tmp_path: Path, mode: str, alerts: int) -> None:
    told: list[str] = []
    web = Web(document(mode))

    async def story() -> None:
        database = StateDatabase(tmp_path / "state.db")
        store = STSStore(database, FakeResolver(dns()), web, on_trouble=lambda domain, words: told.append(words))
        await store.state_for(DOMAIN, NOW)
        web.error = Unfetchable("no answer")
        await store.state_for(DOMAIN, NOW + 1.5 * DAY)
        while store._running:
            await asyncio.sleep(0)

    tell(story)
    assert len(web.asked) == 2
    assert len(told) == alerts
