"""A shadow finds every difference that there is, invents none, and leaves no trace on the mail."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ends import Sink, gateway, run
from tests.scripting.test_policy_versions import MESSAGE, config, policy

from bench.policy_shadow import found_in
from bench.policy_shadow import play as play_shadow
from danelaw.policy import (
    Address,
    Client,
    Defer,
    Handling,
    Hold,
    Library,
    MailContext,
    MessageContext,
    Notes,
    Redirect,
    Reject,
    Verdict,
)
from danelaw.policy.mail import Mail
from danelaw.scripting.guard import Meter
from danelaw.scripting.loading import EMPTY
from danelaw.scripting.running import Runner
from danelaw.scripting.shadowing.comparing import LONGEST_DETAIL, Before, Difference, Outcome, compare
from danelaw.scripting.shadowing.differences import MOST_GROUPS, Differences, together
from danelaw.scripting.shadowing.quiet import READING, quiet
from danelaw.scripting.shadowing.shadow import MOST_JOBS, Shadow
from danelaw.scripting.shadowing.taping import Tape, taped
from danelaw.scripting.versioning.portion import Portion
from danelaw.scripting.versioning.versions import Candidate

ACTIVE = """from danelaw.policy import *

@hook.mail_from
def sender(ctx: MailContext) -> Reject | None:
    return Reject("no") if ctx.reverse_path.domain == "bad.test" else None

@hook.rcpt_to
def recipient(ctx: RecipientContext) -> Redirect | None:
    return Redirect(("sales@example.org",)) if ctx.recipient.localpart == "info" else None

@hook.end_of_data
async def whole(ctx: MessageContext) -> Hold | None:
    ctx.mail.add("X-Seen", ctx.client.address)
    ctx.notes["size"] = ctx.size
    if "offer" in ctx.mail.subject:
        return Hold("an offer")
    return None
"""
SHADOW = (
    ACTIVE.replace('== "bad.test"', 'in ("bad.test", "worse.test")')
    .replace('"X-Seen", ctx.client.address', '"X-Seen", ctx.client.address if ctx.size % 7 else "odd"')
    .replace('"offer" in', '"prize" in')
    .replace("    return None\n", '    ctx.library.log.event("seen")\n    return None\n')
)


ENDLESS = """from danelaw.policy import *

@hook.mail_from
def endless(ctx: MailContext) -> None:
    while True:
        pass
"""


def write(tmp_path: Path, text: str) -> None:
    (tmp_path / "policy").mkdir(exist_ok=True)
    (tmp_path / "policy" / "a.py").write_text(text)


def counts(report: dict[str, Any]) -> dict[tuple[str, str, str, str], int]:
    return {(one["step"], one["what"], one["active"], one["shadow"]): one["count"] for one in report["found"]["groups"]}


def test_all_known_differences_on_live_mail_are_found_and_none_is_invented(tmp_path: Path) -> None:
    write(tmp_path, ACTIVE)
    dice = random.Random(6)
    known: dict[tuple[str, str, str, str], int] = {}

    def differs(*what: str) -> None:
        key = ("end_of_data", *what) if len(what) == 3 else what
        known[key] = known.get(key, 0) + 1  # type: ignore[index, arg-type]

    async def play() -> None:
        more = "shadow_percent = 100\n"
        async with Sink() as sink, gateway(tmp_path, config(tmp_path, sink, more)) as running:
            write(tmp_path, SHADOW)
            await policy(tmp_path, "shadow", "start", "--no-types")
            scripts = running.gateway.parts.scripts
            assert scripts is not None
            odd: list[str] = []
            for _ in range(20):
                async with await running.client() as client:
                    for _ in range(10):
                        sender = dice.choice(["good.test", "bad.test", "worse.test"])
                        subject = dice.choice(["hello", "an offer", "a prize", "a prize offer"])
                        body = b"Subject: " + subject.encode() + b"\r\n\r\n" + b"x" * dice.randrange(50) + b"\r\n"
                        if sender == "bad.test":
                            await client.expect(550, f"MAIL FROM:<a@{sender}>")
                            continue
                        to = dice.choice(["info@example.org", "b@example.org"])
                        message = await client.message(body, to, sender=f"a@{sender}")
                        if sender == "worse.test":
                            differs("mail_from", "verdict", "none", "reject 550")
                            continue
                        if ("offer" in subject) != ("prize" in subject):
                            differs("verdict", *(("hold", "none") if "offer" in subject else ("none", "hold")))
                        if len(body) % 7 == 0:
                            differs("edit", "add X-Seen", "add X-Seen otherwise")
                            odd.append(message)
            assert scripts.shadow is not None
            await scripts.shadow.settled()
            report = await policy(tmp_path, "shadow", "report")
            assert counts(report) == known
            assert (report["found"]["dropped"], report["found"]["failed"]) == (0, 0)
            edits = next(one for one in report["found"]["groups"] if one["what"] == "edit")
            assert edits["messages"] == odd[:20]
            assert report["found"]["effects"].keys() == {"log.event seen"}
            assert not running.lines("policy")
            assert not any(b"X-Seen: odd" in one.data for one in sink.taken)
            after = await policy(tmp_path, "shadow", "stop")
            assert after["shadow"] == ""
            async with await running.client() as client:
                await client.message(b"Subject: a prize\r\n\r\n", "b@example.org")
            assert counts(await policy(tmp_path, "shadow", "report")) == known

    run(play())


def test_a_shadow_of_part_of_the_recipients_speaks_of_those_only(tmp_path: Path) -> None:
    write(tmp_path, ACTIVE)

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, config(tmp_path, sink)) as running:
            write(tmp_path, SHADOW)
            await policy(tmp_path, "shadow", "start", "--no-types", "--for", "to:example.net")
            async with await running.client() as client:
                for to in ("b@example.org", "b@example.net"):
                    await client.message(MESSAGE, to, sender="a@worse.test")
            scripts = running.gateway.parts.scripts
            assert scripts is not None
            assert scripts.shadow is not None
            await scripts.shadow.settled()
            report = await policy(tmp_path, "shadow", "report")
            assert counts(report) == {("mail_from", "verdict", "none", "reject 550"): 1}

    run(play())


def test_a_shadow_that_fails_or_never_ends_harms_nobody(tmp_path: Path) -> None:
    write(tmp_path, ACTIVE)

    async def play() -> None:
        more = 'cpu = "20ms"\nfailures = 1000\n'
        async with Sink() as sink, gateway(tmp_path, config(tmp_path, sink, more)) as running:
            write(
                tmp_path,
                "from danelaw.policy import *\n@hook.mail_from\ndef a(ctx: MailContext):\n    while True: pass\n",
            )
            await policy(tmp_path, "shadow", "start", "--no-types")
            for _ in range(30):
                async with await running.client() as client:
                    await client.message(MESSAGE, "b@example.org")
            await sink.messages(30)
            scripts = running.gateway.parts.scripts
            assert scripts is not None
            assert scripts.shadow is not None
            await scripts.shadow.settled()
            found = (await policy(tmp_path, "shadow", "report"))["found"]
            assert found["failed"] >= 1
            assert found["dropped"] >= 1  # its share of the processor was used up
            assert found["failed"] + found["dropped"] <= 60

    run(play())


@pytest.mark.timeout(120)
def test_the_report_of_two_workers_is_one(tmp_path: Path) -> None:
    work, report, _ = asyncio.run(play_shadow(tmp_path, mails=80, clients=4, workers=2))
    assert work.sent == 80
    assert found_in(report) == work.known
    assert (report["workers"], report["found"]["dropped"]) == (2, 0)


# comparing


def message(recipients: list[str] | None = None) -> MessageContext:
    mail = Mail(lambda: MESSAGE)
    return MessageContext(
        now=1.0, policy="v", library=None, client=Client("192.0.2.1", 1), reverse_path=Address("a@sender.test"),  # type: ignore[arg-type]
        id="m", mail=mail, recipients=[Address(one) for one in recipients or ["b@example.org"]], size=len(MESSAGE),
    )  # fmt: skip


def act(context: MessageContext, number: int) -> Verdict | None:
    """One thing a hook may do."""
    match number:
        case 0:
            context.mail.add("X-A", "1")
        case 1:
            context.mail.set("Subject", "other")
        case 2:
            context.recipients.append(Address("c@example.org"))
        case 3:
            context.recipients.clear()
        case 4:
            context.notes["n"] = [1]
        case 5:
            context.tags.add("t")
        case 6:
            context.handling = Handling(demand="dane")
        case 7:
            context.reverse_path = Address("")
        case 8:
            return Hold("why")
        case 9:
            return Reject("no")
        case 10:
            return Redirect(("d@example.org",))
    return None


WHAT = [
    "edit",
    "edit",
    "recipients",
    "recipients",
    "note",
    "tag",
    "handling",
    "sender",
    "verdict",
    "verdict",
    "verdict",
]


def outcome(numbers: list[int]) -> Outcome:
    context = message()
    before = Before.of(context)
    verdict = None
    for number in numbers:
        verdict = act(context, number) or verdict
    return Outcome.of("end_of_data", verdict, "h", before, context)


deeds = st.lists(st.integers(0, 10), max_size=5)


@given(deeds)
def test_the_same_deeds_never_differ(numbers: list[int]) -> None:
    assert compare(outcome(numbers), outcome(numbers)) == ()


@given(deeds, deeds)
def test_a_difference_is_one_from_both_sides(one: list[int], other: list[int]) -> None:
    there, back = compare(outcome(one), outcome(other)), compare(outcome(other), outcome(one))
    assert sorted(it.what for it in there) == sorted(it.what for it in back)
    assert all(len(it.detail) <= LONGEST_DETAIL for it in there)


@pytest.mark.parametrize("number", range(11))
def test_each_deed_alone_is_one_difference_of_its_kind(number: int) -> None:
    (found,) = compare(outcome([]), outcome([number]))
    assert found.what == WHAT[number]


def test_words_and_orders_that_differ_are_told() -> None:
    one, other = outcome([0, 1]), outcome([1, 0])
    assert [it.theirs for it in compare(one, other)] == ["in another order"]
    text = Outcome("rcpt_to", Reject("no"), "a"), Outcome("rcpt_to", Reject("never"), "b")
    assert compare(*text) == (
        Difference("rcpt_to", "verdict", "reject 550 (a)", "reject 550 in other words (b)",
                   "a reject 550: no / b reject 550: never"),
    )  # fmt: skip
    failed = Outcome("rcpt_to", Defer("later"), "a", failed=True)
    assert [it.theirs for it in compare(text[0], failed)] == ["failed"]


def test_groups_and_messages_are_bounded_and_add_up() -> None:
    found = Differences()
    for number in range(MOST_GROUPS + 10):
        found.add([Difference("rcpt_to", "note", "x", f"n{number}")], f"m{number}")
    for number in range(100):
        found.add([Difference("rcpt_to", "note", "x", "n0")], f"more{number}")
    assert (len(found.groups), found.beyond) == (MOST_GROUPS, 10)
    first = found.to_object()["groups"][0]
    assert (first["count"], len(first["messages"])) == (101, 20)
    both = together([found.to_object(), found.to_object()])
    assert both["groups"][0]["count"] == 202
    assert both["beyond"] == 20


# the quiet library


class Recorder:
    """A library whose every call is written down, and answers with its name."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def part(self, name: str, waits: bool) -> Any:
        recorder = self

        class Part:
            def __getattr__(self, method: str) -> Any:
                def call(*args: Any, **kwargs: Any) -> Any:
                    recorder.calls.append(f"{name}.{method}")
                    return f"{name}.{method}"

                async def awaited(*args: Any, **kwargs: Any) -> Any:
                    return call(*args, **kwargs)

                return awaited if waits else call

        return Part()

    def library(self) -> Library:
        waits = {name: name not in ("secrets", "measures", "log") for name in READING if name != "state"}
        parts: dict[str, Any] = {name: self.part(name, wait) for name, wait in waits.items()}
        return Library(**parts, state=None)  # type: ignore[arg-type]


def test_every_part_of_the_library_is_classified() -> None:
    import inspect

    from danelaw.policy import library as interfaces

    parts = inspect.get_annotations(Library)
    assert parts.keys() <= READING.keys(), "say in quiet.READING what of a new part only reads"
    for part, methods in READING.items():
        kind = getattr(interfaces, str(parts.get(part)), None)
        assert part == "state" or kind is None or all(hasattr(kind, name) for name in methods)


def test_reading_is_done_and_everything_else_is_noted() -> None:
    recorder, noted = Recorder(), list[str]()
    library = quiet(recorder.library(), noted.append)

    async def play() -> None:
        await library.dns.lookup("a", "A")
        await library.http.get("https://a")
        await library.http.request("GET", "https://a")
        assert (await library.http.request("POST", "https://b")).status == 202
        assert (await library.http.post("https://c", json={})).status == 202
        await library.sql.query("db", "SELECT 1")
        assert await library.sql.query("db", "DELETE FROM x RETURNING y") == []
        assert await library.sql.query("db", "SELECT 1; DELETE FROM x") == []
        assert await library.sql.execute("db", "INSERT") == 0
        library.log.event("text")
        library.measures.count("name")
        assert library.secrets.get("x") == "secrets.get"

    asyncio.run(play())
    assert recorder.calls == ["dns.lookup", "http.get", "http.request", "sql.query", "secrets.get"]
    assert len(noted) == 7


def test_what_the_active_version_was_told_the_shadow_is_told() -> None:
    recorder, noted, tape = Recorder(), list[str](), Tape()
    active, shadow = taped(recorder.library(), tape), quiet(recorder.library(), noted.append, tape)

    async def play() -> None:
        await active.http.post("https://a", json={"x": 1})
        active.log.event("text", n=1)
        assert await shadow.http.post("https://a", json={"x": 1}) == "http.post"
        shadow.log.event("text", n=1)
        assert noted == []
        shadow.log.event("text", n=2)

    asyncio.run(play())
    assert noted == ["log.event text"]
    assert recorder.calls == ["http.post", "log.event"]


# bounds


def test_what_it_cannot_keep_up_with_is_dropped_and_counted() -> None:
    async def play() -> None:
        meter = Meter(Runner().guard)
        candidate = Candidate(EMPTY, Portion())
        shadow = Shadow(candidate, Runner(guard=meter), meter, Recorder().library(), 1.0)
        follower = shadow.follow(Client("192.0.2.1", 1), 1.0)
        assert follower is not None
        library = Recorder().library()
        for _ in range(MOST_JOBS + 1):
            context = MailContext(
                now=1.0, policy="v", library=library, client=Client("192.0.2.1", 1), reverse_path=Address("a@b.test"),
                notes=Notes(),
            )  # fmt: skip
            trial = shadow.begins(follower, "mail_from", context)
            assert trial is not None
            trial.ends(None, context)
        assert shadow.differences.dropped == 1
        assert shadow.begins(follower, "mail_from", context) is None
        await shadow.settled()
        assert shadow.differences.steps == 0
        another = shadow.follow(Client("192.0.2.1", 1), 1.0)
        assert another is not None
        trial = shadow.begins(another, "mail_from", context)
        assert trial is not None
        trial.ends(None, context)
        await shadow.settled()
        assert shadow.differences.steps == 1

    asyncio.run(play())
