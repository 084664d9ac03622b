"""Rendering: widths, ASCII, colour, times, sizes, fingerprints."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.cli.output import (
    Output,
    Symbol,
    absolute,
    display_width,
    duration,
    fingerprint,
    moment,
    printable,
    relative,
    size,
)


def render(width: int = 116, *, utf8: bool = True, colour: bool = False) -> tuple[Output, io.StringIO]:
    stream = io.StringIO()
    return Output(stream, width, utf8, colour), stream


ROWS = [
    (Symbol.VERIFIED, ("dane.lab", "delivered", "DANE", "server's key is the one in signed DNS")),
    (Symbol.STOPPED, ("bücher.lab", "waiting", "nothing sent", "key 7be1407c…9909 shown, 0d6f88a1…03c2 published")),
]


def test_a_table_lines_up_and_fits() -> None:
    out, stream = render()
    out.table(ROWS, heads=("TO", "OUTCOME", "PROTECTED BY", "WHY"))
    assert stream.getvalue() == (
        "  TO          OUTCOME    PROTECTED BY  WHY\n"
        "● dane.lab    delivered  DANE          server's key is the one in signed DNS\n"
        "✕ bücher.lab  waiting    nothing sent  key 7be1407c…9909 shown, 0d6f88a1…03c2 published\n"
    )


@pytest.mark.parametrize("width", [40, 60, 80, 116])
def test_the_reason_folds_where_space_is_short(width: int) -> None:
    out, stream = render(width)
    out.table(ROWS)
    lines = stream.getvalue().splitlines()
    assert all(display_width(line) <= max(width, 48) for line in lines)
    assert "".join("".join(lines).split()).count("published") == 1


def test_ascii_has_no_other_character() -> None:
    out, stream = render(utf8=False)
    out.table(ROWS)
    out.headline(Symbol.ENCRYPTED, "≤ 5 · →")
    out.line("é")
    out.json({"a": "ü"})
    text = stream.getvalue()
    assert text.isascii()
    assert "# dane.lab" in text
    assert "x b\\xfccher.lab" in text
    assert "7be1407c..9909" in text
    assert "+ <= 5 - ->" in text


def test_colour_only_repeats_the_symbol() -> None:
    plain, first = render()
    coloured, second = render(colour=True)
    plain.table(ROWS)
    coloured.table(ROWS)
    assert "\x1b[32m●\x1b[0m" in second.getvalue()
    assert re.sub(r"\x1b\[\d+m", "", second.getvalue()) == first.getvalue()


@given(st.text())
def test_text_of_strangers_cannot_steer_the_terminal(text: str) -> None:
    out, stream = render()
    out.line(text)
    assert stream.getvalue()[:-1].isprintable()
    assert printable(text).isprintable()


def test_detection_respects_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    out = Output.detect(stream=io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert (out.width, out.utf8, out.colour) == (116, True, False)
    assert Output.detect(stream=Terminal()).width == 90
    plain = Output.detect(stream=io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert (plain.width, plain.utf8) == (116, False)
    assert not Output.detect(ascii_only=True, stream=io.TextIOWrapper(io.BytesIO(), encoding="utf-8")).utf8


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def test_colour_needs_a_terminal_and_no_objection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Output.detect(stream=Terminal()).colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Output.detect(stream=Terminal()).colour


class Level(Enum):
    DANE = "dane"


def test_json_knows_our_values() -> None:
    out, stream = render()
    out.json({"level": Level.DANE, "at": datetime(2026, 11, 28, tzinfo=UTC), "key": b"\x01\xff", "set": {2, 1}})
    assert json.loads(stream.getvalue()) == {
        "level": "dane",
        "at": "2026-11-28T00:00:00Z",
        "key": "01ff",
        "set": [1, 2],
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (1.8, "1.8 s"),
        (45, "45 s"),
        (119, "119 s"),
        (1860, "31 min"),
        (4800, "1 h 20 min"),
        (36000, "10 h"),
        (86400, "1 day"),
        (100_000, "1 day 3 h"),
        (432_000, "5 days"),
    ],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_moments_are_told_relative_and_absolute() -> None:
    now = datetime(2026, 11, 28, 9, 31).timestamp()
    assert moment(now + 1860, now) == "10:02 (in 31 min)"
    assert relative(now - 300, now) == "5 min ago"
    assert relative(now, now) == "now"
    assert absolute(now + 86400, now) == "Sun 29 Nov 09:31"
    assert absolute(now + 86400 * 400, now).startswith("2028-01-02")


def test_fingerprints_and_sizes() -> None:
    assert fingerprint("7BE1407C" + "0" * 52 + "9909") == "7be1407c…9909"
    assert fingerprint("7be1407c9909") == "7be1407c9909"
    assert [size(n) for n in (1, 4101, 200_000, 38 << 20, 3 << 30)] == [
        "1 byte",
        "4 101 bytes",
        "195 KiB",
        "38 MiB",
        "3 GiB",
    ]
