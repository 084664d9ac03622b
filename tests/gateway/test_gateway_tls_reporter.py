"""Who sends TLS reports: several processes each a part of them, and none for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.dkim.dkim_samples import ed25519_key
from tests.ends import Running, Sink, gateway, run

from danelaw.gateway.tls_counting import TLSCounting
from danelaw.gateway.tls_reporter import GIVE_UP_SECONDS, GRACE_SECONDS, SPREAD_SECONDS, TLSReporter
from danelaw.state import ReportsDatabase, TLSGatheringStore
from danelaw.state.tls_gathering import DAY, TLSKey
from danelaw.testing import FakeDNS, FakeResolver
from danelaw.tlsreport import PolicyType, ReportedPolicy

SECTION = """
[reports]
tls_send = true
dkim_domain = "gw.test"
dkim_selector = "r"
dkim_key = "{key}"
"""
BEGIN = 20_700 * DAY
DOMAINS = [f"d{number}.test" for number in range(25)]


@dataclass(slots=True)
class Clock:
    """A clock that is set."""

    now: float = BEGIN + 100.0

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def world(tmp_path: Path) -> AsyncIterator[tuple[Running, TLSCounting, Sink, Clock]]:
    """A gateway with a day of counts for many domains, all of which want reports at one place."""
    key = tmp_path / "dkim.key"
    key.write_bytes(ed25519_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    records = [f'_smtp._tls.{domain}. TXT "v=TLSRPTv1; rua=mailto:rua@collector.test"' for domain in DOMAINS]
    clock = Clock()
    async with (
        Sink() as sink,
        gateway(tmp_path / "g", sink.smarthost + SECTION.format(key=key), clock=clock) as running,
    ):
        parts = running.gateway.parts
        real, parts.resolver = parts.resolver, FakeResolver(FakeDNS("\n".join(records)))  # type: ignore[assignment]
        counting = parts.counting
        assert counting is not None
        with contextlib.closing(ReportsDatabase(counting.path)) as database:
            keys = {TLSKey(BEGIN, ReportedPolicy(PolicyType.NONE, domain), None): 1 for domain in DOMAINS}
            TLSGatheringStore(database).gather(keys)
        try:
            yield running, counting, sink, clock
        finally:
            parts.resolver = real


@pytest.fixture(autouse=True)
def _only_looks_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    async def idle(self: TLSReporter) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(TLSReporter, "keep", idle)


def outcomes(counting: TLSCounting) -> list[str]:
    with contextlib.closing(ReportsDatabase(counting.path)) as database:
        return [one.outcome for one in TLSGatheringStore(database).reports()]


def test_reports_go_at_moments_of_their_own_and_to_one_process_each(tmp_path: Path) -> None:
    async def play() -> None:
        async with world(tmp_path) as (running, counting, sink, clock):
            reporters = [TLSReporter(running.gateway, counting) for _ in range(3)]
            clock.now = BEGIN + DAY + GRACE_SECONDS - 1
            await reporters[0].look()
            assert outcomes(counting) == []
            clock.now = BEGIN + DAY + GRACE_SECONDS + SPREAD_SECONDS / 2
            await asyncio.gather(*(one.look() for one in reporters))
            early = len([one for one in outcomes(counting) if one])
            assert 0 < early < len(DOMAINS)
            clock.now += SPREAD_SECONDS
            await asyncio.gather(*(one.look() for one in reporters))
            assert all(one.startswith("sent to rua@collector.test as ") for one in outcomes(counting))
            taken = await sink.messages(len(DOMAINS))
            await asyncio.gather(*(one.look() for one in reporters))
            subjects = {one.data.partition(b"TLS-Report-Domain: ")[2].partition(b"\r\n")[0].decode() for one in taken}
            assert subjects == set(DOMAINS)
            assert len(sink.taken) == len(DOMAINS)

    run(play())


def test_what_goes_wrong_each_time_ends_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*arguments: object) -> None:
        raise RuntimeError("nobody thought of this")

    async def play() -> None:
        async with world(tmp_path) as (running, counting, _, clock):
            monkeypatch.setattr(TLSReporter, "_report", broken)
            reporter = TLSReporter(running.gateway, counting)
            clock.now = BEGIN + DAY + GRACE_SECONDS + SPREAD_SECONDS
            await reporter.look()
            assert set(outcomes(counting)) == {""}
            assert running.lines("tls-report-broken")
            clock.now += GIVE_UP_SECONDS
            await reporter.look()
            assert set(outcomes(counting)) == {"given up: nobody thought of this"}

    run(play())
