"""Hold rules: what can be named, when they end, and the step that carries them out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from held_mail import answer, told
from tests.ends import gateway, run

from danelaw.address import ForwardPath, ReversePath
from danelaw.errors import DanelawError
from danelaw.inbound.arrival import Arrival, Client, Content, Hold
from danelaw.inbound.holding import HoldingStep
from danelaw.quarantine.rules import MOST_RULES, HoldRule
from danelaw.smtp import Envelope, Recipient
from danelaw.state import FILE_NAME, HoldRuleStore, StateDatabase

NOW = 1_795_000_000.0
HEAD = b"Subject: =?utf-8?q?Your_[I]nv=C3=B6ice?= 7\r\nMessage-ID: <7@shop.example>\r\n\r\nbody"


def made(text: str, subject: str = "", expires: float | None = None) -> HoldRule:
    return HoldRule.of(text, "T-1", subject=subject, expires=expires, added_at=NOW, who="alice")


def arrival(*recipients: str, sender: str = "<bob@shop.example>", octets: bytes = HEAD) -> Arrival:
    reverse_path = ReversePath.from_text(sender)
    given = [Recipient(ForwardPath.from_text(f"<{one}>")) for one in recipients or ("anna@example.org",)]
    return Arrival(
        7, NOW, Client("192.0.2.7", 25, "relay.shop.example"), Envelope(reverse_path, tuple(given)),
        Content(octets, len(octets)), reverse_path, given,
    )  # fmt: skip


def store(tmp_path: Path) -> HoldRuleStore:
    return HoldRuleStore(StateDatabase(tmp_path / FILE_NAME))


def ruling(rules: HoldRuleStore, message: Arrival, now: float = NOW) -> Hold | None:
    step = HoldingStep(rules, lambda: now)
    assert step.idle != bool(rules.all(now))
    found = asyncio.run(step.message(message))
    assert found is None or isinstance(found, Hold)
    return found


@pytest.mark.parametrize(
    ("text", "subject", "held"),
    [
        ("from:*@shop.example", "", True),
        ("from:*@SHOP.example to:anna@*", "", True),
        ("from:*@other.example", "", False),
        ("client:192.0.2.7", "", True),
        ("client:*.shop.example size<1K", "", True),
        ("size>1M", "", False),
        ("message-id:<7@shop.example>", "", True),
        ("not from:*@shop.example", "", False),
        ('from:"" or to:ben@*', "", False),
        ("", "NVÖICE", True),
        ("", "*[I]nvöice 7", True),
        ("", "[xI]nvöice", False),
        ("", "nvöice*", False),
        ("from:*@other.example", "invöice", False),
    ],
)
def test_a_rule_holds_what_it_names(tmp_path: Path, text: str, subject: str, held: bool) -> None:
    rules = store(tmp_path)
    rules.add(made(text, subject), NOW)
    found = ruling(rules, arrival())
    assert found == (Hold("rule 1: T-1", "rule") if held else None)


@pytest.mark.parametrize(
    "text", ["", "all", "state:held", "tries>3", "age>2h", "host:x", "from:a@b.test not reason:x", "id:7k3v-2m9q-1x"]
)
def test_what_is_not_known_yet_cannot_be_named(text: str) -> None:
    with pytest.raises(DanelawError):
        made(text)
    for reason in ("", "two\nlines"):
        with pytest.raises(DanelawError):
            HoldRule.of("from:a@b.test", reason, added_at=NOW, who="x")
    with pytest.raises(DanelawError):
        made("from:a@b.test", expires=NOW)


def test_rules_end_by_themselves_are_removed_and_survive_a_restart(tmp_path: Path) -> None:
    rules = store(tmp_path)
    first = rules.add(made("from:*@shop.example", expires=NOW + 60.0), NOW)
    second = rules.add(made("to:anna@*"), NOW)
    rules.close()
    rules = store(tmp_path)
    assert rules.all(NOW) == (first, second)
    assert ruling(rules, arrival()) == Hold("rule 1: T-1", "rule")
    assert ruling(rules, arrival(), NOW + 60.0) == Hold("rule 2: T-1", "rule")
    assert rules.remove(second.number) == second
    assert rules.remove(second.number) is None
    assert ruling(rules, arrival(), NOW + 60.0) is None
    third = rules.add(made("size>1"), NOW + 40 * 86400.0)
    assert [one.number for one in rules.all(NOW + 40 * 86400.0)] == [third.number] == [3]


def test_another_process_s_rule_is_noticed_within_a_second(tmp_path: Path) -> None:
    mine, theirs = store(tmp_path), store(tmp_path)
    assert mine.all(NOW) == ()
    theirs.add(made("to:anna@*"), NOW)
    assert len(mine.all(NOW + 1.0)) == 1
    theirs.remove(1)
    assert mine.all(NOW + 2.0) == ()


def test_an_allowed_sender_goes_free_only_when_every_recipient_allows_it(tmp_path: Path) -> None:
    rules = store(tmp_path)
    rules.add(made("size>1"), NOW)
    rules.allow("Anna@Example.org", "BOB@shop.example", "anna", NOW)
    assert ruling(rules, arrival("anna@example.org")) is None
    assert ruling(rules, arrival("anna@example.org", "ben@example.org")) is not None
    assert ruling(rules, arrival("anna@example.org", sender="<eve@shop.example>")) is not None
    assert ruling(rules, arrival("anna@example.org", sender="<>")) is not None


def test_there_is_a_most_of_rules(tmp_path: Path) -> None:
    rules = store(tmp_path)
    rules._database.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO hold_rule (filter, subject, reason, expires, added_at, who)"
        " SELECT 'size>1', '', 'x', NULL, 1.0, 'x' FROM n",
        (MOST_RULES,),
    )
    with pytest.raises(DanelawError):
        rules.add(made("size>2"), NOW)


def test_the_command_adds_lists_and_removes(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running:
            words = ("quarantine", "rule")
            added = await answer(
                running, *words, "add", "from:*@shop.example", "--subject", "*x*", "--for", "7d", "--because", "T-7"
            )
            assert added["added"]["number"] == 1
            assert running.gateway.parts.hold_rules.all(running.gateway.clock() + 2.0)[0].reason == "T-7"
            listed = await answer(running, *words, "list")
            assert listed["rules"] == [added["added"]]
            assert "from:*@shop.example" in (await told(running, *words, "list")).stdout
            assert (await told(running, *words, "add", "from:a@b.test")).exit_code != 0
            await answer(running, *words, "remove", "1")
            assert (await told(running, *words, "remove", "1")).exit_code != 0
            assert (await answer(running, *words, "list"))["rules"] == []

    run(play())
