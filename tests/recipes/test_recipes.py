"""All recipes together: each is described and tested, none has a fault that `policy check` finds."""

from __future__ import annotations

import re

import pytest
from tests.recipes.kitchen import NAMES, RECIPES

from danelaw.scripting.examining.examination import examine

PAGE = (RECIPES / "README.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_short_described_and_tested(name: str) -> None:
    tests = "".join(path.read_text() for path in sorted((RECIPES.parent / "tests" / "recipes").glob("test_*.py")))
    assert f"def test_{name.replace('-', '_')}(" in tests
    assert f"({name}/)" in PAGE
    for path in RECIPES.joinpath(name).rglob("*.*"):
        assert path.suffix in (".toml", ".py")
        assert 3 <= len([line for line in path.read_text().splitlines() if line.strip()]) <= 70


def test_the_page_names_no_recipe_that_there_is_not() -> None:
    assert set(re.findall(r"\]\(([a-z-]+)/\)", PAGE)) == set(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if (RECIPES / name / "policy").is_dir()])
def test_policy_check_has_nothing_to_say(name: str) -> None:
    found = examine(RECIPES / name / "policy", types=True)
    assert found.problems == ()
    assert found.types_checked
