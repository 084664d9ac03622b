"""Programs: the exit status says what became of a message, and nothing of a program outlives its time."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.carriers.test_carriers_maildir import MESSAGE, parcel
from tests.ends import run, until

from danelaw.carriers import Addressee, CarrierDown, Given, Pipe, Result, Template
from danelaw.carriers.pipe import LONGEST_OUTPUT
from fuzz import carriers_answers


def program(*arguments: str, code: str = "", seconds: float = 20.0) -> Pipe:
    command = (sys.executable, "-Ic", code, *arguments) if code else arguments
    return Pipe("p", [Template(text) for text in command], seconds=seconds)


def carried(pipe: Pipe, *addresses: str) -> dict[int, Given]:
    async def play() -> dict[int, Given]:
        return dict(await pipe.carry(parcel(*addresses)))

    return run(play())


def test_a_program_gets_the_message_and_its_arguments_without_a_shell(tmp_path: Path) -> None:
    code = "import sys, json; print(json.dumps([sys.argv[1:], sys.stdin.read()]))"
    end = carried(program("$(id) {local}", "{address};", "{sender}", "{id}", code=code), "Anna@example.org")[0]
    assert end.result is Result.DELIVERED
    assert '"$(id) anna", "Anna@example.org;", "bob@shop.example", "1abc"' in end.reply
    assert "Return-Path: <bob@shop.example>\\nDelivered-To: Anna@example.org\\nSubject: hi\\n\\nline" in end.reply


def test_each_recipient_has_a_run_of_its_own() -> None:
    code = "import sys; sys.exit(dict(a=0, b=75, c=67)[sys.argv[1]])"
    ends = carried(program("{local}", code=code), "a@x.test", "b@x.test", "c@x.test")
    assert [ends[number].result for number in range(3)] == [Result.DELIVERED, Result.LATER, Result.REFUSED]
    assert ends[2].status == "5.1.1"


@pytest.mark.parametrize(
    ("status", "output", "result", "enhanced"),
    [
        (0, "", Result.DELIVERED, "2.0.0"),
        (75, "", Result.LATER, "4.3.0"),
        (75, "4.2.2 mailbox is full", Result.LATER, "4.2.2"),
        (75, "5.2.2 contradiction", Result.LATER, "4.3.0"),
        (74, "", Result.LATER, "4.3.0"),
        (78, "", Result.LATER, "4.3.5"),
        (127, "", Result.LATER, "4.3.5"),
        (77, "not you", Result.REFUSED, "5.7.0"),
        (77, "5.7.99 not you", Result.REFUSED, "5.7.99"),
        (1, "", Result.REFUSED, "5.3.0"),
        (255, "", Result.REFUSED, "5.3.0"),
    ],
)
def test_the_exit_status_decides(status: int, output: str, result: Result, enhanced: str) -> None:
    end = carried(program(code=f"print({output!r}); raise SystemExit({status})"))[0]
    assert (end.result, end.status) == (result, enhanced)
    assert end.reply == output


def test_a_program_that_reads_nothing_may_still_take_it() -> None:
    async def play() -> Given:
        big = parcel(content=MESSAGE * 100_000)
        return (await program(code="pass").carry(big))[0]

    assert run(play()).result is Result.DELIVERED


def test_a_signal_is_no_answer() -> None:
    end = carried(program(code="import os; os.kill(os.getpid(), 11)"))[0]
    assert (end.result, end.reason.endswith("was ended by signal 11")) == (Result.LATER, True)


def test_output_is_kept_up_to_a_bound_and_read_to_its_end() -> None:
    end = carried(program(code=f"import sys; sys.stdout.write('x' * {LONGEST_OUTPUT * 100})"))[0]
    assert end.result is Result.DELIVERED
    assert len(end.reply) == 500


def test_nothing_of_our_environment_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANELAW_SECRET", "x")
    end = carried(program(code="import os, json; print(json.dumps(sorted(os.environ)))"))[0]
    assert end.reply.startswith('["LANG", ')
    assert set(end.reply.strip("[]").replace('"', "").split(", ")) <= {
        "LANG", "LC_CTYPE", "PATH", "QUEUE_ID", "RECIPIENT", "SENDER", "SIZE"
    }  # fmt: skip


CHILDREN = """
import os, sys, time
if os.fork() == 0:
    os.fork()
    open(sys.argv[1], "a").write(str(os.getpid()) + "\\n")
    time.sleep(600)
open(sys.argv[1], "a").write(str(os.getpid()) + "\\n")
time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_program_beyond_its_time_ends_with_all_it_has_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    async def play() -> None:
        ends = await program(str(pids), code=CHILDREN, seconds=1.5).carry(parcel())
        assert ends[0] == Given(Result.LATER, "4.3.0", "", f"{sys.executable} did not end within 1.5 s")
        found = [int(pid) for pid in pids.read_text().split()]
        assert len(found) == 3
        await until(lambda: not any(alive(pid) for pid in found), "the end of all of them")

    run(play())


def test_a_delivery_that_is_ended_ends_its_program(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    async def play() -> None:
        task = asyncio.ensure_future(program(str(pids), code=CHILDREN).carry(parcel()))
        await until(lambda: pids.exists() and len(pids.read_text().split()) == 3, "the program")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        found = [int(pid) for pid in pids.read_text().split()]
        await until(lambda: not any(alive(pid) for pid in found), "its end")

    run(play())


def test_a_program_that_cannot_be_started_is_down(tmp_path: Path) -> None:
    for wrong in (tmp_path / "nothing", tmp_path):
        with pytest.raises(CarrierDown, match="cannot be started"):
            carried(program(str(wrong)))


def test_an_address_never_becomes_an_option() -> None:
    end = carried(program("{local}", code="pass"), "-rf@x.test")[0]
    assert (end.result, end.status) == (Result.REFUSED, "5.1.3")
    given = Template("--for={local}").as_argument(parcel(), Addressee(0, "-rf@x.test"))
    assert given == "--for=-rf"


def test_not_more_programs_run_at_once_than_are_allowed(tmp_path: Path) -> None:
    code = (
        "import os, sys, time, pathlib; here = pathlib.Path(sys.argv[1]); mine = here / str(os.getpid());"
        "mine.touch(); time.sleep(0.2); print(len(list(here.iterdir()))); mine.unlink()"
    )

    async def play() -> None:
        pipe = Pipe("p", [Template(text) for text in (sys.executable, "-Ic", code, str(tmp_path))], at_once=2)
        ends = await asyncio.gather(*(pipe.carry(parcel()) for _ in range(6)))
        assert max(int(end[0].reply) for end in ends) <= 2

    run(play())
    assert os.listdir(tmp_path) == []


@given(st.binary(max_size=200))
def test_the_fuzz_target_runs_on_anything(data: bytes) -> None:
    carriers_answers.test_one_input(data)
