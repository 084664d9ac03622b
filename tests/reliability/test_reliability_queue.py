"""A queue that never lies: nothing delivered is sent again, nothing undelivered is called so, nothing strands."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from reliability_engine import DELIVERED, FAILED, KEY, NOW, OTHER, QUEUED, World, end, world
from tests.ends import run, until

from danelaw.outbound import engine as engines
from danelaw.outbound.outcome import Outcome
from danelaw.queue import Filter, HostVerdict, RecipientState, RoutingKey, SchedulerSettings, Work
from danelaw.spool import SpoolError
from danelaw.spool.acts import Act, perform


class Disk:
    """A COMMIT that fails while `error` is set, and counts what it let through."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.commits = 0

    def __call__(self, connection: sqlite3.Connection) -> None:
        if self.error is not None:
            raise self.error
        connection.execute("COMMIT")
        self.commits += 1


async def delivered(work: Work, outcome: Outcome) -> Outcome:
    return end(work, outcome, DELIVERED)


def test_who_was_reached_before_an_abort_is_not_sent_to_again(tmp_path: Path) -> None:
    async def half(work: Work, outcome: Outcome) -> Outcome:
        if len(made.courier.works) == 1:
            end(work, outcome, DELIVERED, 0)
            reached.set()
            await asyncio.Event().wait()  # the second host never answers
        return end(work, outcome, DELIVERED)

    async def story() -> None:
        nonlocal made
        async with world(tmp_path, half) as made:
            message = await made.receive(KEY, KEY)
            await reached.wait()
            made.engine.abort(made.courier.works)
            await until(lambda: len(made.courier.works) == 2, "the second try")
            assert [item.number for item in made.courier.works[1].message.recipients] == [1]
            await made.stored()
            assert made.history(message) is not None

    reached, made = asyncio.Event(), None
    run(story())


def test_a_defect_in_the_middle_keeps_what_was_reached(tmp_path: Path) -> None:
    async def breaks(work: Work, outcome: Outcome) -> Outcome:
        end(work, outcome, DELIVERED, 0)
        raise ZeroDivisionError

    async def story() -> None:
        async with world(tmp_path, breaks) as made:
            message = await made.receive(KEY, KEY)
            await until(lambda: made.states(message) == {0: DELIVERED, 1: QUEUED}, "the outcome")
            assert any("delivery-broken" in line for line in made.sink.lines)

    run(story())


def test_a_delivery_cancelled_before_it_began_gives_its_slot_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, delivered) as made:
            message = await made.receive()
            made.engine._pump()
            made.engine.abort(tuple(made.scheduler.flying))  # before its first step
            await until(lambda: made.history(message) is not None, "the delivery")
            assert made.scheduler.in_flight == 0

    run(story())


def test_an_abort_says_nothing_good_about_the_host(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, down) as made:
            await made.receive()
            await until(lambda: made.scheduler.reason(KEY) == "down", "the back-off")
            await made.stored()
            made.scheduler.resume(KEY, made.now)
            made.engine.pump()
            await until(lambda: len(made.courier.works) == 2, "the probe")
            made.engine.abort(made.courier.works)
            await made.stored()
            [queue] = made.scheduler.queues()
            assert queue.failures == 1

    async def down(work: Work, outcome: Outcome) -> Outcome:
        if work.probe:
            await asyncio.Event().wait()
        return Outcome(HostVerdict.DOWN, "down")

    run(story())


def test_what_comes_from_disk_is_marked_there_before_it_goes_on_the_wire(tmp_path: Path) -> None:
    """Only so can a restart count what a crash may have delivered twice."""
    marks: list[dict[int, int]] = []

    async def story() -> None:
        async def looks(work: Work, outcome: Outcome) -> Outcome:
            marks.append(made.states(work.message))
            return end(work, outcome, DELIVERED)

        async with world(tmp_path, looks) as made:
            messages = [await made.receive(claimed=False) for _ in range(30)]
            await until(lambda: len(marks) == len(messages), "all deliveries")
        assert all(mark == {0: RecipientState.DELIVERING} for mark in marks)

    run(story())


def test_a_message_held_while_it_was_being_claimed_is_not_sent(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, delivered) as made:
            message = await made.receive(claimed=False)
            made.engine._pump()
            assert made.engine.busy == 1
            [step] = perform(made.spool, act("hold"), made.now, made.scheduler)
            assert step.recipients == 1
            await until(lambda: made.engine.busy == 0, "the end of the try")
            await made.stored()
            assert made.courier.works == []
            assert made.states(message) == {0: RecipientState.HELD}

    run(story())


def act(operation: str) -> Act:
    return Act(operation, Filter.from_text(""), "root", "TICKET-1")


@pytest.mark.parametrize("operation", ["retry", "drop", "hold"])
def test_an_act_just_after_a_delivery_does_not_touch_what_was_delivered(tmp_path: Path, operation: str) -> None:
    async def story() -> None:
        async with world(tmp_path, first_only) as made:
            message = await made.receive(KEY, KEY)
            await until(lambda: made.engine._unsettled, "an outcome that is not stored yet")
            list(perform(made.spool, act(operation), made.now, made.scheduler))
            await made.stored()
            states = made.states(message)
            history = made.history(message)
            assert states.get(0, DELIVERED) == DELIVERED
            if operation == "drop":
                assert history is not None
                assert '[0,"r0@x.example","a.example",3,' in history
            assert all(0 not in [r.number for r in work.message.recipients] for work in made.courier.works[1:])

    async def first_only(work: Work, outcome: Outcome) -> Outcome:
        return end(work, end(work, outcome, QUEUED), DELIVERED, 0)

    run(story())


def test_delivered_mail_is_not_returned_because_the_disk_has_not_heard_yet(tmp_path: Path) -> None:
    disk = Disk()

    async def story() -> None:
        async with world(tmp_path, delivered, commit=disk) as made:
            message = await made.receive(lifetime=100.0)
            disk.error = OSError(5, "Input/output error")
            await until(lambda: made.spool.refusal() is not None, "the failure")
            assert len(made.courier.works) == 1
            for _ in range(3):
                made.look(100.0)
            disk.error = None
            made.spool._commits.recover()
            await made.stored()
            made.look()
            await made.stored()
            history = made.history(message)
            assert history is not None
            assert ",3," in history
            assert made.waiting() == 0  # and no notice was written

    run(story())


def test_an_expired_message_gets_one_notice_however_long_the_disk_is_away(tmp_path: Path) -> None:
    disk = Disk()

    async def never(work: Work, outcome: Outcome) -> Outcome:
        return Outcome(HostVerdict.DOWN, "down")

    async def story() -> None:
        async with world(tmp_path, never, commit=disk) as made:
            message = await made.receive(lifetime=100.0)
            await until(lambda: made.scheduler.reason(KEY) == "down", "the back-off")
            await made.stored()
            disk.error = OSError(5, "Input/output error")
            made.look(101.0)
            await asyncio.sleep(0)
            for _ in range(5):
                made.look()
                await asyncio.sleep(0)
            disk.error = None
            made.spool._commits.recover()
            await until(lambda: made.history(message) is not None, "the return")
            await made.stored()
            assert made.waiting() == 1  # the notice

    run(story())


def test_while_results_cannot_be_stored_little_new_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each further delivery could be repeated by a crash."""
    monkeypatch.setattr(engines, "MOST_UNSETTLED", 10)
    disk = Disk()

    async def story() -> None:
        gate = asyncio.Event()

        async def gated(work: Work, outcome: Outcome) -> Outcome:
            await gate.wait()
            return end(work, outcome, DELIVERED)

        settings = SchedulerSettings(slots=5, least=5, first_window=5)
        async with world(tmp_path, gated, settings=settings, commit=disk) as made:
            messages = [await made.receive() for _ in range(60)]
            disk.error = OSError(5, "Input/output error")
            gate.set()
            await until(lambda: len(made.engine._unsettled) >= 10 and made.engine.busy == 0, "the limit")
            assert len(made.courier.works) < 10 + 5 + 1
            disk.error = None
            made.spool._commits.recover()
            await until(lambda: all(made.history(one) for one in messages), "all deliveries")
            assert len(made.courier.works) == len(messages)

    run(story())


def test_a_wedged_connection_does_not_outlive_the_lifetime(tmp_path: Path) -> None:
    """And the message is returned once, not tried again at once because its claim was given back."""

    async def wedged(work: Work, outcome: Outcome) -> Outcome:
        await asyncio.Event().wait()
        return outcome

    async def story() -> None:
        async with world(tmp_path, wedged) as made:
            message = await made.receive(lifetime=100.0)
            await until(lambda: made.engine.busy == 1, "the delivery")
            made.look(50.0)
            await asyncio.sleep(0)
            assert made.engine.busy == 1
            made.look(51.0)
            await until(lambda: made.engine.busy == 0, "the abort")
            await made.receive(lifetime=1e6)  # the queue is looked at again for other reasons
            await until(lambda: made.engine.busy == 1, "the next message")
            assert [work.message.id for work in made.courier.works].count(message.id) == 1
            made.look()
            await until(lambda: made.engine._second_look._until.get(message.id) == made.now, "the last look")
            made.look()
            await until(lambda: made.history(message) is not None, "the return")
            assert any(line for line in made.sink.lines if " returned " in line and "lifetime over" in line)

    run(story())


def test_one_message_that_cannot_be_returned_does_not_stop_the_watch(tmp_path: Path) -> None:
    async def never(work: Work, outcome: Outcome) -> Outcome:
        return Outcome(HostVerdict.DOWN, "down")

    async def story() -> None:
        async with world(tmp_path, never) as made:
            bad = await made.receive(lifetime=100.0)
            good = await made.receive(OTHER, lifetime=100.0)
            await until(lambda: made.scheduler.reason(OTHER) == "down", "the back-off")
            await made.stored()
            expiry = made.engine._notices.expiry

            def broken(message, now):  # type: ignore[no-untyped-def]
                if message.id == bad.id:
                    raise ValueError("unheard of")
                return expiry(message, now)

            made.engine._notices.expiry = broken  # type: ignore[method-assign]
            made.look(101.0)
            await until(lambda: len(made.engine._second_look._tasks) == 0, "the last look")
            made.look()
            await until(lambda: made.history(good) is not None, "the return of the other")
            assert made.history(bad) is None
            assert any("watch-broken" in line and bad.id_text in line for line in made.sink.lines)

    run(story())


def test_nobody_is_returned_without_a_notice(tmp_path: Path) -> None:
    async def refuses(work: Work, outcome: Outcome) -> Outcome:
        return end(work, end(work, outcome, FAILED), DELIVERED, 0)

    async def story() -> None:
        async with world(tmp_path, refuses) as made:

            def broken(*arguments: object) -> None:
                raise ValueError("unheard of")

            made.engine._notices.for_outcome = broken  # type: ignore[method-assign, assignment]
            message = await made.receive(KEY, KEY)
            await until(lambda: made.states(message) == {0: DELIVERED, 1: QUEUED}, "the outcome")
            assert any("notice-broken" in line for line in made.sink.lines)

    run(story())


def test_an_unreadable_spool_is_asked_again_without_haste(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, delivered) as made:
            claim, calls = made.spool.claim, 0

            def failing(*arguments):  # type: ignore[no-untyped-def]
                nonlocal calls
                calls += 1
                raise SpoolError("the spool cannot be read: disk I/O error")

            made.spool.claim = failing  # type: ignore[method-assign]
            message = await made.receive(claimed=False)
            await until(lambda: calls == 1, "the first look")
            for _ in range(50):
                made.engine.pump()
                await asyncio.sleep(0)
            assert calls == 1
            made.spool.claim = claim  # type: ignore[method-assign]
            made.engine._unreadable_until = 0.0
            made.engine.pump()
            await until(lambda: made.history(message) is not None, "the delivery")

    run(story())


def test_a_tarpit_does_not_delay_twenty_healthy_destinations(tmp_path: Path) -> None:
    tarpit = RoutingKey("tarpit.example")
    healthy = [RoutingKey(f"good{number}.example") for number in range(20)]

    async def story() -> None:
        async def mixed(work: Work, outcome: Outcome) -> Outcome:
            if work.key == tarpit:
                await asyncio.Event().wait()
            return end(work, outcome, DELIVERED)

        settings = SchedulerSettings(slots=20)
        async with world(tmp_path, mixed, settings=settings) as made:
            for _ in range(100):
                await made.receive(tarpit)
            messages = [await made.receive(key) for key in healthy * 5]
            await until(lambda: all(made.history(one) for one in messages), "all healthy ones")
            stuck = [work for work in made.courier.works if work.key == tarpit]
            assert len(stuck) == made.engine.busy == 2  # a tenth of the slots, never more
            assert len(made.courier.works) == 2 + len(messages)
            assert made.now == NOW

    run(story())


def test_a_spool_that_closes_and_opens_is_said_once_each(tmp_path: Path) -> None:
    disk = Disk()

    async def story() -> None:
        async with world(tmp_path, delivered, commit=disk) as made:
            disk.error = OSError(28, "No space left on device")
            with pytest.raises(SpoolError):
                await made.receive()
            for _ in range(3):
                made.look()
            disk.error = None
            made.spool._commits.recover()
            for _ in range(3):
                made.look()
            said = [line for line in made.sink.lines if "spool-" in line]
            assert [("spool-closed" in line, "spool-open" in line) for line in said] == [(True, False), (False, True)]

    run(story())


def test_the_world_of_these_tests_leaves_nothing_behind(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, delivered) as made:
            messages = [await made.receive(KEY, OTHER) for _ in range(20)]
            await until(lambda: all(made.history(one) for one in messages), "all deliveries")
            await until(lambda: not left_behind(made), "nothing left")

    def left_behind(made: World) -> bool:
        scheduler, engine = made.scheduler, made.engine
        held = (made.waiting(), scheduler.in_flight, scheduler.memory_used)
        return any(held) or bool(engine._unsettled) or bool(engine._claiming._unmarked)

    run(story())
