"""The proxy hook is asked about each command line before it is read, and costs nothing where there is none."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from tests.ends import Sink, gateway, run

POLICY = """
from danelaw.policy import CommandContext, Defer, Disconnect, Reject, hook

@hook.proxy
async def looked_at(ctx: CommandContext) -> Reject | Defer | Disconnect | None:
    ctx.library.log.event("line", line=ctx.line)
    if ctx.line.upper().startswith("VRFY"):
        return Reject("we do not say who is here", 502, "5.5.1")
    if "later@" in ctx.line:
        return Defer("not now", 450, "4.2.1")
    if ctx.line == "NOOP out":
        return Disconnect("enough")
    return None
"""


def policy(tmp_path: Path, text: str = POLICY) -> str:
    folder = tmp_path / "policy"
    folder.mkdir(exist_ok=True)
    (folder / "lines.py").write_text(textwrap.dedent(text))
    return f'[policy]\ndirectory = "{folder}"\n'


def test_a_line_may_pass_be_refused_put_off_or_end_the_connection(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path, sink.smarthost + policy(tmp_path)) as running,
            await running.client() as client,
        ):
            assert (await client.expect(502, "VRFY anna")).text == "5.5.1 we do not say who is here"
            await client.expect(250, "MAIL FROM:<a@sender.test>")
            await client.expect(450, "RCPT TO:<later@example.org>")
            await client.expect(250, "RCPT TO:<b@example.org>")
            await client.expect(354, "DATA")
            client.send(b"Subject: VRFY\r\n\r\nVRFY me\r\n.\r\n")
            await client.expect(250)
            await sink.messages()
            await client.expect(500, "BLAH")
            await client.expect(421, "NOOP out")
            await client.closed()
            heard = [line.partition(" line=")[2] for line in running.lines("policy")]
            assert len(heard) == 8  # EHLO to NOOP, and nothing of the message
            assert any("step=policy" in line for line in running.lines("refused"))

    run(play())


def test_pipelined_commands_and_chunks_are_answered_in_their_order(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path, sink.smarthost + policy(tmp_path)) as running,
            await running.client() as client,
        ):
            client.send(
                b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<later@example.org>\r\nRCPT TO:<b@example.org>\r\n"
                b"BDAT 10 LAST\r\nVRFY x\r\n\r\nNOOP\r\n"
            )
            assert [(await client.answer()).code for _ in range(5)] == [250, 450, 250, 250, 250]
            (taken,) = await sink.messages()
            assert taken.content.startswith(b"VRFY x")

    run(play())


def test_turned_down_lines_count_as_errors_like_any_other(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path, sink.smarthost + policy(tmp_path)) as running,
            await running.client() as client,
        ):
            codes = [(await client.say("VRFY anna")).code for _ in range(20)]
            assert set(codes) == {502}
            client.send(b"VRFY anna\r\n")
            assert [(await client.answer()).code for _ in range(2)] == [502, 421]
            await client.closed()

    run(play())


@pytest.mark.parametrize("run_in", ["here", "isolated"])
def test_one_that_fails_puts_the_client_off(tmp_path: Path, run_in: str) -> None:
    text = """
    from danelaw.policy import CommandContext, hook

    @hook.proxy
    def broken(ctx: CommandContext) -> None:
        if ctx.line.startswith("MAIL"):
            raise ValueError(ctx.line)
    """

    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path, sink.smarthost + policy(tmp_path, text) + f'run = "{run_in}"\n') as running,
            await running.client() as client,
        ):
            await client.expect(451, "MAIL FROM:<a@sender.test>")
            await client.expect(250, "NOOP")

    run(play())


def test_nothing_is_asked_where_no_policy_wants_to_hear_lines(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running, await running.client() as client:
            (session,) = running.gateway.parts.intake.sessions
            assert session.connection.screens is False
            await client.expect(252, "VRFY anna")

    run(play())
