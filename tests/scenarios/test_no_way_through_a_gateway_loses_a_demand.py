"""A sender's demand holds for whatever becomes of the message here (RFC 8689 §4.1, §6): aliases, forwarding with
another return path, redirections and copies of scripts, scripts that want less, holds and their release.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.ends import Client, Running, certificate, certificate_section, gateway, run, until
from tests.quarantine.held_mail import answer

from danelaw.spool.view import shown

SCRIPT = """
from danelaw.policy import Accept, Copy, Handling, MessageContext, Queue, RecipientContext, Redirect, hook


@hook.rcpt_to
async def moved(ctx: RecipientContext) -> Redirect | None:
    return Redirect(("here@elsewhere.test",)) if ctx.recipient.localpart == "moved" else None


@hook.end_of_data
async def copied(ctx: MessageContext) -> Queue | None:
    ctx.handling = Handling(job="mine")
    if "archive" not in (ctx.mail.first("X-Copies")):
        return None
    everybody = tuple(ctx.recipients)
    return Queue((Copy(everybody), Copy(("archive@elsewhere.test",), handling=Handling(demand="encrypted"))))
"""
DOMAINS = '[[domain]]\nname = "ours.test"\n[[domain]]\nname = "srs.ours.test"\n'
ALIASES = "list@ours.test: carl@elsewhere.test, dora@other.test\n"
HEAD = b"From: anna@sender.test\r\nSubject: hello\r\n"


def settings(directory: Path) -> str:
    (directory / "policy").mkdir(parents=True)
    (directory / "policy" / "one.py").write_text(SCRIPT)
    (directory / "aliases").write_text(ALIASES)
    (directory / "srs.key").write_text("0123456789abcdef0123456789abcdef\n")
    certificate(directory, "gw.test")
    return (
        certificate_section(directory)
        + DOMAINS
        + f'[aliases]\nfiles = ["{directory}/aliases"]\n'
        + f'[srs]\ndomain = "srs.ours.test"\nkeys = ["{directory}/srs.key"]\n'
        + f'[policy]\ndirectory = "{directory}/policy"\n[demand]\ntag_domain = "tls.ours.example"\n'
    )


def everything(running: Running) -> dict[str, tuple[str, bool]]:
    """Every recipient in the queue with its demand, and whether its message is under REQUIRETLS."""
    reader = running.gateway.parts.spool.reader
    found = {}
    for (number,) in reader.execute("SELECT id FROM message").fetchall():
        message = shown(reader, number, 0.0)
        for one in message["recipients"]:  # type: ignore[attr-defined]
            found[one["to"]] = (one["demand"], bool(message["requiretls"]))
    return found


def play(directory: Path, work: Callable[[Running, Client], Awaitable[None]]) -> None:
    """No name server answers: all mail waits where it can be looked at."""

    async def played() -> None:
        async with (
            gateway(directory / "g", settings(directory)) as running,
            await running.client() as client,
        ):
            await client.start_tls()
            await client.expect(250, "EHLO c.test")
            await work(running, client)

    run(played())


ASKED = {
    "REQUIRETLS": (" REQUIRETLS", b"", "requiretls"),
    "waiver": ("", b"TLS-Required: No\r\n", "tls-required-no"),
    "field": ("", b"Danelaw-Require: dane\r\n", "dane"),
    "both": (" REQUIRETLS", b"Danelaw-Require: dane\r\n", "requiretls+dane"),
}


@pytest.mark.parametrize(("mail", "field", "demand"), ASKED.values(), ids=ASKED.keys())
def test_aliases_forwarding_redirection_and_copies(tmp_path: Path, mail: str, field: bytes, demand: str) -> None:
    async def work(running: Running, client: Client) -> None:
        body = HEAD + field + b"X-Copies: archive\r\n\r\nhi\r\n"
        await client.message(body, "list@ours.test", "anna@ours.test", "moved@ours.test", mail=mail)
        found = everything(running)
        wanted = {"carl@elsewhere.test", "dora@other.test", "anna@ours.test", "here@elsewhere.test"}
        assert found.keys() == wanted | {"archive@elsewhere.test"}
        requiretls = "requiretls" in demand
        assert {found[one] for one in wanted} == {(demand, requiretls)}
        # The script asks for encryption of its copy: of two demands the stronger, and an end of a waiver.
        stronger = "encrypted" if demand == "tls-required-no" else demand
        assert found["archive@elsewhere.test"] == (stronger, requiretls)
        counted = dict(running.gateway.metrics.demand_requests.samples())
        said = {("parameter", "requiretls")} if mail else set()
        said |= {("waiver", "tls-required-no")} if demand == "tls-required-no" else set()
        assert {one for one in counted if one[0] in ("parameter", "waiver")} == said

    play(tmp_path, work)


def test_tags_hold_behind_aliases_and_scripts_hear_of_all_recipients(tmp_path: Path) -> None:
    async def work(running: Running, client: Client) -> None:
        body = HEAD + b"\r\nhi\r\n"
        tags = "tls.ours.example"
        await client.message(body, f"list@ours.test.dane.{tags}", f"moved@ours.test.verified.{tags}", "anna@ours.test")
        found = {address: demand for address, (demand, _) in everything(running).items()}
        assert found == {
            "carl@elsewhere.test": "dane",
            "dora@other.test": "dane",
            "here@elsewhere.test": "verified",
            "anna@ours.test": "",
        }

    play(tmp_path, work)


def test_a_hold_and_its_release_and_what_is_forwarded_from_it(tmp_path: Path) -> None:
    async def work(running: Running, client: Client) -> None:
        await answer(running, "quarantine", "rule", "add", "from:*@sender.test", "--because", "T")
        number = await client.message(
            HEAD + b"Danelaw-Require: dane\r\n\r\nhi\r\n", "carl@elsewhere.test", mail=" REQUIRETLS"
        )
        assert running.look(number)["state"] == "held"
        await answer(running, "quarantine", "forward", number, "--to", "desk@ours.test", "--because", "T")
        await answer(running, "quarantine", "release", f"id:{number}", "--because", "T")
        await until(lambda: running.look(number)["state"] != "held", "the release")
        assert everything(running) == {
            "carl@elsewhere.test": ("requiretls+dane", True),
            "desk@ours.test": ("requiretls+dane", True),
        }
        assert not running.lines("notice-redacted"), "what an operator forwards is no answer to anybody"

    play(tmp_path, work)
