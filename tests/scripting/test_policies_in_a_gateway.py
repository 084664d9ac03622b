"""A folder of Python decides, at every step, what becomes of real mail over real sockets."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from tests.ends import Sink, gateway, run, until

from danelaw.errors import DanelawError

MESSAGE = b"From: Anna <a@sender.test>\r\nTo: b@example.org\r\nSubject: hello\r\n\r\nbody\r\n"
LARGE = MESSAGE + (b"x" * 76 + b"\r\n") * 3000


def policy(tmp_path: Path, text: str, name: str = "inbound.py") -> str:
    folder = tmp_path / "policy"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("from danelaw.policy import *\n" + textwrap.dedent(text))
    return f'[policy]\ndirectory = "{folder}"\n'


def to(sink: Sink) -> str:
    return f'[delivery]\nnext_hop = "{sink.hop}"\n'


def test_each_step_can_say_no(tmp_path: Path) -> None:
    config = policy(
        tmp_path,
        """
        @hook.helo
        def named(ctx: HeloContext):
            if ctx.client.helo == "localhost":
                return Reject("tell me your own name", 550, "5.7.1")

        @hook.mail_from
        async def sender(ctx: MailContext):
            if ctx.reverse_path.domain == "bad.test":
                return Defer("not from there today")

        @hook.rcpt_to
        def closed(ctx: RecipientContext):
            if ctx.recipient == "old@example.org":
                return Reject("this mailbox is closed", 550, "5.1.1")

        @hook.end_of_data
        def words(ctx: MessageContext):
            if "viagra" in ctx.mail.subject.lower():
                return Reject("no", 554, "5.7.1")
        """,
    )

    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path, to(sink) + config) as running,
            await running.client() as client,
        ):
            assert (await client.expect(550, "EHLO localhost")).text.endswith("tell me your own name")
            await client.expect(503, "MAIL FROM:<a@sender.test>")
            await client.expect(250, "EHLO client.test")
            assert (await client.expect(451, "MAIL FROM:<a@bad.test>")).text.endswith("not from there today")
            await client.expect(250, "MAIL FROM:<a@sender.test>")
            await client.expect(550, "RCPT TO:<old@example.org>")
            await client.expect(250, "RCPT TO:<b@example.org>")
            await client.expect(354, "DATA")
            client.send(MESSAGE.replace(b"hello", b"ViAgRa") + b".\r\n")
            await client.expect(554)
            await client.message(MESSAGE, "b@example.org")
            await sink.messages()
            assert [line.split("step=")[1].split()[0] for line in running.lines("refused")][:3] == ["policy"] * 3

    run(play())


@pytest.mark.parametrize("message", [MESSAGE, LARGE], ids=["small", "large"])
def test_changes_reach_the_next_hop_and_the_rest_is_untouched(tmp_path: Path, message: bytes) -> None:
    config = policy(
        tmp_path,
        """
        @hook.rcpt_to
        def elsewhere(ctx: RecipientContext):
            if ctx.recipient.localpart == "sales":
                return Redirect(("anna@example.org", "bert@example.org"))

        @hook.end_of_data
        def banner(ctx: MessageContext):
            ctx.mail.set("Subject", "[external] " + ctx.mail.subject)
            ctx.mail.add("X-Seen", ctx.client.address)
            ctx.reverse_path = Address("bounces@example.org")
            ctx.recipients.append(Address("archive@example.org"))
        """,
    )

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, to(sink) + config) as running:
            async with await running.client() as client:
                await client.message(message, "sales@example.org")
            found = await sink.messages(1)
            (got,) = found
            data = got if isinstance(got, bytes) else got.data
            assert b"\r\nX-Seen: 127.0.0.1\r\nFrom: Anna" in data
            assert data.endswith(message.partition(b"\r\n\r\n")[2])
            assert b"Subject: [external] hello\r\n" in data
            line = running.lines("received")[0]
            assert "recipients=3" in line
            assert "from=bounces@example.org" in line or "sender=bounces@example.org" in line

    run(play())


def test_a_hook_that_fails_defers_and_changes_nothing(tmp_path: Path) -> None:
    config = policy(
        tmp_path,
        """
        @hook.end_of_data
        def broken(ctx: MessageContext):
            ctx.mail.add("X-Half", "done")
            ctx.recipients.clear()
            if ctx.mail.subject == "hello":
                raise ValueError("no such key")
            return 250

        @hook.disconnect(on_failure="ignore")
        def bye(ctx: DisconnectContext):
            ctx.library.log.event("gone", messages=ctx.messages)
        """,
    )

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, to(sink) + config) as running:
            async with await running.client() as client:
                for subject in (b"hello", b"other"):
                    await client.expect(250, "MAIL FROM:<a@sender.test>")
                    await client.expect(250, "RCPT TO:<b@example.org>")
                    await client.expect(354, "DATA")
                    client.send(MESSAGE.replace(b"hello", subject) + b".\r\n")
                    await client.expect(451)
            failed = running.lines("hook-failed")
            assert "inbound.py:8" in failed[0]
            assert "ValueError: no such key" in failed[0]
            assert "no verdict of end_of_data" in failed[1]
            await until(lambda: running.lines("policy"), "the disconnect hook")
            assert "text=gone" in running.lines("policy")[0]

    run(play())


def test_an_endless_loop_is_stopped_and_others_are_served(tmp_path: Path) -> None:
    config = (
        policy(
            tmp_path,
            """
        import re, time

        @hook.mail_from
        def stuck(ctx: MailContext):
            if ctx.reverse_path.localpart == "loop":
                while True:
                    pass
            if ctx.reverse_path.localpart == "sleep":
                time.sleep(1000)
            if ctx.reverse_path.localpart == "deep":
                stuck(ctx) or stuck(ctx)
        """,
        )
        + 'cpu = "50ms"\n'
    )

    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path, to(sink) + config) as running,
            await running.client() as client,
        ):
            await client.expect(451, "MAIL FROM:<loop@sender.test>")
            await client.expect(451, "MAIL FROM:<sleep@sender.test>")
            await client.expect(451, "MAIL FROM:<deep@sender.test>")
            await client.message(MESSAGE, "b@example.org")
            await sink.messages()
            reasons = [line.split("reason=")[1] for line in running.lines("hook-failed")]
            assert "worked for more than 0.05 s" in reasons[0]
            assert "worked for more than 0.05 s" in reasons[1]
            assert "RecursionError" in reasons[2]

    run(play())


def test_one_message_becomes_several(tmp_path: Path) -> None:
    config = policy(
        tmp_path,
        """
        @hook.end_of_data
        def journal(ctx: MessageContext):
            journal = ctx.mail.copy()
            journal.add("X-Journal", "yes")
            ctx.mail.add("X-Copy", "no")
            return Queue((
                Copy(tuple(ctx.recipients)),
                Copy(("journal@example.org",), reverse_path="", mail=journal),
                Copy(("legal@example.org",), hold=Hold("a second look")),
            ))
        """,
    )

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, to(sink) + config) as running:
            async with await running.client() as client:
                await client.message(MESSAGE, "b@example.org")
            found = [one if isinstance(one, bytes) else one.data for one in await sink.messages(2)]
            assert sorted((b"X-Journal: yes" in one, b"X-Copy: no" in one) for one in found) == [
                (False, True),
                (True, False),
            ]
            assert len(running.lines("received")) == 3

    run(play())


def test_a_script_can_let_strangers_relay_and_nothing_else_can(tmp_path: Path) -> None:
    config = policy(
        tmp_path,
        """
        @hook.rcpt_to
        def ours(ctx: RecipientContext):
            if ctx.recipient.domain == "hosted.example":
                return Accept(relay=True)
            if ctx.recipient.domain == "other.example":
                return Accept()
        """,
    )

    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path, to(sink) + config, replace={"127.0.0.0/8": "192.0.2.0/24"}) as running,
            await running.client() as client,
        ):
            await client.expect(250, "MAIL FROM:<a@sender.test>")
            await client.expect(250, "RCPT TO:<b@hosted.example>")
            await client.expect(550, "RCPT TO:<b@other.example>")
            await client.expect(550, "RCPT TO:<b@third.example>")

    run(play())


def test_a_faulty_policy_is_told_with_its_line(tmp_path: Path) -> None:
    config = policy(tmp_path, "@hook.rcpt_to\ndef one(ctx, more): ...\n")

    async def play() -> None:
        async with gateway(tmp_path, config):
            raise AssertionError("it must not start")

    with pytest.raises(DanelawError, match=r"inbound\.py:2: one takes 2 arguments"):
        run(play())


def test_what_scripts_note_and_choose_is_kept_with_the_message(tmp_path: Path) -> None:
    config = policy(
        tmp_path,
        """
        @hook.connect
        def seen(ctx: ConnectContext):
            ctx.notes["seen"] = 1

        @hook.mail_from
        def counted(ctx: MailContext):
            ctx.notes["transactions"] = ctx.notes.number("transactions") + 1

        @hook.end_of_data
        def chosen(ctx: MessageContext):
            ctx.tags.add("newsletter")
            ctx.handling = Handling(job="spring", priority=-1, tenant="acme", next_hop="[127.0.0.1]:9", expires_in=60.0)
        """,
    )

    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path, to(sink) + config) as running,
            await running.client() as client,
        ):
            for _ in range(2):
                await client.message(MESSAGE, "b@example.org")
            lines = await until(lambda: running.lines("received")[1:] and running.lines("received"), "two messages")
            for line in lines:
                message = running.look(line.split(" id=")[1].split()[0])
                context = message["context"]
                assert context["notes"] == {"seen": 1, "transactions": 1}
                assert context["tags"] == ["newsletter"]
                assert len(context["policy"]) == 12
                (recipient,) = message["recipients"]
                assert recipient["host"] == "[127.0.0.1]:9"
                assert (recipient["job"], recipient["tenant"], recipient["priority"]) == ("spring", "acme", "low")
                assert message["expires_at"] - message["received_at"] <= 60

    run(play())


def test_a_hook_knows_what_mail_asks_for_and_is_heard_in_ascii_where_nobody_asked_for_more(tmp_path: Path) -> None:
    config = policy(
        tmp_path,
        """
        @hook.mail_from
        def heavy(ctx: MailContext):
            if (ctx.declared_size or 0) > 1000:
                return Reject(f"zu groß: {ctx.declared_size}", 552, "5.3.4")

        @hook.rcpt_to
        def closed(ctx: RecipientContext):
            return Reject("geschlossen für immer") if ctx.smtputf8 else Reject("für immer 日")
        """,
    )

    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path, to(sink) + config) as running,
            await running.client() as client,
        ):
            assert (await client.expect(552, "MAIL FROM:<a@sender.test> SIZE=5000")).text.endswith("zu gross: 5000")
            await client.expect(250, "MAIL FROM:<a@sender.test> SIZE=500")
            assert (await client.expect(550, "RCPT TO:<b@example.org>")).text.endswith("fur immer ?")
            await client.expect(250, "RSET")
            await client.expect(250, "MAIL FROM:<a@sender.test> SMTPUTF8")
            assert (await client.expect(550, "RCPT TO:<b@example.org>")).text.endswith("geschlossen für immer")

    run(play())


def test_the_name_of_a_client_is_told_where_a_step_has_looked_it_up(tmp_path: Path) -> None:
    config = policy(
        tmp_path,
        """
        @hook.rcpt_to
        def named(ctx: RecipientContext):
            return Reject(f"you are {ctx.client.name or 'nobody'}")
        """,
    )

    async def play() -> None:
        async with gateway(tmp_path, config) as running, await running.client() as client:
            await client.expect(250, "MAIL FROM:<a@sender.test>")
            assert (await client.expect(550, "RCPT TO:<b@example.org>")).text.endswith("you are nobody")
        async with gateway(tmp_path / "again", config) as running:
            assert running.gateway.parts.scripts is not None
            running.gateway.parts.scripts.know_names(lambda address: f"host-{address}.test")
            async with await running.client() as client:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                answer = await client.expect(550, "RCPT TO:<b@example.org>")
                assert answer.text.endswith("you are host-127.0.0.1.test")

    run(play())
