"""Who may send what to whom: relay networks, our domains, and the tricks of those who may not."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from tests.ends import Client, Running, Sink, gateway, run, until

DOMAINS = '[[domain]]\nname = "ours.test"\nnext_hop = "{hop}"\n[[domain]]\nname = ".below.test"\nnext_hop = "{hop}"\n'
STRANGERS = {'networks = ["127.0.0.0/8"]': 'networks = ["127.0.0.7/32"]'}


def test_a_relay_network_reaches_everything(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path, f'[delivery]\nnext_hop = "{sink.hop}"', replace=STRANGERS) as running,
        ):
            async with await running.client(source="127.0.0.7") as client:
                await client.message(b"Subject: x\r\n\r\nx\r\n", "anybody@anywhere.example", "user@[192.0.2.1]")
            taken = await sink.messages()
            assert taken[0].recipients[0].startswith("RCPT TO:<anybody@anywhere.example>")

    run(play())


@pytest.mark.parametrize(
    "path",
    [
        "<victim@elsewhere.example>",
        "<@ours.test:victim@elsewhere.example>",
        "<@ours.test,@ours.test:victim@elsewhere.example>",
        "<victim@[192.0.2.25]>",
        "<victim@[127.0.0.1]>",
        "<victim@[IPv6:2001:db8::1]>",
        "<victim@sub.ours.test>",
        "<victim@notours.test>",
        "<victim@below.test>",
        '<"victim@elsewhere.example"@elsewhere.example>',
        "<victim@ours.test.elsewhere.example>",
        "<victim@elsewhere.example\x00@ours.test>",
        "<victim@xn--ours-test>",
        "<elsewhere.example!victim@elsewhere.example>",
    ],
)
def test_a_stranger_cannot_relay(tmp_path: Path, path: str) -> None:
    async def play() -> None:
        domains = DOMAINS.format(hop="[127.0.0.1]:9")
        async with gateway(tmp_path, domains, replace=STRANGERS) as running, await running.client() as client:
            await client.expect(250, "MAIL FROM:<a@sender.test>")
            answer = await client.say(f"RCPT TO:{path}")
            assert 500 <= answer.code < 560, answer
            await client.expect(503 if answer.code == 501 else 554, "DATA")

    run(play())


@pytest.mark.parametrize(
    "path",
    [
        "<anna@ours.test>",
        "<ANNA@OURS.TEST>",
        "<anna@a.below.test>",
        "<anna@a.b.below.test>",
        "<victim%elsewhere.example@ours.test>",
        '<"victim@elsewhere.example"@ours.test>',
        "<elsewhere.example!victim@ours.test>",
    ],
)
def test_a_stranger_reaches_our_domains_and_their_own_next_hop_only(tmp_path: Path, path: str) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, DOMAINS.format(hop=sink.hop), replace=STRANGERS) as running:
            async with await running.client() as client:
                await client.expect(250, "MAIL FROM:<>")
                await client.expect(250, f"RCPT TO:{path}")
                await client.expect(550, "RCPT TO:<victim@elsewhere.example>")
                await client.expect(354, "DATA")
                await client.expect(250, "Subject: x\r\n\r\nx\r\n.")
            taken = (await sink.messages())[0]
            assert taken.mail.startswith("MAIL FROM:<>")
            assert len(taken.recipients) == 1
            assert taken.recipients[0].partition("@")[0].lower() == f"rcpt to:{path}".partition("@")[0].lower()

    run(play())


def test_postmaster_is_always_taken(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, replace=STRANGERS) as running, await running.client() as client:
            for path in ("<postmaster>", "<Postmaster>", "<POSTMASTER>"):
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                await client.expect(250, f"RCPT TO:{path}")
                await client.expect(250, "RSET")

    run(play())


def test_a_refused_recipient_is_logged_and_counted(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, replace=STRANGERS) as running, await running.client() as client:
            await client.expect(250, "MAIL FROM:<a@sender.test>")
            await client.expect(550, "RCPT TO:<victim@elsewhere.example>")
            assert "victim@elsewhere.example" in running.lines("refused")[0]
            numbers = running.gateway.metrics.to_openmetrics().decode()
            assert 'danelaw_inbound_refusals_total{class="5",stage="rcpt"} 1.0' in numbers

    run(play())


def limits(**values: object) -> str:
    return "[limits]\n" + "\n".join(f"{key} = {value}" for key, value in values.items())


def test_connections_per_client_and_in_total(tmp_path: Path) -> None:
    async def play() -> None:
        several = limits(connections=4, connections_per_client=2)
        async with gateway(tmp_path, several) as running, contextlib.AsyncExitStack() as stack:
            kept = [
                await stack.enter_async_context(await running.client(source=f"127.0.0.{1 + number // 2}"))
                for number in range(4)
            ]
            async with await Client.connect(running.address, source="127.0.0.1") as same:
                assert "4.3.2" in (await same.expect(421)).text
                await same.closed()
            async with await Client.connect(running.address, source="127.0.0.3") as other:
                await other.expect(421)
            await kept[-1].expect(221, "QUIT")
            await until(lambda: len(running.gateway.parts.intake.sessions) == 3, "one place free")
            async with await Client.connect(running.address, source="127.0.0.1") as same:
                assert "4.7.0" in (await same.expect(421)).text
            async with await running.client(source="127.0.0.3"):
                pass

    run(play())


@pytest.mark.parametrize(
    ("setting", "commands", "code"),
    [
        ({"errors": 3}, ["NONSENSE"] * 4, 421),
        ({"commands": 50}, ["NOOP"] * 50, 421),
        ({"messages": 2}, ["MAIL FROM:<a@s.test>", "RSET"] * 2 + ["MAIL FROM:<a@s.test>"], 421),
    ],
    ids=["errors", "commands", "messages"],
)
def test_a_client_that_asks_too_much_is_shown_out(
    tmp_path: Path, setting: dict[str, int], commands: list[str], code: int
) -> None:
    async def play() -> None:
        async with gateway(tmp_path, limits(**setting)) as running, await running.client() as client:
            client.send("".join(f"{command}\r\n" for command in commands).encode())
            last = None
            try:
                while True:
                    last = await client.answer()
            except EOFError:
                pass
            assert last is not None
            assert last.code == code

    run(play())


def test_the_longest_line_is_the_configured_one(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, limits(text_line=1000)) as running:
            for length, code in ((998, 250), (999, 554)):
                async with await running.client() as client:
                    await client.expect(250, "MAIL FROM:<a@sender.test>")
                    await client.expect(250, "RCPT TO:<b@example.org>")
                    await client.expect(354, "DATA")
                    answer = await client.say("X: y\r\n\r\n" + "x" * length + "\r\n.")
                    assert answer.code // 100 == code // 100, answer

    run(play())


def sweep_at(running: Running, seconds: float) -> None:
    """Let the intake's sweep look as if this much time had passed."""
    intake = running.gateway.parts.intake
    loop_time = next(iter(intake.sessions))._loop.time()
    for session in [one for one in intake.sessions if one.deadline < loop_time + seconds]:
        session.expire(loop_time + seconds)


@pytest.mark.parametrize(
    ("commands", "silence", "still_there"),
    [
        ([], 299, True),
        ([], 301, False),
        (["MAIL FROM:<a@sender.test>"], 301, False),
        (["MAIL FROM:<a@sender.test>", "RCPT TO:<b@example.org>", "DATA"], 599, True),
        (["MAIL FROM:<a@sender.test>", "RCPT TO:<b@example.org>", "DATA"], 601, False),
    ],
    ids=["command in time", "command", "within a transaction", "data in time", "data"],
)
def test_silence_ends_a_session(tmp_path: Path, commands: list[str], silence: float, still_there: bool) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running, await running.client() as client:
            for command in commands:
                await client.say(command)
            sweep_at(running, silence)
            if still_there:
                if commands:
                    await client.expect(250, "Subject: x\r\n\r\nx\r\n.")
                else:
                    await client.expect(250, "NOOP")
            else:
                assert "4.4.2" in (await client.expect(421)).text
                await client.closed()

    run(play())


def test_a_session_ends_in_time_but_not_within_a_message(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running, await running.client() as idle, await running.client() as busy:
            for command in ("MAIL FROM:<a@sender.test>", "RCPT TO:<b@example.org>", "DATA"):
                await busy.say(command)
            sessions = tuple(running.gateway.parts.intake.sessions)
            for session in sessions:
                session.ends = session._loop.time()
            await idle.say("NOOP")
            busy.send(b"Subject: x\r\n")
            await until(lambda: min(one.deadline for one in sessions) <= sessions[0]._loop.time(), "the end")
            sweep_at(running, 1)
            assert "4.7.0" in (await idle.expect(421)).text
            await busy.expect(250, "\r\nx\r\n.")
            sweep_at(running, 1)
            await busy.expect(421)

    run(play())


def test_a_client_that_talks_before_the_greeting_gains_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            gateway(tmp_path, replace=STRANGERS) as running,
            await Client.connect(running.address) as client,
        ):
            client.send(b"EHLO early.test\r\nMAIL FROM:<a@sender.test>\r\nRCPT TO:<b@elsewhere.example>\r\n")
            assert [(await client.answer()).code for _ in range(4)] == [220, 250, 250, 550]

    run(play())
