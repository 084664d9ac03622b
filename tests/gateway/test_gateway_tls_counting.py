"""Counting of sessions for TLS reports: what is left out, and what strangers cannot make of our memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from pathlib import Path

import pytest
from tests.dkim.dkim_samples import ed25519_key

from danelaw.address import Domain
from danelaw.config import loads
from danelaw.dkim import PrivateKey, SigningKey
from danelaw.errors import DanelawError
from danelaw.gateway import tls_counting
from danelaw.gateway.tls_counting import KIND, TLSCounting
from danelaw.queue import QueuedMessage, QueuedRecipient, RoutingKey
from danelaw.state import ReportsDatabase, TLSGatheringStore
from danelaw.state.tls_gathering import DAY
from danelaw.telemetry import Log, Metrics
from danelaw.tlspolicy import Handshake, Judgement, Protection, StartTLSOutcome, TLSRPTResult

HOST, DOMAIN = Domain("mx.example.org"), Domain("example.org")
NOW = 20_000.0 * DAY + 100.0
MESSAGE = QueuedMessage(
    1, 0.0, 0.0, "a@b.example", (QueuedRecipient(0, "c@example.org", RoutingKey("example.org")),), 10,
    client_address="192.0.2.7", client_helo=KIND,
)  # fmt: skip
GOOD = TLSRPTResult("sts", DOMAIN)


def counting(tmp_path: Path, more: str = "") -> TLSCounting:
    config = loads(f'hostname = "gw.example"\n[spool]\ndirectory = "{tmp_path}"\n[reports]\n{more}')
    key = SigningKey(Domain("gw.example"), "k", PrivateKey.from_key(ed25519_key()))
    return TLSCounting(config, Log.in_memory()[0], Metrics(), key)


def judged(*results: TLSRPTResult) -> Judgement:
    return Judgement(HOST, "192.0.2.1", None, Protection.NOTHING_SENT, "why", tlsrpt=results)


def shaken(helo: str = "mx.example.org") -> Handshake:
    return Handshake(HOST, "192.0.2.1", 25, 1, StartTLSOutcome.FAILED, local="192.0.2.9", helo=helo)


def written(one: TLSCounting) -> dict[str, tuple[int, int]]:
    asyncio.run(one.flush())
    with contextlib.closing(ReportsDatabase(one.path)) as database:
        found = TLSGatheringStore(database).gathered()
    return {item.domain: (item.successful, item.failed) for item in found}


def test_both_results_of_a_session_count_each_where_it_belongs(tmp_path: Path) -> None:
    one = counting(tmp_path)
    stale = TLSRPTResult("tlsa", HOST, "tlsa-invalid", "key a shown, b published")
    for _ in range(3):
        one(judged(stale, GOOD), shaken(), MESSAGE, NOW)
    assert written(one) == {"mx.example.org": (0, 3), "example.org": (3, 0)}
    with contextlib.closing(ReportsDatabase(one.path)) as database:
        (result,) = TLSGatheringStore(database).results(20_000 * DAY, "mx.example.org")
    (failure,) = result.failures
    assert (failure.count, failure.sending_mta_ip, failure.receiving_ip, failure.receiving_mx_helo) == (
        3, "192.0.2.9", "192.0.2.1", "mx.example.org",
    )  # fmt: skip


def test_our_own_reports_do_not_count_and_whoever_calls_himself_so_does(tmp_path: Path) -> None:
    one = counting(tmp_path)
    report = QueuedMessage(2, 0.0, 0.0, "", MESSAGE.recipients, 10, client_helo=KIND)
    one(judged(GOOD), shaken(), report, NOW)
    assert written(one) == {}
    one(judged(GOOD), shaken(), MESSAGE, NOW)
    assert written(one) == {"example.org": (1, 0)}


def test_domains_that_are_never_told_are_not_counted(tmp_path: Path) -> None:
    one = counting(tmp_path, 'never = [".example.org"]')
    one(judged(TLSRPTResult("tlsa", HOST), TLSRPTResult("sts", Domain("example.com"))), shaken(), MESSAGE, NOW)
    assert written(one) == {"example.com": (1, 0)}


def test_a_server_that_is_another_each_time_takes_little_memory_and_counts_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_counting, "_MOST_PENDING", 50)
    one = counting(tmp_path)
    for number in range(1000):
        failed = TLSRPTResult("sts", DOMAIN, "validation-failure", f"reason {number}")
        one(judged(failed), shaken(f"mx{number}.example"), MESSAGE, NOW)
    assert len(one._counted) == 51
    for number in range(1000):
        one(judged(TLSRPTResult("sts", Domain(f"d{number}.example"))), shaken(), MESSAGE, NOW)
    assert len(one._counted) == 100
    assert written(one)["example.org"] == (0, 1000)


def test_a_disk_that_stays_full_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = counting(tmp_path)
    tries = 0

    def full(self: TLSGatheringStore, counted: Counter[object]) -> int:
        nonlocal tries
        tries += 1
        for number in range(100):  # sessions go on while a batch is written
            one(judged(TLSRPTResult("sts", Domain(f"d{tries}-{number}.example"))), shaken(), MESSAGE, NOW)
        raise DanelawError("disk full")

    monkeypatch.setattr(tls_counting, "_MOST_PENDING", 50)
    one(judged(GOOD), shaken(), MESSAGE, NOW)
    with monkeypatch.context() as disk:
        disk.setattr(TLSGatheringStore, "gather", full)
        for _ in range(5):
            assert written(one) == {}
            assert len(one._counted) <= 100
    assert len(written(one)) == 100


def test_what_cannot_be_written_is_kept_for_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = counting(tmp_path)
    usual = TLSGatheringStore.gather

    def full(self: TLSGatheringStore, counted: Counter[object]) -> int:
        raise DanelawError("disk full")

    monkeypatch.setattr(TLSGatheringStore, "gather", full)
    one(judged(GOOD), shaken(), MESSAGE, NOW)
    assert written(one) == {}
    monkeypatch.setattr(TLSGatheringStore, "gather", usual)
    one(judged(GOOD), shaken(), MESSAGE, NOW + DAY)
    assert written(one) == {"example.org": (1, 0)}
    one.close()
    with contextlib.closing(ReportsDatabase(one.path)) as database:
        assert len(TLSGatheringStore(database).gathered()) == 2
