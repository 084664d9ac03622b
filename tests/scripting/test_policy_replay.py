"""Recorded mail is judged once more: what two policies make of it differs exactly where they differ."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from tests.ends import gateway, run
from tests.scripting.test_policies_in_a_gateway import MESSAGE, policy

from danelaw.cli import danelaw as danelaw_command
from danelaw.errors import DanelawError
from danelaw.message import Header
from danelaw.policy import LibraryError
from danelaw.queue import id_from_text
from danelaw.scripting.library.offline import offline_library
from danelaw.scripting.recording.recorded import Given, from_file
from danelaw.scripting.recording.recorded_fields import origin_in, received, recipients, sender
from danelaw.scripting.recording.recordings import recordings
from fuzz import scripting_recorded

NOW = 1_790_000_000.0
OURS = """
from danelaw.policy import *

@hook.mail_from
def sender(ctx: MailContext) -> Reject | None:
    return Reject("no") if ctx.reverse_path.domain == "bad.test" else None

@hook.rcpt_to
def old(ctx: RecipientContext) -> Reject | None:
    return Reject("closed", 550, "5.1.1") if ctx.recipient.localpart == "old" else None

@hook.end_of_data
async def words(ctx: MessageContext) -> Hold | Discard | None:
    if "invoice" in ctx.mail.subject:
        return Hold("an invoice")
    if "drop" in ctx.mail.subject:
        return Discard("nobody wants it")
    ctx.mail.set("Subject", "[external] " + ctx.mail.subject)
    await ctx.library.http.post("https://hooks.example.org/seen", json={"a": 1})
    return None
"""
CHANGES = (
    ('"bad.test"', '"worse.test"'),
    ('return Hold("an invoice")', 'return Hold("an invoice") if ctx.size > 400 else None'),
    ('"[external] "', '"[outside] "'),
)
KINDS = ("plain", "bad", "worse", "old", "invoice", "large-invoice", "drop")


def mail(kind: str, number: int) -> bytes:
    """One generated mail of a kind; what the two policies make of it is in `EXPECTED`."""
    subject = {"invoice": "invoice", "large-invoice": "invoice", "drop": "drop this"}.get(kind, "hello")
    domain = {"bad": "bad.test", "worse": "worse.test"}.get(kind, "sender.test")
    whom = "old" if kind == "old" else f"b{number % 7}"
    body = "x" * 70 + "\n"
    return (
        f"Return-Path: <a{number}@{domain}>\nDelivered-To: {whom}@example.org\n"
        f"Received: from mail.{domain} (mail.{domain} [198.51.100.{number % 250 + 1}])\n"
        f"\tby mx.example.org with ESMTPS id i{number}; Mon, 21 Sep 2026 14:{number % 60:02}:20 +0000\n"
        f"From: a@{domain}\nTo: {whom}@example.org\nSubject: {subject} {number}\n\n"
        + body
        * (20 if kind == "large-invoice" else 1)
    ).encode()


EXPECTED = {
    "plain": [("edit", "set Subject", "set Subject otherwise")],
    "old": [],
    "drop": [],
    "large-invoice": [],
    "bad": [("verdict", "reject 550", "none")],
    "worse": [("verdict", "none", "reject 550")],
    "invoice": [("verdict", "hold", "none")],
}
FATES = {"plain": "accepted", "bad": "rejected", "worse": "accepted", "old": "rejected", "drop": "discarded",
         "invoice": "held", "large-invoice": "held"}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    theirs = OURS
    for old, new in CHANGES:
        assert old in theirs
        theirs = theirs.replace(old, new)
    for name, text in (("ours", OURS), ("theirs", theirs)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "inbound.py").write_text(text)
    (tmp_path / "danelaw.toml").write_text(
        f'hostname = "mx.example.org"\n[spool]\ndirectory = "{tmp_path}/spool"\n[[domain]]\nname = "example.org"\n'
        f'[policy]\ndirectory = "{tmp_path}/ours"\n'
    )
    return tmp_path


def replay(place: Path, *arguments: str) -> tuple[int, Any]:
    line = ["policy", "replay", *arguments, "--config", str(place / "danelaw.toml"), "--json"]
    result = CliRunner().invoke(danelaw_command, line)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.output)


def test_known_differences_of_hundreds_of_mails_are_all_found_and_none_is_invented(place: Path) -> None:
    chance = random.Random(6)
    kinds = [chance.choice(KINDS) for _ in range(350)]
    (place / "mails" / "cur").mkdir(parents=True)
    for number, kind in enumerate(kinds[:200]):
        (place / "mails" / "cur" / f"{number}.eml").write_bytes(mail(kind, number))
    mbox = b"".join(
        b"From a@sender.test Mon Sep 21 14:13:20 2026\n" + mail(kind, number) + b"\n"
        for number, kind in enumerate(kinds[200:], 200)
    )
    (place / "more.mbox").write_bytes(mbox)
    status, found = replay(
        place, str(place / "mails"), str(place / "more.mbox"), "--policy", str(place / "theirs"), "--against",
        str(place / "ours"),
    )  # fmt: skip
    expected: Counter[tuple[str, str, str]] = Counter()
    for kind in kinds:
        expected.update(EXPECTED[kind])
    # A mail from bad.test that the other policy takes is then changed by it: that follows from the verdict.
    groups = {(one["what"], one["active"], one["shadow"]): one["count"] for one in found["differences"]["groups"]}
    assert groups == dict(expected)
    assert found["messages"] == 350
    assert found["unreadable"] == 0
    assert found["against"]["verdicts"] == dict(Counter(FATES[kind] for kind in kinds))
    assert found["against"]["effects"] == {"http.post https://hooks.example.org/seen": sum(
        kind in ("plain", "worse") for kind in kinds)}  # fmt: skip
    assert status == 1
    same, nothing = replay(place, str(place / "mails"), "--against", str(place / "ours"))
    assert (same, nothing["differences"]["groups"]) == (0, [])


def test_what_cannot_be_judged_is_said_and_not_counted(place: Path) -> None:
    (place / "a.eml").write_bytes(mail("plain", 1))
    (place / "odd.eml").write_bytes(b"Delivered-To: <a b@example.org>\nReturn-Path: <x@y.test>\nTo: nobody\n\nbody\n")
    status, found = replay(place, str(place / "a.eml"), str(place / "odd.eml"), "--limit", "5")
    assert (status, found["policy"]["verdicts"].get("accepted")) == (0, 2)
    result = CliRunner().invoke(danelaw_command, ["policy", "replay", "--config", str(place / "danelaw.toml")])
    assert result.exit_code == 2
    result = CliRunner().invoke(
        danelaw_command, ["policy", "replay", str(place / "none.eml"), "--config", str(place / "danelaw.toml")]
    )
    assert isinstance(result.exception, DanelawError)


def test_without_live_nobody_is_asked_and_state_is_its_own(place: Path) -> None:
    (place / "ours" / "inbound.py").write_text(
        textwrap.dedent("""
        from danelaw.policy import *

        @hook.end_of_data
        async def slow(ctx: MessageContext) -> Defer | None:
            try:
                await ctx.library.dns.lookup("example.org", "MX")
            except LibraryError as error:
                ctx.notes["dns"] = error.reason
            allowed = await ctx.library.state.rate("all", limit=2, span=100).take("x")
            return None if allowed else Defer("too much")
        """)
    )
    names = []
    for number in (1, 2, 3, 30):
        names.append(str(place / f"{number}.eml"))
        Path(names[-1]).write_bytes(mail("plain", number).replace(b"14:0", b"15:0").replace(b"14:30", b"16:30"))
        if number < 4:
            text = Path(names[-1]).read_bytes().replace(f"15:{number:02}:20".encode(), f"15:01:2{number}".encode())
            Path(names[-1]).write_bytes(text)
    _, found = replay(place, *names)
    assert found["policy"]["verdicts"] == {"accepted": 3, "deferred": 1}  # the third within the same seconds
    assert found["policy"]["refused"] == {"dns.lookup": 4}


def test_mail_that_waits_in_a_gateway_is_judged_by_its_id_and_by_history(tmp_path: Path) -> None:
    async def play() -> None:
        config = '[delivery]\nnext_hop = "[127.0.0.1]:1"\n' + policy(
            tmp_path,
            """
            @hook.end_of_data
            def noted(ctx: MessageContext) -> None:
                ctx.notes["subject"] = ctx.mail.subject
                ctx.mail.set("Subject", "[x] " + ctx.mail.subject)
            """,
        )
        async with gateway(tmp_path, config) as running:
            first = await running.send("b@example.org", body=MESSAGE)
            await running.send("c@example.org", body=MESSAGE)
            assert id_from_text(first)
            found = await asyncio.to_thread(_both, tmp_path, first)
        (by_id, history, shell) = found
        assert by_id["messages"] == 1
        assert history["messages"] == 2
        assert history["policy"]["verdicts"] == {"accepted": 2}
        assert shell.splitlines()[:2] == ["'hello'", "'127.0.0.1'"]
        assert "[x] hello" in shell

    run(play())


def _both(place: Path, ident: str) -> tuple[Any, Any, str]:
    line = ["policy", "shell", ident, "--config", str(place / "danelaw.toml"), "-c",
            "ctx.notes['subject']; ctx.client.address; mail.subject"]  # fmt: skip
    said = CliRunner().invoke(danelaw_command, line)
    return replay(place, ident)[1], replay(place, "--history")[1], said.output


# reading what was recorded


@pytest.mark.parametrize(
    ("field", "helo", "address", "tls"),
    [
        ("from mx.a.test (mx.a.test [192.0.2.9]) by b with ESMTPS (TLSv1.3) id 1; Mon, 21 Sep 2026 14:13:20 +0000",
         "mx.a.test", "192.0.2.9", ("TLSv1.3", "")),
        ("from [192.0.2.9] ([192.0.2.9]) (HELO \"odd name\") by b with ESMTP; x", "odd", "192.0.2.9", None),
        ("from a (a [IPv6:2001:db8::1]) by b with UTF8SMTPSA tls TLS_AES_128_GCM_SHA256; x", "a", "2001:db8::1",
         ("TLS", "TLS_AES_128_GCM_SHA256")),
        ("by b with SMTP id 4", "", "", None),
        ("nonsense", "", "", None),
    ],
)  # fmt: skip
def test_received_fields_say_who_came(field: str, helo: str, address: str, tls: tuple[str, str] | None) -> None:
    header = Header.from_bytes(f"Received: {field}\r\n\r\n".encode())
    found = received(header.first("Received"))
    assert (found.helo, found.address, found.tls) == (helo, address, tls)


@given(st.binary(max_size=400))
def test_no_header_is_too_odd_to_be_read(octets: bytes) -> None:
    header = Header.from_bytes(
        b"Received: " + octets + b"\r\nReturn-Path: " + octets + b"\r\nTo: " + octets + b"\r\n\r\n"
    )
    received(header.first("Received"))
    sender(header)
    recipients(header)
    origin_in(header, ("mx.example.org",))
    with contextlib.suppress(DanelawError):
        from_file("x", octets, Given(), now=NOW)


def test_what_is_not_known_is_said_and_what_is_given_goes_before() -> None:
    bare = from_file("x", b"From: a@b.test\nTo: c@d.test, e@f.test\n\nbody\n", Given(), now=NOW)
    assert (bare.reverse_path, bare.recipients, bare.received_at) == ("a@b.test", ("c@d.test", "e@f.test"), NOW)
    assert len(bare.unknown) == 5
    told = Given(client="192.0.2.7", sender="", recipients=("x@y.test",), now=1.0, user="anna")
    known = from_file("x", mail("plain", 1), told, now=NOW)
    assert (known.client.address, known.reverse_path, known.recipients) == ("192.0.2.7", "", ("x@y.test",))
    assert (known.client.user, known.client.trusted, known.received_at) == ("anna", True, 1.0)


def test_mboxes_are_read_one_by_one(tmp_path: Path) -> None:
    text = b"From a\nSubject: 1\n\n>From here\nFrom within\n\nFrom b\nSubject: 2\n\nx\n"
    (tmp_path / "box").write_bytes(text)
    found = [one.octets for one in recordings(tmp_path / "box")]
    assert found == [b"Subject: 1\n\nFrom here\nFrom within\n\n", b"Subject: 2\n\nx\n"]


def test_the_offline_library_refuses_in_words() -> None:
    noted: list[str] = []
    library = offline_library(lambda: NOW, noted.append)

    async def ask() -> None:
        with pytest.raises(LibraryError, match=r"http\.get asks nobody"):
            await library.http.get("https://a.test/")
        assert (await library.files.examine(b"%PDF-1.4", "a.txt")).type == "application/pdf"
        assert await library.state.counter("a").add("x") == 1

    asyncio.run(ask())
    assert noted == ["http.get"]


@given(st.binary(max_size=600))
def test_any_octets_are_read_or_refused_in_words(octets: bytes) -> None:
    scripting_recorded.test_one_input(octets)


def test_rules_are_named_where_they_decide(place: Path) -> None:
    (place / "danelaw.toml").write_text(
        (place / "danelaw.toml").read_text()
        + '[[rule]]\nname = "closed"\nwhen = { recipient = ["old@example.org"] }\naction = "defer"\n'
        + '[[rule]]\nname = "held"\nwhen = { subject = ["hello*"] }\naction = "hold"\n'
    )
    for number, kind in enumerate(("plain", "old", "drop")):
        (place / f"{number}.eml").write_bytes(mail(kind, number))
    _, found = replay(place, *(str(place / f"{number}.eml") for number in range(3)))
    assert {(one["verdict"], one["hook"]) for one in found["policy"]["by"]} == {
        ("held", "rule held"), ("deferred", "rule closed"), ("discarded", "words"),
    }  # fmt: skip
