"""Limits, suspensions and bounce classes over real sockets: what a next hop sees, and what people are told."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.ends import Running, Sink, gateway, run, until

from danelaw.cli import explain, queue
from danelaw.errors import DanelawError
from danelaw.gateway.operations import operations

QUICK = '[queue]\nretry_first = "100ms"\nretry_longest = "200ms"\n'


def hosts(sink: Sink, count: int) -> str:
    """So many domains, each with a queue and an address of its own, all of them the sink in truth."""
    routes = "".join(f'[[route]]\ndomain = "d{n}.test"\nnext_hop = "[127.1.0.{n}]"\n' for n in range(1, count + 1))
    dial = "".join(f'"127.1.0.{n}:25" = "127.0.0.1:{sink.port}"\n' for n in range(1, count + 1))
    return f"{routes}[lab.routes]\n{dial}"


async def ask(running: Running, operation: str, **arguments: Any) -> Any:
    """As the control socket would."""
    found = operations(running.gateway)[operation](arguments, "tester")
    return await found if asyncio.iscoroutine(found) else found


def test_connections_at_once_stay_below_the_limit_as_the_host_sees_it(tmp_path: Path) -> None:
    busy: Counter[int] = Counter()
    most: list[tuple[int, int]] = []

    async def answer(verb: str, line: str, connection: int) -> str | None:
        if verb == "MAIL":
            busy[connection] += 1
        if verb == "DOT":
            await asyncio.sleep(0.01)
            busy[connection] -= 1
        most.append((sum(busy.values()), len(sink.open)))
        return None

    sink = Sink(answer)

    async def play() -> None:
        async with sink:
            limit = '[[limit]]\nname = "near"\nremote = ["127.1.0.0/16"]\nconnections = 3\n'
            async with gateway(tmp_path, limit + hosts(sink, 8)) as running:
                async with await running.client() as client:
                    for number in range(96):
                        await client.message(b"Subject: x\r\n\r\nx\r\n", f"u{number}@d{number % 8 + 1}.test")
                await sink.messages(96)
                gate = running.gateway.parts.engine.scheduler.gate
                assert gate is not None
                await until(lambda: not gate._held, "all permits given back")
                assert gate.waiting() == []
        assert len({one.recipients[0] for one in sink.taken}) == 96
        assert max(at_work for at_work, _ in most) == 3
        # A connection that was closed a moment ago may still be on its way out at the host.
        assert max(is_open for _, is_open in most) <= 4

    run(play())


def test_a_host_that_says_421_for_the_rate_is_left_alone_for_a_while_and_then_gets_everything(tmp_path: Path) -> None:
    refused: list[float] = []
    seen: list[tuple[float, str]] = []

    def answer(verb: str, line: str, connection: int) -> str | None:
        seen.append((asyncio.get_running_loop().time(), verb))
        if verb == "MAIL" and not refused:
            refused.append(asyncio.get_running_loop().time())
            return "421 4.7.0 mx.test Error: too many connections from you"
        return None

    sink = Sink(answer)
    own = tmp_path / "responses.toml"
    own.write_text(
        '[[response]]\nclass = "rate-limited"\naction = "suspend"\nof = "domain"\ntime = "2s"\n'
        'example = "421 4.7.0 too many connections"\n'
    )

    async def play() -> None:
        async with sink:
            more = f"[responses]\nfile = {json.dumps(str(own))}\n{QUICK}{hosts(sink, 2)}"
            async with gateway(tmp_path, more) as running:
                first = await running.send("a@d1.test")
                await until(lambda: running.lines("suspended"), "the suspension")
                found = await ask(running, "queue.suspensions")
                [one] = found["suspensions"]
                assert one["filter"] == 'host:"[127.1.0.1]"'
                assert one["because"].startswith("rate-limited: 421 4.7.0")
                assert one["who"] == "rule 1 of responses.toml" or one["who"] == "response 1 of responses.toml"
                second = await running.send("b@d1.test")
                other = await running.send("c@d2.test")
                await running.reaches(other, "delivered")  # the other destination goes on
                await until(lambda: second in str(found_waiting(running)) or "127.1.0.1" in found_waiting(running),
                            "the queue waits for the suspension")  # fmt: skip
                listed = await ask(running, "queue.list")
                assert any(
                    recipient.get("limit", "").startswith("suspended: rate-limited")
                    for row in listed["messages"]
                    for recipient in row["recipients"]
                )
                await running.reaches(first, "delivered")
                await running.reaches(second, "delivered")
                later = [at for at, verb in seen if verb == "MAIL" and at > refused[0]]
                quiet = [at for at in later if at < refused[0] + 1.9]
                assert len(quiet) == 1  # only the other destination's
                text = running.gateway.metrics.to_openmetrics().decode()
                assert 'danelaw_bounces_total{class="rate-limited"} 1.0' in text
                await until(lambda: not running.gateway.parts.engine.suspending.listed(), "the end of the suspension")

    run(play())


def found_waiting(running: Running) -> str:
    gate = running.gateway.parts.engine.scheduler.gate
    assert gate is not None
    return " ".join(one.key.to_text() for one in gate.waiting())


def test_a_suspension_by_command_holds_over_a_restart_and_ends_by_command(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink:
            more = hosts(sink, 2)
            async with gateway(tmp_path, more) as running:
                made = await ask(running, "queue.suspend", filter='host:"[127.1.0.1]"', seconds=3600, why="T-1")
                assert made["who"] == "tester"
                waits = await running.send("a@d1.test")
                await running.reaches(await running.send("b@d2.test"), "delivered")
                await until(lambda: found_waiting(running), "the queue waits")
            async with gateway(tmp_path, more) as running:
                [one] = (await ask(running, "queue.suspensions"))["suspensions"]
                assert (one["because"], one["who"]) == ("T-1", "tester")
                await until(lambda: found_waiting(running), "the queue waits again")
                shown = await ask(running, "queue.show", id=waits)
                assert shown["recipients"][0]["limit"] == "suspended: T-1"
                assert running.look(waits)["attempts"] == []
                assert await ask(running, "queue.resume", filter="host:nobody") == {"ended": 0}
                assert await ask(running, "queue.resume", filter="") == {"ended": 1}
                await running.reaches(waits, "delivered")
            async with gateway(tmp_path, more) as running:
                assert (await ask(running, "queue.suspensions"))["suspensions"] == []

    run(play())


def test_the_commands_reach_the_running_gateway(tmp_path: Path) -> None:
    def command(*arguments: str) -> str:
        options = ("--config", str(tmp_path / "danelaw.toml"), "--ascii")
        result = CliRunner().invoke(queue.command, [*arguments, *options], standalone_mode=False)
        assert result.exception is None, result.exception
        return " ".join(result.output.split())

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, hosts(sink, 1)) as running:
            said = await asyncio.to_thread(command, "suspend", 'host:"[127.1.0.1]"', "--for", "2h",
                                           "--because", "T-3")  # fmt: skip
            assert "suspended: host:" in said
            assert "No queue known now is meant by it" in said
            assert "(in 2 h)" in said or "(in 119 min)" in said or "(in 1 h 59 min)" in said
            message = await running.send("a@d1.test")
            await until(lambda: found_waiting(running), "the queue waits")
            again = await asyncio.to_thread(command, "suspend", 'host:"[127.1.0.1]"', "--for", "3h",
                                            "--because", "T-3")  # fmt: skip
            assert "No queue known" not in again
            shown = await asyncio.to_thread(command, "suspensions")
            assert "1 suspended, 0 slowed down, 1 queues waiting" in shown
            assert "T-3" in shown
            assert "suspended: T-3" in await asyncio.to_thread(command, "list")
            assert "waits for suspended: T-3" in await asyncio.to_thread(command, "show", message)
            explained = await ask(running, "explain", what=message)
            assert explained["message"]["recipients"][0]["limit"] == "suspended: T-3"
            page = await asyncio.to_thread(
                CliRunner().invoke, explain.command,
                [message, "--config", str(tmp_path / "danelaw.toml"), "--ascii"], standalone_mode=False,
            )  # fmt: skip
            assert "WAITING for a@d1.test: suspended: T-3" in " ".join(page.output.split())
            assert "no such suspension" in await asyncio.to_thread(command, "resume", "host:x")
            assert "1 ended" in await asyncio.to_thread(command, "resume", "--all")
            await running.reaches(message, "delivered")

    run(play())


def test_without_a_gateway_nothing_is_suspended_and_it_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        queue.command, ["suspend", "host:a", "--for", "1h", "--spool", str(tmp_path)], standalone_mode=False
    )
    assert "no gateway runs" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"filter": "to:*@x.test", "seconds": 60}, "single messages"),
        ({"filter": "host:a.test", "seconds": 0}, "has to end"),
        ({"filter": "host:a.test", "seconds": "x"}, "number"),
        ({"filter": "nonsense:a", "seconds": 60}, "no field"),
    ],
)
def test_a_suspension_that_makes_no_sense_is_refused_in_words(
    tmp_path: Path, arguments: dict[str, Any], words: str
) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running:
            with pytest.raises(DanelawError, match=words):
                await ask(running, "queue.suspend", **arguments)

    run(play())


def test_a_warm_up_lets_its_share_through_and_says_what_the_rest_waits_for(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink:
            limit = (
                '[[limit]]\nname = "young"\ndomain = ["*"]\n[limit.warm_up]\nsince = 2099-01-01\nper_day = [100, 200]\n'
            )
            async with gateway(tmp_path, limit + hosts(sink, 2)) as running:
                sent = [await running.send(f"u{n}@d{n % 2 + 1}.test") for n in range(10)]
                await sink.messages(3)  # a hundred a day: three at once, then one each quarter of an hour
                await until(lambda: len(found_waiting(running).split()) == 2, "both queues wait")
                await until(lambda: sum(running.look(one)["state"] == "delivered" for one in sent) == 3, "three")
                listed = await ask(running, "queue.list")
                assert {row["recipients"][0]["limit"] for row in listed["messages"]} == {"limit young: 100/day"}
                assert len(sink.taken) == 3

    run(play())


def test_recipients_per_transaction_and_messages_per_connection_are_kept(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink:
            limit = (
                '[[limit]]\nname = "small"\nremote = ["127.1.0.1"]\nconnections = 1\nmessages_per_connection = 2\n'
                '[[limit]]\nname = "few"\ndomain = ["127.1.0.1"]\nrecipients = 3\n'
            ).replace('domain = ["127.1.0.1"]\n', 'transport = ["fixed"]\n')
            async with gateway(tmp_path, limit + hosts(sink, 1)) as running:
                message = await running.send(*(f"u{n}@d1.test" for n in range(8)))
                await running.reaches(message, "delivered")
                assert sorted(len(one.recipients) for one in sink.taken) == [2, 3, 3]
                assert [one.connection for one in sink.taken] == [1, 1, 2]
                assert len({line for one in sink.taken for line in one.recipients}) == 8

    run(play())


def test_the_class_of_a_reply_decides_on_the_next_try_and_on_the_words_of_the_notice(tmp_path: Path) -> None:
    replies = {
        "grey": ["550 5.7.1 You are greylisted, come back later"],
        "gone": ["550 5.1.1 No such user here"] * 99,
    }

    def answer(verb: str, line: str, connection: int) -> str | None:
        waiting = replies.get(line.partition("<")[2].partition("@")[0]) if verb == "RCPT" else None
        return waiting.pop(0) if waiting else None

    async def play() -> None:
        async with Sink(answer) as sink, gateway(tmp_path, sink.smarthost + QUICK) as running:
            grey = await running.send("grey@x.test")
            assert len((await running.reaches(grey, "delivered"))["attempts"]) == 2
            gone = await running.send("gone@x.test")
            await running.reaches(gone, "returned")
            await until(lambda: [one for one in sink.taken if one.mail.startswith("MAIL FROM:<>")], "the notice")
            notice = next(one for one in sink.taken if one.mail.startswith("MAIL FROM:<>"))
            assert b"There is no such address at" in b" ".join(notice.data.split())
            assert any("bounce=bad-mailbox" in line for line in running.lines("returned"))
            text = running.gateway.metrics.to_openmetrics().decode()
            assert 'danelaw_bounces_total{class="greylisted"} 1.0' in text
            assert 'danelaw_bounces_total{class="bad-mailbox"} 1.0' in text

    run(play())


def test_a_response_can_hold_the_message_for_the_postmaster(tmp_path: Path) -> None:
    own = tmp_path / "responses.toml"
    own.write_text('[[response]]\nclass = "spam-block"\naction = "hold"\nexample = "554 5.7.1 Spam message rejected"\n')

    def answer(verb: str, line: str, connection: int) -> str | None:
        return "554 5.7.1 Spam message rejected" if verb == "DOT" and connection == 1 else None

    async def play() -> None:
        async with Sink(answer) as sink:
            more = f"{sink.smarthost}[responses]\nfile = {json.dumps(str(own))}\n"
            async with gateway(tmp_path, more) as running:
                message = await running.send("a@x.test")
                found = await running.reaches(message, "held")
                assert "held for the postmaster" in found["recipients"][0]["reason"]
                assert running.lines("held")
                await ask(running, "queue.drop", filter=f"id:{message}", why="T-2")

    run(play())


def test_the_site_of_a_queue_is_known_to_filters_once_its_mail_was_tried(tmp_path: Path) -> None:
    def answer(verb: str, line: str, connection: int) -> str | None:
        return "451 4.3.0 later" if verb == "MAIL" else None

    async def play() -> None:
        async with Sink(answer) as sink, gateway(tmp_path, hosts(sink, 1)) as running:
            message = await running.send("a@d1.test")
            await running.tried(message)
            listed: dict[str, Any] = {"messages": []}
            for _ in range(500):
                listed = await ask(running, "queue.list", filter='site:"[127.1.0.1]"')
                if listed["messages"]:
                    break
                await asyncio.sleep(0.01)
            assert [row["id"] for row in listed["messages"]] == [message]
            assert (await ask(running, "queue.list", filter="site:google"))["messages"] == []

    run(play())


def test_an_act_on_one_recipient_strands_nobody_else_of_the_message(tmp_path: Path) -> None:
    """Both parts of the message lie claimed in memory when the operator drops one of them."""

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, hosts(sink, 2)) as running:
            for host in ("[127.1.0.1]", "[127.1.0.2]"):
                await ask(running, "queue.suspend", filter=f'host:"{host}"', seconds=3600, why="T-1")
            message = await running.send("anna@d1.test", "ben@d2.test")
            await until(lambda: len(found_waiting(running).split()) >= 2, "both wait")
            assert (await ask(running, "queue.drop", filter="to:anna@d1.test", why="T-2"))["recipients"] == 1
            assert await ask(running, "queue.resume", filter='host:"[127.1.0.2]"') == {"ended": 1}
            await until(lambda: sink.taken, "the other recipient's delivery")
            assert [path.split(">")[0] for path in sink.taken[0].recipients] == ["RCPT TO:<ben@d2.test"]
            await running.reaches(message, "dropped")

    run(play())
