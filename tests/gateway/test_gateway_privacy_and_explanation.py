"""What is remembered of people, how it is forgotten, and what `danelaw explain` makes of the rest."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.ends import Sink, gateway, run, until

from danelaw.cli import danelaw
from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab.scenario import Behaviour, Host, Scenario

BROKEN = Scenario(domain="broken.lab", hosts=(Host(tlsa=("3 1 1 old",)),))
GOOD = Scenario(domain="good.lab", hosts=(Host(behaviour=Behaviour()),))


def answer(verb: str, line: str, connection: int) -> str | None:
    return "550 5.1.1 <secret-name@x.test> unknown here" if verb == "RCPT" and "secret-name" in line else None


def everything_on_disk(directory: Path) -> bytes:
    """All that the spool's databases hold, as text."""
    found = b""
    for path in directory.rglob("*.db"):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            found += "\n".join(connection.iterdump()).encode("utf-8", "replace")
        connection.close()
    return found


@pytest.mark.parametrize("redact", [True, False])
def test_history_keeps_no_local_parts_when_told_so(tmp_path: Path, redact: bool) -> None:
    async def play() -> None:
        more = f"[history]\nredact = {str(redact).lower()}\n"
        async with Sink(answer) as sink, gateway(tmp_path, sink.smarthost + more) as running:
            first = await running.send("private-name@x.test", sender="also-private@sender.test")
            await running.reaches(first, "delivered")
            second = await running.send("secret-name@x.test", sender="")
            await running.reaches(second, "returned")
            shown = json.dumps(running.look(first)) + json.dumps(running.look(second))
            for name in ("private-name", "also-private", "secret-name"):
                assert (name in shown) is not redact, shown
        held = everything_on_disk(tmp_path / "spool")
        for name in (b"private-name", b"also-private", b"secret-name"):
            assert (name in held) is not redact, name

    run(play())


def test_purge_forgets_a_person_while_the_gateway_runs(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink(answer) as sink, gateway(tmp_path, sink.smarthost) as running:
            alone = await running.send("secret-name@x.test", sender="other@sender.test")
            await running.reaches(alone, "returned")
            shared = await running.send("private-name@x.test", "bob@x.test")
            await running.reaches(shared, "delivered")
            for address in ("secret-name@x.test", "private-name@x.test"):
                await ask(tmp_path / "danelaw.toml", "queue", "purge", address, "--because", "art17")
            assert [one["to"] for one in running.look(shared)["recipients"]] == ["bob@x.test"]
            await until(lambda: len(sink.taken) >= 2, "the notice and the message")
            assert any("operation=purge" in line for line in running.lines("act"))
        held = everything_on_disk(tmp_path / "spool")
        assert b"private-name" not in held
        assert b"bob@x.test" in held

    run(play())


async def ask(config: Path, *words: str) -> Any:
    result = await asyncio.to_thread(CliRunner().invoke, danelaw, [*words, "--config", str(config), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def told(config: Path, *words: str) -> str:
    result = await asyncio.to_thread(CliRunner().invoke, danelaw, [*words, "--config", str(config)])
    assert result.exit_code == 0, result.output
    return result.stdout


def documented(value: Any, path: str = "") -> set[str]:
    """The paths of a JSON value as docs/schemas/explain.md lists them: `message.recipients[].to`."""
    if isinstance(value, dict):
        inner = {name: documented(item, f"{path}.{name}" if path else name) for name, item in value.items()}
        return set().union(*inner.values()) if inner else {path}
    if isinstance(value, list):
        return set().union(*(documented(item, f"{path}[]") for item in value)) if value else {path + "[]"}
    return {path}


def test_explain_by_every_name_and_from_the_disk_alone(tmp_path: Path, repository: Path) -> None:
    async def play() -> None:
        async with Rehearsal((BROKEN, GOOD), tmp_path) as rehearsal:
            waiting = await rehearsal.play(BROKEN)
            delivered = await rehearsal.play(GOOD)
            assert (waiting.outcome, delivered.outcome) == ("waiting", "delivered")
            config = rehearsal.config_file
            names = (
                (waiting.id, "queue id"),
                ("<broken.lab@sender.lab>", "Message-ID"),
                ("anna@broken.lab", "address"),
                ("broken.lab", "domain"),
            )
            page = (repository / "docs" / "schemas" / "explain.md").read_text()
            for name, kind in names:
                found = await ask(config, "explain", name, "--dns")
                assert (found["schema"], found["taken_as"]) == ("danelaw/explain/1", kind)
                assert found["message"]["id"] == waiting.id
                paths = {path.removesuffix("[]") for path in documented(found)}
                missing = {path for path in paths if f"`{path}`" not in page}
                assert not missing
                text = await told(config, "explain", name)
                assert "WAITING for anna@broken.lab" in text
                assert "Nothing was sent" in text or "stopped before MAIL" in text
            both = await ask(config, "explain", "demo@sender.lab")
            assert {one["id"] for one in both["candidates"]} == {waiting.id, delivered.id}
            proofs = await told(config, "explain", waiting.id, "--dns")
            assert "TLSA IN: secure" in proofs or ("TLSA" in proofs and "secure" in proofs)
            assert "bogus" not in proofs
            running = await ask(config, "explain", waiting.id)
        alone = await ask(config, "explain", waiting.id)
        assert alone["message"]["attempts"] == running["message"]["attempts"]

    run(play())
