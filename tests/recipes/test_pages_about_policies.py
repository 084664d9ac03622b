"""What the pages about policies show can be used as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from danelaw.config import loads
from danelaw.policy import POINTS
from danelaw.scripting import load
from danelaw.scripting.examining.examination import examine
from danelaw.testing.policytests import run_tests

DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(len(blocks("coming-from.md", "python"))))
def test_our_side_of_each_comparison_can_be_used(tmp_path: Path, number: int) -> None:
    (tmp_path / "ours.py").write_text(blocks("coming-from.md", "python")[number])
    assert load(tmp_path).hooks
    assert examine(tmp_path, types=False).errors == ()


@pytest.mark.parametrize("page", ["coming-from.md", "policy-tutorial.md"])
def test_each_piece_of_configuration_can_be_used(page: str) -> None:
    found = blocks(page, "toml")
    assert found
    for text in found:
        loads(text if "hostname =" in text else f'hostname = "mx.example.org"\n{text}')


def test_the_tutorial_ends_with_a_policy_that_passes_its_own_tests(tmp_path: Path) -> None:
    for text in blocks("policy-tutorial.md", "python"):
        name = re.match(r"# policy/(\S+)\n", text)
        assert name is not None
        (tmp_path / name[1]).parent.mkdir(exist_ok=True)
        (tmp_path / name[1]).write_text(text)
    assert examine(tmp_path, types=False).problems == ()
    assert {hook.name for hook in load(tmp_path).hooks} == {"closed", "strangers", "not_too_many"}
    results = run_tests(tmp_path, coverage=False).results
    assert [one.passed for one in results] == [True, True]


def test_every_hook_has_somebody_who_comes_from_elsewhere() -> None:
    page = (DOCS / "coming-from.md").read_text()
    assert all(name in page for name in POINTS if name not in ("timer", "report"))


def test_pages_link_to_pages_that_there_are() -> None:
    for page in ("policy.md", "policy-tutorial.md", "policy-which.md", "coming-from.md", "../recipes/README.md"):
        path = DOCS / page
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / link).exists(), f"{page}: {link}"
