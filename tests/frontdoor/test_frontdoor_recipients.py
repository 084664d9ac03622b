"""Aliases, unknown recipients and call-ahead, over real sockets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.ends import Running, Sink, gateway, run, until
from tests.frontdoor.door import MESSAGE, STRANGERS, TRUSTED, findings, front

from danelaw.errors import DanelawError
from danelaw.testing import FakeClock


def write(path: Path, text: str) -> Path:
    """In place of what was there, at once, as an editor does."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)
    return path


async def said(running: Running, recipient: str, source: str = "127.0.0.5") -> str:
    async with await running.client(source=source) as client:
        await client.expect(250, "MAIL FROM:<a@sender.test>")
        answer = await client.say(f"RCPT TO:<{recipient}>")
        return f"{answer.code} {answer.text}"


def rcpts(sink: Sink) -> list[str]:
    return sorted(line.split(" ")[1].removeprefix("TO:") for taken in sink.taken for line in taken.recipients)


def test_unknown_recipients_are_refused_and_a_changed_file_counts_without_restart(tmp_path: Path) -> None:
    people = write(tmp_path / "people", "anna\n")
    clock = FakeClock()

    async def play() -> None:
        async with front(tmp_path, "", domain=f'recipients = "{people}"\n', clock=clock) as (running, _):
            assert await said(running, "bob@ours.test") == "550 5.1.1 no such mailbox here"
            assert await said(running, "bob@ours.test", source=TRUSTED) == "550 5.1.1 no such mailbox here"
            assert (await said(running, "Anna+x@ours.test")).startswith("250")
            assert (await said(running, "postmaster@ours.test")).startswith("250")
            write(people, "anna\nbob\n")
            clock.advance(10)
            await said(running, "anna@ours.test")
            await settled(running)
            assert (await said(running, "bob@ours.test")).startswith("250")
            write(people, "anna\nbob: \n")
            clock.advance(10)
            await said(running, "anna@ours.test")
            await settled(running)
            assert (await said(running, "bob@ours.test")).startswith("250"), "a faulty file changes nothing"
            assert f"{people}:2: bob@ours.test has a colon and no target" in running.lines("reload-failed")[0]
            numbers = running.gateway.metrics.to_openmetrics().decode()
            assert 'danelaw_recipients_verified_total{result="unknown",source="map"} 2.0' in numbers

    run(play())


async def settled(running: Running) -> None:
    for step in running.gateway.parts.intake.steps.all:
        if step.name == "recipient":
            await step.maps.settled()  # type: ignore[attr-defined]


def test_a_faulty_file_is_named_at_start(tmp_path: Path) -> None:
    faulty = write(tmp_path / "aliases", "a@ours.test: b@ours.test\nb@ours.test: a@ours.test\n")

    async def play() -> None:
        with pytest.raises(DanelawError, match=r"aliases:1: a loop: a@ours.test → b@ours.test → a@ours.test"):
            async with front(tmp_path, f'[aliases]\nfiles = ["{faulty}"]\n'):
                pass

    run(play())


def test_aliases_stand_for_others_each_once_and_the_senders_wishes_go_with_one(tmp_path: Path) -> None:
    aliases = write(tmp_path / "aliases", "sales@ours.test: anna@ours.test, bob@elsewhere.test\n")

    async def play() -> None:
        async with Sink() as sink:
            settings = f'[aliases]\nfiles = ["{aliases}"]\n' + sink.smarthost
            async with front(tmp_path, settings, sink=sink) as (running, _):
                async with await running.client() as client:
                    ident = await client.message(
                        MESSAGE, "sales@ours.test", "anna@ours.test", rcpt=" NOTIFY=SUCCESS", sender="a@sender.test"
                    )
                await until(lambda: len(rcpts(sink)) == 2, "both")
                assert rcpts(sink) == ["<anna@ours.test>", "<bob@elsewhere.test>"]
                lines = [line for taken in sink.taken for line in taken.recipients]
                (anna,) = [line for line in lines if "anna@" in line]
                (bob,) = [line for line in lines if "bob@" in line]
                assert "NOTIFY=SUCCESS ORCPT=rfc822;sales@ours.test" in anna
                assert "NOTIFY" not in bob
                assert findings(running, ident) == [
                    ("alias", "expanded", "sales@ours.test stands for anna@ours.test, bob@elsewhere.test")
                ]

    run(play())


def test_an_alias_for_too_many_is_refused(tmp_path: Path) -> None:
    aliases = write(tmp_path / "aliases", "all@ours.test: " + ", ".join(f"u{n}@ours.test" for n in range(30)))

    async def play() -> None:
        async with front(tmp_path, f'[aliases]\nfiles = ["{aliases}"]\nmost = 20\n') as (running, _):
            assert (await said(running, "all@ours.test")).startswith("550 5.4.6")

    run(play())


AHEAD = 'verify = "call-ahead"\n'


def knows_anna(verb: str, line: str, connection: int) -> str | None:
    return "550 5.1.1 nobody of that name" if verb == "RCPT" and "anna" not in line else None


def test_the_next_hop_is_asked_once_and_told_no_message(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink(knows_anna) as sink, front(tmp_path, "", domain=AHEAD, sink=sink) as (running, _):
            refused = "550 5.1.1 the mailbox's own server refuses it: nobody of that name"
            assert await said(running, "bob@ours.test") == refused
            assert await said(running, "bob@ours.test") == refused
            assert (await said(running, "anna@ours.test")).startswith("250")
            assert (await said(running, "anna@ours.test")).startswith("250")
            await until(lambda: len(sink.said("QUIT")) == 2, "a polite end")
            assert sink.said("MAIL") == ["MAIL FROM:<>"] * 2
            assert [line.split()[1] for line in sink.said("RCPT")] == ["TO:<bob@ours.test>", "TO:<anna@ours.test>"]
            assert sink.said("RSET")
            assert not sink.said("DATA")
            assert not sink.said("VRFY")

    run(play())


def test_without_pipelining_too(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink(knows_anna, offers=("SIZE 0",)) as sink, front(tmp_path, "", domain=AHEAD, sink=sink) as pair:
            assert (await said(pair[0], "bob@ours.test")).startswith("550")
            assert (await said(pair[0], "anna@ours.test")).startswith("250")
            assert not sink.said("DATA")

    run(play())


def test_answers_are_believed_only_for_so_long(tmp_path: Path) -> None:
    clock = FakeClock()
    known: set[str] = set()

    def answer(verb: str, line: str, connection: int) -> str | None:
        return None if verb != "RCPT" or any(name in line for name in known) else "550 5.1.1 no"

    async def play() -> None:
        settings = '[call_ahead]\nremember_unknown = "5m"\nremember_known = "1h"\n'
        async with (
            Sink(answer) as sink,
            front(tmp_path, settings, domain=AHEAD, sink=sink, clock=clock) as (running, _),
        ):
            assert (await said(running, "bob@ours.test")).startswith("550")
            known.add("bob")
            clock.advance(299)
            assert (await said(running, "bob@ours.test")).startswith("550")
            clock.advance(1)
            assert (await said(running, "bob@ours.test")).startswith("250")
            known.clear()
            clock.advance(3599)
            assert (await said(running, "bob@ours.test")).startswith("250")
            clock.advance(1)
            assert (await said(running, "bob@ours.test")).startswith("550")

    run(play())


@pytest.mark.parametrize(
    ("verb", "reply"),
    [
        ("RCPT", "450 4.2.1 busy"),
        ("MAIL", "550 5.7.1 no bounces please"),
        ("GREETING", "554 not now"),
        ("RCPT", "421 4.3.2 bye"),
        ("RCPT", "close"),
    ],
)
@pytest.mark.parametrize(("unsure", "code"), [("accept", "250"), ("defer", "450")])
def test_what_says_nothing_of_the_recipient_is_left_to_the_setting(
    tmp_path: Path, verb: str, reply: str, unsure: str, code: str
) -> None:
    async def play() -> None:
        async with Sink(lambda said, line, connection: reply if said == verb else None) as sink:
            settings = f'[call_ahead]\nunsure = "{unsure}"\n'
            async with front(tmp_path, settings, domain=AHEAD, sink=sink) as (running, _):
                assert (await said(running, "bob@ours.test")).startswith(code)
                assert running.lines("recipient")

    run(play())


def test_a_next_hop_that_must_be_protected_is_told_no_name_without(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink:
            domain = f'[[domain]]\nname = "ours.test"\nnext_hop = "[localhost]:{sink.port}"\n{AHEAD}'
            demand = '[[override]]\ndestination = "localhost"\ntls = "verify"\n[call_ahead]\nunsure = "defer"\n'
            async with gateway(tmp_path, domain + demand, replace=STRANGERS) as running:
                assert (await said(running, "bob@ours.test")).startswith("450")
                assert not sink.said("MAIL")
                assert not sink.said("RCPT")

    run(play())


def test_a_map_file_is_asked_before_the_next_hop(tmp_path: Path) -> None:
    people = write(tmp_path / "people", "carl\n")

    async def play() -> None:
        both = f'recipients = "{people}"\n{AHEAD}'
        async with Sink(knows_anna) as sink, front(tmp_path, "", domain=both, sink=sink) as (running, _):
            assert (await said(running, "carl@ours.test")).startswith("250")
            assert not sink.connections
            assert (await said(running, "anna@ours.test")).startswith("250")
            assert (await said(running, "bob@ours.test")).startswith("550")

    run(play())
