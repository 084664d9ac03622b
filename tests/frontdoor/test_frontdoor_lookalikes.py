"""Facts about authors and first-time senders, over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.ends import run
from tests.frontdoor.door import MESSAGE, TRUSTED, findings, front

from danelaw.errors import DanelawError

LOOK = """
[look_alikes]
enabled = true
domains = ["musterbank.example"]
field = "Danelaw-Caution"
[[look_alikes.person]]
name = "Erika Muster"
addresses = ["@ours.test"]
"""


def mail(author: str, more: str = "") -> bytes:
    return f"From: {author}\r\n{more}Subject: x\r\n\r\nbody\r\n".encode()


def test_facts_go_with_the_message_and_into_a_field(tmp_path: Path) -> None:
    async def play() -> None:
        async with front(tmp_path, LOOK) as (running, sink):
            async with await running.client() as client:
                posing = await client.message(
                    mail("=?utf-8?q?Erika_Muster_=3Cerika=40ours=2Etest=3E?= <x@free.test>"), "b@ours.test"
                )
                cousin = await client.message(
                    mail("Bank <x@rnusterbank.example>", "Reply-To: <y@xn--mutrbank-z8a.test>\r\n"), "b@ours.test"
                )
                plain = await client.message(MESSAGE, "b@ours.test", sender="a@musterbank-login.test")
                honest = await client.message(MESSAGE, "b@ours.test")
            taken = await sink.messages(4)
            assert [found[1:] for found in findings(running, posing)] == [
                ("address-in-name", "the display name says erika@ours.test, the address is x@free.test"),
                ("protected-name", "Erika Muster does not write from x@free.test"),
            ]
            assert findings(running, cousin)[0][1:] == (
                "same-shape",
                "rnusterbank.example is written with other letters than musterbank.example",
            )
            assert [found[1] for found in findings(running, plain)] == ["added-words"]
            assert findings(running, honest) == []
            marked = [b"Danelaw-Caution: " in one.data for one in taken]
            assert sorted(marked) == [False, True, True, True]
            first = next(one for one in taken if b"x@free.test" in one.data)
            assert b"Danelaw-Caution: address-in-name protected-name (gw.test)\r\nFrom:" in first.data
            numbers = running.gateway.metrics.to_openmetrics().decode()
            assert 'danelaw_look_alikes_total{result="same-shape"} 1.0' in numbers

    run(play())


def test_a_first_message_is_told_and_an_answer_of_ours_makes_known(tmp_path: Path) -> None:
    async def play() -> None:
        async with front(tmp_path, "[correspondents]\nenabled = true\n") as (running, sink):
            async with await running.client() as client:
                first = await client.message(MESSAGE, "b@ours.test")
                again = await client.message(MESSAGE, "b@ours.test")
                other = await client.message(MESSAGE, "c@ours.test")
            async with await running.client(source=TRUSTED) as client:
                await client.message(mail("<d@ours.test>"), "new@ours.test", sender="d@ours.test")
            async with await running.client() as client:
                answered = await client.message(mail("<new@ours.test>"), "d@ours.test")
            await sink.messages(5)
            said = [findings(running, ident)[0][1:] for ident in (first, again, other, answered)]
            assert said == [
                ("first-time", "a@sender.test has not written to b@ours.test before"),
                ("known", "a@sender.test is known: 1 message before"),
                ("first-time", "a@sender.test has not written to c@ours.test before"),
                ("known", "new@ours.test is known: 1 message before"),
            ]

    run(play())


def test_who_is_known_is_not_greylisted(tmp_path: Path) -> None:
    settings = '[correspondents]\nenabled = true\n[greylisting]\nenabled = true\nexempt = ["known"]\n'

    async def play() -> None:
        async with front(tmp_path, settings) as (running, _):
            async with await running.client(source=TRUSTED) as client:
                await client.message(mail("<b@ours.test>"), "a@elsewhere.ours.test", sender="b@ours.test")
            async with await running.client() as client:
                await client.message(mail("<a@elsewhere.ours.test>"), "b@ours.test", sender="a@elsewhere.ours.test")
                await client.expect(250, "MAIL FROM:<stranger@x.test>")
                await client.expect(451, "RCPT TO:<b@ours.test>")

    run(play())


def test_known_needs_correspondents(tmp_path: Path) -> None:
    async def play() -> None:
        with pytest.raises(DanelawError, match=r"set enabled = true in \[correspondents\]"):
            async with front(tmp_path, '[greylisting]\nenabled = true\nexempt = ["known"]\n'):
                pass

    run(play())
