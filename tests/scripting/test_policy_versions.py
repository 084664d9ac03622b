"""What runs is a stored version; staging, promoting and rolling back reach a running gateway and mix nothing."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.ends import Client, Running, Sink, gateway, run, until

from bench.policy_changes import play as play_changes
from danelaw.cli.policy import COMMANDS, command
from danelaw.errors import DanelawError
from danelaw.scripting.loading import load, policy_files, version_of
from danelaw.scripting.versioning.ledger import Ledger, Stored
from danelaw.scripting.versioning.retiring import LEAST_KEPT, UNTOUCHED_SECONDS, unneeded
from danelaw.scripting.versioning.standing import Act, Standing

MESSAGE = b"From: Anna <a@sender.test>\r\nSubject: hello\r\n\r\nbody\r\n"


def write(tmp_path: Path, word: str, more: str = "") -> str:
    """A policy that says who it is at RCPT and in the message; gives its version."""
    folder = tmp_path / "policy"
    folder.mkdir(exist_ok=True)
    (folder / "inbound.py").write_text(
        f'''from danelaw.policy import *

@hook.mail_from
def first(ctx: MailContext) -> None:
    ctx.notes["sender"] = "{word}"

@hook.rcpt_to
def middle(ctx: RecipientContext) -> Reject | None:
    ctx.notes["recipient"] = "{word}"
    if ctx.recipient.localpart == "who":
        return Reject("{word}", 550, "5.1.1")
    return None

@hook.end_of_data
def last(ctx: MessageContext) -> None:
    ctx.mail.add("X-Policy", f"{word} {{ctx.notes.text('sender')}} {{ctx.notes.text('recipient')}} {{ctx.policy}}")
{more}'''
    )
    return version_of(folder, policy_files(folder))


def config(tmp_path: Path, sink: Sink, more: str = "") -> str:
    return f'[delivery]\nnext_hop = "{sink.hop}"\n[policy]\ndirectory = "{tmp_path}/policy"\n{more}'


async def policy(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """A `danelaw policy` command, as from another terminal, with its JSON."""

    if arguments[0] == "stage":
        arguments = (*arguments, "--no-types")

    def typed() -> Any:
        return CliRunner().invoke(
            command, [*arguments, "--config", str(tmp_path / "danelaw.toml"), "--json"], standalone_mode=False
        )

    result = await asyncio.to_thread(typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return dict(json.loads(result.output))


async def asks(client: Client) -> str:
    """Which policy this connection is judged by."""
    await client.expect(250, "MAIL FROM:<a@sender.test>")
    word = (await client.expect(550, "RCPT TO:<who@example.org>")).text.rpartition(" ")[2]
    await client.expect(250, "RSET")
    return word


async def now_says(running: Running, word: str) -> None:
    """Wait until a new connection is judged by that policy."""
    async with asyncio.timeout(20):
        while True:
            async with await running.client() as client:
                if await asks(client) == word:
                    return
            await asyncio.sleep(0.05)


def test_every_sub_command_exists_and_explains_itself() -> None:
    for name in COMMANDS:
        result = CliRunner().invoke(command, [name, "--help"])
        assert result.exit_code == 0, name
        assert "Usage:" in result.output


def test_an_edit_has_no_effect_until_it_is_promoted(tmp_path: Path) -> None:
    first = write(tmp_path, "one")

    async def play() -> None:
        async with Sink() as sink:
            async with gateway(tmp_path, config(tmp_path, sink)) as running:
                second = write(tmp_path, "two")
                async with await running.client() as client:
                    assert await asks(client) == "one"
            async with (
                gateway(tmp_path, config(tmp_path, sink)) as running,
                await running.client() as client,
            ):
                assert await asks(client) == "one"
                assert second in running.lines("policy-differs")[0]
                assert (await policy(tmp_path, "stage", "--for", "client:192.0.2.0/24"))["staged"] == second
                await policy(tmp_path, "promote")
                await now_says(running, "two")
                assert await asks(client) == "one"  # its connection began with it
                status = await policy(tmp_path, "status")
                assert status["standing"]["active"] == second
                assert status["running"]["workers"][0]["active"] == second
                after = await policy(tmp_path, "rollback", "--because", "it says two")
                assert (after["active"], after["revoked"]) == (first, [second])
                await now_says(running, "one")
            acts = (await policy(tmp_path, "list"))["acts"]
            assert [act["what"] for act in acts] == ["rolled back", "promoted", "staged", "installed"]
            assert acts[0]["why"] == "it says two"

    run(play())


def test_a_staged_version_gets_its_part_and_no_more(tmp_path: Path) -> None:
    write(tmp_path, "old")

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, config(tmp_path, sink)) as running:
            write(tmp_path, "new")
            await policy(tmp_path, "stage", "--for", "client:127.0.0.2/32 first:2")
            words = []
            for source in ("127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.1"):
                async with await running.client(source=source) as client:
                    words.append(await asks(client))
            assert words == ["old", "new", "new", "old", "old"]
            assert (await policy(tmp_path, "status"))["taken"] == 2
            await policy(tmp_path, "withdraw")
            async with await running.client(source="127.0.0.2") as client:
                assert await asks(client) == "old"

    run(play())


def test_a_transaction_moves_with_its_first_recipient_and_is_judged_by_one_version(tmp_path: Path) -> None:
    old = write(tmp_path, "old")

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, config(tmp_path, sink)) as running:
            new = write(tmp_path, "new")
            await policy(tmp_path, "stage", "--for", "to:example.net")
            async with await running.client() as client:
                for recipients in (("a@example.org",), ("a@example.net",), ("a@example.org", "a@example.net"),
                                   ("b@example.net", "b@example.org")):  # fmt: skip
                    await client.message(MESSAGE, *recipients)
            found = sorted(
                (one.recipients[0].partition(":")[2], line)
                for one in await sink.messages(4)
                for line in one.data.decode().split("\r\n")
                if line.startswith("X-Policy")
            )
            words = {line for _, line in found}
            assert words == {f"X-Policy: old old old {old}", f"X-Policy: new new new {new}"}
            assert [line.split()[1] for to, line in found] == ["old", "new", "old", "new"] or len(found) == 4
            by_first = {to: line.split()[1] for to, line in found}
            assert by_first["<b@example.net>"] == "new"

    run(play())


def test_a_version_with_a_step_of_its_own_is_asked_there_and_open_connections_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "a.py").write_text(
        "from danelaw.policy import *\n@hook.disconnect\ndef bye(ctx: DisconnectContext): ...\n"
    )

    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path, config(tmp_path, sink)) as running,
            await running.client() as before,
        ):
            (folder / "a.py").write_text(
                "from danelaw.policy import *\n@hook.rcpt_to\ndef no(ctx: RecipientContext): return Reject('no')\n"
            )
            await policy(tmp_path, "stage", "--for", "all")
            await policy(tmp_path, "promote")
            await before.message(MESSAGE, "b@example.org")
            async with await running.client() as client:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                await client.expect(550, "RCPT TO:<b@example.org>")

    run(play())


def test_a_staged_version_that_fails_withdraws_itself(tmp_path: Path) -> None:
    write(tmp_path, "good")

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, config(tmp_path, sink, "withdraw_after = 3\n")) as running:
            bad = write(tmp_path, "bad", "    raise ValueError(ctx.mail.subject)\n")
            await policy(tmp_path, "stage", "--for", "all")
            async with await running.client() as client:
                for _ in range(3):
                    assert (await client.offer(MESSAGE, "b@example.org")).code == 451
            async with await running.client() as client:
                assert await asks(client) == "good"
                await client.message(MESSAGE, "b@example.org")
            (line,) = running.lines("policy-withdrawn")
            assert bad in line
            assert "3 of 9 calls" in line
            assert "inbound.py:17: ValueError: hello" in line
            status = await policy(tmp_path, "status")
            assert status["standing"]["staged"] == ""

    run(play())


def test_what_has_errors_is_not_staged(tmp_path: Path) -> None:
    first = write(tmp_path, "good")

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, config(tmp_path, sink)):
            write(tmp_path, "bad", "    time.sleep(1)\n")
            with pytest.raises(DanelawError, match=r"has an error: inbound\.py:17: the name time is not"):
                await policy(tmp_path, "stage", "--for", "10%")
            status = await policy(tmp_path, "status")
            assert (status["standing"]["staged"], status["standing"]["active"]) == ("", first)

    run(play())


def test_without_a_usable_version_mail_is_deferred_until_there_is_one(tmp_path: Path) -> None:
    first = write(tmp_path, "one")

    async def play() -> None:
        async with Sink() as sink:
            async with gateway(tmp_path, config(tmp_path, sink)):
                pass
            second = write(tmp_path, "two")
            copy = tmp_path / "spool" / "policies" / first / "inbound.py"
            copy.chmod(0o600)
            copy.write_text("")
            async with gateway(tmp_path, config(tmp_path, sink)) as running:
                assert "not what was stored" in running.lines("policy-unusable")[0]
                async with await running.client() as client:
                    await client.expect(451, "MAIL FROM:<a@sender.test>")
                await policy(tmp_path, "stage", "--for", "all")
                await policy(tmp_path, "promote", second)
                await now_says(running, "two")

    run(play())


def test_a_lost_standing_is_said_and_nothing_is_guessed(tmp_path: Path) -> None:
    first = write(tmp_path, "one")

    async def play() -> None:
        async with Sink() as sink:
            async with gateway(tmp_path, config(tmp_path, sink)):
                pass
            write(tmp_path, "two")
            for file in (tmp_path / "spool").glob("state.db*"):
                file.unlink()
            async with gateway(tmp_path, config(tmp_path, sink)) as running:
                assert "which of them is active is not written down" in running.lines("policy-unusable")[0]
                async with await running.client() as client:
                    await client.expect(451, "MAIL FROM:<a@sender.test>")
                await policy(tmp_path, "promote", first)
                await now_says(running, "one")

    run(play())


def test_a_damaged_copy_is_made_again_from_the_same_files(tmp_path: Path) -> None:
    first = write(tmp_path, "one")

    async def play() -> None:
        async with Sink() as sink:
            async with gateway(tmp_path, config(tmp_path, sink)):
                pass
            (tmp_path / "spool" / "policies" / first / "inbound.py").unlink()
            async with gateway(tmp_path, config(tmp_path, sink)) as running:
                assert running.lines("policy-restored")
                async with await running.client() as client:
                    assert await asks(client) == "one"

    run(play())


def test_changes_under_load_lose_nothing_and_mix_nothing(tmp_path: Path) -> None:
    versions = {write(tmp_path, "a"): "a"}

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, config(tmp_path, sink)) as running:
            scripts = running.gateway.parts.scripts
            assert scripts is not None
            for word in ("b", "c"):
                version = write(tmp_path, word)
                versions[version] = word
                scripts.following.shelf.keep(tmp_path / "policy")
            sent = 0
            over = asyncio.Event()

            async def keep_sending(source: str) -> None:
                nonlocal sent
                while not over.is_set():
                    async with await running.client(source=source) as client:
                        for _ in range(3):
                            await client.message(MESSAGE, "b@example.org", "c@example.org")
                            sent += 1

            async def change() -> None:
                ledger = Ledger(tmp_path / "spool")
                dice = random.Random(7)
                for number in range(200):
                    version = dice.choice(list(versions))
                    act = Act("test", version, 0.0, "test")
                    standing = ledger.standing()
                    assert standing is not None
                    if standing.active != version and number % 2:
                        ledger.change(act, lambda one, it=version: one.with_staged(it, "50%"))
                    elif standing.active != version:
                        ledger.change(act, lambda one, it=version: one.promoted(it))
                    elif standing.previous:
                        ledger.change(act, lambda one: one.rolled_back())
                    scripts.look()
                    await asyncio.sleep(0.005)
                ledger.close()
                over.set()

            async with asyncio.TaskGroup() as group:
                for number in range(1, 5):
                    group.create_task(keep_sending(f"127.0.0.{number}"))
                group.create_task(change())
            await sink.messages(sent)
            lines = [line for one in sink.taken for line in one.data.decode().split("\r\n") if line.startswith("X-Pol")]
            assert len(lines) == len(sink.taken) == sent > 20
            judged = [line.split()[1:] for line in lines]
            assert all(words == [versions[version]] * 3 for *words, version in judged)
            assert {version for *_, version in judged} == set(versions)
            assert not running.lines("hook-failed")

    run(play())


def test_mail_goes_on_with_its_version_unless_that_was_rolled_back_from(tmp_path: Path) -> None:
    first = write(tmp_path, "one")

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, config(tmp_path, sink)) as running:
            scripts = running.gateway.parts.scripts
            assert scripts is not None
            second = write(tmp_path, "two")
            await policy(tmp_path, "stage", "--for", "all")
            await policy(tmp_path, "promote")
            await until(lambda: scripts.versions.active.version == second, "the promotion")
            assert scripts.following.of_message(first).version == first
            await policy(tmp_path, "rollback")
            await until(lambda: scripts.versions.active.version == first, "the way back")
            assert scripts.following.of_message(second).version == first
            gone = scripts.following.of_message("0123456789ab")
            assert not gone.is_usable
            assert gone.at("pre_delivery")

    run(play())


BESIDE = """
@hook.pre_delivery
def before(ctx: DeliveryContext) -> Defer | None:
    ctx.library.log.event("before", policy=ctx.policy)
    return Defer("not yet", seconds=3600) if "wait" in ctx.recipients[0].address else None
"""


def test_mail_in_the_queue_keeps_its_version_over_a_restart(tmp_path: Path) -> None:
    first = write(tmp_path, "one", BESIDE)

    async def play() -> None:
        async with Sink() as sink:
            async with gateway(tmp_path, config(tmp_path, sink)) as running:
                message = await running.send("wait@example.org")
                await until(lambda: running.lines("policy"), "the hook before the delivery")
                write(tmp_path, "two")
                await policy(tmp_path, "stage", "--for", "all")
                await policy(tmp_path, "promote")
            async with gateway(tmp_path, config(tmp_path, sink)) as running:
                scripts = running.gateway.parts.scripts
                assert scripts is not None
                await until(lambda: scripts.versions.waiting is not None, "the look through the queue")
                assert [one.version for one in scripts.versions.waiting or ()] == [first]
                assert scripts.versions.delivery_points == {"pre_delivery"}
                assert running.look(message)["context"]["policy"] == first

    run(play())


def test_mail_from_before_there_was_a_policy_goes_on_with_the_active_one(tmp_path: Path) -> None:
    first = write(tmp_path, "one")

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, config(tmp_path, sink)) as running:
            scripts = running.gateway.parts.scripts
            assert scripts is not None
            scripts.keep_for({"none"})
            assert scripts.versions.waiting == ()
            assert scripts.versions.of("none").version == first
            assert not running.lines("policy-unusable")

    run(play())


def test_copies_that_nobody_needs_are_removed(tmp_path: Path) -> None:
    known = [f"{number:012x}" for number in range(40)]
    stored = [Stored(version, float(40 - number), "anna", "") for number, version in enumerate(known)]
    standing = Standing(known[30], before=(known[31],), staged=known[32], portion="all", shadow=known[33])
    late = 40 + UNTOUCHED_SECONDS
    acts = [Act("promoted", known[34], late, "anna")]
    gone = unneeded(known, standing, stored, acts, {known[35]}, late)
    assert set(known) - set(gone) == {*known[:LEAST_KEPT], *known[30:36]}
    assert unneeded(known, standing, stored, acts, (), 40.0) == []


@pytest.mark.timeout(120)
def test_two_workers_follow_and_mix_nothing(tmp_path: Path) -> None:
    figures, wrong = asyncio.run(play_changes(tmp_path, changes=25, workers=2, clients=6, seed=3))
    assert wrong == []
    assert sum(figures.changes.values()) == 25
    assert len(figures.sent) > 20
    assert len({words[-1] for words in figures.judged.values()}) > 2


def test_modules_stay_as_long_as_any_policy_made_from_them(tmp_path: Path) -> None:
    write(tmp_path, "one")
    loaded = load(tmp_path / "policy")
    made = replace(loaded, hooks=loaded.hooks[:1])
    package = loaded.package
    del loaded
    gc.collect()
    assert [name for name in sys.modules if name.startswith(package)] == [package, f"{package}.inbound"]
    del made
    gc.collect()
    assert not [name for name in sys.modules if name.startswith(package)]


def test_pages_for_people_end_with_what_to_type(tmp_path: Path) -> None:
    first = write(tmp_path, "one")

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, config(tmp_path, sink)) as running:
            async with await running.client() as client:
                await client.message(MESSAGE, "b@example.org")

            def page(*arguments: str) -> list[str]:
                result = CliRunner().invoke(command, [*arguments, "--config", str(tmp_path / "danelaw.toml")])
                assert result.exit_code == 0, result.output
                return result.output.splitlines()

            second = write(tmp_path, "two")
            staged = await asyncio.to_thread(page, "stage", "--for", "10%", "--no-types", "--because", "ticket 7")
            assert staged[0] == f"● {second} is staged for 10%; {first} judges the rest."
            status = await asyncio.to_thread(page, "status")
            assert status[0].startswith(f"● {first} judges all mail but what the staged version gets, installed")
            assert any(
                line.startswith(f"  STAGED   {second} for 10%, staged") and "ticket 7" in line for line in status
            )
            assert any(line.split()[:5] == ["●", "first", "mail_from", first[:7], "1"] for line in status)
            diff = await asyncio.to_thread(page, "diff", first, second)
            assert '-    ctx.notes["sender"] = "one"' in diff
            assert '+    ctx.notes["sender"] = "two"' in diff
            shown = await asyncio.to_thread(page, "show", first[:6])
            assert shown[0] == f"# {first} inbound.py"
            for lines in (staged, status, diff, shown, await asyncio.to_thread(page, "list")):
                assert lines[-1].startswith("next: danelaw policy ")

    run(play())
