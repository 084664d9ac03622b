"""Does a replay find every difference there is between two policies, and invent none? And how fast is it?

    python bench/policy_replay.py [--mails 5000]

Every mail is made so that it is known beforehand what two policies say of it: some senders only the one refuses, some
recipients it sends elsewhere, some mail only it holds, some gets another field, note or tag. They are replayed from one
mbox, and the report is compared with what is known, count by count. Exit status 1 when they are not the same.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TypeAlias

Key: TypeAlias = tuple[str, str, str, str]
OURS = """
from danelaw.policy import Hold, MailContext, MessageContext, RecipientContext, Redirect, Reject, hook

SENDERS = {"refused.test"}
MOVED = {"info"}
HELD = ("offer",)
FIELD = "one"


@hook.mail_from
def sender(ctx: MailContext) -> Reject | None:
    return Reject("not from there") if ctx.reverse_path.domain in SENDERS else None


@hook.rcpt_to
async def recipient(ctx: RecipientContext) -> Redirect | None:
    await ctx.library.state.counter("mails").add(ctx.recipient, expires=3600)
    return Redirect(("desk@bench.test",)) if ctx.recipient.localpart in MOVED else None


@hook.end_of_data
async def whole(ctx: MessageContext) -> Hold | None:
    subject = ctx.mail.subject
    if "field" in subject:
        ctx.mail.add("X-Field", FIELD)
    if "note" in subject:
        ctx.notes["note"] = FIELD
    if "tag" in subject:
        ctx.tags.add(f"tag_{FIELD}")
    return Hold("by its subject") if subject.startswith(HELD) else None
"""
CHANGES = (
    ('SENDERS = {"refused.test"}', 'SENDERS = {"refused.test", "new.test"}'),
    ('MOVED = {"info"}', 'MOVED = {"info", "sales"}'),
    ('HELD = ("offer",)', 'HELD = ("offer", "invoice")'),
    ('FIELD = "one"', 'FIELD = "two"'),
)
DIFFERENCES: dict[str, list[Key]] = {
    "field": [("end_of_data", "edit", "add X-Field", "add X-Field otherwise")],
    "note": [("end_of_data", "note", "note", "note otherwise")],
    "tag": [("end_of_data", "tag", "nothing", "tag_two"), ("end_of_data", "tag", "tag_one", "nothing")],
}


def mail(number: int, chance: random.Random) -> tuple[bytes, list[Key]]:
    """A mail, and what is known to differ."""
    domain = chance.choice(("sender.test", "sender.test", "refused.test", "new.test"))
    whom = chance.choice(("anna", "bert", "info", "sales"))
    words = chance.sample(("field", "note", "tag", "plain"), chance.randint(1, 3))
    held = chance.choice(("hello", "hello", "offer", "invoice"))
    size = chance.choice((200, 2_000, 20_000))
    octets = (
        f"Return-Path: <a{number}@{domain}>\nDelivered-To: {whom}@bench.test\n"
        f"Received: from mx.{domain} (mx.{domain} [198.51.100.{number % 250 + 1}])\n"
        f"\tby mx.bench.test with ESMTPS id i{number}; Mon, 21 Sep 2026 {number // 3600 % 24:02}:"
        f"{number // 60 % 60:02}:{number % 60:02} +0000\nFrom: a@{domain}\nTo: {whom}@bench.test\n"
        f"Subject: {held} {' '.join(words)}\nMessage-ID: <{number}@{domain}>\n\n" + "0123456789 " * 6 + "\n"
    ).encode() + (b"x" * 70 + b"\n") * (size // 71)
    if domain == "refused.test":
        return octets, []
    if domain == "new.test":
        return octets, [("mail_from", "verdict", "none", "reject 550")]
    found: list[Key] = [("rcpt_to", "verdict", "none", "redirect")] if whom == "sales" else []
    if held == "invoice":
        found.append(("end_of_data", "verdict", "none", "hold"))
    return octets, found + [key for word in words for key in DIFFERENCES.get(word, ())]


def main() -> int:
    """Make, replay, compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mails", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=6)
    asked = parser.parse_args()
    chance, known, octets = random.Random(asked.seed), Counter[Key](), 0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        theirs = OURS
        for old, new in CHANGES:
            theirs = theirs.replace(old, new)
        for folder, text in (("ours", OURS), ("theirs", theirs)):
            (place / folder).mkdir()
            (place / folder / "policy.py").write_text(text)
        (place / "danelaw.toml").write_text(
            f'hostname = "mx.bench.test"\n[spool]\ndirectory = "{place}/spool"\n[[domain]]\nname = "bench.test"\n'
        )
        with (place / "mails").open("wb") as file:
            for number in range(asked.mails):
                made, differs = mail(number, chance)
                known.update(differs)
                octets += file.write(b"From a Mon Sep 21 14:13:20 2026\n" + made + b"\n")
        line = [sys.executable, "-m", "danelaw", "policy", "replay", str(place / "mails"), "--policy",
                str(place / "theirs"), "--against", str(place / "ours"), "--config", str(place / "danelaw.toml"),
                "--json"]  # fmt: skip
        result = subprocess.run(line, capture_output=True, text=True, check=False)
    if result.returncode not in (0, 1):
        print(result.stderr)
        return 1
    found = json.loads(result.stdout)
    groups = {(one["step"], one["what"], one["active"], one["shadow"]): one["count"]
              for one in found["differences"]["groups"]}  # fmt: skip
    missed, invented = Counter(known) - Counter(groups), Counter(groups) - Counter(known)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{found['messages']} mails, {octets / 2**20:.0f} MiB, judged by two policies in {found['seconds']:.2f} s: "
          f"{found['messages'] / found['seconds']:.0f} a second; at most {memory:.0f} MiB of memory")  # fmt: skip
    print(f"{sum(known.values())} differences known, {sum(groups.values())} found, {sum(missed.values())} missed, "
          f"{sum(invented.values())} invented")  # fmt: skip
    return 1 if missed or invented or found["messages"] != asked.mails else 0


if __name__ == "__main__":
    sys.exit(main())
