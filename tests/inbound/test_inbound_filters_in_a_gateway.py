"""Filters behind a running gateway: refusals in time, changes on the wire, and nothing left when a client goes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.ends import Client, Sink, gateway, run, until
from tests.filters.fake_engines import FakeMilter, closed_port, instream, packet, serving

MESSAGE = b"From: a@sender.test\r\nX-Spam-Flag: NO\r\nSubject: x\r\n\r\n.body\r\n"
LARGE = MESSAGE + (b"x" * 76 + b"\r\n") * 3000


def settings(sink: Sink, *filters: str) -> str:
    return f'[delivery]\nnext_hop = "{sink.hop}"\n' + "".join(filters)


def section(kind: str, address: object, more: str = "") -> str:
    return f'[[filter]]\nname = "{kind}"\nkind = "{kind}"\naddress = ["{address}"]\nclients = "all"\n{more}\n'


def test_a_milter_refuses_a_recipient_in_time_and_edits_what_goes_on(tmp_path: Path) -> None:
    async def play() -> None:
        milter = FakeMilter(
            {"E": packet(b"i", b"\0\0\0\0X-Top\0one\0") + packet(b"m", b"\0\0\0\x01Subject\0new\0") + packet(b"c")}
        )
        async with (
            serving(milter) as server,
            Sink() as sink,
            gateway(tmp_path, settings(sink, section("milter", server.address))) as running,
        ):
            client = await running.client()
            await client.expect(250, "MAIL FROM:<a@sender.test>")
            await client.expect(250, "RCPT TO:<b@example.org>")
            milter.answers["R"] = packet(b"y", b"550 5.1.1 nobody\0")
            assert (await client.expect(550, "RCPT TO:<nobody@example.org>")).text.endswith("nobody")
            await client.expect(354, "DATA")
            client.send(MESSAGE.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            await client.expect(250)
            (message,) = await sink.messages()
            octets = message if isinstance(message, bytes) else message.data
            assert octets.endswith(
                b"X-Top: one\r\nFrom: a@sender.test\r\nX-Spam-Flag: NO\r\nSubject: new\r\n\r\n.body\r\n"
            )
            client.writer.transport.abort()
            await until(lambda: milter.letters().endswith("Q"), "the milter's QUIT")
            assert milter.letters() == "CHMRRTLLLNBEQ"
            assert milter.told("D")[0].startswith(b"Cj\0")

    run(play())


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    async def play() -> None:
        milter = FakeMilter({"E": b"silence"})
        async with (
            serving(milter) as server,
            Sink() as sink,
            gateway(
                tmp_path, settings(sink, section("milter", server.address, 'timeout = "1s"\non_failure = "accept"'))
            ) as running,
        ):
            (step,) = (one for one in running.gateway.parts.intake.steps.all if one.name == "filtering")
            client = await running.client()
            await client.expect(250, "MAIL FROM:<a@sender.test>")
            await client.expect(250, "RCPT TO:<b@example.org>")
            await client.expect(354, "DATA")
            client.send(MESSAGE + b".\r\n")
            await until(lambda: milter.told("E"), "the end of the message")
            client.writer.transport.abort()
            await until(lambda: not step._sessions, "the end of the session")  # type: ignore[attr-defined]
            milter.answers.clear()
            async with await running.client() as other:
                await other.message(MESSAGE, "b@example.org")
            await sink.messages()

    run(play())


def test_large_messages_go_through_scanners_from_their_file(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def clamd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await instream(reader))
        writer.write(b"stream: OK\0")

    async def play() -> None:
        async with (
            serving(clamd) as server,
            Sink() as sink,
            gateway(tmp_path, settings(sink, section("clamd", server.address))) as running,
        ):
            async with await running.client() as client:
                await client.message(LARGE, "b@example.org")
            await sink.messages()
        assert [len(octets) for octets in heard] == [len(LARGE)]

    run(play())


def test_a_filter_that_is_down_defers_and_accepts_by_policy(tmp_path: Path) -> None:
    async def answer(client: Client) -> int:
        reply = await client.say("MAIL FROM:<a@sender.test>")
        if reply.code != 250:
            return reply.code
        await client.expect(250, "RCPT TO:<b@example.org>")
        await client.expect(354, "DATA")
        client.send(MESSAGE + b".\r\n")
        return (await client.answer()).code

    async def play() -> None:
        dead = await closed_port()
        for number, (kind, policy, code) in enumerate(
            [("clamd", "defer", 451), ("clamd", "accept", 250), ("milter", "defer", 451), ("milter", "refuse", 554),
             ("milter", "accept", 250)]
        ):  # fmt: skip
            place = tmp_path / str(number)
            place.mkdir()
            text = section(kind, dead, f'on_failure = "{policy}"')
            async with Sink() as sink, gateway(place, settings(sink, text)) as running:
                async with await running.client() as client:
                    assert await answer(client) == code, (kind, policy)
                numbers = running.gateway.parts.intake.metrics.filter_requests.samples()
                assert {labels for labels, _ in numbers} == {(kind, "failed")}

    run(play())
