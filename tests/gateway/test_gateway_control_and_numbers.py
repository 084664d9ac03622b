"""The control socket, reload, start and stop, and every number that /metrics shows."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.ends import Running, Sink, certificate, certificate_section, configured, gateway, run, until

from danelaw.cli import danelaw
from danelaw.config import load
from danelaw.errors import DanelawError
from danelaw.gateway import Gateway
from danelaw.gateway.control import ControlServer, ControlSocketTaken
from danelaw.spool import SpoolError
from danelaw.telemetry import Log

NOWHERE = '[delivery]\nnext_hop = "[127.0.0.1]:9"\n'


async def command(running: Running, *words: str) -> Any:
    """`danelaw queue … --json` against the running gateway; gives what it prints."""
    config = str(running.directory / "danelaw.toml")
    arguments = [*words, "--config", config, "--json"]
    result = await asyncio.to_thread(CliRunner().invoke, danelaw, arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def raw(running: Running, octets: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(running.gateway.config.control_socket))
    try:
        writer.write(octets)
        writer.write_eof()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


def test_every_queue_operation_through_the_command_line(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, Sink() as other, gateway(tmp_path, NOWHERE) as running:
            ids = [await running.send(f"{name}@example.org") for name in ("hold", "fail", "drop", "move")]
            await running.tried(ids[0])
            listed = await command(running, "queue", "list")
            assert {row["id"] for row in listed["messages"]} == set(ids)
            assert (await command(running, "queue", "show", ids[0]))["state"] == "waiting"
            await command(running, "queue", "hold", "to:hold@example.org", "--because", "T-1")
            assert running.look(ids[0])["state"] == "held"
            await until(lambda: running.gateway.parts.engine.busy == 0, "no delivery under way")
            await command(running, "queue", "drop", "to:drop@example.org", "--because", "T-2")
            assert running.look(ids[2])["state"] == "dropped"
            await command(running, "queue", "fail", "to:fail@example.org", "--because", "T-3")
            assert running.look(ids[1])["state"] == "returned"
            notice = (await command(running, "queue", "list", 'from:""'))["messages"]
            assert [row["recipients"][0]["to"] for row in notice] == ["anna@sender.test"]
            await command(running, "queue", "reroute", "to:move@example.org", "--via", sink.hop, "--because", "T-5")
            await running.reaches(ids[3], "delivered")
            assert len(sink.taken) == 1
            await command(running, "queue", "release", "to:hold@example.org")
            await until(lambda: running.gateway.parts.engine.busy == 0, "no delivery under way")
            await command(running, "queue", "reroute", "--all", "--via", other.hop, "--because", "T-6")
            await other.messages(2)
            await running.reaches(ids[0], "delivered")
            purged = await command(running, "queue", "purge", "move@example.org", "--because", "T-4")
            assert purged["messages"] == 1
            with pytest.raises(DanelawError):
                running.look(ids[3])
            who = [line for line in running.lines("act") if "operation=drop" in line]
            import getpass

            assert f"who={getpass.getuser()}" in who[0]
            assert "T-2" in who[0]

    run(play())


def test_retry_wakes_a_queue_that_sleeps(tmp_path: Path) -> None:
    open_for_mail = []

    def answer(verb: str, line: str, connection: int) -> str | None:
        return None if open_for_mail or verb != "GREETING" else "421 4.3.2 not now"

    async def play() -> None:
        async with Sink(answer) as sink, gateway(tmp_path, sink.smarthost) as running:
            message = await running.send("b@example.org")
            await until(lambda: running.look(message)["queues"][0]["asleep_until"], "the queue asleep")
            open_for_mail.append(True)
            await command(running, "queue", "retry", "--all")
            await sink.messages()

    run(play())


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"[]\n",
        b"1\n",
        b'"x"\n',
        b'{"op": null}\n',
        b'{"op": "queue.list", "args": 3}\n',
        b'{"op": "queue.list", "args": {"limit": "many"}}\n',
        b'{"op": "queue.list", "args": {"filter": {"a": 1}}}\n',
        b'{"op": "queue.show", "args": {"id": "no-such"}}\n',
        b'{"op": "queue.hold", "args": {}}\n',
        b'{"op": "nothing"}\n',
        b'{"op": "explain", "args": {"what": "zzzz"}}\n',
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\x00\n",
    ],
)
def test_garbage_on_the_socket_is_answered_and_harms_nothing(tmp_path: Path, octets: bytes) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running:
            for line in (await raw(running, octets)).splitlines():
                assert json.loads(line)["ok"] is False
            assert json.loads(await raw(running, b'{"op": "gateway.status"}\n'))["ok"] is True
            assert await raw(running, b"x" * (3 << 20)) == b""
            assert json.loads(await raw(running, b'{"op": "gateway.status"}\n'))["ok"] is True

    run(play())


def test_a_defect_in_an_operation_is_answered_and_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oh")

    async def play() -> None:
        async with gateway(tmp_path) as running:
            monkeypatch.setattr("danelaw.gateway.operations.queue_operations.look", broken)
            answer = json.loads(await raw(running, b'{"op": "queue.list"}\n'))
            assert "internal error" in answer["error"]["reason"]
            assert running.lines("operation-broken")

    run(play())


def test_the_socket_is_for_its_owner_and_not_taken_from_others(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running:
            path = running.gateway.config.control_socket
            assert os.stat(path).st_mode & 0o777 == 0o660
            with pytest.raises(ControlSocketTaken, match="another gateway answers"):
                await ControlServer(path, {}).start()
        assert not path.exists()
        path.write_text("somebody's file")
        with pytest.raises(DanelawError, match="no socket"):
            await ControlServer(path, {}).start()
        assert path.read_text() == "somebody's file"
        path.unlink()
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(str(path))
        again = ControlServer(path, {})
        await again.start()
        await again.close()
        with pytest.raises(DanelawError, match="cannot be made"):
            await ControlServer(tmp_path / ("long" * 40), {}).start()

    run(play())


def test_who_has_just_connected_is_answered_before_the_socket_passes_to_another_process(tmp_path: Path) -> None:
    """A reload replaces the control process: nobody may find a closed connection instead of an answer."""

    async def play() -> None:
        path = tmp_path / "control.sock"
        server = ControlServer(path, {"ask": lambda *asked: "told"})
        await server.start()
        talker, heard = await asyncio.open_unix_connection(str(path))
        heard.write(b'{"op": "ask"}\n')
        assert json.loads(await talker.readline())["ok"]
        reader, writer = await asyncio.open_unix_connection(str(path))
        closing = asyncio.create_task(server.close(30.0))
        await asyncio.sleep(0.05)
        assert not closing.done()
        writer.write(b'{"op": "ask"}\n')
        assert json.loads(await reader.readline())["ok"]
        await closing
        assert await talker.readline() == b"", "one that was answered does not hold up the end"
        for one in (heard, writer):
            one.close()

    run(play())


def test_two_gateways_on_one_spool_refuse_clearly_and_leave_the_first_alone(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running:
            second = Gateway(load(tmp_path / "danelaw.toml"), log=Log.in_memory()[0])
            with pytest.raises(DanelawError, match=r"spool|gateway"):
                await second.start()
            assert json.loads(await raw(running, b'{"op": "gateway.status"}\n'))["ok"] is True
            await running.send("b@example.org")

    run(play())


def test_a_start_that_fails_gives_everything_back(tmp_path: Path) -> None:
    async def play() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            config = configured(tmp_path, replace={"127.0.0.1:0": f"127.0.0.1:{port}"})
            with pytest.raises(DanelawError, match=f"cannot listen on 127.0.0.1:{port}"):
                await Gateway(load(config), log=Log.in_memory()[0]).start()
        async with gateway(tmp_path) as running:
            await running.send("b@example.org")

    run(play())


def test_reload_says_what_needs_a_restart_and_keeps_going(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, NOWHERE) as running:
            config = running.directory / "danelaw.toml"
            good = config.read_text()
            config.write_text(good.replace("127.0.0.1]:9", "127.0.0.1]:10") + "[limits]\nrecipients = 500\n")
            running.gateway.reload()
            assert "delivery, limits" in running.lines("reload-partial")[0]
            config.write_text(good + "[nonsense]\n")
            running.gateway.reload()
            assert running.lines("reload-failed")
            await running.send("b@example.org")

    run(play())


async def fetch(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body.decode()


def numbers(text: str) -> dict[str, float]:
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}


def test_what_metrics_show_is_what_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danelaw.gateway.gateway._WATCH_SECONDS", 0.05)

    async def play() -> None:
        certificate(tmp_path, "gw.test")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        section = certificate_section(tmp_path) + f'[http]\nlisten = "127.0.0.1:{port}"\n'
        async with Sink() as sink, gateway(tmp_path, section + sink.smarthost + _ROUTE) as running:
            await running.send("b@example.org", body=b"Subject: x\r\n\r\n" + b"x\r\n" * 100)
            await sink.messages()
            waiting = await running.send("b@nowhere.test")
            await running.tried(waiting)
            held = await running.send("c@nowhere.test")
            await command(running, "queue", "hold", f"id:{held}", "--because", "x")
            await running.send("b@dns.test")
            await until(lambda: any(running.gateway.parts.resolver.counts.answers.values()), "a look-up")

            async def shown() -> dict[str, float]:
                return numbers((await fetch(port, "/metrics"))[1])

            async with asyncio.timeout(10):
                while True:
                    found = await shown()
                    sizes = [found[f'danelaw_queue_messages{{state="{state}"}}'] for state in ("held", "waiting")]
                    if sizes == [1, 2]:
                        break
                    await asyncio.sleep(0.05)
            assert 0 <= found["danelaw_queue_oldest_seconds"] < 60
            assert found["danelaw_inbound_messages_total"] == 4
            assert found["danelaw_spool_commit_seconds_count"] >= 4
            assert found["danelaw_spool_commit_messages_sum"] == 4
            assert found["danelaw_spool_failures_total"] == 0
            assert found['danelaw_resolver_answers_total{status="indeterminate"}'] >= 1
            assert found['danelaw_resolver_queries_total{transport="udp"}'] >= 1
            assert found["danelaw_resolver_seconds_count"] >= 1
            assert "danelaw_resolver_cache_hits_total" in found
            assert found['danelaw_outbound_recipients_total{outcome="delivered",protection="clear text"}'] == 1
            assert found['danelaw_certificate_expiry_timestamp_seconds{name="gw.test"}'] > time.time()
            assert found["danelaw_spool_free_bytes"] > 0
            assert (await fetch(port, "/healthy"))[0] == 200

    run(play())


_ROUTE = """
[[route]]
domain = "nowhere.test"
next_hop = "[127.0.0.1]:9"
[[route]]
domain = "dns.test"
next_hop = "dns.test"
"""


def test_a_commit_that_fails_is_counted_and_makes_the_gateway_unready(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running:
            commits = running.gateway.parts.spool._commits
            good = commits._committer._commit

            def failing(_: object) -> None:
                raise OSError(5, "Input/output error")

            commits._committer._commit = failing
            async with await running.client() as client:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                await client.expect(250, "RCPT TO:<b@example.org>")
                await client.expect(354, "DATA")
                await client.expect(451, "Subject: x\r\n\r\nx\r\n.")
                assert running.gateway.not_ready()
                await client.expect(451, "MAIL FROM:<a@sender.test>")
            assert running.gateway.metrics.spool_failures.cell().value >= 1
            commits._committer._commit = good
            await until(lambda: running.gateway.not_ready() is None, "recovery")
            await running.send("b@example.org")

    run(play())


def test_a_message_refused_by_the_disk_is_logged_with_its_reason(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running:
            running.gateway.parts.spool.refusal = lambda: SpoolError("full")  # type: ignore[method-assign]
            async with await running.client() as client:
                answer = await client.say("MAIL FROM:<a@sender.test>")
                assert answer.code // 100 == 4
            assert "reason=full" in running.lines("refused")[0]

    run(play())
