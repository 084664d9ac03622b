"""A recipient's failure and what its sender is yet to be told are one fact: on disk both, or neither."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from spool_samples import BODY, KEY, NOW, Clock, sample

from danelaw.queue import Owed, QueuedMessage, RecipientResult, RecipientState, Settlement
from danelaw.spool import Spool, SpoolSettings, owed
from danelaw.spool.view import find_message

RECIPIENTS = 12
DEATHS = st.sampled_from(["no", "no", "before", "after"])


class Owing(RuleBasedStateMachine):
    """Recipients fail or are delivered in parts, notices are stored, the process is killed; nothing goes unsaid."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.home = tempfile.TemporaryDirectory()
        self.directory, self.kills = Path(self.home.name) / "0", 0
        self.told: list[int] = []
        self.failed: set[int] = set()
        self.open = set(range(RECIPIENTS))
        self.spool = self._opened()

    def _opened(self) -> Spool:
        spool = Spool.open(self.directory, settings=SpoolSettings(reserve=0), clock=Clock())
        spool._commits.writer.connection.execute("PRAGMA synchronous = OFF")
        return spool

    @initialize()
    def arrives(self) -> None:
        self.message = sample(self.spool, *(f"u{number}@example.org" for number in range(RECIPIENTS)))
        self.loop.run_until_complete(self.spool.append(self.message, BODY))

    @rule(numbers=st.sets(st.integers(0, RECIPIENTS - 1), min_size=1, max_size=4), fails=st.booleans(), die=DEATHS)
    def part_ends(self, numbers: set[int], fails: bool, die: str) -> None:
        numbers &= self.open
        if not numbers:
            return
        state = RecipientState.FAILED if fails else RecipientState.DELIVERED
        results = tuple(RecipientResult(number, state, tries=1) for number in sorted(numbers))
        words = tuple(Owed(number, f"about {number}") for number in sorted(numbers)) if fails else ()
        self._settle(Settlement(self.message, NOW, results, owed=words), die)
        if die == "before" and self._state(min(numbers)) is not state:
            return
        self.open -= numbers
        self.failed |= numbers if fails else set()

    @rule(most=st.integers(1, RECIPIENTS), die=DEATHS)
    def notice(self, most: int, die: str) -> None:
        telling = owed.words_of(self.spool.reader, self.message.id, -1, most)
        message = owed.envelope(self.spool.reader, self.message.id)
        if not telling or message is None:
            return
        about = sample(self.spool, "bob@shop.example", sender="")
        self._settle(Settlement(message, NOW, notices=((about, BODY),), told=tuple(one.number for one in telling)), die)
        if self.spool.reader.execute("SELECT 1 FROM message WHERE id = ?", (about.id,)).fetchone():
            assert [one.words for one in telling] == [f"about {one.number}" for one in telling]
            self.told += [one.number for one in telling]

    @rule()
    def is_dropped_by_an_operator(self) -> None:
        """What is open is dropped; what is owed is told all the same."""
        with self.spool.transaction() as writer:
            states = [(int(RecipientState.DROPPED), self.message.id, number) for number in self.open]
            writer.connection.executemany("UPDATE recipient SET state = ? WHERE message = ? AND number = ?", states)
            message, finished = find_message(writer.connection, self.message.id)
            if not finished:
                writer.finish([message], NOW)
        self.open.clear()

    @invariant()
    def every_failure_is_told_or_owed(self) -> None:
        if not hasattr(self, "message"):
            return
        waiting = [one.number for one in owed.words_of(self.spool.reader, self.message.id, -1, 99)]
        assert sorted(self.told + waiting) == sorted(self.failed)
        assert owed.messages(self.spool.reader) == ([self.message.id] if waiting else [])
        message, finished = find_message(self.spool.reader, self.message.id)
        assert finished is (not waiting and not self.open)
        failed = {one.number for one in message.recipients if one.state is RecipientState.FAILED}
        assert failed == self.failed
        assert not waiting or self.spool.read_body(message) == BODY

    def _settle(self, settlement: Settlement, die: str) -> None:
        """Store it; or be killed before it is on the disk, or just after."""
        self.spool.settle_soon(settlement)
        if die != "before":
            self.loop.run_until_complete(self.spool._commits.drain())
        if die != "no":
            self.kills += 1
            left = Path(self.home.name) / str(self.kills)
            shutil.copytree(self.directory, left)
            self.spool._commits._settlements.clear()
            self.loop.run_until_complete(self.spool.close())
            self.directory = left
            self.spool = self._opened()

    def _state(self, number: int) -> RecipientState:
        message, _ = find_message(self.spool.reader, self.message.id)
        return message.recipients[number].state

    def teardown(self) -> None:
        self.loop.run_until_complete(self.spool.close())
        self.loop.close()
        self.home.cleanup()


TestOwing = Owing.TestCase
TestOwing.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


def test_a_repeated_settlement_owes_once(tmp_path: Path) -> None:
    """After a failed flush settlements are written again, perhaps over their own success."""

    async def run() -> None:
        spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0), clock=Clock())
        message: QueuedMessage = sample(spool, "a@example.org", "b@example.org", key=KEY)
        await spool.append(message, BODY)
        failed = Settlement(
            message, NOW, (RecipientResult(0, RecipientState.FAILED),), owed=(Owed(0, "a"),)
        )  # fmt: skip
        await spool.settle(failed)
        await spool.settle(failed)
        assert owed.words_of(spool.reader, message.id, -1, 9) == [Owed(0, "a")]
        told = Settlement(message, NOW, told=(0,), notices=((sample(spool, "bob@shop.example", sender=""), BODY),))
        await spool.settle(told)
        await spool.settle(told)
        assert spool.reader.execute("SELECT count(*) FROM message").fetchone() == (2,)
        assert not owed.messages(spool.reader)
        await spool.close()

    asyncio.run(run())
