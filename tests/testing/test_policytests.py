"""`danelaw policy test` runs a policy's tests, says what went wrong, and which hooks and lines they reach."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from danelaw.cli import danelaw as danelaw_command
from danelaw.testing.assertions import SAID, compiled, said
from danelaw.testing.coverage import executable_lines
from danelaw.testing.policytests import run_tests

POLICY = """\
from danelaw.policy import Hold, MessageContext, RecipientContext, Reject, hook


@hook.rcpt_to
def closed(ctx: RecipientContext) -> Reject | None:
    if ctx.recipient == "old@example.org":
        return Reject("closed")
    return None


@hook.end_of_data
def words(ctx: MessageContext) -> Hold | None:
    if ctx.mail.subject == "hold":
        return Hold("look")
    return None
"""
TESTS = """
from danelaw.testing import PolicyLab
MAIL = "Subject: {}\\nFrom: a@sender.test\\n\\nx\\n"

def test_held(lab: PolicyLab) -> None:
    assert lab.send(MAIL.format("hold")).verdict == "held"

def test_closed(lab: PolicyLab) -> None:
    assert lab.send(MAIL.format("x"), to="old@example.org").reply.code == 550
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inbound.py").write_text(POLICY)
    return tmp_path


def put_tests(folder: Path, text: str, name: str = "test_inbound.py") -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(textwrap.dedent(text))


def test_passing_tests_reach_all_lines(folder: Path) -> None:
    put_tests(folder, TESTS)
    report = run_tests(folder)
    assert [(one.name, one.passed) for one in report.results] == [("test_held", True), ("test_closed", True)]
    (covered,) = report.files
    assert (covered.name, covered.missing) == ("inbound.py", (15,))
    assert {one.name: one.said for one in report.hooks} == {"closed": {"none": 1, "reject": 1}, "words": {"hold": 1}}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("assert 1 + 1 == 3", "1 + 1 is 2; 3 was expected"),
        ("x = [1]; assert 2 in x", "2 in x does not hold; x is [1]"),
        ("x, y = 1, 2; assert x > y", "x > y does not hold; x is 1; y is 2"),
        ("assert not lab", "not lab"),
        ("assert False, 'my own words'", "my own words"),
        ("raise KeyError('a')", "KeyError: 'a'"),
        ("lab.send(1)", "AttributeError: 'int' object has no attribute 'replace'"),
    ],
)
def test_what_went_wrong_is_said_with_its_line(folder: Path, body: str, words: str) -> None:
    put_tests(folder, f"def test_it(lab):\n    {body}\n")
    (result,) = run_tests(folder, coverage=False).results
    assert (result.wrong, result.place) == (words, "test_inbound.py:2")


def test_files_that_cannot_be_read_and_functions_that_are_no_tests_fail(folder: Path) -> None:
    put_tests(folder, "def broken(:\n", "test_a.py")
    put_tests(folder, "import nothing_of_that_name\n", "test_b.py")
    put_tests(
        folder, "async def test_c(lab): pass\ndef test_d(lab, other): pass\ndef test_e(): pass\n", "tests/test_c.py"
    )
    found = {one.file + one.name: one.wrong for one in run_tests(folder).results}
    assert "it cannot be read: SyntaxError" in found["test_a.py"]
    assert "ModuleNotFoundError" in found["test_b.py"]
    assert "def, not async def" in found["tests/test_c.pytest_c"]
    assert "lab, and not lab, other" in found["tests/test_c.pytest_d"]
    assert found["tests/test_c.pytest_e"] == ""


def test_what_a_test_does_not_declare_fails_it_even_where_the_script_goes_on(folder: Path) -> None:
    (folder / "look.py").write_text(
        "from danelaw.policy import *\n@hook.end_of_data\nasync def look(ctx: MessageContext) -> None:\n"
        "    try:\n        await ctx.library.http.get('https://a.test/')\n    except LibraryError:\n        pass\n"
    )
    put_tests(folder, TESTS)
    held, closed = run_tests(folder).results
    assert held.passed
    assert closed.passed
    put_tests(folder, TESTS.replace('format("hold")).verdict == "held"', 'format("go")).verdict == "accepted"'))
    assert "http: GET https://a.test/" in run_tests(folder).results[0].wrong


def test_failed_hooks_are_remarked_on(folder: Path) -> None:
    (folder / "bad.py").write_text(
        "from danelaw.policy import *\n@hook.end_of_data(order=-1)\ndef bad(ctx: MessageContext) -> None:\n    1 / 0\n"
    )
    put_tests(folder, TESTS.replace('"held"', '"deferred"'))
    held, _ = run_tests(folder).results
    assert held.passed
    assert held.remarks == ("end_of_data bad failed: bad.py:4: ZeroDivisionError: division by zero",)


def test_each_test_has_a_policy_of_its_own(folder: Path) -> None:
    (folder / "memory.py").write_text(
        "from danelaw.policy import *\nSEEN = []\n@hook.end_of_data(order=-1)\n"
        "def count(ctx: MessageContext) -> None:\n    SEEN.append(1)\n    ctx.notes['seen'] = len(SEEN)\n"
    )
    send = 'lab.send("Subject: x\\nFrom: a@sender.test\\n\\nx\\n").notes["seen"]'
    put_tests(folder, f"def test_a(lab):\n    assert {send} == 1\ndef test_b(lab):\n    assert {send} == 1\n")
    assert [one.wrong for one in run_tests(folder).results] == ["", ""]


def test_the_command_says_it_on_one_page_and_by_its_exit_status(folder: Path) -> None:
    put_tests(folder, TESTS)

    def page(*more: str) -> tuple[int, str]:
        result = CliRunner().invoke(danelaw_command, ["policy", "test", str(folder), *more])
        return result.exit_code, result.output

    status, text = page()
    assert status == 0
    assert "2 tests passed; 2 of 2 hooks were asked; 91 % of the lines ran" in text
    assert text.rstrip().endswith("next: danelaw policy stage --for 10%")
    assert page("--fail-under", "95")[0] == 1
    assert page("--fail-under", "50")[0] == 0
    status, text = page("-k", "closed", "--json")
    found = json.loads(text)
    assert (status, [one["name"] for one in found["tests"]], found["passed"]) == (0, ["test_closed"], True)
    assert page("-k", "nothing")[0] == 1
    assert "✕ test_inbound.py::test_held" not in page("-v")[1]
    put_tests(folder, TESTS.replace('"held"', '"accepted"'))
    status, text = page("--no-coverage")
    assert status == 1
    assert "lab.send(MAIL.format('hold')).verdict is 'held'; 'accepted' was expected" in text
    assert page("--no-coverage", "--fail-under", "1")[0] == 2


@given(st.one_of(st.integers(), st.text(), st.lists(st.integers())), st.integers())
def test_assertions_mean_the_same_when_they_tell(left: object, right: int) -> None:
    for operator in ("==", "!=", "is", "is not"):
        names = {"left": left, "right": right, SAID: said}
        source = f"assert left {operator} right"
        try:
            exec(source, dict(names))
        except AssertionError:
            with pytest.raises(AssertionError, match="left"):
                exec(compiled(source.encode(), "x"), dict(names))
        else:
            exec(compiled(source.encode(), "x"), dict(names))


def test_only_lines_that_can_run_count() -> None:
    source = b'"""Words."""\n\n# reasons\ndef f(a):\n    """More."""\n    if a:\n        return 1\n\n    return 2\n'
    assert executable_lines(source, "x") == {1, 4, 6, 7, 9}
