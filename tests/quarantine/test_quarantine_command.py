"""`danelaw quarantine` with a running gateway and without one."""

from __future__ import annotations

import email
import email.policy
import getpass
from pathlib import Path

from held_mail import BODY, acts, answer, hold, told
from tests.ends import Sink, gateway, run, until

ME = getpass.getuser()


def test_what_is_held_is_listed_with_who_why_and_until_when(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            first = await hold(running, until=4e9)
            second = await hold(running, "ben@example.org", step="clamd", reason="Eicar", large=True)
            await running.reaches(await running.send("carl@example.org"), "delivered")
            listed = (await answer(running, "quarantine", "list"))["messages"]
            assert [row["id"] for row in listed] == [first, second]
            assert listed[0]["holds"] == [{"step": "spam", "reason": "score 12 of 10"}]
            assert (listed[0]["until"], listed[1]["until"]) == (4e9, None)
            assert {row["subject"] for row in listed} == {"Rechnung 💰"}
            assert listed[0]["author"] == "Bank <bank@shop.example>"
            assert listed[1]["recipients"] == [{"number": 0, "to": "ben@example.org"}]
            for words, expected in (
                (("--step", "clamd"), [second]), (("to:anna@*",), [first]), (("size>1M",), []),
                (("--limit", "1"), [first]), (("--limit", "1", "--after", first), [second]),
            ):  # fmt: skip
                found = await answer(running, "quarantine", "list", *words)
                assert [row["id"] for row in found["messages"]] == expected, words
            text = (await told(running, "quarantine", "list")).stdout
            assert "spam" in text
            assert "Eicar" in text
            assert len(sink.taken) == 1

    run(play())


def test_show_lets_no_control_character_through_and_raw_gives_every_octet(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running:
            small, large = await hold(running), await hold(running, body=BODY + b"x" * 2_500_000, large=True)
            for words in (("--json",), ()):
                text = (await told(running, "quarantine", "show", small, *words)).stdout
                assert "X-Evil" in text
                assert all(character == "\n" or character.isprintable() for character in text)
            found = await answer(running, "quarantine", "show", large)
            kinds = [(part["depth"], part["type"], part["name"]) for part in found["parts"]]
            assert kinds == [(0, "multipart/mixed", ""), (1, "text/plain", ""), (1, "application/zip", "bill .zip")]
            for number, (one, body) in enumerate(((small, BODY), (large, BODY + b"x" * 2_500_000))):
                file = tmp_path / f"raw{number}"
                await answer(running, "quarantine", "show", one, "--raw", str(file))
                assert file.read_bytes() == body
                assert file.stat().st_mode & 0o777 == 0o600
            again = await told(running, "quarantine", "show", small, "--raw", str(tmp_path / "raw0"))
            assert again.exit_code != 0

    run(play())


def test_release_sends_one_recipient_or_all_and_is_written_down(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            held = await hold(running, "anna@example.org", "ben@example.org")
            other = await hold(running, "carl@example.org")
            result = await answer(running, "quarantine", "release", f"id:{held}", "to:ben@*", "--because", "T-1")
            assert (result["messages"], result["recipients"]) == (1, 1)
            taken = (await sink.messages())[0]
            assert [line.partition(">")[0] for line in taken.recipients] == ["RCPT TO:<ben@example.org"]
            assert taken.data == BODY
            states = {one["to"]: one["state"] for one in running.look(held)["recipients"]}
            assert states["anna@example.org"] == "held"
            await answer(running, "quarantine", "release", f"id:{held}", "--because", "T-2")
            await running.reaches(held, "delivered")
            found = [one for one in running.look(held)["findings"] if one["step"] == "quarantine"]
            assert [one["reason"] for one in found] == [
                f"by {ME}: T-1; spam held it: score 12 of 10", f"by {ME}: T-2; spam held it: score 12 of 10"
            ]  # fmt: skip
            assert running.look(other)["state"] == "held"
            assert [row[0] for row in acts(running)] == ["release", "release"]
            assert acts(running)[0][1:] == (f"id:{held} to:ben@*", ME, "T-1", 1)
            refused = await told(running, "quarantine", "release", "--because", "x")
            assert refused.exit_code != 0

    run(play())


def test_acts_of_the_quarantine_never_touch_mail_that_is_not_held(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, '[delivery]\nnext_hop = "[127.0.0.1]:9"\n') as running:
            waiting, held = await running.send("anna@example.org"), await hold(running)
            for act in ("delete", "release", "return"):
                held = await hold(running)
                result = await answer(running, "quarantine", act, "--all", "--because", "T")
                assert result["recipients"] >= 1
                assert running.look(waiting)["state"] == "waiting", act
            assert running.look(held)["recipients"][0]["reason"].startswith(f"returned by {ME}")
            assert (await answer(running, "quarantine", "list"))["messages"] == []

    run(play())


def test_delete_needs_a_reason_and_leaves_a_record(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            held = await hold(running, large=True)
            assert (await told(running, "quarantine", "delete", f"id:{held}")).exit_code != 0
            assert running.look(held)["state"] == "held"
            await answer(running, "quarantine", "delete", f"id:{held}", "--because", "T-9")
            assert running.look(held)["state"] == "dropped"
            assert running.look(held)["recipients"][0]["reason"] == f"deleted by {ME}: T-9"
            assert running.bodies == []
            assert not sink.taken

    run(play())


def test_forward_attaches_the_message_octet_by_octet_or_sends_it_as_it_is(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            for number, large in enumerate((False, True)):
                body = BODY + b"y" * (100_000 if large else 0) + b"\r\n"
                held = await hold(running, body=body, large=large)
                options = ("--to", "abuse@example.net", "--because", "T-3")
                await answer(running, "quarantine", "forward", held, *options)
                taken = (await sink.messages(2 * number + 1))[-1]
                assert taken.mail.startswith("MAIL FROM:<>")
                assert body in taken.data
                parsed = email.message_from_bytes(taken.data, policy=email.policy.default)
                kinds = [part.get_content_type() for part in parsed.walk()][:3]
                assert kinds == ["multipart/mixed", "text/plain", "message/rfc822"]
                assert "score 12 of 10" in parsed.get_payload(0).get_content()  # type: ignore[union-attr]
                await answer(running, "quarantine", "forward", held, "--as-is", *options)
                taken = (await sink.messages(2 * number + 2))[-1]
                assert taken.data.endswith(body)
                assert taken.data.startswith(b"Resent-From: <MAILER-DAEMON@gw.test>\r\nResent-To: <abuse@example.net>")
                assert running.look(held)["state"] == "held"
            await until(lambda: running.gateway.parts.engine.busy == 0, "no delivery under way")
            assert [row[0] for row in acts(running)] == ["forward to abuse@example.net"] * 4
            assert (await told(running, "quarantine", "forward", held, "--to", "nobody", "--because", "x")).exit_code

    run(play())


def test_without_a_gateway_the_spool_itself_is_asked(tmp_path: Path) -> None:
    async def play() -> tuple[str, str]:
        async with gateway(tmp_path) as running:
            return await hold(running), await hold(running)

    async def later(first: str, second: str) -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            await running.reaches(first, "held")
            assert running.look(second)["state"] == "dropped"

    first, second = run(play())
    from click.testing import CliRunner

    from danelaw.cli import danelaw

    spool = ("--spool", str(tmp_path / "spool"))
    runner = CliRunner()
    assert second in runner.invoke(danelaw, ["quarantine", "list", *spool]).stdout
    assert "hello" not in runner.invoke(danelaw, ["quarantine", "show", first, *spool]).stdout
    done = runner.invoke(danelaw, ["quarantine", "delete", f"id:{second}", "--because", "T", *spool])
    assert "1 message, for 1 recipient: deleted" in done.stdout
    assert runner.invoke(danelaw, ["quarantine", "forward", first, "--to", "a@b.test", *spool]).exit_code != 0
    run(later(first, second))
