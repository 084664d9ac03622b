"""Our addresses: the first is used, a refused one is left for a site and a time, and nothing waits for lack of one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from tests.ends import Sink, gateway, run, until

from danelaw.cli.group_page import show_groups
from danelaw.cli.options import output
from danelaw.gateway.operations import operations
from danelaw.outbound.local_addresses import LocalAddress, LocalAddresses

A, B, C = (LocalAddress(f"192.0.2.{number}", f"out{number}.example") for number in (1, 2, 3))
SIX = LocalAddress("2001:db8::1", "six.example")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(clock: Clock | None = None) -> LocalAddresses:
    return LocalAddresses(
        "gw.example", (A, B, C), (SIX,), site_of=lambda host: host.partition(".")[2], clock=clock or Clock()
    )


def test_the_first_of_the_family_is_used_and_the_kernel_chooses_where_there_is_none() -> None:
    addresses = made()
    assert addresses.choose("198.51.100.1") == A
    assert addresses.choose("2001:db8::9") == SIX
    assert LocalAddresses("gw.example").choose("198.51.100.1") == LocalAddress(None, "gw.example")


def test_a_refused_address_is_left_for_one_site_and_a_time() -> None:
    clock = Clock()
    addresses = made(clock)
    assert addresses.leave("192.0.2.1", "site", "big.example", 60)
    assert addresses.choose("198.51.100.1", "d.example", "mx.big.example") == B
    assert addresses.choose("198.51.100.1", "d.example", "mx.other.example") == A
    assert addresses.leave("192.0.2.2", "domain", "d.example", 600)
    assert addresses.choose("198.51.100.1", "d.example", "mx.big.example") == C
    assert [(move.address, move.name) for move in addresses.moves()] == [
        ("192.0.2.1", "big.example"), ("192.0.2.2", "d.example"),
    ]  # fmt: skip
    clock.now += 61
    assert addresses.choose("198.51.100.1", "d.example", "mx.big.example") == A
    assert len(addresses.moves()) == 1


def test_where_none_is_left_nothing_is_moved() -> None:
    addresses = made()
    assert not addresses.leave("2001:db8::1", "site", "s", 60)
    assert not addresses.leave("192.0.2.77", "site", "s", 60)
    assert not addresses.leave("", "site", "s", 60)
    assert addresses.leave("192.0.2.1", "site", "s", 60)
    assert addresses.leave("192.0.2.2", "site", "s", 30)
    assert not addresses.leave("192.0.2.3", "site", "s", 90)


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), st.sampled_from("xy"), st.floats(1, 100), st.floats(0, 50))))
def test_there_is_always_an_address(moves: list[tuple[LocalAddress, str, float, float]]) -> None:
    clock = Clock()
    addresses = made(clock)
    for one, site, seconds, pause in moves:
        addresses.leave(one.address or "", "site", site, seconds)
        clock.now += pause
        chosen = addresses.choose("198.51.100.1", "d.example", f"mx.{site}")
        assert chosen in (A, B, C)
        free = {move.address for move in addresses.moves() if move.name == site} != {
            "192.0.2.1",
            "192.0.2.2",
            "192.0.2.3",
        }
        if free:
            assert chosen.address not in {move.address for move in addresses.moves() if move.name == site}


# end to end

REFUSED = "421 4.7.0 sink.test Error: too many connections from you, slow down"
FIRST, SECOND = "127.0.0.21", "127.0.0.22"
OWN = f"""
[[delivery.addresses]]
address = "{FIRST}"
[[delivery.addresses]]
address = "{SECOND}"
helo = "second.gw.test"
"""


class Choosy(Sink):
    """A next hop that takes nothing from our first address, said at MAIL or in place of the greeting."""

    def __init__(self, at: str) -> None:
        super().__init__(self.judge)
        self.at = at
        self.peers: dict[int, str] = {}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.peers[self.connections + 1] = writer.get_extra_info("peername")[0]
        await super()._serve(reader, writer)

    def judge(self, verb: str, line: str, connection: int) -> str | None:
        return REFUSED if verb == self.at and self.peers[connection] == FIRST else None


def responses(directory: Path, action: str, more: str = "") -> str:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "responses.toml").write_text(
        f'[[response]]\nclass = "rate-limited"\naction = "{action}"\nof = "domain"\ntime = "1h"\n{more}'
        f'example = "{REFUSED}"\n'
    )
    return '[responses]\nfile = "responses.toml"\n'


async def _ask(running: Any, operation: str, **arguments: Any) -> Any:
    found = operations(running.gateway)[operation](arguments, "tester")
    return await found if asyncio.iscoroutine(found) else found


def _page(grouped: dict[str, Any]) -> str:
    @click.command()
    def show() -> None:
        show_groups(output(True), grouped)

    return CliRunner().invoke(show, []).output


def _moves(tmp_path: Path, at: str) -> None:
    async def play() -> None:
        async with Choosy(at) as sink:
            more = sink.smarthost + OWN + responses(tmp_path, "other-address")
            more += '[queue]\nretry_first = "50ms"\nretry_longest = "200ms"\n'
            async with gateway(tmp_path, more) as running:
                message = await running.send("b@x.test")
                await running.reaches(message, "delivered")
                assert sink.peers[sink.taken[0].connection] == SECOND
                assert set(sink.peers.values()) == {FIRST, SECOND}
                assert "EHLO second.gw.test" in sink.said("EHLO")
                # The next message goes from there at once.
                tried = len(sink.peers)
                await running.reaches(await running.send("c@x.test"), "delivered")
                assert FIRST not in [peer for number, peer in sink.peers.items() if number > tried]
                assert running.lines("other-address")
                found = await _ask(running, "queue.suspensions")
                assert [(one["address"], one["of"]) for one in found["moves"]] == [(FIRST, "domain")]
                numbers = running.gateway.metrics.to_openmetrics().decode()
                assert 'danelaw_responses_total{action="other-address"} 1' in numbers

    run(play())


def test_a_server_that_says_421_at_mail_gets_the_mail_from_the_other_address(tmp_path: Path) -> None:
    _moves(tmp_path, "MAIL")


def test_a_server_that_says_421_in_its_greeting_does_so_too(tmp_path: Path) -> None:
    _moves(tmp_path, "GREETING")


def test_limits_by_our_address_hold_for_the_one_that_mail_moved_to(tmp_path: Path) -> None:
    async def play() -> None:
        async with Choosy("MAIL") as sink:
            more = sink.smarthost + OWN + responses(tmp_path, "other-address")
            more += '[queue]\nretry_first = "50ms"\nretry_longest = "200ms"\n'
            more += f'[[limit]]\nname = "young"\nlocal = ["{SECOND}"]\nrate = "1/day"\n'
            async with gateway(tmp_path, more) as running:
                await running.reaches(await running.send("b@x.test"), "delivered")
                waits = await running.send("c@x.test")
                gate = running.gateway.parts.engine.scheduler.gate
                assert gate is not None
                await until(lambda: [one.reason for one in gate.waiting()] == ["limit young: 1/day"], "the queue waits")
                assert running.look(waits)["state"] == "waiting"
                assert len(sink.taken) == 1

    run(play())


def test_a_server_that_complains_is_slowed_down_and_everybody_can_see_it(tmp_path: Path) -> None:
    async def play() -> None:
        complaints = iter([REFUSED])
        async with Sink(lambda verb, line, connection: next(complaints, None) if verb == "MAIL" else None) as sink:
            more = sink.smarthost + responses(tmp_path, "slow-down", "factor = 0.001\nfloor = 0.001\n")
            async with gateway(tmp_path, more) as running:
                await running.tried(await running.send("b@x.test"))
                found = await _ask(running, "queue.suspensions")
                assert [one["filter"] for one in found["slow_downs"]] == [f'host:"{sink.hop}"']
                assert running.lines("slowed-down")
                # One delivery may go; for its end it pays with a pause a thousand times as long.
                await running.reaches(await running.send("c@x.test"), "delivered")
                waiting = await running.send("d@x.test")
                await until(lambda: running.gateway.parts.engine.slowing.waiting(), "the queue waits")
                shown = await _ask(running, "queue.show", id=waiting)
                assert shown["recipients"][0]["limit"].startswith("slowed down to ")
                grouped = await _ask(running, "queue.group", by="next-hop")
                assert grouped["groups"][0]["limit"].startswith("slowed down to ")
                assert "WAITS FOR" in _page(grouped)
                top = await _ask(running, "top")
                assert next(row["limited"] for row in top["destinations"]["rows"]).startswith("slowed down to ")
                assert "danelaw_slow_downs 1" in running.gateway.metrics.to_openmetrics().decode()
                assert await _ask(running, "queue.resume", filter="") == {"ended": 1}
                await running.reaches(waiting, "delivered")

    run(play())
