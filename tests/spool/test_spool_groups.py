"""Adding the queue up: the same sums as the messages one by one, however many groups there are."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.spool.spool_samples import BODY, NOW, settled

from danelaw.queue import Filter, QueuedMessage, QueuedRecipient, RecipientState, RoutingKey
from danelaw.queue.values import priority_word
from danelaw.spool import Spool, SpoolError, SpoolSettings, database, groups
from danelaw.spool.groups import grouped, longest_queues, together
from danelaw.spool.tally import Group, Tally

RELAY = "[relay.example]:25"
STATES = (RecipientState.QUEUED, RecipientState.HELD)
DOMAINS = ("example.org", "shop.example", "b.example")


def generated(directory: Path, count: int = 120, seed: int = 5, shard: int = 0) -> list[QueuedMessage]:
    """Messages of one to four recipients at three domains, some held, one queue asleep."""
    lots = random.Random(seed)

    async def fill() -> list[QueuedMessage]:
        spool = Spool.open(directory, shard, settings=SpoolSettings(reserve=0))
        spool.save_queue(RoutingKey("b.example"), NOW + 500, 3, "no host could be reached")
        messages = []
        for _ in range(count):
            received = NOW - lots.randrange(5000)
            recipients = tuple(
                QueuedRecipient(
                    number, f'"a@b"@{domain.upper() if lots.random() < 0.3 else domain}',
                    RoutingKey(
                        domain if lots.random() < 0.8 else RELAY, lots.choice(("", "requiretls")),
                        job=lots.choice(("", "", "summer")), priority=lots.choice((0, 0, 0, 1, -1)),
                    ),
                    due=NOW + lots.randrange(-100, 100), state=lots.choice(STATES),
                    reason=lots.choice(("", "greylisted")), reply=lots.choice(("", "450 4.2.0 later")),
                )
                for number, domain in enumerate(lots.choices(DOMAINS, k=lots.randint(1, 4)))
            )  # fmt: skip
            message = QueuedMessage(
                spool.new_id(), received, NOW + 9e5, lots.choice(("", "bob@shop.example", "x@y.example")), recipients,
                lots.randint(50, 5000), len(recipients),
            )  # fmt: skip
            await spool.append(message, BODY)
            messages.append(message)
        await spool.close()
        return messages

    return asyncio.run(fill())


@contextmanager
def reading(directory: Path, shard: int = 0) -> Iterator[database.sqlite3.Connection]:
    with closing(database.open_reader(database.shard_directory(directory, shard) / database.DATABASE_NAME)) as found:
        yield found


def named(message: QueuedMessage, recipient: QueuedRecipient, by: str) -> str:
    """The name of a recipient's group, reckoned the long way."""
    asleep = recipient.key == RoutingKey("b.example")
    return {
        "next-hop": recipient.key.next_hop,
        "domain": recipient.forward_path.rsplit("@", 1)[1].lower(),
        "sender": message.reverse_path,
        "reason": recipient.reason or ("no host could be reached" if asleep else "") or recipient.reply,
        "state": recipient.state.words,
        "demand": recipient.key.demand,
        "job": recipient.key.job,
        "priority": priority_word(recipient.key.priority),
    }[by]


def expected(messages: list[QueuedMessage], by: str, text: str) -> dict[str, Group]:
    chosen = Filter.from_text(text)
    found: dict[str, Group] = {}
    for message in messages:
        parts: dict[str, Group] = {}
        for recipient in message.recipients:
            if chosen.matches(message, recipient, NOW):
                name = named(message, recipient, by)
                due = recipient.due if recipient.state is RecipientState.QUEUED else None
                if due is not None and recipient.key == RoutingKey("b.example"):
                    due = NOW + 500
                one = Group(name, 1, 1, message.size, message.received_at, due)
                known = parts.get(name)
                parts[name] = one if known is None else known.plus(one)._replace(messages=1, size=message.size)
        for name, part in parts.items():
            found[name] = part if name not in found else found[name].plus(part)
    return found


@pytest.mark.parametrize("by", groups.KINDS)
@pytest.mark.parametrize("text", ["", "to:*@example.org", "state:held or size>2K", "not host:b.example from:bob@*"])
def test_sums_are_those_of_the_messages_one_by_one(
    tmp_path: Path, by: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = generated(tmp_path)
    monkeypatch.setattr(groups, "SLICE", 17)  # several slices, and groups that go on in the next
    with reading(tmp_path) as connection:
        found = grouped(connection, Filter.from_text(text), NOW, by, 1000)
    wanted = expected(messages, by, text)
    assert {group["name"]: group for group in found["groups"]} == {name: one._asdict() for name, one in wanted.items()}
    assert [group["messages"] for group in found["groups"]] == sorted(
        (g.messages for g in wanted.values()), reverse=True
    )
    chosen = Filter.from_text(text)
    meant = [one for one in messages if any(chosen.matches(one, r, NOW) for r in one.recipients)]
    assert found["total"]["messages"] == len(meant)
    assert found["total"]["size"] == sum(one.size for one in meant)
    assert found["total"]["recipients"] == sum(group.recipients for group in wanted.values())


def test_only_the_largest_groups_are_given_but_all_are_counted(tmp_path: Path) -> None:
    messages = generated(tmp_path)
    with reading(tmp_path) as connection:
        found = grouped(connection, Filter.from_text(""), NOW, "next-hop", 2)
    assert len(found["groups"]) == 2
    assert found["group_count"] == len(expected(messages, "next-hop", ""))


def test_finished_mail_is_added_up_from_history(tmp_path: Path) -> None:
    async def finish() -> None:
        spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0))
        for number in range(5):
            recipient = QueuedRecipient(0, f"r@{DOMAINS[number % 2]}", RoutingKey(DOMAINS[number % 2]))
            message = QueuedMessage(spool.new_id(), NOW, NOW + 9e5, "bob@shop.example", (recipient,), 100)
            await spool.append(message, BODY)
            state = RecipientState.FAILED if number == 4 else RecipientState.DELIVERED
            await spool.settle(settled(message, state))
        await spool.close()

    asyncio.run(finish())
    with reading(tmp_path) as connection:
        by_domain = grouped(connection, Filter.from_text(""), NOW, "domain", 10, finished=True)
        by_state = grouped(connection, Filter.from_text("state:returned"), NOW, "state", 10)
        waiting = grouped(connection, Filter.from_text(""), NOW, "state", 10)
    assert {group["name"]: group["messages"] for group in by_domain["groups"]} == {"example.org": 3, "shop.example": 2}
    assert by_domain["finished"]
    assert by_domain["total"]["size"] == 500
    assert [(group["name"], group["messages"]) for group in by_state["groups"]] == [("returned", 1)]
    assert (waiting["groups"], waiting["total"]["oldest"]) == ([], None)


def test_an_unknown_kind_is_refused_with_those_there_are(tmp_path: Path) -> None:
    generated(tmp_path, 1)
    with reading(tmp_path) as connection, pytest.raises(SpoolError) as refused:
        grouped(connection, Filter.from_text(""), NOW, "colour", 10)
    assert "next-hop" in (refused.value.advice or "")


def test_a_tally_is_exact() -> None:
    lots = random.Random(2)
    counts: Counter[str] = Counter()
    with closing(Tally()) as tally:
        for _ in range(200):
            groups_added = []
            for _ in range(10):
                name = f"d{lots.randrange(150)}"
                counts[name] += 1
                due = None if name == "d7" else NOW + counts[name]
                groups_added.append((Group(name, 1, 2, 10, NOW - counts[name], due), None))
            tally.add(groups_added)
        largest, count = tally.largest(12)
        total = tally.total()
    assert total == Group("", 2000, 4000, 20000, NOW - max(counts.values()), NOW + 1)
    assert count == len(counts)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:12]
    assert [(group.name, group.messages) for group in largest] == ordered
    assert all(group.recipients == 2 * group.messages and group.size == 10 * group.messages for group in largest)
    assert all(group.oldest == NOW - group.messages for group in largest)
    assert all(group.next_try == (None if group.name == "d7" else NOW + 1) for group in largest)


def test_shards_together_are_one_queue(tmp_path: Path) -> None:
    messages = generated(tmp_path, 40, 1, 0) + generated(tmp_path, 40, 2, 1)
    results = []
    for shard in (0, 1):
        with reading(tmp_path, shard) as connection:
            results.append(grouped(connection, Filter.from_text(""), NOW, "domain", 1000))
    found = together(results, 2)
    wanted = expected(messages, "domain", "")
    assert [group["name"] for group in found["groups"]] == sorted(wanted, key=lambda n: (-wanted[n].messages, n))[:2]
    assert all(group == wanted[group["name"]]._asdict() for group in found["groups"])
    assert found["total"]["messages"] == 80
    assert found["group_count"] == 3


def test_the_longest_queues_come_with_the_reason_of_what_is_due_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = generated(tmp_path)
    monkeypatch.setattr(groups, "SLICE", 13)
    waiting = [(m, r) for m in messages for r in m.recipients if r.state is RecipientState.QUEUED]
    lengths = Counter(r.key for _, r in waiting)
    with reading(tmp_path) as connection:
        found = longest_queues(connection, 3)
        matching = longest_queues(connection, 50, "SHOP")
    assert [one.waiting for one in found] == sorted(lengths.values(), reverse=True)[:3]
    assert {one.key for one in matching} == {key for key in lengths if "shop" in key.next_hop}
    for one in found:
        own = [(m, r) for m, r in waiting if r.key == one.key]
        assert one.waiting == len(own)
        assert one.due == min(r.due for _, r in own)
        assert one.since == min(own, key=lambda pair: pair[0].id)[0].received_at
        assert one.reason in {r.reason or r.reply for _, r in own if r.due == one.due}
