"""From a rule to the release: mail that comes over SMTP, in a running gateway."""

from __future__ import annotations

import json
from pathlib import Path

from held_mail import answer
from tests.ends import Sink, gateway, run, until


def test_a_rule_holds_mail_as_it_comes_and_release_delivers_it(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            before = await running.send("anna@example.org", sender="bob@shop.example")
            await running.reaches(before, "delivered")
            await answer(running, "quarantine", "rule", "add", "from:*@shop.example", "--because", "T-1")
            await until(lambda: running.gateway.parts.hold_rules.all(running.gateway.clock()), "the rule")
            body = b"Subject: =?utf-8?q?B=C3=BCcher?=\r\n\r\n" + b"x" * 70 + b"\r\n"
            large = b"Subject: large\r\n\r\n" + (b"y" * 70 + b"\r\n") * 5000
            held = [
                await running.send("anna@example.org", "ben@example.org", body=one, sender="bob@shop.example")
                for one in (body, large)
            ]
            free = await running.send("anna@example.org", sender="eve@other.example")
            await running.reaches(free, "delivered")
            assert [running.look(one)["state"] for one in held] == ["held", "held"]
            listed = (await answer(running, "quarantine", "list", "--step", "rule"))["messages"]
            assert [row["id"] for row in listed] == held
            assert [row["subject"] for row in listed] == ["Bücher", "large"]
            assert listed[0]["holds"] == [{"step": "rule", "reason": "rule 1: T-1"}]
            await until(lambda: running.look(held[0])["held"]["until"], "the usual term")
            await answer(running, "quarantine", "release", "--all", "--because", "T-2")
            for one in held:
                await running.reaches(one, "delivered")
            assert sorted(len(one.content) for one in sink.taken[2:]) == [len(body), len(large)]
            assert json.dumps(running.look(held[0])["findings"]).count("released") == 1
            await answer(running, "quarantine", "rule", "remove", "1")

    run(play())
