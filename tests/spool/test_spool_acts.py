"""Operators' acts, lists, purge: through the same door as the control socket."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spool_samples import BODY, KEY, NOW, Clock, sample, settled, tried

from danelaw.errors import DanelawError
from danelaw.queue import HostVerdict, QueuedMessage, RecipientState, RoutingKey, Scheduler, Settlement, id_to_text
from danelaw.spool import Spool, SpoolError, SpoolSettings, acts, view
from danelaw.spool.operations import CHANGING, change, look, operate


async def filled(directory: Path, count: int = 3, *, redact: bool = False) -> tuple[Spool, list[QueuedMessage]]:
    """A spool with messages to r0@example.org, r1@…"""
    settings = SpoolSettings(reserve=0, redact_addresses=redact)
    spool = Spool.open(directory, settings=settings, clock=Clock())
    messages = [sample(spool, f"r{number}@example.org") for number in range(count)]
    await asyncio.gather(*(spool.append(message, BODY) for message in messages))
    return spool, messages


def act(spool: Spool, operation: str, filter: str, scheduler: Scheduler | None = None, **more: Any) -> dict[str, Any]:
    arguments = {"filter": filter, "who": "eve", "why": "T-1", **more}
    bounce = arguments.pop("bounce", None)
    return operate(spool, operation, arguments, NOW, scheduler, bounce)


class Told:
    """What senders are told, without an engine: `notice_of` makes notices, or nothing; `durable` is what was stored."""

    def __init__(self, notice_of: Callable[[QueuedMessage], tuple[QueuedMessage, bytes] | None]) -> None:
        self.notice_of = notice_of
        self.durable: list[Settlement] = []

    def __call__(self, message: QueuedMessage, now: float) -> Settlement:
        notice = self.notice_of(message)
        return Settlement(message, now, notices=() if notice is None else (notice,))

    def stored(self, settlement: Settlement) -> None:
        self.durable.append(settlement)


def states(spool: Spool) -> dict[str, str]:
    page = look(spool.reader, "list", {"filter": ""}, NOW)
    return {m["recipients"][0]["to"].split("@")[0]: m["state"] for m in page["messages"]}


def test_held_mail_stays_until_released(tmp_path: Path) -> None:
    async def run() -> None:
        spool, messages = await filled(tmp_path)
        assert act(spool, "hold", "to:r1@*") == {"messages": 1, "recipients": 1, "skipped": 0}
        assert states(spool) == {"r0": "waiting", "r1": "held", "r2": "waiting"}
        assert [m.id for m in spool.claim(KEY, 9, NOW)[0]] == [messages[0].id, messages[2].id]
        assert act(spool, "release", "state:held")["messages"] == 1
        assert [m.id for m in spool.claim(KEY, 9, NOW)[0]] == [messages[1].id]
        log = spool.reader.execute("SELECT at, who, operation, filter, why, messages FROM acts").fetchall()
        assert log == [(NOW, "eve", "hold", "to:r1@*", "T-1", 1), (NOW, "eve", "release", "state:held", "T-1", 1)]
        await spool.close()

    asyncio.run(run())


def test_a_hold_on_the_wire_outlives_the_deferral_but_not_the_delivery(tmp_path: Path) -> None:
    async def run() -> None:
        spool, messages = await filled(tmp_path, 2)
        claimed, _ = spool.claim(KEY, 9, NOW)
        act(spool, "hold", "all", all=True)
        await spool.settle(settled(claimed[0], RecipientState.QUEUED, due=NOW + 60))
        await spool.settle(settled(claimed[1]))
        assert states(spool) == {"r0": "held"}
        assert view.find_message(spool.reader, messages[1].id)[1]
        await spool.close()

    asyncio.run(run())


def test_dropped_mail_is_gone_and_on_record(tmp_path: Path) -> None:
    async def run() -> None:
        spool, messages = await filled(tmp_path)
        assert act(spool, "drop", "to:r1@* or to:r2@*")["messages"] == 2
        assert states(spool) == {"r0": "waiting"}
        page = look(spool.reader, "list", {"filter": "state:dropped"}, NOW)
        assert [m["id"] for m in page["messages"]] == [m.id_text for m in messages[1:]]
        assert page["messages"][0]["recipients"][0]["reason"] == "dropped by eve: T-1"
        assert spool.reader.execute("SELECT count(*) FROM body").fetchone() == (1,)
        await spool.close()

    asyncio.run(run())


def test_returned_mail_brings_its_bounce_in_the_same_step(tmp_path: Path) -> None:
    async def run() -> None:
        spool, messages = await filled(tmp_path, 2)
        seen: list[tuple[int, list[int]]] = []

        def notice_of(message: QueuedMessage) -> tuple[QueuedMessage, bytes]:
            seen.append((message.id, [r.number for r in message.recipients]))
            return sample(spool, message.reverse_path, key=RoutingKey("shop.example"), sender=""), b"bounce"

        bounce = Told(notice_of)
        assert act(spool, "fail", "to:r0@*", bounce=bounce)["messages"] == 1
        assert [settlement.message.id for settlement in bounce.durable] == [messages[0].id]
        assert seen == [(messages[0].id, [0])]
        [notice], _ = spool.claim(RoutingKey("shop.example"), 9, NOW)
        assert spool.read_body(notice) == b"bounce"
        assert view.find_message(spool.reader, messages[0].id)[0].recipients[0].state is RecipientState.FAILED
        with pytest.raises(SpoolError, match="notice"):
            act(spool, "fail", "to:r1@*")
        await spool.close()

    asyncio.run(run())


def test_a_bounce_that_cannot_be_made_leaves_the_mail(tmp_path: Path) -> None:
    async def run() -> None:
        spool, _ = await filled(tmp_path, 1)

        def broken(message: QueuedMessage) -> tuple[QueuedMessage, bytes]:
            raise ValueError("broken builder")

        with pytest.raises(ValueError, match="broken builder"):
            act(spool, "fail", "to:r0@*", bounce=Told(broken))
        assert states(spool) == {"r0": "waiting"}
        await spool.append(sample(spool), BODY)
        await spool.close()

    asyncio.run(run())


def test_rerouted_mail_takes_the_other_way_and_held_mail_stays_held(tmp_path: Path) -> None:
    async def run() -> None:
        spool, messages = await filled(tmp_path)
        act(spool, "hold", "to:r1@*")
        act(spool, "reroute", "host:example.org", next_hop="[relay.example]:25")
        relay = RoutingKey("[relay.example]:25")
        assert [m.id for m in spool.claim(relay, 9, NOW)[0]] == [messages[0].id, messages[2].id]
        assert spool.claim(KEY, 9, NOW) == ([], None)
        assert states(spool)["r1"] == "held"
        await spool.close()

    asyncio.run(run())


def test_retry_wakes_queue_and_scheduler(tmp_path: Path) -> None:
    async def run() -> None:
        spool, messages = await filled(tmp_path, 1)
        claimed, _ = spool.claim(KEY, 9, NOW)
        await spool.settle(settled(claimed[0], RecipientState.QUEUED, due=NOW + 5000))
        scheduler = Scheduler()
        scheduler.restore(KEY, NOW + 5000, NOW + 900, 2, "refused", NOW)
        spool.save_queue(KEY, NOW + 900, 2, "refused")
        assert act(spool, "retry", "to:*", scheduler)["messages"] == 1
        assert scheduler.refills(NOW) == [(KEY, 1)]
        found = spool.claim(KEY, 1, NOW)
        scheduler.refilled(KEY, *found, NOW)
        [work] = scheduler.next_work(NOW)
        assert work.message.id == messages[0].id
        await spool.close()
        spool = Spool.open(tmp_path, clock=Clock())
        assert [row.suspended_until for row in spool.queues()] == [0.0]
        await spool.close()

    asyncio.run(run())


@pytest.mark.parametrize("operation", ["drop", "reroute", "fail", "retry"])
def test_what_is_on_the_wire_is_left_alone_and_pages_follow(tmp_path: Path, operation: str) -> None:
    async def run() -> None:
        spool, messages = await filled(tmp_path)
        scheduler = Scheduler()
        scheduler.refilled(KEY, *spool.claim(KEY, 9, NOW), NOW)
        [work] = scheduler.next_work(NOW, limit=1)
        more = {"next_hop": "b.example"} if operation == "reroute" else {}
        result = act(spool, operation, "all", scheduler, all=True, bounce=Told(lambda message: None), **more)
        assert result == {"messages": 2, "recipients": 2, "skipped": 1}
        assert scheduler.next_work(NOW) == []
        await spool.settle(settled(work.message))
        scheduler.finished(work, HostVerdict.GOOD, NOW)
        assert view.find_message(spool.reader, messages[0].id)[0].recipients[0].state is RecipientState.DELIVERED
        if operation in ("retry", "reroute"):  # claims given back by the act are claimed again, once
            key = RoutingKey("b.example") if operation == "reroute" else KEY
            assert {m.id for m in spool.claim(key, 9, NOW)[0]} == {m.id for m in messages[1:]}
        await spool.close()

    asyncio.run(run())


def test_large_acts_go_in_steps(tmp_path: Path) -> None:
    async def run() -> None:
        spool, _ = await filled(tmp_path, 1200)
        totals = [step["messages"] for step in change(spool, "drop", {"filter": "to:r*", "why": "T"}, NOW)]
        assert totals == [*range(acts.STEP, 1201, acts.STEP), 1200]
        assert spool.reader.execute("SELECT count(*) FROM recipient").fetchone() == (0,)
        assert spool.reader.execute("SELECT messages FROM acts").fetchall() == [(1200,)]
        await spool.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("operation", "arguments", "words"),
    [
        ("drop", {"filter": "", "why": "x"}, "all mail"),
        ("drop", {"filter": "to:*"}, "reason"),
        ("reroute", {"filter": "to:*", "why": "x"}, "next hop"),
        ("explode", {"filter": "to:*"}, "no operation"),
        ("list", {"filter": 5}, "must be text"),
        ("list", {"filter": "", "limit": 0}, "limit"),
        ("list", {"filter": "tu:x"}, "no field"),
        ("show", {"id": "x"}, "not a queue id"),
        ("show", {"id": id_to_text(1)}, "no message"),
        ("purge", {"address": "anna"}, "no address"),
    ],
)
def test_wrong_requests_change_nothing_and_say_why(
    tmp_path: Path, operation: str, arguments: dict[str, Any], words: str
) -> None:
    async def run() -> None:
        spool, _ = await filled(tmp_path, 1)
        with pytest.raises(DanelawError, match=words):
            operate(spool, operation, arguments, NOW)
        assert states(spool) == {"r0": "waiting"}
        await spool.close()

    asyncio.run(run())


def test_lists_page_by_id_across_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        spool, messages = await filled(tmp_path, 25)
        seen: list[str] = []
        after = None
        for _ in range(20):
            page = look(spool.reader, "list", {"filter": "not to:r3@*", "limit": 4, "after": after}, NOW)
            seen += [m["id"] for m in page["messages"]]
            after = page["after"]
            if after is None:
                break
        assert seen == [m.id_text for m in messages if m is not messages[3]]
        for message in messages:
            claimed, _ = spool.claim(KEY, 1, NOW)
            await spool.settle(settled(claimed[0]))
            assert claimed[0].id == message.id
        page = look(spool.reader, "list", {"filter": "state:delivered", "limit": 10}, NOW)
        rest = look(spool.reader, "list", {"filter": "state:delivered", "limit": 1000, "after": page["after"]}, NOW)
        assert [m["id"] for m in page["messages"] + rest["messages"]] == [m.id_text for m in messages]
        assert rest["after"] is None
        await spool.close()

    monkeypatch.setattr(view, "SLICE", 3)
    asyncio.run(run())


def test_only_matching_recipients_are_touched_and_shown(tmp_path: Path) -> None:
    async def run() -> None:
        spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0), clock=Clock())
        message = sample(spool, "anna@example.org", "eva@example.org")
        await spool.append(message, BODY)
        [row] = look(spool.reader, "list", {"filter": "to:eva@*"}, NOW)["messages"]
        assert [r["to"] for r in row["recipients"]] == ["eva@example.org"]
        assert row["recipient_count"] == 2
        act(spool, "drop", "to:eva@*")
        found = look(spool.reader, "show", {"id": message.id_text}, NOW)
        assert [r["state"] for r in found["recipients"]] == ["waiting", "dropped"]
        act(spool, "drop", "to:anna@*")
        assert look(spool.reader, "show", {"id": message.id_text}, NOW)["finished"]
        await spool.close()

    asyncio.run(run())


def test_results_are_plain_json(tmp_path: Path) -> None:
    async def run() -> None:
        spool, messages = await filled(tmp_path, 1)
        claimed, _ = spool.claim(KEY, 9, NOW)
        attempt = tried(outcome="waiting")
        attempt.evidence = (b"\x01" * 32,)
        await spool.settle(settled(claimed[0], RecipientState.QUEUED, due=NOW + 5, attempts=(attempt,)))
        for operation, arguments in (("list", {"filter": ""}), ("show", {"id": messages[0].id_text})):
            json.dumps(look(spool.reader, operation, arguments, NOW), allow_nan=False)
        assert set(CHANGING) == {"hold", "release", "retry", "fail", "drop", "reroute", "purge"}
        await spool.close()

    asyncio.run(run())


@pytest.mark.parametrize("redact", [False, True])
def test_one_persons_traces_are_purged(tmp_path: Path, redact: bool) -> None:
    async def run() -> None:
        spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0, redact_addresses=redact), clock=Clock())
        alone = sample(spool, "Anna@example.org")
        shared = sample(spool, "anna@example.org", "eva@example.org")
        sent = sample(spool, "eva@example.org", sender="anna@example.org")
        other = sample(spool, "banna@example.org")
        for message, blob in ((alone, b"a"), (shared, b"b"), (sent, b"c"), (other, b"b")):
            await spool.append(message, BODY, claimed=True)
            attempt = tried()
            attempt.evidence = (hashlib.sha256(blob).digest(),)
            await spool.settle(settled(message, attempts=(attempt,), evidence=(blob,)))
        waiting = sample(spool, "anna@example.org")
        await spool.append(waiting, BODY)
        result = operate(
            spool, "purge", {"address": "anna@example.org", "who": "eve", "why": "anna@example.org asked"}, NOW
        )
        assert result == {"messages": 3, "attempts": 3, "evidence": 2, "still_waiting": 1}
        left = {row[0] for row in spool.reader.execute("SELECT id FROM history")}
        assert left == {shared.id, other.id}
        kept, _ = view.find_message(spool.reader, shared.id)
        assert [r.number for r in kept.recipients] == [1]
        history = repr(spool.reader.execute("SELECT reverse_path, recipients FROM history").fetchall()).lower()
        assert "'anna@" not in history
        assert '"anna@' not in history
        assert "anna@" not in repr(spool.reader.execute("SELECT * FROM acts").fetchall())
        await spool.close()

    asyncio.run(run())
