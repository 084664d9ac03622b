"""Who is told of what, over many messages and shards."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from danelaw.config.holding import Digest
from danelaw.gateway.digests import Found, Place, collected, merged, told_of
from danelaw.quarantine.digest import MOST_ENTRIES
from danelaw.queue import Custody, HeldBy, QueuedMessage, QueuedRecipient, RecipientState, RoutingKey
from danelaw.spool import Spool, SpoolSettings
from danelaw.spool.writer import Appended

SECTION = Digest(domains=("example.org", ".below.test"), owners={"owned.test": "boss@owned.test"}, steps=("spam",))


@pytest.mark.parametrize(
    ("recipient", "told"),
    [
        ("anna@example.org", "anna@example.org"),
        ("Anna@EXAMPLE.org", "Anna@EXAMPLE.org"),
        ("anna@sub.example.org", None),
        ("anna@a.below.test", "anna@a.below.test"),
        ("anna@below.test", None),
        ("anna@owned.test", "boss@owned.test"),
        ("anna@[192.0.2.1]", None),
        ("anna@elsewhere.test", None),
        ("no address", None),
    ],
)
def test_the_recipient_is_told_or_the_owner_or_nobody(recipient: str, told: str | None) -> None:
    assert told_of(recipient, SECTION) == told


def test_only_so_many_are_listed_and_the_rest_is_counted(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0))
    now = time.time()
    fresh = []
    for number in range(MOST_ENTRIES + 20):
        step = "clamd" if number % 10 == 9 else "spam"
        recipient = QueuedRecipient(0, "anna@example.org", RoutingKey("x"), state=RecipientState.HELD)
        holds = (HeldBy("spam", "x"), HeldBy(step, "y"))
        fresh.append(
            QueuedMessage(spool.new_id(), now, now + 1, "", (recipient,), 1, custody=Custody(holds, now + number, None))
        )
    with spool.transaction() as writer:
        writer.append([Appended(message, b"x", claimed=False) for message in fresh])
    later = now + MOST_ENTRIES + 20
    found = collected(spool.reader, SECTION, {}, frozenset(), later)["anna@example.org"]
    assert (len(found.places), found.more) == (198, 0)
    found = collected(spool.reader, SECTION, {"anna@example.org": now + 100.0}, frozenset(), later)["anna@example.org"]
    assert len(found.places) == 107
    assert collected(spool.reader, SECTION, {}, frozenset({"anna@example.org"}), later) == {}
    spool.close_now()


def test_shards_are_one_with_the_oldest_first() -> None:
    def places(start: int, count: int) -> list[Place]:
        return [Place(float(start + 2 * number), start + number, 0) for number in range(count)]

    together = merged(({"a": Found(places(0, 150), 3)}, {"a": Found(places(1, 150), 4), "b": Found(places(9, 1), 0)}))
    assert len(together["a"].places) == MOST_ENTRIES
    assert together["a"].more == 3 + 4 + 100
    assert [place.since for place in together["a"].places[:4]] == [0.0, 1.0, 2.0, 3.0]
    assert together["b"] == Found(places(9, 1), 0)
