"""Rules on the documentation: nothing a user can set, type or measure goes undescribed."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import tomllib
from pathlib import Path

import click
import pytest
from source_tree import ROOT, docs_text

import danelaw.policy as danelaw_policy
from danelaw.cli import danelaw
from danelaw.cli.frame import COMMANDS
from danelaw.config.schema import SMALLEST, tables
from danelaw.policy import POINTS, answers, state
from danelaw.scripting import load
from danelaw.scripting.examining.examination import examine
from danelaw.telemetry import Metrics
from tools import generate_docs, policy_library, policy_reference, standards
from tools.policy_examples import EXAMPLES


def _present() -> list[str]:
    return [name for name in COMMANDS if importlib.util.find_spec(f"danelaw.cli.{name}") is not None]


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_is_documented(verb: str) -> None:
    assert f"`danelaw {verb}" in docs_text() or f"\ndanelaw {verb}" in docs_text()
    table = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("## Installing")[0]
    assert f"`danelaw {verb}" in table, "the table of commands by job"


def test_every_page_is_led_to() -> None:
    pages = {path.relative_to(ROOT / "docs").as_posix(): path for path in (ROOT / "docs").rglob("*.md")}
    texts = {ROOT / "README.md": (ROOT / "README.md").read_text("utf-8")}
    texts |= {path: path.read_text("utf-8") for path in pages.values()}
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    orphans = [
        name
        for name, path in pages.items()
        if not any(name in text for where, text in texts.items() if where != path) and f"docs/{name}" not in sources
    ]
    assert orphans == []


@pytest.mark.parametrize("verb", _present())
def test_every_command_explains_itself_and_its_options(verb: str) -> None:
    command = danelaw.get_command(click.Context(danelaw), verb)
    assert isinstance(command, click.Command)
    pending = [command]
    while pending:
        current = pending.pop()
        assert current.help, current.name
        undescribed = [p.name for p in current.params if isinstance(p, click.Option) and not p.help]
        assert not undescribed, current.name
        if isinstance(current, click.Group):
            pending.extend(current.commands.values())


def test_every_setting_has_type_meaning_and_example() -> None:
    reference = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    for table in tables():
        assert not table.heading or f"## `{table.heading}`" in reference
        for key in table.keys:
            assert key.meaning, (table.heading, key.name)
            assert key.example, (table.heading, key.name)
            assert key.kind != "value", (table.heading, key.name)
            assert f"| `{key.name}` |" in reference, f"{table.heading} {key.name}: make docs"


def test_smallest_configuration_is_small() -> None:
    assert len([line for line in SMALLEST.splitlines() if line.strip()]) <= 8


def test_schema_is_published() -> None:
    published = json.loads((ROOT / "docs" / "danelaw.schema.json").read_text("utf-8"))
    assert published["properties"].keys() >= {"hostname", "listen", "relay", "domain"}


def test_every_metric_is_documented() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    for instrument in Metrics().instruments():
        assert f"`{instrument.name}" in page, f"{instrument.name}: make docs"
        assert instrument.meaning


def test_every_cited_rfc_has_its_title() -> None:
    described = standards.standards()
    missing = {number: sorted(set().union(*sections.values())) for number, sections in standards.citations().items()}
    assert not {number: where for number, where in missing.items() if not described.get(number, {}).get("title")}, (
        "add the RFC to docs/standards.toml"
    )


def test_standards_described_by_section_name_tests_that_are_there() -> None:
    found = [told for entry in standards.standards().values() for told in entry.get("section", {}).values()]
    assert found
    for told in found:
        assert told["tests"]
        for test in told["tests"]:
            path, _, name = test.partition("::")
            assert name in (standards.ROOT / path).read_text(), test


def test_standards_page_lists_every_cited_section() -> None:
    page = standards.page()
    for number, sections in standards.citations().items():
        row = next(line for line in page.splitlines() if line.startswith(f"| [{number}]"))
        assert all(f"§{section}" in row for section in sections if section)


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["dev"]
    names = {generate_docs.distribution(requirement) for requirement in wanted}
    assert set(project["tool"]["danelaw"]["dependencies"]) == names


def _library_calls() -> list[tuple[str, str, str]]:
    return [
        (part, name, policy_library.dedented(getattr(interface, name).__doc__ or ""))
        for part, interface in policy_library.parts()
        for name in policy_library.methods(interface)
    ]


@pytest.mark.parametrize(("part", "name", "text"), _library_calls(), ids=lambda value: value[:12])
def test_every_call_of_the_library_says_what_it_raises_and_has_an_example(part: str, name: str, text: str) -> None:
    page = (ROOT / "docs" / "policy-library.md").read_text("utf-8")
    assert f"### `ctx.library.{part}.{name}`" in page, "make docs"
    assert "Raises" in text
    assert "\n\n    " in text, "the example is not indented"
    assert f"ctx.library.{part}.{name}(" in text


def test_every_public_name_that_calls_give_is_on_the_page() -> None:
    page = (ROOT / "docs" / "policy-library.md").read_text("utf-8")
    names = [name for name in answers.__all__ if isinstance(getattr(answers, name), type)]
    assert len(names) > 6
    assert not [
        name for name in (*names, *state.__all__) if name not in ("Mode", "State") and f"### `{name}`" not in page
    ]


def test_everything_a_policy_can_use_is_explained() -> None:
    assert not list(policy_reference.undescribed())


def test_the_reference_has_every_hook_field_verdict_and_setting_of_policies() -> None:
    page = (ROOT / "docs" / "policy.md").read_text("utf-8")
    for name, point in POINTS.items():
        section = page.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        assert section, f"{name}: make docs"
        assert all(f"| `{one.name}` |" in section for one in dataclasses.fields(point.context)), name
        assert all(f"`{kind.__name__}`" in section for kind in point.verdicts), name
        assert all(f"\n### {kind.__name__}\n" in page for kind in point.verdicts), name


@pytest.mark.parametrize("name", POINTS)
def test_the_example_of_each_hook_can_be_used(name: str, tmp_path: Path) -> None:
    imported = "from danelaw.policy import " + ", ".join(sorted(danelaw_policy.__all__))
    (tmp_path / "example.py").write_text(f"{imported}\n{EXAMPLES[name]}")
    policy = load(tmp_path)
    assert [hook.point for hook in policy.hooks] == [name]
    assert [one for one in examine(tmp_path, types=False).problems if one.severity == "error"] == []
