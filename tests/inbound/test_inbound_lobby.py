"""Slower accept: under lasting overload greetings are paced, and never for longer than that."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.ends import Client, Sink, gateway, run, until

from danelaw.inbound.lobby import LASTS, PATIENCE_SECONDS, Lobby


def overloaded(greeted: int = 100) -> Lobby[int]:
    lobby: Lobby[int] = Lobby()
    for second in range(LASTS):
        for client in range(greeted):
            assert not lobby.enter(client, float(second))
        lobby.look(float(second), full=True, lag=0.0)
    return lobby


def test_a_moment_of_overload_makes_nobody_wait() -> None:
    lobby: Lobby[int] = Lobby()
    for second in range(20):
        lobby.look(float(second), full=second % LASTS != 0, lag=0.0)
        assert not lobby.enter(second, float(second))


def test_while_it_lasts_fewer_are_greeted_each_second() -> None:
    lobby = overloaded(100)
    assert lobby.pace == 70
    for client in range(200):
        assert lobby.enter(client, 3.0)
    greeted, late = lobby.admit(4.0)
    assert (len(greeted), late) == (70, [])
    assert greeted == list(range(70))
    lobby.look(4.0, full=False, lag=1.0)
    assert lobby.pace == 49


def test_who_waits_in_vain_is_told() -> None:
    lobby = overloaded(8)
    assert lobby.enter(1, 2.0)
    assert lobby.admit(2.0) == ([], [])
    assert lobby.admit(2.0 + PATIENCE_SECONDS) == ([], [1])
    assert len(lobby) == 0


def test_once_it_is_over_it_opens_again() -> None:
    lobby = overloaded(100)
    for client in range(50):
        lobby.enter(client, 3.0)
    lobby.admit(4.0)
    for second in range(5, 12):
        lobby.look(float(second), full=False, lag=0.0)
    assert lobby.open
    assert not lobby.enter(1000, 20.0)


def test_who_leaves_is_not_greeted() -> None:
    lobby = overloaded(100)
    lobby.enter(1, 3.0)
    lobby.leave(1)
    lobby.leave(2)
    assert lobby.admit(9.0) == ([], [])


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(0, 50), st.booleans()), max_size=100))
def test_never_more_than_the_pace_within_a_second_of_waiting(steps: list[tuple[float, int, bool]]) -> None:
    lobby, now, client = overloaded(40), 3.0, 0
    for pause, arrivals, bad in steps:
        now += pause
        for _ in range(arrivals):
            client += 1
            lobby.enter(client, now)
        pace = lobby.pace
        greeted, late = lobby.admit(now)
        assert len(greeted) <= pace
        assert len(set(greeted) | set(late)) == len(greeted) + len(late)
        lobby.look(now, full=bad, lag=0.0)


def test_clients_wait_for_their_greeting_and_get_it(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            intake = running.gateway.parts.intake
            for _ in range(LASTS):
                intake.lobby.look(0.0, full=True, lag=0.0)
            intake.admission.window = 0.0  # and so it stays
            async with await Client.connect(running.address) as client, await Client.connect(running.address) as gone:
                await until(lambda: len(intake.lobby) == 2, "two clients waiting")
                numbers = running.gateway.metrics.to_openmetrics().decode()
                assert "danelaw_inbound_waiting_clients 2" in numbers
                gone.writer.close()
                await until(lambda: len(intake.lobby) < 2, "one client fewer")
                await client.greeted()
                intake.admission.window = 100.0
                await client.message(b"Subject: x\r\n\r\nx\r\n", "b@x.test")
            await sink.messages()

    run(play())
