"""The same folders of Python, run in isolated workers: real mail over real sockets."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.ends import Sink, gateway, run, until
from tests.scripting.isolation import isolated

from danelaw.errors import DanelawError

MESSAGE = b"From: Anna <a@sender.test>\r\nTo: b@example.org\r\nSubject: hello\r\n\r\nbody\r\n"
LARGE = MESSAGE + (b"x" * 76 + b"\r\n") * 3000


def policy(tmp_path: Path, text: str, more: str = "") -> str:
    folder = tmp_path / "policy"
    folder.mkdir(exist_ok=True)
    (folder / "inbound.py").write_text("from danelaw.policy import *\n" + textwrap.dedent(text))
    return f'[policy]\ndirectory = "{folder}"\nrun = "isolated"\nisolated_workers = 2\n{more}'


@pytest.mark.parametrize("message", [MESSAGE, LARGE], ids=["small", "large"])
def test_verdicts_and_changes_of_workers_are_carried_out(tmp_path: Path, message: bytes) -> None:
    config = policy(
        tmp_path,
        """
        @hook.mail_from
        def seen(ctx: MailContext):
            ctx.notes["sender"] = str(ctx.reverse_path)

        @hook.rcpt_to
        async def elsewhere(ctx: RecipientContext):
            if ctx.recipient == "old@example.org":
                return Reject("this mailbox is closed", 550, "5.1.1")
            if ctx.recipient.localpart == "sales":
                return Redirect(("anna@example.org", "bert@example.org"))

        @hook.end_of_data
        def first(ctx: MessageContext):
            ctx.mail.add("X-Seen", ctx.notes.text("sender"))

        @hook.end_of_data
        def second(ctx: MessageContext):
            journal = ctx.mail.copy()
            journal.add("X-Journal", "yes")
            ctx.mail.set("Subject", "[external] " + ctx.mail.subject)
            ctx.reverse_path = Address("bounces@example.org")
            ctx.recipients.append(Address("archive@example.org"))
            ctx.library.log.event("judged", size=ctx.size)
            return Queue((Copy(tuple(ctx.recipients)), Copy(("journal@example.org",), mail=journal)))
        """,
    )

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + config) as running:
            async with await running.client() as client:
                await client.expect(250, "MAIL FROM:<anna@sender.test>")
                await client.expect(550, "RCPT TO:<old@example.org>")
                await client.expect(250, "RSET")
                await client.message(message, "sales@example.org")
            taken = {"X-Journal" in one.data.decode(): one for one in await sink.messages(2)}
            assert len(taken[False].recipients) == 3
            assert b"\r\nX-Seen: anna@sender.test\r\nFrom: Anna" in b"\r\n" + taken[False].content
            assert b"Subject: [external] hello\r\n" in taken[False].content
            assert taken[False].mail.startswith("MAIL FROM:<bounces@example.org>")
            assert b"Subject: hello\r\n" in taken[True].content
            assert b"X-Seen: anna@sender.test\r\n" in taken[True].content
            for one in taken.values():
                assert one.content.endswith(message.partition(b"\r\n\r\n")[2])
            assert "size=" in running.lines("policy")[0]

    run(play())


def test_a_worker_that_dies_is_replaced_and_its_call_defers(tmp_path: Path) -> None:
    config = policy(
        tmp_path,
        """
        import os

        @hook.end_of_data
        def judged(ctx: MessageContext):
            ctx.mail.add("X-Half", "done")
            if ctx.mail.subject == "die":
                os._exit(7)
        """,
    )

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + config) as running:
            async with await running.client() as client:
                answer = await client.offer(MESSAGE.replace(b"hello", b"die"), "b@example.org")
                assert answer.code == 451
                await client.message(MESSAGE, "b@example.org")
            (one,) = await sink.messages()
            assert b"X-Half: done" in one.content
            await until(lambda: running.lines("policy-worker-ended"), "a word about the worker")
            assert "its process ended" in running.lines("hook-failed")[0]

    run(play())


def test_a_policy_that_does_not_load_in_its_worker_is_told_with_its_line(tmp_path: Path) -> None:
    config = policy(tmp_path, "@hook.rcpt_to\ndef one(ctx, more): ...\n")

    async def play() -> None:
        async with gateway(tmp_path, config):
            raise AssertionError("it must not start")

    with pytest.raises(DanelawError, match=r"inbound\.py:2: one takes 2 arguments"):
        run(play())


def test_a_policy_that_ends_its_process_while_it_loads_does_not_end_the_gateway(tmp_path: Path) -> None:
    config = policy(tmp_path, "import os\nos._exit(0)\n")

    async def play() -> None:
        async with gateway(tmp_path, config):
            raise AssertionError("it must not start")

    with pytest.raises(DanelawError, match="it said nothing"):
        run(play())


def test_cached_functions_keep_their_results_in_their_worker(tmp_path: Path) -> None:
    text = """
        asked = []

        @cached(ttl=60)
        async def records(domain: str) -> list[str]:
            asked.append(domain)
            return [domain, str(len(asked))]

        @hook.rcpt_to
        async def looked_up(ctx: RecipientContext):
            return Reject(" ".join(await records(ctx.recipient.domain)))
    """

    async def play() -> None:
        async with isolated(tmp_path / "policy", text, workers=1) as policy:
            for _ in range(3):
                said = await policy.ask("looked_up", "b@a.example")
                assert said is not None
                assert getattr(said.verdict, "text", said) == "a.example 1"

    run(play())


def test_a_worker_imports_nothing_of_the_gateway() -> None:
    code = (
        "import sys, danelaw.scripting.isolated.worker as _; print(*(one for one in sys.modules if 'danelaw' in one))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=60)
    rooms = {name.split(".")[1] for name in said.stdout.split() if "." in name}
    assert not rooms & {"config", "gateway", "inbound", "outbound", "net", "resolver", "spool", "dnssec"}
