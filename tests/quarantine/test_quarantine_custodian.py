"""Terms, limits and the second look at released mail, in a running gateway."""

from __future__ import annotations

import time
from pathlib import Path

from held_mail import acts, answer, hold
from tests.ends import Running, Sink, gateway, run, until

from danelaw.gateway.custodian import Custodian
from danelaw.gateway.settings import retention
from danelaw.inbound.arrival import Arrival, Hold, Refuse, Ruling
from danelaw.inbound.steps import Stage, Step, Steps
from danelaw.smtp import Reply

TERMS = """
[quarantine]
retention = "10d"
{more}
[[quarantine.step]]
name = "returned"
retention = "1d"
at_end = "return"
[[quarantine.step]]
name = "let-go"
retention = "1d"
at_end = "release"
"""


async def look(running: Running, at: float = 1e9) -> None:
    await Custodian(running.gateway, retention(running.gateway.config)).look(at)


def test_at_the_end_of_its_term_a_message_is_deleted_released_or_returned(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + TERMS.format(more="")) as running:
            over, later = time.time() - 1.0, time.time() + 3600.0
            deleted = [await hold(running, step="spam", until=over) for _ in range(60)]
            kept = await hold(running, step="spam", until=later)
            for_ever = await hold(running, step="operator", until=None)
            usual = await hold(running, step="spam", until=None)
            own = await hold(running, step="returned", until=None)
            returned = await hold(running, step="returned", until=over, sender="anna@sender.test")
            released = await hold(running, step="let-go", until=over)
            await look(running)
            assert {running.look(one)["state"] for one in deleted} == {"dropped"}
            assert running.look(kept)["state"] == running.look(for_ever)["state"] == "held"
            assert running.look(for_ever)["held"]["until"] is None
            assert running.look(usual)["held"]["until"] == running.look(usual)["held"]["since"] + 864000.0
            assert running.look(own)["held"]["until"] == running.look(own)["held"]["since"] + 86400.0
            assert running.look(returned)["state"] == "returned"
            await running.reaches(released, "delivered")
            taken = await sink.messages(2)
            assert sorted(one.mail.partition(">")[0] for one in taken) == [
                "MAIL FROM:<",
                "MAIL FROM:<bank@shop.example",
            ]
            reason = running.look(deleted[0])["recipients"][0]["reason"]
            assert reason == "deleted by quarantine: its time in the quarantine is over"
            assert {row[2] for row in acts(running)} == {"quarantine"}
            assert sum(row[4] for row in acts(running)) == 62
            assert len(running.lines("quarantine-end")) == 62

    run(play())


def test_beyond_a_limit_the_oldest_go(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, TERMS.format(more="max_messages = 3")) as running:
            now = time.time()
            ids = [await hold(running, since=now - age) for age in (50.0, 10.0, 40.0, 30.0, 20.0)]
            await look(running)
            states = [running.look(one)["state"] for one in ids]
            assert states == ["dropped", "held", "dropped", "held", "held"]
            assert running.gateway.metrics.quarantine_messages.samples()
            text = running.gateway.metrics.to_openmetrics().decode()
            assert "danelaw_quarantine_messages 3.0" in text
            assert 'danelaw_quarantine_ended_total{act="delete"} 2.0' in text

    run(play())


class Looker(Step):
    """A step that looks at released mail again."""

    stages = Stage.MESSAGE | Stage.RELEASE
    for_trusted = True

    def __init__(self, name: str, ruling: Ruling | None) -> None:
        self.name, self.ruling = name, ruling
        self.seen: list[Arrival] = []

    async def release(self, arrival: Arrival) -> Ruling | None:
        self.seen.append(arrival)
        return self.ruling


def test_released_mail_goes_through_the_steps_after_the_one_that_held_it(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            before, spam = Looker("first", Hold("never asked")), Looker("spam", Hold("never asked"))
            after = Looker("clamd", None)
            running.gateway.parts.steps = Steps((before, spam, after))
            for large in (False, True):
                held = await hold(running, large=large)
                result = await answer(running, "quarantine", "release", f"id:{held}", "--because", "T")
                assert (result["messages"], result["kept"]) == (1, 0)
                await running.reaches(held, "delivered")
            assert not before.seen
            assert not spam.seen
            assert [one.client.address for one in after.seen] == ["192.0.2.7"] * 2
            assert b"X-Evil" in after.seen[1].content.header
            assert after.seen[0].reverse_path.to_text() == "<bank@shop.example>"

    run(play())


def test_what_a_later_step_says_keeps_released_mail(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path) as running:
            refused = Refuse(Reply.of(554, "5.7.1", "a virus"), "clamd")
            for ruling, words in (
                (Hold("Eicar", "clamd"), "Eicar"),
                (refused, "it would be refused: 554 5.7.1 a virus"),
            ):
                running.gateway.parts.steps = Steps((Looker("spam", None), Looker("clamd", ruling)))
                held = await hold(running, until=time.time() + 60.0)
                result = await answer(running, "quarantine", "release", f"id:{held}", "--because", "T")
                assert (result["messages"], result["kept"]) == (0, 1)
                seen = running.look(held)
                assert seen["state"] == "held"
                assert seen["held"]["holds"][1] == {"step": "clamd", "reason": words}
                assert seen["held"]["until"] > time.time() + 29 * 86400.0
            await until(lambda: running.lines("kept"), "the log line")

    run(play())


def test_a_step_that_fails_lets_nothing_go(tmp_path: Path) -> None:
    class Broken(Looker):
        async def release(self, arrival: Arrival) -> Ruling | None:
            raise RuntimeError("the socket is gone")

    async def play() -> None:
        async with gateway(tmp_path) as running:
            running.gateway.parts.steps = Steps((Broken("clamd", None),))
            held = await hold(running)
            await answer(running, "quarantine", "release", f"id:{held}", "--because", "T")
            assert running.look(held)["held"]["holds"][1]["reason"] == "it failed: RuntimeError: the socket is gone"

    run(play())
