"""Greylisting over real sockets, with a clock of the test's, and its command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.ends import Running, run
from tests.frontdoor.door import MESSAGE, findings, front

from danelaw.cli import danelaw
from danelaw.testing import FakeClock, FakeDNS

GREY = '[greylisting]\nenabled = true\ndelay = "5m"\nauto_allow = 2\n'


async def answer(
    running: Running, recipient: str = "b@ours.test", source: str = "127.0.0.5", sender: str = "a@s.test"
) -> str:
    async with await running.client(source=source) as client:
        await client.expect(250, f"MAIL FROM:<{sender}>")
        return (await client.say(f"RCPT TO:<{recipient}>")).text


def test_a_stranger_comes_again_and_is_let_in_with_a_finding(tmp_path: Path) -> None:
    async def play() -> None:
        clock = FakeClock()
        async with front(tmp_path, GREY, FakeDNS(), clock=clock) as (running, sink):
            assert await answer(running) == "4.7.1 greylisted: you are not known here yet; try again in 300 seconds"
            clock.advance(120)
            assert (await answer(running)).endswith("in 180 seconds")
            assert (await answer(running, "postmaster@ours.test")).startswith("2.1.5")
            assert (await answer(running, sender="")).startswith("2.1.5"), "bounces and call-aheads"
            clock.advance(180)
            async with await running.client(source="127.0.0.77") as client:  # the same /24
                ident = await client.message(MESSAGE, "b@ours.test", sender="a@s.test")
            await sink.messages()
            assert findings(running, ident)[0] == ("greylist", "passed", "127.0.0.0/24, known for 300 s")
            assert (await answer(running)).startswith("2.1.5")
            assert "greylisted" in await answer(running, "c@ours.test")
            clock.advance(300)
            assert (await answer(running, "c@ours.test")).startswith("2.1.5")
            assert (await answer(running, "d@ours.test")).startswith("2.1.5"), "two triplets passed: the network may"
            numbers = running.gateway.metrics.to_openmetrics().decode()
            assert 'danelaw_greylist_total{result="first"} 2.0' in numbers
            assert 'danelaw_greylist_total{result="passed"} 2.0' in numbers

    run(play())


def test_spf_pass_is_enough_unless_its_dns_is_bogus(tmp_path: Path) -> None:
    async def play() -> None:
        dns = FakeDNS(secure='s.test. TXT "v=spf1 ip4:127.0.0.5 -all"\nbroken.test. TXT "v=spf1 +all"')
        dns.fail("broken.test")
        async with front(tmp_path, GREY, dns) as (running, _):
            assert (await answer(running)).startswith("2.1.5")
            assert "greylisted" in await answer(running, source="127.0.0.6")
            assert "greylisted" in await answer(running, sender="a@broken.test")

    run(play())


def test_an_allow_list_is_enough(tmp_path: Path) -> None:
    async def play() -> None:
        dns = FakeDNS(insecure="5.0.0.127.good.test. A 127.0.0.2")
        allow = '[[dns_list]]\nzone = "good.test"\nuse = "allow"\n'
        async with front(tmp_path, GREY + allow, dns) as (running, _):
            assert (await answer(running)).startswith("2.1.5")
            assert "greylisted" in await answer(running, source="127.0.0.6")

    run(play())


def test_a_confirmed_name_is_enough_where_that_is_set(tmp_path: Path) -> None:
    async def play() -> None:
        zone = "5.0.0.127.in-addr.arpa. PTR mx.s.test.\nmx.s.test. A 127.0.0.5"
        async with front(tmp_path, GREY + 'exempt = ["confirmed-name"]\n', FakeDNS(insecure=zone)) as (running, _):
            assert (await answer(running)).startswith("2.1.5")
            assert "greylisted" in await answer(running, source="127.0.0.6")

    run(play())


def test_a_file_that_breaks_stops_no_mail(tmp_path: Path) -> None:
    async def play() -> None:
        async with front(tmp_path, GREY, FakeDNS()) as (running, _):
            (step,) = [step for step in running.gateway.parts.intake.steps.all if step.name == "greylist"]
            step.store.close()  # type: ignore[attr-defined]
            step.store._database._connection = _Broken()  # type: ignore[attr-defined]
            assert (await answer(running)).startswith("2.1.5")
            assert running.lines("greylist")

    run(play())


class _Broken:
    def execute(self, *what: object) -> object:
        import sqlite3

        raise sqlite3.OperationalError("disk I/O error")

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    file = tmp_path / "danelaw.toml"
    file.write_text(f'hostname = "gw.test"\n[spool]\ndirectory = "{tmp_path}/spool"\n{GREY}')
    return file


def call(configured: Path, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(danelaw, ["greylist", *arguments, "--config", str(configured)])
    assert result.exit_code == code, result.output
    return result.output


def test_the_command_lists_allows_and_clears(configured: Path) -> None:
    assert "remembers nobody" in call(configured, "list")
    assert "192.0.2.0/24 is not greylisted any more" in call(configured, "allow", "192.0.2.9")
    listed = json.loads(call(configured, "list", "--json"))
    assert [(one["network"], one["allowed"]) for one in listed["networks"]] == [("192.0.2.0/24", True)]
    assert "allowed by you" in call(configured, "list")
    assert "remembers nobody in 198.51.100.0/24" in call(configured, "list", "198.51.100.1")
    assert "1 record forgotten" in call(configured, "clear", "192.0.2.0/24")
    assert "0 records forgotten" in call(configured, "clear", "--all")


@pytest.mark.parametrize(
    "arguments", [("allow", "nonsense"), ("allow", "192.0.0.0/16"), ("clear",), ("clear", "--all", "192.0.2.1")]
)
def test_the_command_refuses_what_it_cannot_do(configured: Path, arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(danelaw, ["greylist", *arguments, "--config", str(configured)]).exit_code != 0
