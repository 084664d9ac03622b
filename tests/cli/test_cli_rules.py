"""`danelaw rules list | check | explain` and `danelaw policy shell`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from danelaw.cli import danelaw
from danelaw.cli.policy import COMMANDS
from danelaw.errors import DanelawError

CONFIG = """
hostname = "mx.example.org"
[spool]
directory = "spool"
[[domain]]
name = "example.org"
[relay]
networks = ["10.0.0.0/8"]
[[rule]]
name = "closed"
when = { recipient = ["old@example.org"] }
action = "reject"
text = "closed"
[[rule]]
name = "mark"
when = { client = ["198.51.100.0/24"] }
action = "none"
tag = ["ext"]
subject_prefix = "[ext] "
[[rule]]
name = "images"
when = { subject = ["[ext]*"], dmarc = ["fail"], tag = ["ext"] }
unless = { sender = ["good.test"] }
action = "hold"
owner = "anna"
[[rule]]
name = "field"
action = "none"
add_header = { X-A = "b" }
"""
MAIL = b"""Return-Path: <a@sender.test>
Delivered-To: b@example.org
Received: from mail.sender.test (mail.sender.test [198.51.100.7])
\tby mx.example.org with ESMTPS (TLSv1.3) id g000; Mon, 21 Sep 2026 14:13:20 +0000
Authentication-Results: mx.example.org; spf=fail smtp.mailfrom=a@sender.test;
\tspf=none smtp.helo=mail.sender.test; dkim=pass header.d=list.test header.s=k;
\tdmarc=fail header.from=sender.test policy.dmarc=none
From: A <a@sender.test>
To: b@example.org
Subject: hello

body
"""
POLICY = """
from danelaw.policy import *

@hook.end_of_data(order=1)
async def mark(ctx: MessageContext) -> None:
    ctx.mail.set("Subject", "[external] " + ctx.mail.subject)

@hook.end_of_data(order=2)
def held(ctx: MessageContext) -> Hold | None:
    return Hold("no origin") if ctx.origin is None else Hold(f"DMARC {ctx.origin.dmarc}")

@hook.end_of_data(order=3)
def never(ctx: MessageContext) -> None:
    raise RuntimeError

@hook.rcpt_to
def who(ctx: RecipientContext) -> None:
    ctx.notes["to"] = ctx.recipient
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "danelaw.toml").write_text(CONFIG)
    (tmp_path / "mail.eml").write_bytes(MAIL)
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "a.py").write_text(POLICY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(*arguments: str) -> Result:
    return CliRunner().invoke(danelaw, list(arguments))


def explained(*arguments: str) -> dict[str, Any]:
    found = json.loads(said("rules", "explain", "mail.eml", *arguments, "--json").output)
    return {one["name"]: one for about in found["about"] for one in about["rules"]}


def test_each_condition_is_shown_with_what_was_found_and_which_rule_decides(place: Path) -> None:
    found = explained()
    assert {name: (one["applies"], one["asked"], one["decides"]) for name, one in found.items()} == {
        "closed": (False, True, False), "mark": (True, True, False), "images": (True, True, True),
        "field": (True, False, False),
    }  # fmt: skip
    conditions = {one["condition"]: (one["holds"], one["found"]) for one in found["images"]["conditions"]}
    assert conditions == {
        "tag": (True, "ext"), "dmarc": (True, "fail"), "subject": (True, "[ext] hello"),
        "unless sender": (False, "a@sender.test"),
    }  # fmt: skip
    page = said("rules", "explain", "mail.eml").output
    assert page.startswith("◐ mail.eml: images decides: hold.\n")
    assert "field was not asked, since images had decided; it would apply" in page
    assert page.rstrip().endswith("next: danelaw policy shell mail.eml")


def test_options_go_before_what_the_file_says(place: Path) -> None:
    found = explained("--client", "10.1.2.3", "--to", "old@example.org", "--from", "x@good.test")
    assert found["closed"]["decides"]
    assert not found["mark"]["applies"]
    assert not found["images"]["applies"]
    result = said("rules", "explain", "mail.eml", "--client", "nonsense")
    assert result.exit_code == 2
    assert isinstance(said("rules", "explain", "other.eml").exception, DanelawError)


def test_what_is_no_longer_known_is_said(place: Path) -> None:
    (place / "mail.eml").write_bytes(b"From: a@b.test\nTo: c@d.test\nSubject: x\n\nbody\n")
    page = said("rules", "explain", "mail.eml").output
    assert "Not known any more, or guessed:" in page
    assert "SPF, DKIM, DMARC and ARC: it has no Authentication-Results field of ours" in page
    conditions = {one["condition"]: one["found"] for one in explained()["images"]["conditions"]}
    assert conditions["dmarc"] == "not looked at"


def test_rules_are_listed_in_their_order(place: Path) -> None:
    page = said("rules", "list").output
    assert [line.split()[2] for line in page.splitlines()[1:5]] == ["closed", "mark", "images", "field"]
    found = json.loads(said("rules", "list", "--json").output)["rules"]
    assert found[2]["owner"] == "anna"
    assert (found[2]["when"], found[2]["unless"]) == (["dmarc", "subject", "tag"], ["sender"])


def test_odd_rules_are_found(place: Path) -> None:
    assert said("rules", "check").exit_code == 0
    (place / "danelaw.toml").write_text(
        CONFIG + '[[rule]]\nname = "all"\naction = "hold"\n[[rule]]\nname = "late"\naction = "hold"\n'
        '[[rule]]\nname = "old"\naction = "hold"\nexpires = "2020-01-01T00:00:00Z"\n'
        '[[rule]]\nname = "idle"\naction = "none"\norder = -1\n'
    )
    result = said("rules", "check", "--json")
    assert result.exit_code == 1
    odd = {one["rule"]: one["reason"] for one in json.loads(result.output)["odd"]}
    assert odd == {
        "late": "it is never asked: all has no condition and comes before it",
        "old": "its time is over; remove it",
        "idle": "it does nothing",
    }


def test_a_shell_has_the_context_and_asks_hooks(place: Path) -> None:
    result = said(
        "policy", "shell", "mail.eml", "--policy", "policy", "-c",
        "ctx.origin.dkim[0].domain; a = await ask(); a; mail.subject; reset().mail.subject; ctx.client.tls.version",
    )  # fmt: skip
    assert result.output.splitlines() == [
        "'list.test'", "verdict: Hold(reason='DMARC fail', seconds=None)", "  mark: none", "  held: hold (DMARC fail)",
        "  never: not asked, held had decided", "'[external] hello'", "'hello'", "'TLSv1.3'",
    ]  # fmt: skip
    assert result.exit_code == 0
    result = said("policy", "shell", "mail.eml", "--policy", "policy", "-c", "(await judge()).fate")
    assert result.output == "'held'\n"


def test_a_shell_goes_on_after_errors_and_says_so_by_its_status(place: Path) -> None:
    for statements in ("1 / 0", "1 +", "await library.http.get('https://a.test/')", "await ask('nowhere')"):
        assert said("policy", "shell", "mail.eml", "--policy", "policy", "-c", statements).exit_code == 1
    result = CliRunner().invoke(
        danelaw,
        ["policy", "shell", "mail.eml", "--policy", "policy"],
        input="1 / 0\nx = 4\nx + 1\nawait ask('rcpt_to')\n",
    )
    assert result.exit_code == 0
    assert "5\n" in result.output
    assert "  who: none" in result.output


def test_every_sub_command_explains_itself(place: Path) -> None:
    for name in COMMANDS:
        result = said("policy", name, "--help")
        assert result.exit_code == 0, name
