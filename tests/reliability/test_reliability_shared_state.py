"""Shared state of a whole gateway: exact over all workers, over deaths, new code, restarts and damage."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.ends import Sink, gateway, run, until
from workers_running import ORDINARY, Served, served, settings

from danelaw.cli import danelaw
from danelaw.shared import Kind, Request, Space

pytestmark = pytest.mark.timeout(120)
ADDS = 4000
POLICY = (
    """
import asyncio
from danelaw.gateway import shared_keeping
from danelaw.gateway.gateway import Gateway
from danelaw.shared import Mode

shared_keeping.SAVE_SECONDS = 0.2

async def policy(shared, caches):
    hits, leased, done = shared.counter("hits"), shared.counter("leased", mode=Mode.LEASED), shared.counter("done")
    rate, allowed = shared.rate("rate", limit=5000, span=3600.0, mode=Mode.LEASED), shared.counter("allowed")
    await asyncio.gather(*(hits.add("k") for _ in range(4000)))
    held = await shared.semaphore("held", limit=10).acquire("k", lease=300)
    number = 0
    for _ in range(3000):
        await leased.add("k")
        number += (await rate.take("k")).allowed
    await allowed.add("k", number)
    cache = caches.cache("names", ttl=60)
    await asyncio.gather(*(cache.get("k", compute) for _ in range(10)))
    while not shared.settled:
        await asyncio.sleep(0.05)
    await done.add("k")
    await asyncio.sleep(1000)

async def compute():
    await asyncio.sleep(0)
    return "computed"

real = Gateway.start
async def start(self):
    await real(self)
    self.background(policy(self.parts.workshop.shared, self.parts.workshop.caches))
Gateway.start = start
"""
    + ORDINARY
)

FLOOD = (
    """
import asyncio
from danelaw.gateway.gateway import Gateway

async def flood(shared):
    value = shared.value("flood", keys=100)
    async def one(number):
        while True:
            await value.put(str(number % 200), "x" * 4000, expires=1)
    await asyncio.gather(*(one(number) for number in range(300)))

real = Gateway.start
async def start(self):
    await real(self)
    self.background(flood(self.parts.workshop.shared))
Gateway.start = start
"""
    + ORDINARY
)


async def key(gateway: Served, space: str) -> dict[str, Any]:
    rows = (await gateway.ask("state.show", space=space, key="k"))["keys"]
    return dict(rows[0]) if rows else {}


async def done(gateway: Served, number: int) -> None:
    """Wait until the policy of so many workers is through."""
    async with asyncio.timeout(60):
        while True:
            known = [one["name"] for one in (await gateway.ask("state.list"))["spaces"]]
            if "done" in known and (await key(gateway, "done")).get("total") == number:
                return
            await asyncio.sleep(0.05)


def test_nothing_is_lost_or_counted_twice_over_workers_deaths_new_code_and_restarts(tmp_path: Path) -> None:
    async def play() -> None:
        config = settings(tmp_path, workers=3)
        async with served(config, POLICY) as gateway:
            await done(gateway, 3)
            assert (await key(gateway, "hits"))["total"] == 3 * ADDS
            assert (await key(gateway, "leased"))["total"] == 3 * 3000
            assert 0 < (await key(gateway, "allowed"))["total"] <= 5000
            assert (await key(gateway, "held"))["held"] == 3

            # A worker dies: what it had told counts, what it held is free, and its successor begins anew.
            os.kill((await gateway.workers())[0]["pid"], signal.SIGKILL)
            await done(gateway, 4)
            assert (await key(gateway, "hits"))["total"] == 4 * ADDS
            assert (await key(gateway, "held"))["held"] == 3

            # The supervisor runs itself anew: it knows all, also who holds what.
            await gateway.signalled(signal.SIGUSR2, "replaced")
            await done(gateway, 7)
            assert (await key(gateway, "hits"))["total"] == 7 * ADDS
            async with asyncio.timeout(30):
                while (await key(gateway, "held"))["held"] != 3:
                    await asyncio.sleep(0.05)
            assert (await key(gateway, "allowed"))["total"] <= 5000
            await gateway.stop()
        async with served(config, POLICY) as gateway:
            await done(gateway, 10)
            assert (await key(gateway, "hits"))["total"] == 10 * ADDS
            assert (await key(gateway, "held"))["held"] == 3
            assert (await key(gateway, "allowed"))["total"] <= 5000
            await gateway.stop()

    run(play())


def test_the_commands_list_show_set_and_clear_and_are_logged(tmp_path: Path) -> None:
    async def play() -> None:
        config = settings(tmp_path, workers=2)

        async def command(*words: str, code: int = 0) -> str:
            result = await asyncio.to_thread(CliRunner().invoke, danelaw, [*words, "--config", str(config)])
            assert result.exit_code == code, result.output
            return result.output

        async with served(config, POLICY) as gateway:
            await done(gateway, 2)
            assert "hits" in await command("state", "list")
            spaces = {one["name"]: one for one in json.loads(await command("state", "list", "--json"))["spaces"]}
            assert spaces["hits"]["asked"] == 2 * ADDS
            assert spaces["leased"]["local"] > spaces["leased"]["asked"]
            assert str(2 * ADDS) in await command("state", "show", "hits")
            await command("state", "set", "hits", "k", "7", "--because", "a test")
            assert (await key(gateway, "hits"))["total"] == 7
            await command("state", "clear", "hits", "k")
            assert "nothing" in await command("state", "show", "hits", "k")
            await command("state", "set", "held", "k", "7", code=1)
            assert "worker-" in await command("state", "show", "held", "k")
            (cache,) = json.loads(await command("cache", "list", "--json"))["caches"]
            assert (cache["misses"], cache["joined"], cache["entries"]) == (2, 18, 2)
            assert "computed" in await command("cache", "show", "names")
            assert "2 entries" in await command("cache", "clear", "names", "--all", "--because", "stale")

            def logged(*words: str) -> bool:
                return any(all(word in line for word in words) for line in gateway.log.splitlines())

            await until(lambda: logged(" act ", "state.set", "a test", "hits"), "the log of the change")
            await until(lambda: logged(" act ", "cache.clear", "stale"), "the log of the clearing")
            await until(lambda: logged("act-refused", "state.set", "held"), "the log of the refusal")
            await gateway.stop()
        # Without a gateway, as it was saved last.
        assert "leased" in await command("state", "list")
        await command("state", "clear", "hits", "--all", code=1)

    run(play())


def test_numbers_are_those_of_all_workers_and_of_the_store(tmp_path: Path) -> None:
    async def play() -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        async with served(settings(tmp_path, f'[http]\nlisten = "127.0.0.1:{port}"\n', workers=2), POLICY) as gateway:
            await done(gateway, 2)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
            text = (await reader.read()).decode()
            writer.close()
            found = {name: float(value) for name, value in re.findall(r"^(danelaw_\S+) (\S+)$", text, re.MULTILINE)}
            assert found['danelaw_shared_state_calls_total{answer="asked",space="hits"}'] == 2 * ADDS
            assert found['danelaw_shared_state_keys{space="hits"}'] == 1
            assert found['danelaw_cache_lookups_total{cache="names",result="joined"}'] == 18
            assert found['danelaw_cache_entries{cache="names"}'] == 2
            assert found["danelaw_shared_state_bytes"] > 0
            await gateway.stop()

    run(play())


def test_a_flood_stops_neither_heartbeats_nor_permits_nor_operators(tmp_path: Path) -> None:
    async def play() -> None:
        limits = '[[limit]]\nname = "one"\nconnections = 1\n'
        async with Sink() as sink:
            config = settings(tmp_path, limits + sink.smarthost, workers=2, server='worker_stall_limit = "5s"')
            async with served(config, FLOOD) as gateway:
                for number in range(20):
                    await gateway.send(f"r{number}@x.test")
                await sink.messages(20)
                async with asyncio.timeout(60):
                    while (flood := (await gateway.ask("state.list"))["spaces"][0])["operations"] <= 1000:
                        await asyncio.sleep(0.05)
                assert flood["used_keys"] <= 100
                assert gateway.counted("killed") == gateway.counted("worker-died") == 0
                await gateway.stop()

    run(play())


def test_a_killed_supervisor_loses_no_more_than_was_not_saved(tmp_path: Path) -> None:
    async def play() -> None:
        config = settings(tmp_path, workers=2)
        path = tmp_path / "spool" / "shared-state"
        async with served(config, POLICY) as gateway:
            await done(gateway, 2)
            await until(lambda: path.exists() and b'"done","k",[2' in path.read_bytes(), "the file", 30)
            gateway.process.kill()
            await gateway.ended()
        async with served(config, POLICY) as gateway:
            await done(gateway, 4)
            assert (await key(gateway, "hits"))["total"] == 4 * ADDS
            assert not list(path.parent.glob("shared-state.new-*"))
            await gateway.stop()

    run(play())


def test_a_damaged_file_is_set_aside_and_said(tmp_path: Path) -> None:
    async def play() -> None:
        config = settings(tmp_path, workers=1)
        path = tmp_path / "spool" / "shared-state"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'{"format":"danelaw shared state","version":1}\n["space"')
        async with served(config, POLICY) as gateway:
            assert gateway.counted("shared-state-damaged") == 1
            (aside,) = path.parent.glob("shared-state.damaged-*")
            assert aside.read_bytes().endswith(b'["space"')
            await done(gateway, 1)
            await gateway.stop()
        assert path.exists()

    run(play())


def test_a_disk_that_refuses_the_file_is_said_and_stops_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        config = settings(tmp_path, workers=1)
        path = tmp_path / "spool" / "shared-state"
        path.mkdir(parents=True)  # a directory in its place cannot be replaced by a file
        async with served(config, POLICY) as gateway:
            await done(gateway, 1)
            await until(lambda: gateway.counted("shared-state-unsaved"), "the error", 30)
            assert (await key(gateway, "hits"))["total"] == ADDS
            await gateway.stop()

    run(play())


def test_a_gateway_in_one_process_keeps_shared_state_too(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as one:
            shared = one.gateway.parts.workshop.shared
            assert await shared.counter("hits").add("k", 3) == 3
            assert await shared.set("suppressed").add("list", "a@b.test")
            held = await shared.semaphore("slots", limit=1).hold("k")
            waiting = asyncio.create_task(shared.semaphore("slots").acquire("k", wait=30))
            await asyncio.sleep(0)
            await held.release()
            assert await waiting is not None
            assert one.gateway.parts.shared_here is not None
            store = one.gateway.parts.shared_here.store
            store.declare(Space("extra", Kind.VALUE), 0.0)
            assert store.perform("", Request(1, "put", "extra", "k", ("1", None)), 0.0) is True
        async with gateway(tmp_path) as one:
            shared = one.gateway.parts.workshop.shared
            assert await shared.counter("hits").get("k") == 3
            assert await shared.set("suppressed").contains("list", "a@b.test")
            assert await shared.value("extra").get("k") == 1
            assert await shared.semaphore("slots", limit=1).held("k") == 0

    run(play())
