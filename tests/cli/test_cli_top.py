"""`danelaw top`: printed once, as JSON, and the screen with its keys, before a real gateway and given pictures."""

from __future__ import annotations

import asyncio
import copy
import json
import re
import time
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.ends import Sink, gateway, run, until
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static

from danelaw.cli import danelaw
from danelaw.cli.control import call
from danelaw.cli.output import Output
from danelaw.cli.top_page import HEADS, ORDERS, graph, show
from danelaw.cli.top_screen import DestinationScreen, TopScreen
from danelaw.errors import DanelawError

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = '[delivery]\nnext_hop = "[127.0.0.1]:9"\n'


def documented() -> dict[str, Any]:
    """The picture of the schema page."""
    example = re.search(r"```json\n(.*?)```", (ROOT / "docs/schemas/top.md").read_text(), re.DOTALL)
    assert example is not None
    found: dict[str, Any] = json.loads(example[1])
    return found


def picture(**more: Any) -> dict[str, Any]:
    """A picture with three destinations: one waits most, one is busiest, one has the oldest mail."""
    found = documented()
    now = found["time"]
    usual = found["destinations"]["rows"][0] | {"asleep_until": None, "failures": 0, "reason": "", "next_try": None}
    found["destinations"]["rows"] = [
        usual | {"next_hop": "wait.example", "waiting": 50, "reason": "key 7be1407c…9909 shown \x1b[2J", "failures": 3,
                 "asleep_until": now + 600, "next_try": now + 600, "oldest": now - 60},
        usual | {"next_hop": "busy.example", "waiting": 1, "under_way": 5, "limit": 5, "per_second": 42.0,
                 "limited": "5 at once is its limit now", "oldest": now - 5},
        usual | {"next_hop": "[old.example]:25", "waiting": 2, "oldest": now - 90000, "next_try": now + 5},
    ]  # fmt: skip
    return found | more


def printed(found: dict[str, Any], width: int = 116, *, utf8: bool = True) -> list[str]:
    stream = StringIO()
    show(Output(stream, width=width, utf8=utf8), found)
    return stream.getvalue().splitlines()


def top(*words: str) -> Result:
    return CliRunner().invoke(danelaw, ["top", *words], standalone_mode=False)


# printed once


@pytest.mark.parametrize("width", [80, 100, 116])
def test_every_line_fits_and_the_last_is_the_next_command(width: int) -> None:
    lines = printed(picture(), width)
    assert max(map(len, lines)) <= width
    assert lines[-1] == "next: danelaw queue list 'host:wait.example'"
    assert "\x1b" not in "".join(lines)


def test_ascii_stays_ascii() -> None:
    assert "".join(printed(picture(), utf8=False)).isascii()


def test_the_first_words_are_the_answer() -> None:
    calm = picture(limits=[])
    assert printed(calm)[0].startswith("● mail flows.")
    assert printed(picture())[0].startswith("◐ mail flows; a limit is reached.")
    assert printed(calm | {"not_ready": "the disk is full"})[0].startswith("✕ takes no mail: the disk is full")
    blind = calm["resolver"] | {"usable": False, "findings": ["no server answers"]}
    lines = printed(calm | {"resolver": blind})
    assert lines[0].startswith("✕ takes mail, but nothing can be verified")
    assert any("DNS" in line and "no server answers" in line for line in lines)
    idle = {way: calm[way] | {"history": [0.0] * 60} for way in ("in", "out")}
    quiet = calm | idle | {"queue": calm["queue"] | {"under_way": 0}}
    assert printed(quiet)[0].startswith("● ready; no mail came or went")


def test_limits_and_workers_are_named() -> None:
    found = picture()
    text = "\n".join(printed(found))
    assert "deliveries at once: 200 of 200" in text
    assert "own limit of busy.example" in text
    assert "pid" not in text
    second = found["workers"][0] | {"pid": 4711}
    assert "pid 4711: 4 clients" in "\n".join(printed(found | {"workers": [*found["workers"], second]}))


def test_protections_are_shares_of_what_was_delivered() -> None:
    outcomes = {"seconds": 3600, "delivered": {"DANE": 150, "clear text": 49, "MTA-STS": 1}, "waiting": {},
                "returned": {"DANE": 2}}  # fmt: skip
    (line,) = [line for line in printed(picture(outcomes=outcomes)) if "SENT" in line]
    assert line.split("SENT")[1].strip() == (
        "in 1 h: 200 delivered · DANE 75 % · clear text 24 % · MTA-STS below 1 % · 2 returned"
    )


def test_a_graph_has_its_newest_value_at_the_right() -> None:
    assert graph([0, 1, 2, 4, 8], 5) == " ▁▂▄█"
    assert graph([8, 0], 4) == "  █ "
    assert graph([], 3) == "   "
    assert graph([0.0] * 9, 3) == "   "
    assert graph([1, 9, 1, 1, 3, 1], 3, utf8=False) == "#_-"  # the highest of each two


def test_a_running_gateway_is_printed_once(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, NOWHERE) as running:
            await running.tried(await running.send("anna@example.org"))
            await until(lambda: running.gateway.parts.engine.busy == 0, "no delivery under way")
            config = ("--config", str(tmp_path / "danelaw.toml"))
            text = (await asyncio.to_thread(top, *config)).output
            assert "gw.test" in text
            assert re.search(r"✕ \[127.0.0.1\]:9 .* 1 ", text)
            assert text.splitlines()[-1] == "next: danelaw queue list 'host:[127.0.0.1]:9'"
            found = json.loads((await asyncio.to_thread(top, "--json", "--match", "nobody", *config)).output)
            assert found["schema"] == "danelaw/top/1"
            assert found["destinations"]["rows"] == []

    run(play())


def test_without_a_gateway_it_says_so_and_where_to_look(tmp_path: Path) -> None:
    failure = top("--once", "--spool", str(tmp_path)).exception
    assert isinstance(failure, DanelawError)
    assert failure.reason == f"no gateway runs on {tmp_path}"
    assert "danelaw queue list --group-by" in (failure.advice or "")


# the screen


class Gateway:
    """Answers like one; `asked` remembers what for."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.gone = False

    def __call__(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        self.asked.append((operation, dict(arguments)))
        if self.gone:
            raise DanelawError("no gateway runs on /spool", advice="danelaw serve")
        if operation == "queue.list":
            return {"messages": [], "now": time.time(), "finished": False, "filter": arguments["filter"], "after": None}
        found = copy.deepcopy(self.found)
        rows = found["destinations"]["rows"]
        found["destinations"]["rows"] = [row for row in rows if arguments.get("match", "") in row["next_hop"]]
        return found


def lines_of(screen: TopScreen, name: str) -> str:
    return str(screen.query_one(f"#{name}", Static).render())


def names(screen: TopScreen) -> list[str]:
    table = screen.query_one(DataTable)
    return [str(table.get_row_at(number)[1]).strip() for number in range(table.row_count)]


def played(answers: Gateway, keys: Any, size: tuple[int, int] = (80, 24)) -> None:
    """Run `keys(screen, pilot)` before a screen of this size."""

    async def play() -> None:
        screen = TopScreen(answers, answers.found)
        async with screen.run_test(size=size) as pilot:
            await pilot.pause()
            await keys(screen, pilot)

    asyncio.run(play())


@pytest.mark.parametrize("size", [(80, 24), (116, 40), (200, 50)])
def test_everything_has_its_place_on_the_screen(size: tuple[int, int]) -> None:
    async def keys(screen: TopScreen, pilot: Pilot[None]) -> None:
        panel = lines_of(screen, "panel").splitlines()
        assert panel[0].startswith("◐ mail flows; a limit is reached.")
        for label in ("IN", "OUT", "QUEUE", "SENT", "TIMES", "DNS", "LOAD", "LIMITS"):
            assert any(line.startswith(f"  {label} ") for line in panel), label
        assert max(map(len, panel)) <= min(size[0], 116)
        table = screen.query_one(DataTable)
        assert [str(column.label) for column in table.columns.values()] == ["", *HEADS]
        assert table.size.height >= 6, "no room for destinations"
        assert sum(column.get_render_width(table) for column in table.columns.values()) <= min(size[0], 116)
        last = screen.query_one("#next")
        assert last.region.bottom == size[1]
        assert lines_of(screen, "next") == "next: danelaw queue list 'host:wait.example'"
        assert "\x1b" not in lines_of(screen, "detail")
        assert lines_of(screen, "detail").startswith("wait.example: key 7be1407c…9909 shown")

    played(Gateway(picture()), keys, size)


def test_s_sorts_in_every_order() -> None:
    async def keys(screen: TopScreen, pilot: Pilot[None]) -> None:
        firsts = []
        for order in ORDERS:
            assert f"by {order}" in lines_of(screen, "keys")
            firsts.append(names(screen)[0])
            await pilot.press("s")
            await pilot.pause()
        assert firsts == ["wait.example", "busy.example", "[old.example]:25", "[old.example]:25"]
        assert screen.order == "waiting"

    played(Gateway(picture()), keys)


def test_p_stands_still_until_p_again() -> None:
    async def keys(screen: TopScreen, pilot: Pilot[None]) -> None:
        answers = screen._ask
        assert isinstance(answers, Gateway)
        await pilot.press("p")
        await screen.refresh_picture()
        before = len(answers.asked)
        await screen.refresh_picture()
        assert len(answers.asked) == before
        assert "PAUSED at" in lines_of(screen, "panel")
        await pilot.press("p")
        await screen.refresh_picture()
        assert len(answers.asked) > before
        assert "PAUSED" not in lines_of(screen, "panel")

    played(Gateway(picture()), keys)


def test_a_slash_filters_and_escape_shows_all() -> None:
    async def keys(screen: TopScreen, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"busy", "enter")
        await pilot.pause()
        assert names(screen) == ["busy.example"]
        assert "only 'busy'" in lines_of(screen, "keys")
        assert not screen.query_one("#filter", Input).has_class("open")
        await pilot.press("escape")
        await pilot.pause()
        assert len(names(screen)) == 3
        await pilot.press("slash", *"nobody", "enter")
        await pilot.pause()
        assert names(screen) == []
        assert lines_of(screen, "detail") == "no destination has 'nobody' in its name"
        assert lines_of(screen, "next") == "next: danelaw queue list --group-by state"

    played(Gateway(picture()), keys)


def test_keys_within_the_filter_are_letters() -> None:
    async def keys(screen: TopScreen, pilot: Pilot[None]) -> None:
        await pilot.press("slash", "q", "p", "s")
        assert screen.query_one("#filter", Input).value == "qps"
        assert not screen.paused
        assert screen.order == "waiting"

    played(Gateway(picture()), keys)


def test_the_chosen_destination_stays_chosen_when_the_order_changes() -> None:
    async def keys(screen: TopScreen, pilot: Pilot[None]) -> None:
        await pilot.press("down")
        await pilot.pause()
        assert lines_of(screen, "detail").startswith("[old.example]:25")
        answers = screen._ask
        assert isinstance(answers, Gateway)
        answers.found["destinations"]["rows"][2]["waiting"] = 1000
        await screen.refresh_picture()
        await pilot.pause()
        assert names(screen)[0] == "[old.example]:25"
        assert lines_of(screen, "detail").startswith("[old.example]:25")

    played(Gateway(picture()), keys)


def test_a_gateway_that_goes_is_missed_and_one_that_comes_back_is_shown() -> None:
    async def keys(screen: TopScreen, pilot: Pilot[None]) -> None:
        answers = screen._ask
        assert isinstance(answers, Gateway)
        answers.gone = True
        await screen.refresh_picture()
        await pilot.pause()
        assert lines_of(screen, "panel").startswith("✕ no answer for")
        assert lines_of(screen, "next") == "next: danelaw serve"
        assert len(names(screen)) == 3
        answers.gone = False
        await screen.refresh_picture()
        await pilot.pause()
        assert lines_of(screen, "panel").startswith("◐ mail flows")

    played(Gateway(picture()), keys)


def test_enter_tells_what_waits_for_a_destination_and_why(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, NOWHERE) as running:
            message = await running.send("anna@example.org")
            await running.tried(message)
            await until(lambda: running.gateway.parts.engine.busy == 0, "no delivery under way")
            socket = running.gateway.config.control_socket

            def ask(operation: str, arguments: Mapping[str, Any]) -> Any:
                return call(socket, operation, arguments)

            screen = TopScreen(ask, await asyncio.to_thread(ask, "top", {}))
            async with screen.run_test(size=(100, 40)) as pilot:
                await pilot.press("enter")
                await until(lambda: isinstance(screen.screen, DestinationScreen), "the destination's screen")

                def story() -> str:
                    return str(screen.screen.query_one("#story", Static).render())

                await until(lambda: "asking" not in story(), "the answer")
                assert message in story()
                assert f"$ danelaw explain {message}" in story()
                assert "WAITING for anna@example.org" in story()
                await pilot.press("escape")
                await pilot.pause()
                assert not isinstance(screen.screen, DestinationScreen)
                await pilot.press("q")
            assert not screen.is_running

    run(play())


def test_nothing_waits_any_more_when_enter_comes_too_late() -> None:
    async def keys(screen: TopScreen, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await until(lambda: isinstance(screen.screen, DestinationScreen), "the destination's screen")
        await until(lambda: "asking" not in str(screen.screen.query_one("#story", Static).render()), "the answer")
        assert "no message waits or is held that matches" in str(screen.screen.query_one("#story", Static).render())

    played(Gateway(picture()), keys)


def test_one_picture_of_traffic(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            await running.reaches(await running.send("anna@example.org"), "delivered")
            running.gateway.history.take(asyncio.get_running_loop().time())
            config = ("--config", str(tmp_path / "danelaw.toml"))
            text = (await asyncio.to_thread(top, "--once", "--ascii", *config)).output
            assert text.isascii()
            assert "1 delivered - clear text 100 %" in text

    run(play())


def test_h_shows_what_each_hook_does_and_h_again_goes_back() -> None:
    async def keys(screen: TopScreen, pilot: Pilot[None]) -> None:
        await pilot.press("h")
        await pilot.pause()
        page = str(screen.screen.query_one("#hooks", Static).render())
        assert "closed rcpt_to 1f0c36a 29157 0" in " ".join(page.split())
        assert page.splitlines()[-1] == "next: danelaw policy status"
        await pilot.press("h")
        await pilot.pause()
        assert screen.query_one(DataTable).row_count == 3

    played(Gateway(picture()), keys, (140, 30))


def test_the_policy_has_a_line_where_there_is_one() -> None:
    found = picture()
    (line,) = [one for one in printed(found) if one.startswith("  POLICY")]
    assert line.split("POLICY")[1].strip() == "version 1f0c36a · 1 hook called 29157 times, 0 failed"
    found["policy"]["staged"] = "ffffffffffff"
    found["policy"]["hooks"][0] |= {"resting": True, "running": 2, "pending": 1}
    page = " ".join(printed(found))
    assert "version 1f0c36a, fffffff staged" in page
    assert "2 running, 1 pending" in page
    assert "left alone: closed" in page
    found["policy"] = {"active": None, "staged": None, "shadow": None, "hooks": []}
    assert not any("POLICY" in one for one in printed(found))
