"""Workers that die, hang, are reloaded, become more and fewer: nothing is lost, and nobody is turned away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.ends import Client, Sink, configured, run, until
from workers_running import ORDINARY, Served, served, settings

from bench.crash import duplicates, outstanding
from bench.kill_workers import play as play_kills
from bench.reloads import play as play_reloads
from danelaw.cli import danelaw

pytestmark = pytest.mark.timeout(120)
RETRIES = '[queue]\nretry_first = "200ms"\nretry_longest = "500ms"\n'
NOWHERE = '[delivery]\nnext_hop = "[127.0.0.1]:9"\n' + RETRIES
POISONED = """
import os, signal, time
from danelaw.outbound.courier import Courier
real = Courier.deliver
async def deliver(self, work, outcome=None):
    if work.message.reverse_path.startswith(("poison@", "express@")):
        os.kill(os.getpid(), signal.SIGKILL)
    if work.message.reverse_path.startswith("stuck@"):
        time.sleep(1000)
    return await real(self, work, outcome)
Courier.deliver = deliver
from danelaw.outbound.express import Express
advance = Express._advance
def poisoned(self):
    if self.work.message.reverse_path.startswith("express@"):
        os.write(2, b"killed on the short way\\n")
        os.kill(os.getpid(), signal.SIGKILL)
    return advance(self)
Express._advance = poisoned
"""


def test_kills_of_any_process_lose_nothing(tmp_path: Path) -> None:
    tally, record, broken, killed = asyncio.run(play_kills(tmp_path, 200, kills=6, seed=2, clients=8))
    assert broken == []
    assert sum(killed.values()) == tally.kills > 0
    assert len(tally.acknowledged) == 200
    assert outstanding(tally, record) == []
    assert duplicates(record) <= sum(tally.bounds)


def test_reloads_turn_nobody_away_and_kills_refuse_nobody(tmp_path: Path) -> None:
    reloaded, killed, _ = asyncio.run(play_reloads(tmp_path, reloads=4, kills=3, workers=2, clients=10))
    assert reloaded["served"] > 0
    assert not reloaded["refused"] + reloaded["reset"] + reloaded["broken off"]
    assert killed["served"] > 0
    assert not killed["refused"]


@pytest.mark.parametrize(
    ("sender", "limit", "cause"),
    [("poison", "30s", "signal 9"), ("stuck", "1s", "no sign of life"), ("express", "30s", "signal 9")],
)
def test_a_message_that_ends_its_worker_twice_is_held_and_the_rest_goes_on(
    tmp_path: Path, sender: str, limit: str, cause: str
) -> None:
    async def play() -> None:
        async with Sink() as sink:
            config = settings(tmp_path, sink.smarthost, workers=1, server=f'worker_stall_limit = "{limit}"')
            async with served(config, POISONED + ORDINARY) as gateway:
                if sender == "express":
                    await gateway.send("first@x.test")
                    await sink.messages(1)  # leaves an open connection behind
                number = await gateway.send("b@x.test", f"{sender}@sender.test")
                await until(lambda: gateway.counted("poison") == 1, "the message held", 30)
                assert cause in gateway.log
                shown = await gateway.ask("queue.show", id=number)
                assert shown["state"] == "held"
                assert "ended the process" in shown["recipients"][0]["reason"]
                assert gateway.counted("worker-died") == 2
                for place in range(4):
                    await gateway.send(f"c{place}@x.test")
                await sink.messages(4 + (sender == "express"))
                await gateway.stop()
            assert gateway.counted("worker-died") == 2
            assert ("on the short way" in gateway.words) == (sender == "express")

    run(play())


def test_with_one_worker_four_two_one_and_none_nothing_is_stranded(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink(lambda verb, line, connection: "421 4.3.2 not yet" if verb == "GREETING" else None) as sink:
            ids: set[str] = set()
            more = sink.smarthost + RETRIES
            config = settings(tmp_path, more, workers=1)
            async with served(config) as gateway:
                for workers in (1, 4, 2):
                    settings(tmp_path, more, workers=workers)
                    await gateway.signalled(signal.SIGHUP, "reloaded")
                    clients = [gateway.send(f"r{place}@x{place}.test") for place in range(12)]
                    ids |= set(await asyncio.gather(*clients))
                    assert len(await gateway.workers()) == workers
                assert {row["id"] for row in await every(gateway)} == ids
                settings(tmp_path, more, workers=1)
                await gateway.signalled(signal.SIGHUP, "reloaded")
                assert {row["id"] for row in await every(gateway)} == ids
                await until_adopted(gateway)
                await gateway.stop()
            assert len(list(tmp_path.glob("spool/shard-*"))) >= 4
            async with served(settings(tmp_path, more, workers=0)) as gateway:
                assert {row["id"] for row in await every(gateway)} == ids
                sink.answer = lambda verb, line, connection: None
                await sink.messages(36)
                await gateway.stop()
            assert len(sink.taken) == len(ids) == 36

    run(play())


async def until_adopted(gateway: Served) -> None:
    """Wait until every shard there is belongs to a worker."""
    there = {int(path.name[-2:]) for path in gateway.directory.glob("spool/shard-*")}
    async with asyncio.timeout(20):
        while {shard for worker in await gateway.workers() for shard in worker["shards"]} != there:
            await asyncio.sleep(0.05)


async def every(gateway: Served) -> list[dict[str, object]]:
    """All waiting messages, in pages of seven."""
    found: list[dict[str, object]] = []
    after = None
    while True:
        page = await gateway.ask("queue.list", filter="", limit=7, after=after, finished=False)
        found += page["messages"]
        if (after := page["after"]) is None:
            return found


def test_the_command_line_sees_one_queue_with_and_without_the_server(tmp_path: Path) -> None:
    async def command(*words: str) -> dict[str, object]:
        arguments = [*words, "--config", str(tmp_path / "danelaw.toml"), "--json"]
        result = await asyncio.to_thread(CliRunner().invoke, danelaw, arguments)
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.stdout))

    async def play() -> None:
        async with served(settings(tmp_path, NOWHERE, workers=3)) as gateway:
            clients = [gateway.send(f"r{place}@x.test", f"s{place}@y.test") for place in range(9)]
            ids = set(await asyncio.gather(*clients))
            await until(lambda: len({number[-3:-1] for number in ids}) > 0, "ids")
            held = await command("queue", "hold", "to:*@x.test", "--because", "T-1")
            assert held["messages"] == 9
            with_server = await command("queue", "list", "state:held")
            assert (await command("explain", "r3@x.test"))["message"]["recipients"][0]["to"] == "r3@x.test"  # type: ignore[index]
            assert (await command("queue", "drop", "to:r3@x.test", "--because", "T-2"))["messages"] == 1
            assert gateway.counted("act") >= 2
            await gateway.stop()
            without = await command("queue", "list", "state:held")
            assert set(with_server) == set(without)
            assert len(with_server["messages"]) == 9  # type: ignore[arg-type]
            assert len(without["messages"]) == 8  # type: ignore[arg-type]
            assert (await command("queue", "release", "--all"))["messages"] == 8

    run(play())


@pytest.mark.parametrize("workers", [0, 2])
def test_a_second_server_refuses_and_the_first_goes_on(tmp_path: Path, workers: int) -> None:
    async def play() -> None:
        async with Sink() as sink, served(settings(tmp_path, sink.smarthost, workers=2 - workers)) as first:
            other = settings(tmp_path, sink.smarthost, workers=workers)
            async with served(other, wait=False) as second:
                assert await second.ended() != 0
                assert f"in use by process {first.process.pid}" in second.words
                assert "Traceback" not in second.words
            await first.send("b@x.test")
            await sink.messages()

    run(play())


def test_a_configuration_with_a_fault_changes_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, served(settings(tmp_path, sink.smarthost)) as gateway:
            before = {worker["pid"] for worker in await gateway.workers()}
            for replace, word in (
                ({"gw.test": "not a name"}, "reload-failed"),
                ({"127.0.0.1:0": "192.0.2.1:1"}, "reload-failed"),
            ):
                configured(tmp_path, replace=replace)
                await gateway.signalled(signal.SIGHUP, word)
            (tmp_path / "danelaw.toml").write_text("no toml at all")
            await gateway.signalled(signal.SIGUSR2, "replace-failed")
            assert {worker["pid"] for worker in await gateway.workers()} == before
            await gateway.send("b@x.test")
            await sink.messages()

    run(play())


def test_other_settings_are_live_after_a_reload(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, served(settings(tmp_path, sink.smarthost, workers=1)) as gateway:
            async with await Client.connect(gateway.address) as client:
                await client.greeted()
                settings(tmp_path, '[limits]\nmessage_size = "70K"\n' + sink.smarthost, workers=1)
                # The connection that is idle between transactions hears 421, and is not cut.
                before = gateway.counted("reloaded")
                gateway.process.send_signal(signal.SIGHUP)
                await client.expect(421)
                await client.closed()
                await until(lambda: gateway.counted("reloaded") > before, "reload", 30)
            async with await Client.connect(gateway.address) as client:
                assert "SIZE 71680" in (await client.greeted()).text

    run(play())


def test_sockets_given_by_systemd_are_served(tmp_path: Path) -> None:
    async def play() -> None:
        with socket.socket() as given:
            given.bind(("127.0.0.1", 0))
            given.listen(10)
            port = given.getsockname()[1]
            config = settings(tmp_path, NOWHERE)
            config.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
            async with served(config, listening=[given]) as gateway:
                assert gateway.address[1] == port
                await gateway.send("b@x.test")

    run(play())


def test_a_gateway_that_cannot_start_says_why(tmp_path: Path) -> None:
    async def play() -> None:
        config = settings(tmp_path, NOWHERE)
        config.write_text(config.read_text().replace("[resolver]", '[resolver]\nanchor_file = "/nowhere/at/all"'))
        async with served(config, wait=False) as gateway:
            assert await gateway.ended() != 0
            assert "/nowhere/at/all" in gateway.words
            assert "Traceback" not in gateway.words

    run(play())


def test_numbers_are_those_of_all_workers_and_outlive_them(tmp_path: Path) -> None:
    async def numbers(port: int) -> dict[str, float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        text = (await reader.read()).decode()
        writer.close()
        return {name: float(value) for name, value in re.findall(r"^(danelaw_\S+) (\S+)$", text, re.MULTILINE)}

    async def play() -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        async with Sink() as sink:
            config = settings(tmp_path, f'[http]\nlisten = "127.0.0.1:{port}"\n' + sink.smarthost)
            async with served(config) as gateway:
                await asyncio.gather(*(gateway.send(f"r{place}@x.test") for place in range(10)))
                await sink.messages(10)
                assert (await numbers(port))["danelaw_inbound_messages_total"] == 10
                await gateway.signalled(signal.SIGHUP, "reloaded")
                await gateway.send("last@x.test")
                await sink.messages(11)
                found = await numbers(port)
                assert found["danelaw_inbound_messages_total"] == 11
                assert found['danelaw_workers{state="ready"}'] == 2
                os.kill((await gateway.workers())[0]["pid"], signal.SIGKILL)
                await until(lambda: gateway.counted("worker-died") == 1, "death")
                assert (await numbers(port))['danelaw_worker_deaths_total{cause="signal"}'] == 1

    run(play())


def test_a_ceiling_holds_for_all_workers_together(tmp_path: Path) -> None:
    """A client that spreads its connections over the workers gets no more messages in, and no more connections."""

    async def play() -> None:
        limits = '[limits]\nconnections_per_client = 9\n[limits.trusted]\nmessage_rate = "40/h"\n'
        async with served(settings(tmp_path, limits, workers=2)) as gateway:
            async with contextlib.AsyncExitStack() as stack:
                clients = [await stack.enter_async_context(await Client.connect(gateway.address)) for _ in range(9)]
                for client in clients:
                    await client.greeted()
                async with await Client.connect(gateway.address) as tenth:
                    assert "your address" in (await tenth.expect(421)).text
                codes = []
                for client in (*clients, *clients):
                    await client.expect(250, "RSET")
                    codes.append((await client.say("MAIL FROM:<a@sender.test>")).code)
                assert (codes.count(250), codes.count(451)) == (10, 8)  # a quarter of 40 at once
            await gateway.stop()

    run(play())
