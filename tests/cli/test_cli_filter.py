"""`danelaw filter test | ping`, and what doctor says about filters."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.filters.fake_engines import FakeMilter, FakeServer, closed_port, packet, serving

from danelaw.cli.filter import command
from danelaw.config import load
from danelaw.doctor import Severity
from danelaw.doctor.filters import filters
from danelaw.errors import DanelawError

MESSAGE = "From: a@b.example\nSubject: test\n\nbody\n"


async def clamd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    asked = await reader.readuntil(b"\0")
    if asked == b"zINSTREAM\0":
        while any(size := await reader.readexactly(4)):
            await reader.readexactly(int.from_bytes(size, "big"))
        writer.write(b"stream: Eicar-Signature FOUND\0")
    else:
        writer.write(b"PONG\0" if asked == b"zPING\0" else b"ClamAV 1.4.6\0")


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[FakeServer, FakeServer, object]]:
    """A clamd, a milter, and an address where nobody listens, served in another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="engines")
    thread.start()
    scanners, milters = serving(clamd), serving(FakeMilter({"E": packet(b"h", b"X-A\0b\0") + packet(b"c")}))

    def call(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    try:
        yield call(scanners.__aenter__()), call(milters.__aenter__()), call(closed_port())
    finally:
        call(scanners.__aexit__(None, None, None))
        call(milters.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def config(engines: tuple[FakeServer, FakeServer, object], tmp_path: Path) -> Path:
    scanner, milter, dead = engines
    file = tmp_path / "danelaw.toml"
    file.write_text(
        'hostname = "mx.example"\n'
        f'[[filter]]\nname = "av"\nkind = "clamd"\naddress = ["{scanner.address}"]\n'
        f'[[filter]]\nname = "sign"\nkind = "milter"\naddress = ["{milter.address}"]\n'
        f'[[filter]]\nname = "gone"\nkind = "spamd"\naddress = ["{dead}"]\non_failure = "accept"\n'
    )
    (tmp_path / "mail.eml").write_text(MESSAGE)
    return file


def called(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(command, [str(one) for one in arguments], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.return_value, result.output


def test_a_find_is_shown_with_the_reply(config: Path) -> None:
    status, said = called("test", config.parent / "mail.eml", "--filter", "av", "--config", config, "--ascii")
    assert status == 3
    assert "the message is refused: av: Eicar-Signature was found." in said
    assert "reply: 554 5.7.1 a virus was found in the message: Eicar-Signature" in said


def test_json_has_the_whole_evidence(config: Path) -> None:
    status, said = called("test", config.parent / "mail.eml", "--filter", "sign", "--config", config, "--json")
    assert status == 0
    shown = json.loads(said)
    assert shown["action"] == "pass"
    (result,) = shown["results"]
    assert (result["filter"], result["verdict"], result["edits"]) == ("sign", "clean", ["AddHeader X-A b"])


def test_a_filter_that_does_not_answer_is_another_exit_status(config: Path) -> None:
    status, said = called("test", config.parent / "mail.eml", "--filter", "gone", "--config", config)
    assert status == 4
    assert "next: danelaw filter ping" in said
    status, said = called("ping", "--config", config)
    assert status == 4
    assert "1 of 3 servers do not answer." in said
    assert "ClamAV 1.4.6" in said
    status, said = called("ping", "av", "sign", "--config", config, "--json")
    assert status == 0
    assert [one["works"] for one in json.loads(said)["servers"]] == [True, True]


@pytest.mark.parametrize(
    ("options", "wrong"),
    [(("--filter", "nobody"), "there is no filter 'nobody'"), (("--ip", "x"), "not an IP address")],
)
def test_what_cannot_be_done_is_said(config: Path, options: tuple[str, ...], wrong: str) -> None:
    with pytest.raises(Exception, match=wrong):
        called("test", config.parent / "mail.eml", "--config", config, *options)


def test_without_filters_there_is_nothing_to_ask(tmp_path: Path) -> None:
    (tmp_path / "danelaw.toml").write_text('hostname = "mx.example"\n')
    with pytest.raises(DanelawError, match="no filter is configured"):
        called("ping", "--config", tmp_path / "danelaw.toml")


def test_doctor_asks_every_server(config: Path) -> None:
    found = asyncio.run(filters(load(config)))
    assert [one.severity for one in found] == [Severity.OK, Severity.OK, Severity.WARNING]
    assert "mail passes unexamined" in found[2].what
    assert found[2].fix
    config.write_text(config.read_text().replace('on_failure = "accept"', 'on_failure = "defer"'))
    assert asyncio.run(filters(load(config)))[2].severity is Severity.ERROR
