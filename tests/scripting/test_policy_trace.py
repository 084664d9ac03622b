"""What hooks are asked and say is written down for what somebody wants, stored with the message, and bounded."""

from __future__ import annotations

import asyncio
import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.ends import Client, Sink, gateway, run
from tests.scripting.test_policies_in_a_gateway import MESSAGE, policy, to

from bench.crash import free_port
from bench.gateway import Gateway as GatewayProcess
from danelaw.cli import danelaw
from danelaw.cli.explain_page import show
from danelaw.cli.output import Output
from danelaw.cli.policy_trace import show_lines
from danelaw.gateway.policies import on_traces, traces_together
from danelaw.outbound.explanation import explained
from danelaw.policy import Client as PolicyClient
from danelaw.policy import ConnectContext
from danelaw.scripting.calling import LibraryCall
from danelaw.scripting.running import Called, Runner
from danelaw.scripting.tracing import MOST_LINES, MOST_OCTETS, MOST_STORED, Traces, Wanted, within

TEXT = """
@hook.connect
def place(ctx: ConnectContext):
    return None

@hook.rcpt_to
async def counted(ctx: RecipientContext):
    await ctx.library.state.counter("seen").add(ctx.recipient)

@hook.end_of_data(order=1)
def first(ctx: MessageContext):
    ctx.notes["who"] = ctx.client.address
    ctx.tags.add("seen")
    return Accept()

@hook.end_of_data(order=2)
def second(ctx: MessageContext):
    return Reject("never")

@hook.pre_delivery
def way(ctx: DeliveryContext):
    ctx.library.log.event("on its way")
"""


def test_what_is_wanted_is_traced_from_connection_to_delivery_and_explained(tmp_path: Path) -> None:
    rule = '[[rule]]\nname = "mark"\nwhen = { client = ["127.0.0.0/8"] }\naction = "none"\ntag = ["local"]\n'

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, to(sink) + policy(tmp_path, TEXT) + rule) as running:
            started = on_traces(
                running.gateway, {"act": "start", "until": running.gateway.clock() + 60, "address": "b@example.org"}
            )
            assert started is not None
            assert started["wanted"]["address"] == "b@example.org"
            await running.send("other@example.org", body=MESSAGE)
            ident = await running.send("b@example.org", body=MESSAGE)
            await running.reaches(ident, "delivered")
            found = traces_together([on_traces(running.gateway, {"act": "show"}), None])
            calls = [(line["step"], line["hook"], line["outcome"]) for line in found["lines"]]
            assert calls == [
                ("connect", "place", "none"), ("rcpt_to", "counted", "none"), ("end_of_data", "rules_message", "none"),
                ("end_of_data", "first", "accept"), ("pre_delivery", "way", "none"),
            ]  # fmt: skip
            assert [one[1:] for one in found["idle"]] == [["end_of_data", "second"]]
            by_hook = {line["hook"]: line for line in found["lines"]}
            assert by_hook["counted"]["calls"][0]["name"] == "state.counter.add"
            assert by_hook["first"]["not_asked"] == ["second"]
            assert by_hook["rules_message"]["rules"] == [
                {"rule": "mark", "applies": True, "because": "client holds: 127.0.0.1"}
            ]
            page = _page(tmp_path, ident, running.gateway.clock())
            for words in ("judged by version", "noted who: 127.0.0.1", "tagged local, seen", "5 calls of hooks",
                          "not asked, since first had the last word: second", "log.event"):  # fmt: skip
                assert words in page
            on_traces(running.gateway, {"act": "stop"})
            assert running.gateway.parts.scripts is not None
            assert running.gateway.parts.scripts.runner.observe is None
            quiet = await running.send("b@example.org", body=MESSAGE)
            assert "trace" not in running.look(quiet)["context"]

    run(play())


def _page(place: Path, ident: str, now: float) -> str:
    import io

    stream = io.StringIO()
    show(Output(stream), explained(place / "spool", ident, now))
    return stream.getvalue()


def test_a_trace_ends_with_its_time_and_asks_for_its_client(tmp_path: Path) -> None:
    moment = [1_790_000_000.0]

    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path, to(sink) + policy(tmp_path, TEXT), clock=lambda: moment[0]) as running,
        ):
            scripts = running.gateway.parts.scripts
            assert scripts is not None
            scripts.traces.start(Wanted(moment[0] + 60, client=ip_network("192.0.2.0/24")))
            await running.send("b@example.org", body=MESSAGE)
            assert scripts.traces.report()["lines"] == []
            scripts.traces.start(Wanted(moment[0] + 60, client=ip_network("127.0.0.0/8")))
            await running.send("b@example.org", body=MESSAGE)
            assert scripts.traces.report()["wanted"] is not None
            moment[0] += 61
            await running.send("b@example.org", body=MESSAGE)
            found = scripts.traces.report()
            assert found["wanted"] is None
            assert {line["hook"] for line in found["lines"]} >= {"place", "first"}
            assert all(line["at"] < moment[0] for line in found["lines"])

    run(play())


@pytest.mark.timeout(120)
def test_all_workers_trace_and_their_lines_are_shown_together(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "inbound.py").write_text("from danelaw.policy import *\n" + TEXT)

    async def send(port: int, number: int) -> None:
        async with await Client.connect(("127.0.0.1", port)) as client:
            await client.greeted()
            await client.message(MESSAGE, f"b{number}@example.org")

    async def play() -> dict[str, Any]:
        async with Sink() as sink:
            more = f'policy.directory = "{folder}"\nserver.workers = 2\n'
            gateway = GatewayProcess(tmp_path, free_port(), int(sink.hop.rpartition(":")[2]), more=more)
            await asyncio.to_thread(gateway.start)
            try:
                async with asyncio.timeout(60):
                    while (await asyncio.to_thread(_cli, gateway.config, "start", "--for", "1m"))["workers"] < 2:
                        await asyncio.sleep(0.1)  # the second worker is being started
                await asyncio.gather(*(send(gateway.port, number) for number in range(24)))
                found = await asyncio.to_thread(_cli, gateway.config, "show", "--hook", "first")
                await asyncio.to_thread(_cli, gateway.config, "stop")
                return found
            finally:
                await asyncio.to_thread(gateway.stop)

    found = run(play())
    assert len(found["lines"]) == 24
    assert found["lines"] == sorted(found["lines"], key=lambda line: line["at"])
    assert len({line["message"] for line in found["lines"]}) == 24


def _cli(config: Path, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(danelaw, ["policy", "trace", *arguments, "--config", str(config), "--json"])
    found: dict[str, Any] = json.loads(result.output)
    return found


def test_memory_is_bounded_by_number_and_octets() -> None:
    runner = Runner()
    traces = Traces(runner, lambda: 1.0, lambda version, point: (), lambda: ())
    traces.start(Wanted(2.0))
    called = Called("connect", "place", "v", "none", 0.0, "", None)
    library: Any = None
    context = ConnectContext(now=1.0, policy="v", library=library, client=PolicyClient("192.0.2.1", 5))
    assert runner.traces(context)
    for _ in range(MOST_LINES + 10):
        traces.observe(called, context)
    found = traces.report()
    assert (len(found["lines"]), found["dropped"]) == (MOST_LINES, 10)
    long = called._replace(calls=(LibraryCall("a.b", "x" * 4000, "y" * 4000, 0.0),) * 30)
    for _ in range(200):
        traces.observe(long, context)
    found = traces.report()
    assert sum(len(str(line)) for line in found["lines"]) < 1.1 * MOST_OCTETS
    assert found["dropped"] > 2000


def test_memory_and_what_is_stored_are_bounded(tmp_path: Path) -> None:
    line = {"at": 1.0, "client": "192.0.2.1", "hook": "a", "words": "x" * 300}
    found = within([line] * 1000)
    assert found[-1] == {"more": 1000 - len(found) + 1}
    assert sum(len(str(one)) for one in found) < 1.2 * MOST_STORED
    assert within([line]) == [line]
    assert MOST_LINES <= 5000


def test_lines_are_readable(tmp_path: Path) -> None:
    import io

    stream = io.StringIO()
    line = {
        "at": 0.0, "client": "192.0.2.1", "message": "", "about": "a@b.test", "step": "rcpt_to", "hook": "look",
        "version": "0123456789ab", "outcome": "resting", "seconds": 0.0012, "words": "it raised",
        "calls": [{"name": "dns.lookup", "arguments": "'a', 'MX'", "result": "gone", "seconds": 0.5, "failed": True}],
    }  # fmt: skip
    show_lines(Output(stream), [line, {"more": 3}])
    text = stream.getvalue()
    assert "rcpt_to look about a@b.test: not asked, it failed too often and rests: it raised (1.2 ms)" in text
    assert "dns.lookup('a', 'MX') raised gone (500.0 ms)" in text
    assert "and 3 more" in text
