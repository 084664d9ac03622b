"""mypy finds each of a list of sample mistakes in policies, and nothing in a policy that has none."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from danelaw.policy import POINTS
from danelaw.scripting.examining.examination import has_mypy, type_problems
from danelaw.scripting.examining.problems import Problem
from danelaw.scripting.examining.typing_errors import problems_of

SAMPLES = Path(__file__).parent / "typing_samples"
pytestmark = pytest.mark.skipif(not has_mypy(), reason="mypy is not installed")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Problem]:
    place = tmp_path_factory.mktemp("typing")
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(place / "cache")
    (place / "policy").mkdir()
    for name in ("mistakes", "everything"):
        (place / "policy" / f"{name}.py").write_text((SAMPLES / f"{name}.py").read_text())
    try:
        problems, why = type_problems(place / "policy")
    finally:
        os.environ.pop("XDG_CACHE_HOME")
        if before is not None:
            os.environ["XDG_CACHE_HOME"] = before
    assert not why
    return problems


def expected() -> dict[int, set[str]]:
    """Lines of the sample and the kinds that must be found there."""
    lines = (SAMPLES / "mistakes.py").read_text().splitlines()
    said = {number: re.search(r"# error: ([a-z, -]+)$", line) for number, line in enumerate(lines, 1)}
    return {number: set(match[1].split(", ")) for number, match in said.items() if match is not None}


def errors(found: list[Problem]) -> dict[int, set[str]]:
    """What was found in the sample, by line."""
    by_line: dict[int, set[str]] = {}
    for one in found:
        if one.file == "mistakes.py" and one.severity == "error":
            by_line.setdefault(one.line, set()).add(one.kind)
    return by_line


@pytest.mark.timeout(300)
def test_each_mistake_is_found_at_its_line_and_nothing_else(found: list[Problem]) -> None:
    wanted, got = expected(), errors(found)
    assert len(wanted) >= 40
    assert {
        line: kinds - got.get(line, set()) for line, kinds in wanted.items() if not kinds <= got.get(line, set())
    } == {}
    assert got.keys() <= wanted.keys()


@pytest.mark.timeout(300)
def test_nothing_is_found_where_nothing_is_wrong(found: list[Problem]) -> None:
    assert [one for one in found if one.file == "everything.py"] == []


def test_the_faultless_sample_has_a_hook_for_every_step() -> None:
    text = (SAMPLES / "everything.py").read_text()
    assert all(f"@hook.{point}" in text for point in POINTS)


def test_what_mypy_says_becomes_problems_of_the_policy() -> None:
    said = (
        'policy/a/b.py:3: error: "X" has no attribute "y"  [attr-defined]\n'
        "policy/a/b.py:3: note: Did you mean z?\n"
        "policy/c.py:1: error: Function is missing a type annotation  [no-untyped-def]\n"
        "something else\n"
    )
    assert problems_of(said, "policy", Path("/tmp/x/policy")) == [
        Problem("a/b.py", 3, "attr-defined", '"X" has no attribute "y"', "error", "Did you mean z?"),
        Problem("c.py", 1, "no-untyped-def", "Function is missing a type annotation", "warning"),
    ]
