"""The network goes and comes back: mail waits, is delivered without help, and nothing hangs for ever."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import pytest
from tests.ends import CLOSE, Sink, gateway, run, until

from danelaw.doctor import Severity
from danelaw.gateway.health import findings

FIRST = 0.08
QUICK = f'[queue]\nretry_first = "{int(FIRST * 1000)}ms"\nretry_longest = "320ms"\n'
IMPATIENT = (
    '[delivery]\nnext_hop = "{hop}"\ngreeting_timeout = "300ms"\ncommand_timeout = "300ms"\nconnect_timeout = "300ms"\n'
)


@contextlib.asynccontextmanager
async def released(over: asyncio.Event) -> AsyncIterator[None]:
    """Whatever happens, next hops that wait for `over` come to their end."""
    try:
        yield
    finally:
        over.set()


class LateSink(Sink):
    """A next hop whose port is known before it listens."""

    def __init__(self) -> None:
        super().__init__()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self


def test_an_unreachable_next_hop_is_tried_with_growing_pauses_until_it_is_back(tmp_path: Path) -> None:
    async def story() -> None:
        sink = LateSink()
        async with gateway(tmp_path, sink.smarthost + QUICK) as running:
            number = await running.send("a@b.example")
            waits = await running.tried(number, 4)
            assert waits["state"] == "waiting"
            starts = [item["time"] for item in waits["attempts"]]
            gaps = [later - sooner for sooner, later in itertools.pairwise(starts)]
            # Never sooner than the schedule allows: pauses double, less a tenth of jitter.
            assert all(gap > 0.9 * FIRST * 2**n - 0.005 for n, gap in enumerate(gaps[:3])), gaps
            async with sink:
                await running.reaches(number, "delivered")
                await sink.messages()
            assert len(sink.taken) == 1

    run(story())


def test_many_messages_for_a_dead_host_cost_one_probe_at_a_time(tmp_path: Path) -> None:
    async def story() -> None:
        sink = LateSink()
        async with gateway(tmp_path, sink.smarthost + QUICK) as running:
            numbers = [await running.send(f"r{n}@b.example") for n in range(30)]
            await running.tried(numbers[0], 2)
            tries = sum(len(running.look(number)["attempts"]) for number in numbers)
            assert tries < len(numbers)  # those behind the first were not sent against the wall one by one
            async with sink:
                for number in numbers:
                    await running.reaches(number, "delivered")
            assert len(sink.taken) == len(numbers)

    run(story())


def test_a_next_hop_that_closes_after_the_final_dot_is_tried_again_and_it_is_said(tmp_path: Path) -> None:
    async def story() -> None:
        def answer(verb: str, line: str, connection: int) -> str | None:
            return CLOSE if verb == "DOT" and connection == 1 else None

        async with Sink(answer) as sink, gateway(tmp_path, sink.smarthost + QUICK) as running:
            found = await running.reaches(await running.send("a@b.example"), "delivered")
            first, last = found["attempts"]
            assert "it may arrive twice" in first["reason"]
            assert (first["outcome"], last["outcome"]) == ("waiting", "delivered")
            assert sink.connections == 2

    run(story())


@pytest.mark.parametrize("silent", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"])
def test_silence_ends_by_a_time_out_wherever_it_begins(tmp_path: Path, silent: str) -> None:
    async def story() -> None:
        talking, over = False, asyncio.Event()

        async def answer_later() -> str | None:
            await over.wait()
            return None

        def answer(verb: str, line: str, connection: int):  # type: ignore[no-untyped-def]
            return answer_later() if verb == silent and not talking else None

        async with (
            Sink(answer) as sink,
            released(over),
            gateway(tmp_path, IMPATIENT.format(hop=sink.hop) + QUICK) as running,
        ):
            number = await running.send("a@b.example")
            found = await running.tried(number)
            assert "no answer in time" in found["attempts"][0]["reason"]
            talking = True
            await running.reaches(number, "delivered")
            assert len(sink.taken) == 1
            await until(lambda: len(running.gateway.parts.door.sweep) <= 1, "the end of silent ones")

    run(story())


def test_a_lifetime_ends_behind_a_wedged_connection(tmp_path: Path) -> None:
    """KumoMTA looks only when it queues a message again: those behind a wedged connection stay for days."""

    async def story() -> None:
        over = asyncio.Event()

        async def never() -> str | None:
            await over.wait()
            return None

        def answer(verb: str, line: str, connection: int):  # type: ignore[no-untyped-def]
            return never() if verb == "GREETING" and connection == 1 else None

        async with Sink(answer) as sink, released(over):
            settings = sink.smarthost + '[queue]\nlifetime = "1s"\n'
            async with gateway(tmp_path, settings) as running:
                number = await running.send("a@b.example")
                found = await running.reaches(number, "returned")
                assert found["recipients"][0]["state"] == "returned"
                [notice] = await sink.messages()
                assert b"5.4.7" in notice.data
                await until(lambda: running.gateway.parts.engine.busy == 0, "the end of all deliveries")

    run(story())


def test_a_next_hop_that_answers_the_final_dot_too_late_is_tried_again_and_the_doctor_names_it(tmp_path: Path) -> None:
    async def story() -> None:
        late, over = True, asyncio.Event()

        async def answer_later() -> str | None:
            await over.wait()
            return None

        def answer(verb: str, line: str, connection: int):  # type: ignore[no-untyped-def]
            return answer_later() if verb == "DOT" and late else None

        more = (
            '[delivery]\nnext_hop = "{hop}"\naccept_timeout = "300ms"\n'  # only the last reply is waited for so little
        )
        async with (
            Sink(answer) as sink,
            released(over),
            gateway(tmp_path, more.format(hop=sink.hop) + QUICK) as running,
        ):
            number = await running.send("a@b.example")
            found = await running.tried(number, 3)
            assert all("it may arrive twice" in item["reason"] for item in found["attempts"])
            assert found["state"] == "waiting"
            [host] = [one for one in await findings(running.gateway) if one.check == "gateway-host"]
            assert host.severity is Severity.NOTE
            assert "127.0.0.1" in host.what
            assert "may arrive twice" in host.what
            late = False
            await running.reaches(number, "delivered")
            assert all(one.check != "gateway-host" for one in await findings(running.gateway))

    run(story())
