"""Rules in the configuration decide about mail over real sockets, before any script."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.ends import Sink, gateway, run, until
from tests.scripting.test_policies_in_a_gateway import MESSAGE, policy, to

from danelaw.config import load
from danelaw.errors import DanelawError

ISO = (
    b"From: a@sender.test\r\nSubject: a disk\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x\r\nContent-Type: application/octet-stream\r\n"
    b'Content-Disposition: attachment; filename="a.ISO"\r\n\r\nabc\r\n--x--\r\n'
)

RULES = """
[[rule]]
name = "closed"
when = { recipient = ["old@example.org"] }
action = "reject"
code = 550
status = "5.1.1"
text = "this mailbox is closed"

[[rule]]
name = "moved"
when = { recipient = ["anna@example.org"] }
action = "redirect"
to = ["anna@other.example"]

[[rule]]
name = "external"
order = -5
unless = { sender = ["example.org"] }
subject_prefix = "[external] "
tag = ["external"]
remove_header = ["X-Secret"]

[[rule]]
name = "no-images"
when = { attachment = ["*.iso", "*.img"], tag = ["external"] }
action = "hold"
text = "a disk image"

[[rule]]
name = "journal"
when = { sender = ["example.org"] }
copy_to = ["journal@example.org"]

[[rule]]
name = "ended"
expires = 2020-01-01T00:00:00Z
action = "reject"
"""


def test_rules_refuse_change_hold_and_copy(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, to(sink) + RULES) as running:
            async with await running.client() as client:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                assert "this mailbox is closed" in (await client.expect(550, "RCPT TO:<old@example.org>")).text
                await client.expect(250, "RCPT TO:<anna@example.org>")
                await client.expect(354, "DATA")
                client.send(b"X-Secret: 1\r\n" + MESSAGE + b".\r\n")
                await client.expect(250)
                held = await client.message(ISO, "b@example.org", sender="a@sender.test")
                await client.message(MESSAGE, "b@example.org", sender="c@example.org")
            assert "a disk image" in str(await running.reaches(held, "held"))
            taken = await sink.messages(3)
            (moved,) = [one for one in taken if "anna@other.example" in str(one.recipients)]
            assert b"Subject: [external] hello\r\n" in moved.content
            assert b"X-Secret" not in moved.content
            assert {str(one.recipients) for one in taken if one is not moved} == {
                "['RCPT TO:<b@example.org>']",
                "['RCPT TO:<journal@example.org>']",
            }
            assert all(b"[external]" not in one.content for one in taken if one is not moved)
            found = running.look(held)["findings"]
            assert {"step": "rules", "result": "none", "reason": "external"} in found

    run(play())


def test_a_rule_that_accepts_goes_past_scripts(tmp_path: Path) -> None:
    config = (
        policy(
            tmp_path,
            """
        @hook.end_of_data
        def never(ctx: MessageContext):
            return Reject("not by script")
        """,
        )
        + '[[rule]]\nname = "past"\nwhen = { subject = ["hello"] }\naction = "accept"\n'
    )

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, to(sink) + config) as running:
            async with await running.client() as client:
                await client.message(MESSAGE, "b@example.org")
                assert (await client.offer(MESSAGE.replace(b"hello", b"other"), "b@example.org")).code == 550
            await until(lambda: sink.taken, "the message")

    run(play())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('name = "a"\naction = "redirect"', "belong together"),
        ('name = "a"\naction = "reject"\ncode = 450', "does not fit"),
        ('name = "a"\nat = "recipient"\nwhen = { subject = ["x"] }\naction = "reject"', "not known yet"),
        ('name = "a"\nwhen = { hours = ["Mon-Foo"] }', "no day"),
        ('name = "a"\nwhen = { zone = "Mars" }', "no time zone"),
        ('name = "a"\nwhen = { sbject = ["x"] }', "sbject"),
        ('name = "a"\ncopy_to = ["nobody"]', "nobody"),
    ],
)
def test_faulty_rules_are_told(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "danelaw.toml"
    path.write_text(f'hostname = "gw.test"\n[[rule]]\n{text}\n')
    with pytest.raises(DanelawError, match=complaint):
        load(path)


def test_a_rule_can_hand_mail_to_a_carrier(tmp_path: Path) -> None:
    config = f"""
    [[carrier]]
    name = "archive"
    maildir = "{tmp_path}/{{local}}"
    [[rule]]
    name = "old"
    when = {{ recipient = ["old.test"] }}
    next_hop = "carrier:archive"
    """

    async def play() -> None:
        async with gateway(tmp_path / "g", config) as running:
            await running.reaches(await running.send("anna@old.test"), "delivered")
            assert len(list((tmp_path / "anna" / "new").iterdir())) == 1

    run(play())
    with pytest.raises(DanelawError, match="add \\[\\[carrier\\]\\] name"):
        run(_started(tmp_path / "h", config.replace('name = "archive"', 'name = "other"')))


async def _started(folder: Path, config: str) -> None:
    async with gateway(folder, config):
        pass
