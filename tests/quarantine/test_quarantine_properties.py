"""Any history of holds: nothing leaves the quarantine but by an act, and each act is written down."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from danelaw.queue import (
    Custody,
    Filter,
    HeldBy,
    QueuedMessage,
    QueuedRecipient,
    RecipientResult,
    RecipientState,
    RoutingKey,
    Settlement,
    id_to_text,
)
from danelaw.spool import Spool, SpoolSettings, quarantine
from danelaw.spool.acts import Act, perform
from danelaw.spool.writer import Appended

KEY = RoutingKey("example.org")
START = 1_795_000_000.0
HELD, FREE, GONE = "held", "free", "gone"
DELAY = 3600.0


class Quarantine(RuleBasedStateMachine):
    """The spool beside a dictionary that says what must be true of it."""

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.now = START
        self.states: dict[tuple[int, int], str] = {}
        self.until: dict[int, float | None] = {}
        self.acts = 0
        self.open()

    def open(self) -> None:
        self.spool = Spool.open(self.directory, settings=SpoolSettings(reserve=0), clock=lambda: self.now)

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close_now()
            shutil.rmtree(self.directory)

    def held_ids(self) -> list[int]:
        return sorted({message for (message, _), state in self.states.items() if state == HELD})

    @rule(
        held=st.lists(st.booleans(), min_size=1, max_size=3),
        days=st.none() | st.integers(1, 3),
        step=st.sampled_from(("spam", "clamd")),
    )
    def arrives(self, held: list[bool], days: int | None, step: str) -> None:
        until = None if days is None else self.now + days * 86400.0
        given = tuple(
            QueuedRecipient(number, f"r{number}@example.org", KEY, due=self.now,
                            state=RecipientState.HELD if one else RecipientState.QUEUED)
            for number, one in enumerate(held)
        )  # fmt: skip
        message = QueuedMessage(self.spool.new_id(), self.now, self.now + 500.0, "s@x.test", given, 4, len(given))
        if any(held):
            message.custody = Custody((HeldBy(step, "why"),), self.now, until)
            self.until[message.id] = until
        with self.spool.transaction() as writer:
            writer.append([Appended(message, b"body", claimed=False)])
        self.states |= {(message.id, number): HELD if one else FREE for number, one in enumerate(held)}

    @precondition(lambda self: self.held_ids())
    @rule(data=st.data(), operation=st.sampled_from(("release", "delete")), number=st.integers(0, 2))
    def acts_on_one(self, data: st.DataObject, operation: str, number: int) -> None:
        message = data.draw(st.sampled_from(self.held_ids()))
        text = f"id:{id_to_text(message)} to:r{number}@example.org"
        arguments = {"filter": text, "who": "alice", "why": "T"}
        result = list(quarantine.change(self.spool, operation, arguments, self.now))[-1]
        self.acts += 1
        meant = self.states.get((message, number)) == HELD
        assert result["recipients"] == int(meant)
        if meant:
            self.states[message, number] = FREE if operation == "release" else GONE

    @rule()
    def operator_holds_everything(self) -> None:
        for _ in perform(self.spool, Act("hold", Filter.from_text("all"), "bob", ""), self.now):
            pass
        self.acts += 1
        held_before = self.held_ids()
        self.states = {key: HELD if state == FREE else state for key, state in self.states.items()}
        self.until |= dict.fromkeys(set(self.held_ids()) - set(held_before))

    @rule()
    def terms_end(self) -> None:
        due = [one for one, _ in quarantine.at_their_end(self.spool.reader, self.now, 1000)]
        expected = [
            one for one in self.held_ids() if self.until.get(one) is not None and (self.until[one] or 0.0) <= self.now
        ]
        assert sorted(due) == expected
        for one in due:
            arguments = {"filter": f"id:{id_to_text(one)}", "who": "quarantine", "why": "over"}
            list(quarantine.change(self.spool, "delete", arguments, self.now))
            self.acts += 1
            self.states = {
                key: GONE if key[0] == one and state == HELD else state for key, state in self.states.items()
            }

    @rule(hours=st.integers(1, 60))
    def time_passes(self, hours: int) -> None:
        self.now += hours * 3600.0
        self.spool.sweep(self.now)
        for message in self.spool.expired(self.now, 1000):
            for one in message.recipients:
                assert self.states[message.id, one.number] == FREE
        for message in self.spool.late(self.now, DELAY, 1000):
            assert all(self.states[message.id, one.number] in (FREE, HELD) for one in message.recipients)

    @rule()
    def everything_free_is_delivered(self) -> None:
        taken, _ = self.spool.claim(KEY, 1000, self.now)
        claimed = {(message.id, one.number) for message in taken for one in message.recipients}
        assert claimed == {key for key, state in self.states.items() if state == FREE}
        for message in taken:
            results = tuple(RecipientResult(one.number, RecipientState.DELIVERED, 0.0, 1) for one in message.recipients)
            self.spool.settle_soon(Settlement(message, self.now, results))
        with self.spool.transaction():
            pass
        self.states = {key: GONE if state == FREE else state for key, state in self.states.items()}

    @rule()
    def the_process_dies(self) -> None:
        os.close(self.spool._lock)
        self.spool._lock = -1
        self.open()

    @invariant()
    def what_is_held_is_what_must_be(self) -> None:
        if not hasattr(self, "spool"):
            return
        rows = self.spool.reader.execute("SELECT message, number, state FROM recipient").fetchall()
        stored = {(message, number): state for message, number, state in rows}
        for key, state in self.states.items():
            if state == HELD:
                assert stored[key] == RecipientState.HELD
            elif state == FREE:
                assert stored[key] in (RecipientState.QUEUED, RecipientState.DELIVERING)
            else:
                assert stored.get(key, RecipientState.DROPPED) >= RecipientState.DELIVERED
        holds = [row[0] for row in self.spool.reader.execute("SELECT id FROM hold ORDER BY id")]
        assert holds == self.held_ids()
        listed = list(_everything(self.spool, self.now))
        assert listed == self.held_ids()
        assert self.spool.reader.execute("SELECT count(*) FROM acts").fetchone()[0] == self.acts


def _everything(spool: Spool, now: float) -> Iterator[int]:
    after: int | None = 0
    while after is not None:
        page = quarantine.held_page(spool.reader, Filter.from_text("all"), now, after, 2)
        yield from (message.id for message in page)
        after = page[-1].id if len(page) == 2 else None


TestQuarantine = Quarantine.TestCase
TestQuarantine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
