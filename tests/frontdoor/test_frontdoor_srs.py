"""Forwarding under an address of ours, and notices led back, over real sockets; and the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.ends import Sink, run, until
from tests.frontdoor.door import MESSAGE, findings, front

from danelaw.cli import danelaw
from danelaw.errors import DanelawError
from danelaw.testing import FakeClock


def settings(tmp_path: Path, sink: Sink) -> str:
    (tmp_path / "srs.key").write_text("0123456789abcdef01234567\n")
    (tmp_path / "aliases").write_text("away@ours.test: carl@elsewhere.test\nhere@ours.test: anna@ours.test\n")
    return (
        f'[[domain]]\nname = "srs.ours.test"\n[srs]\ndomain = "srs.ours.test"\nkeys = ["{tmp_path}/srs.key"]\n'
        f'[aliases]\nfiles = ["{tmp_path}/aliases"]\n{sink.smarthost}'
    )


def test_what_leaves_is_rewritten_and_its_bounce_is_led_back(tmp_path: Path) -> None:
    clock = FakeClock()

    async def play() -> None:
        async with Sink() as sink, front(tmp_path, settings(tmp_path, sink), sink=sink, clock=clock) as (running, _):
            async with await running.client() as client:
                ident = await client.message(MESSAGE, "away@ours.test", sender="a@sender.test")
            (away,) = await sink.messages()
            there = away.mail.split("<")[1].split(">")[0]
            assert there.startswith("SRS0=")
            assert there.endswith("=sender.test=a@srs.ours.test")
            assert ("srs", "rewritten", f"a@sender.test leaves as {there}") in findings(running, ident)
            async with await running.client() as client:
                await client.message(MESSAGE, there, sender="")
            bounce = (await sink.messages(2))[1]
            assert bounce.recipients[0].split(" ")[1] == "TO:<a@sender.test>"
            assert bounce.mail.startswith("MAIL FROM:<>")
            async with await running.client() as client:
                await client.expect(250, "MAIL FROM:<>")
                answer = await client.expect(550, "RCPT TO:<SRS0=aaaaaa=BD=sender.test=a@srs.ours.test>")
                assert answer.text == "5.1.1 this rewritten address is not ours, or has expired"
                clock.advance(30 * 86_400)
                await client.expect(550, f"RCPT TO:<{there}>")

    run(play())


def test_what_stays_and_what_comes_from_us_keeps_its_sender(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, front(tmp_path, settings(tmp_path, sink), sink=sink) as (running, _):
            async with await running.client() as client:
                await client.message(MESSAGE, "here@ours.test", sender="a@sender.test")
                await client.message(MESSAGE, "away@ours.test", sender="anna@ours.test")
                await client.message(MESSAGE, "away@ours.test", sender="")
                long = "a" * 50 + "@long.sender.test"
                await client.message(MESSAGE, "away@ours.test", sender=long)
            await until(lambda: len(sink.taken) == 4, "all four")
            senders = {taken.mail.split("<")[1].split(">")[0] for taken in sink.taken}
            assert senders == {"a@sender.test", "anna@ours.test", "", long}

    run(play())


def test_only_those_whose_mail_leaves_get_the_rewritten_reverse_path(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, front(tmp_path, settings(tmp_path, sink), sink=sink) as (running, _):
            async with await running.client() as client:
                ident = await client.message(
                    MESSAGE, "away@ours.test", "here@ours.test", "bert@ours.test", sender="a@sender.test"
                )
            first, second = await sink.messages(2)
            away, here = (first, second) if "SRS0=" in first.mail else (second, first)
            assert [one.split(" ")[1] for one in away.recipients] == ["TO:<carl@elsewhere.test>"]
            assert [one.split(" ")[1] for one in here.recipients] == ["TO:<anna@ours.test>", "TO:<bert@ours.test>"]
            assert here.mail.startswith("MAIL FROM:<a@sender.test>")
            copy = running.lines("received")[1].split(" id=")[1].split()[0]
            assert ("srs", "copied", f"carl@elsewhere.test get it as {copy}") in findings(running, ident)
            assert ("srs", "copy", f"of {ident}") in findings(running, copy)
            assert [found for found in findings(running, copy) if found[1] == "rewritten"]
            assert not [found for found in findings(running, ident) if found[1] == "rewritten"]

    run(play())


def test_the_srs_domain_must_be_ours_and_a_key_be_there(tmp_path: Path) -> None:
    async def play() -> None:
        keyed = f'[srs]\ndomain = "srs.other.test"\nkeys = ["{tmp_path}/no.key"]\n'
        with pytest.raises(DanelawError, match=r"srs.other.test is none of ours"):
            async with front(tmp_path, keyed):
                pass
        with pytest.raises(DanelawError, match=r"no.key cannot be read"):
            async with front(tmp_path, '[[domain]]\nname = ".other.test"\n' + keyed):
                pass

    run(play())


def test_the_command_goes_there_and_back(tmp_path: Path) -> None:
    (tmp_path / "srs.key").write_text("0123456789abcdef01234567\n")
    file = tmp_path / "danelaw.toml"
    file.write_text(
        'hostname = "gw.test"\n[[domain]]\nname = "srs.ours.test"\n'
        '[srs]\ndomain = "srs.ours.test"\nkeys = ["srs.key"]\n'
    )

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(danelaw, ["srs", *arguments, "--config", str(file)])
        assert result.exit_code == 0, result.output
        return result.output

    there = json.loads(call("forward", "a@sender.test", "--json"))["forwarded_as"]
    assert call("reverse", there).strip() == "a@sender.test"
    forged = CliRunner().invoke(danelaw, ["srs", "reverse", "SRS0=x=BD=a.test=b@srs.ours.test", "--config", str(file)])
    assert forged.exit_code != 0
