"""The operation `top`: what a running gateway says of itself over its control socket, and several of them as one."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.ends import Running, Sink, gateway, run, until

from danelaw.cli.control import ControlError, call
from danelaw.gateway import destinations
from danelaw.gateway.destinations import Destinations
from danelaw.gateway.history import History
from danelaw.gateway.snapshot import report, together
from danelaw.queue import HostVerdict, QueuedMessage, QueuedRecipient, RoutingKey, Scheduler
from danelaw.queue.pages import SchedulerSettings
from danelaw.resolver.counts import ResolverCounts
from danelaw.telemetry import Metrics

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_795_000_000.0


async def picture(running: Running, **arguments: Any) -> dict[str, Any]:
    found = await asyncio.to_thread(call, running.gateway.config.control_socket, "top", arguments)
    assert isinstance(found, dict)
    return found


def read_again(running: Running) -> None:
    """Take the reading of the next second now."""
    history = running.gateway.history
    history.take(asyncio.get_running_loop().time())


def test_what_came_and_went_is_in_the_picture(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            await picture(running)
            for number in range(3):
                await running.reaches(await running.send(f"r{number}@example.org"), "delivered")
            read_again(running)
            found = await picture(running)
            assert (found["in"]["total"], found["out"]["total"]) == (3, 3)
            assert sum(found["in"]["history"]) > 0
            assert found["out"]["per_second"] > 0
            assert found["outcomes"]["delivered"] == {"clear text": 3}
            assert found["timing"]["delivery"]["count"] == 3
            assert found["timing"]["commit"]["half_below"] is not None
            assert found["queue"]["under_way"] == 0
            assert found["listening"] == running.gateway.addresses
            assert found["workers"][0]["memory_octets"] > 1 << 20
            assert found["resolver"]["usable"] is (not found["resolver"]["findings"])

    run(play())


def test_a_destination_that_waits_says_why_and_until_when(tmp_path: Path) -> None:
    def answer(verb: str, line: str, connection: int) -> str | None:
        return "451 4.7.1 greylisted" if verb == "RCPT" else None

    async def play() -> None:
        async with Sink(answer) as sink, gateway(tmp_path, sink.smarthost) as running:
            message = await running.send("anna@example.org", "bob@example.org")
            await running.tried(message)
            await until(lambda: running.gateway.parts.engine.busy == 0, "no delivery under way")
            found = await picture(running)
            (row,) = found["destinations"]["rows"]
            assert row["next_hop"] == sink.hop
            assert row["waiting"] == 2
            assert "greylisted" in row["reason"]
            assert row["next_try"] > found["time"]
            assert row["oldest"] is not None
            assert found["destinations"]["waiting"] == 1
            assert (await picture(running, match="127.0"))["destinations"]["rows"]
            assert not (await picture(running, match="elsewhere"))["destinations"]["rows"]

    run(play())


def test_a_next_hop_that_is_down_sleeps_in_the_picture(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, '[delivery]\nnext_hop = "[127.0.0.1]:9"\n') as running:
            await running.tried(await running.send("anna@example.org"))
            await until(lambda: running.gateway.parts.engine.busy == 0, "no delivery under way")
            (row,) = (await picture(running))["destinations"]["rows"]
            assert row["asleep_until"] > NOW
            assert row["failures"] == 1
            assert row["reason"]

    run(play())


def test_limits_are_named_when_they_are_reached(tmp_path: Path) -> None:
    stuck = asyncio.Event()

    async def answer(verb: str, line: str, connection: int) -> str | None:
        if verb == "DOT":
            await stuck.wait()
        return None

    async def play() -> None:
        more = "connections = 1\n"
        async with Sink(answer) as sink, gateway(tmp_path, sink.smarthost + more) as running:
            assert (await picture(running))["limits"] == []
            for number in range(3):
                await running.send(f"r{number}@example.org")
            await until(lambda: running.gateway.parts.engine.scheduler.in_flight == 1, "one delivery under way")
            try:
                found = await picture(running, match="127")  # a match nobody has looked for yet is looked for at once
            finally:
                stuck.set()
            assert found["limits"] == [{"what": "deliveries at once", "used": 1, "of": 1}]
            assert found["queue"]["under_way"] == 1
            (row,) = found["destinations"]["rows"]
            assert (row["under_way"], row["limit"]) == (1, 1)
            assert row["limited"]
            await sink.messages(3)

    run(play())


@pytest.mark.parametrize("match", [3, ["a"], "x" * 300])
def test_a_match_that_is_no_name_is_refused(tmp_path: Path, match: object) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running:
            with pytest.raises(ControlError, match="match"):
                await picture(running, match=match)

    run(play())


def test_many_different_matches_leave_nothing_behind(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running:
            for number in range(20):
                assert (await picture(running, match=f"d{number}"))["destinations"]["rows"] == []

    run(play())


def test_the_schema_page_shows_every_field(tmp_path: Path) -> None:
    example = re.search(r"```json\n(.*?)```", (ROOT / "docs/schemas/top.md").read_text(), re.DOTALL)
    assert example is not None
    documented = json.loads(example[1])

    def compare(one: Any, other: Any, place: str) -> None:
        if isinstance(one, dict):
            assert isinstance(other, dict), place
            free = place.startswith("outcomes.")  # protections as they happened
            assert free or one.keys() == other.keys(), place
            for name in one.keys() & other.keys():
                compare(one[name], other[name], f"{place}.{name}" if place else name)
        elif isinstance(one, list) and one and other:
            compare(one[0], other[0], place + "[]")

    async def play() -> None:
        async with gateway(tmp_path, '[delivery]\nnext_hop = "[127.0.0.1]:9"\n') as running:
            await running.tried(await running.send("anna@example.org"))
            await until(lambda: running.gateway.parts.engine.busy == 0, "no delivery under way")
            compare(await picture(running), documented, "")

    run(play())


# several processes


def test_reports_of_several_processes_are_added(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path / "a", sink.smarthost) as one,
            gateway(tmp_path / "b", sink.smarthost) as other,
        ):
            for running, count in ((one, 2), (other, 3)):
                for number in range(count):
                    await running.reaches(await running.send(f"r{number}@example.org"), "delivered")
                read_again(running)
            reports = [await report(running.gateway, Destinations()) for running in (one, other)]
            found = together(reports)
            assert found["in"]["total"] == 5
            assert found["outcomes"]["delivered"] == {"clear text": 5}
            assert found["timing"]["delivery"]["count"] == 5
            assert len(found["workers"]) == 2
            assert found["listening"] == [*one.gateway.addresses, *other.gateway.addresses]
            assert found["outbound"]["slots"] == 400
            lengths = [len(item["history"]["history"]["received"]) for item in reports]
            assert len(found["in"]["history"]) == max(lengths)

    run(play())


def row(hop: str, **more: Any) -> dict[str, Any]:
    usual = {"next_hop": hop, "demand": "", "tenant": "", "job": "", "priority": "normal", "under_way": 1, "limit": 5,
             "limited": None, "per_second": 1.5, "waiting": 2, "oldest": None, "next_try": None, "asleep_until": None,
             "failures": 0, "reason": ""}  # fmt: skip
    return usual | more


def test_a_destination_of_two_processes_is_one_row(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running:
            whole = await report(running.gateway, Destinations())
            first = whole | {"destinations": {"known": 2, "waiting": 1, "rows": [
                row("a.example", oldest=10.0, next_try=50.0, reason="busy"), row("b.example")]}}  # fmt: skip
            other = whole | {"destinations": {"known": 1, "waiting": 1, "rows": [
                row("a.example", oldest=5.0, per_second=None, waiting=7, failures=2)]}}  # fmt: skip
            found = together([first, other])["destinations"]
            assert (found["known"], found["waiting"]) == (3, 2)
            assert [one["next_hop"] for one in found["rows"]] == ["a.example", "b.example"]
            merged = found["rows"][0]
            assert (merged["under_way"], merged["waiting"], merged["limit"]) == (2, 9, 10)
            assert (merged["oldest"], merged["next_try"], merged["per_second"]) == (5.0, 50.0, 1.5)
            assert (merged["failures"], merged["reason"]) == (2, "busy")

    run(play())


# rates


def test_rates_are_over_ten_seconds_and_the_history_over_two_minutes() -> None:
    metrics = Metrics()
    history = History(metrics, ResolverCounts())
    for second in range(200):
        history.take(float(second))
        metrics.inbound_messages.add(by=second % 2)  # every other second one
        if second >= 190:
            metrics.outbound_recipients.add("delivered", "DANE", by=2)
            metrics.outbound_recipients.add("waiting", "nothing sent")
    found = history.report(200.0)
    assert found["rates"]["received"] == 0.5
    assert found["rates"]["sent"] == 1.8  # nine of the last ten seconds' two are read already
    assert len(found["history"]["received"]) == 120
    assert set(found["history"]["received"]) == {0.0, 1.0}
    assert found["ends"] == {"seconds": 199.0, "counts": {"delivered": {"DANE": 18}, "waiting": {"nothing sent": 9},
                                                          "returned": {}}}  # fmt: skip


def test_outcomes_are_those_of_an_hour() -> None:
    metrics = Metrics()
    history = History(metrics, ResolverCounts())
    for second in range(5000):
        history.take(float(second))
        metrics.outbound_recipients.add("delivered", "DANE")
    found = history.report(5000.0)["ends"]
    assert 3590 <= found["seconds"] <= 3610
    assert found["counts"]["delivered"]["DANE"] == found["seconds"]


def test_timings_are_those_of_the_last_minute() -> None:
    metrics = Metrics()
    history = History(metrics, ResolverCounts())
    for second in range(180):
        metrics.delivery_seconds.observe(20.0 if second < 100 else 0.01)
        history.take(float(second))
    counts = history.report(180.0)["timings"]["delivery"]["counts"]
    assert counts[0] == sum(counts) == 60


# destinations in memory


def message(number: int, key: RoutingKey) -> QueuedMessage:
    return QueuedMessage(number, NOW, NOW + 1e5, "bob@shop.example", (QueuedRecipient(0, "a@example.org", key),), 10)


class Clock:
    """A clock that stands still until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_busiest_are_found_among_many_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destinations, "_SLICE", 10)
    scheduler, clock = Scheduler(SchedulerSettings(slots=1000)), Clock()
    turns = []

    def begin(count: int, hop: str) -> None:
        for number in range(count):
            scheduler.arrived(message(number + 1, RoutingKey(hop)), b"", 10, NOW, claimed=True)

    def finish() -> None:
        while works := scheduler.next_work(NOW):
            for work in works:
                scheduler.finished(work, HostVerdict.GOOD, NOW)

    async def play() -> None:
        looked = Destinations(clock=clock)
        for number in range(500):
            begin(1, f"d{number}.example")
        begin(3, "busy.example")
        finish()
        first = await looked.report((scheduler,), ())
        assert first["known"] == 501
        assert first["waiting"] == 0
        assert all(one["per_second"] is None for one in first["rows"])
        clock.now += 5
        begin(20, "busy.example")
        finish()
        asyncio.get_running_loop().call_soon(turns.append, 1)
        (busy,) = (await looked.report((scheduler,), ()))["rows"]
        assert (busy["next_hop"], busy["per_second"]) == ("busy.example", 4.0)
        assert turns, "the loop had no turn while the queues were looked through"

    run(play())


def test_who_asks_too_soon_gets_the_last_look() -> None:
    scheduler, clock = Scheduler(), Clock()

    async def play() -> None:
        looked = Destinations(clock=clock)
        scheduler.deferred(RoutingKey("a.example"), NOW + 60, NOW)
        before = await looked.report((scheduler,), ())
        scheduler.deferred(RoutingKey("b.example"), NOW + 60, NOW)
        assert await looked.report((scheduler,), ()) == before
        clock.now += 1.0
        after = await looked.report((scheduler,), ())
        assert {one["next_hop"] for one in after["rows"]} == {"a.example", "b.example"}
        assert all(one["waiting"] == 1 for one in after["rows"])

    run(play())


def test_no_answer_is_longer_than_so_many_rows() -> None:
    scheduler = Scheduler()

    async def play() -> None:
        for number in range(1000):
            scheduler.deferred(RoutingKey(f"d{number}.example"), NOW + 60, NOW)
        found = await Destinations(clock=Clock()).report((scheduler,), ())
        assert found["waiting"] == 1000
        assert len(found["rows"]) <= destinations.MOST_ROWS

    run(play())
