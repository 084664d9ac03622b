"""Log lines: shape, safety against forged lines, batching, loss, sinks."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from enum import Enum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.errors import DanelawError
from danelaw.telemetry import DescriptorSink, FileSink, Log, SyslogSink, open_log
from danelaw.telemetry.lines import WARNING, json_form, text_form
from danelaw.telemetry.sinks import MemorySink

NOON = 1795867200.125


class Colour(Enum):
    RED = "red"


def lines_of(level: str = "info", **fields: object) -> list[str]:
    log, sink = Log.in_memory(clock=lambda: NOON)
    getattr(log, {"info": "event"}.get(level, level))("delivered", **fields)
    return sink.lines


def test_a_line_for_people_has_time_event_and_fields() -> None:
    assert lines_of(id="q1", to="anna@example.org", size=4101, why="key is TLSA 1 of 2", none=None) == [
        '2026-11-28T12:00:00.125Z delivered id=q1 to=anna@example.org size=4101 why="key is TLSA 1 of 2"'
    ]
    assert lines_of("warning") == ["2026-11-28T12:00:00.125Z warning: delivered "]
    assert lines_of() == ["2026-11-28T12:00:00.125Z delivered"]


def test_values_of_every_kind_have_a_form() -> None:
    fields = {"e": Colour.RED, "b": True, "f": 0.5, "t": ("a", "b"), "l": [1, 2], "o": Path("/x")}
    assert lines_of(**fields)[0].endswith("e=red b=yes f=0.5 t=a,b l=1,2 o=/x")
    line = json_form()(NOON, WARNING, "x", {**fields, "i": 7, "n": None, "inf": float("inf"), "nested": (None, "x")})
    assert json.loads(line) == {
        "time": "2026-11-28T12:00:00.125Z",
        "level": "warning",
        "event": "x",
        "e": "red",
        "b": True,
        "f": 0.5,
        "t": ["a", "b"],
        "l": [1, 2],
        "o": "/x",
        "i": 7,
        "inf": None,
        "nested": [None, "x"],
    }


@given(st.text(), st.text())
def test_no_value_can_forge_a_line_or_a_field(first: str, second: str) -> None:
    line = text_form()(NOON, WARNING, "x", {"a": first, "b": second})
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert line.encode("utf-8", "strict")
    if first and all(c not in first for c in ' "=\\') and first.isprintable():
        assert f" a={first} " in line or f' a="{first}" ' in line


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text() | st.integers() | st.booleans()))
def test_json_lines_give_the_values_back(fields: dict[str, object]) -> None:
    line = json_form()(NOON, WARNING, "x", fields)
    assert "\n" not in line
    assert line.isascii()
    parsed = json.loads(line)
    assert {key: parsed[key] for key in fields} == fields


def test_levels_below_the_chosen_one_are_not_written() -> None:
    sink = MemorySink()
    log = Log(sink, level=WARNING)
    log.debug("a")
    log.event("b")
    log.warning("c")
    log.error("d")
    assert [line.split(" ", 1)[1].strip() for line in sink.lines] == ["warning: c", "error: d"]


class CountingSink(MemorySink):
    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def write(self, lines: object) -> int:
        assert isinstance(lines, list)
        self.batches.append(len(lines))
        return super().write(lines)


def test_lines_of_one_turn_of_the_loop_are_written_together() -> None:
    sink = CountingSink()

    async def turn() -> None:
        log = Log(sink)
        log.event("before")
        log.attach(asyncio.get_running_loop())
        for number in range(5):
            log.event("within", number=number)
        await asyncio.sleep(0)
        for _ in range(1000):
            log.event("many")
        log.close()

    asyncio.run(turn())
    assert sink.batches == [1, 5, 512, 488]


class FullDisk(MemorySink):
    full = True

    def write(self, lines: object) -> int:
        assert isinstance(lines, list)
        return len(lines) if self.full else super().write(lines)


def test_lost_lines_are_counted_and_reported_once_writing_works_again() -> None:
    sink = FullDisk()
    log = Log(sink, clock=lambda: NOON)
    log.event("a")
    log.event("b")
    assert log.dropped == 2
    sink.full = False
    log.event("c")
    assert sink.lines == [
        "2026-11-28T12:00:00.125Z warning: log-lost lines=2",
        "2026-11-28T12:00:00.125Z delivered".replace("delivered", "c"),
    ]
    log.event("d")
    assert len(sink.lines) == 3
    assert log.dropped == 2


def test_a_file_is_opened_again_after_rotation(tmp_path: Path) -> None:
    file = tmp_path / "danelaw.log"
    log = open_log(to="file", file=file)
    log.event("one")
    file.rename(tmp_path / "danelaw.log.1")
    log.event("two")
    log.reopen()
    log.event("three")
    log.close()
    assert [line.split()[-1] for line in (tmp_path / "danelaw.log.1").read_text().splitlines()] == ["one", "two"]
    assert file.read_text().split()[-1] == "three"


def test_a_log_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(DanelawError, match="cannot be opened"):
        open_log(to="file", file=tmp_path / "absent" / "log")
    sink = FileSink(tmp_path / "log")
    log = Log(sink)
    (tmp_path / "log").unlink()
    (tmp_path / "log").mkdir()
    with pytest.raises(DanelawError, match="stays in use"):
        log.reopen()
    log.close()


def test_a_closed_pipe_and_a_full_pipe_lose_lines_without_an_exception() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    sink = DescriptorSink(writing)
    assert sink.write(["x" * 200_000, "y", "z"]) >= 2
    os.close(reading)
    assert sink.write(["x"]) == 1
    os.close(writing)


def test_syslog_over_udp_follows_rfc_5424() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(10)
        log = open_log(to="syslog", syslog=daemon.getsockname(), hostname="m.example", clock=lambda: NOON)
        log.warning("tls-failed", host="mx.example\n<0>forged")
        log.event("long", text="ü" * 5000)
        log.close()
        first, second = daemon.recv(65536).decode(), daemon.recv(65536)
    head = f"<20>1 2026-11-28T12:00:00.125Z m.example danelaw {os.getpid()} tls-failed - "
    assert first == head + 'tls-failed host="mx.example\\n<0>forged"'
    assert 2040 < len(second) <= 2048
    assert second.decode().endswith("ü")


def test_syslog_to_the_local_daemon_has_the_form_of_the_c_library(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        log = open_log(to="syslog", syslog=path, clock=lambda: NOON)
        log.event("delivered", id="q1")
        line = daemon.recv(65536).decode()
        log.reopen()
        log.close()
    assert line.startswith("<22>Nov 28 ")
    assert line.endswith(f" danelaw[{os.getpid()}]: delivered id=q1")


def test_syslog_without_a_daemon_loses_lines_quietly(tmp_path: Path) -> None:
    sink = SyslogSink(str(tmp_path / "absent"))
    assert sink.write(["a", "b"]) == 2
    sink.close()
