"""Write the pages of docs/ that are made from the source: `generate_docs.py`, or `--check` to compare only.

To add a page, add a line to `PAGES`: its path and the function that gives its text.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

PAGES: dict[str, str] = {
    "docs/configuration.md": "danelaw.config.schema:reference",
    "docs/danelaw.schema.json": "danelaw.config.schema:json_schema_text",
    "docs/metrics.md": "danelaw.telemetry.metrics:reference",
    "docs/commands.md": "tools.generate_docs:commands",
    "docs/dependencies.md": "tools.generate_docs:dependencies",
    "docs/standards.md": "tools.standards:page",
    "docs/decision-table.md": "danelaw.tlspolicy.table:page",
    "docs/lab.md": "danelaw.lab.coverage:reference",
    "docs/openapi.json": "danelaw.safety.openapi:document_text",
    "docs/policy.md": "tools.policy_reference:page",
    "docs/policy-library.md": "tools.policy_library:page",
}


def commands() -> str:
    """docs/commands.md: the help of every command."""
    import click

    from danelaw.cli import danelaw
    from danelaw.cli.frame import COMMANDS

    lines = [
        "# Commands",
        "",
        "The help of every command, as `danelaw COMMAND --help` prints it. Made by `make docs`. Exit status: 0 done,",
        "1 could not be done (the reason and the next step are printed), 2 wrong command line; others are named.",
        "",
    ]

    def describe(command: click.Command, name: str) -> None:
        context = click.Context(command, info_name=name, max_content_width=100, terminal_width=100)
        lines.extend([f"{'#' * (name.count(' ') + 1)} {name}", "", "```", command.get_help(context), "```", ""])
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                found = command.get_command(context, inner)
                if found is not None and not found.hidden:
                    describe(found, f"{name} {inner}")

    root = click.Context(danelaw, info_name="danelaw")
    for name in COMMANDS:
        if importlib.util.find_spec(f"danelaw.cli.{name}") is None:
            continue
        command = danelaw.get_command(root, name)
        assert command is not None
        describe(command, f"danelaw {name}")
    return "\n".join(lines)


def dependencies() -> str:
    """docs/dependencies.md: every dependency and why it is there, from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    reasons = project["tool"]["danelaw"]["dependencies"]
    lines = [
        "# Dependencies",
        "",
        "Made by `make docs` from `pyproject.toml`. Exact versions with hashes are in `requirements.lock` and",
        "`requirements-dev.lock`, which plain pip installs: `pip install --require-hashes -r requirements.lock`.",
        "",
    ]
    groups = {
        "At run time": project["project"]["dependencies"],
        "For development and tests": project["project"]["optional-dependencies"]["dev"],
    }
    for title, requirements in groups.items():
        lines += [f"## {title}", "", "| Package | Why |", "|---|---|"]
        lines += [f"| {name} | {reasons.get(name, '')} |" for name in map(distribution, requirements)]
        lines.append("")
    lines += [
        "## Own, though libraries exist",
        "",
        "SMTP server and client (bytes in, events out, no sockets), DNSSEC validation (chains, denial of existence,",
        "work limits), DANE and MTA-STS, the log, the queue. This program is trusted for these, and existing ones",
        "either mix protocol with sockets or leave out what must be decided.",
    ]
    return "\n".join(lines) + "\n"


def distribution(requirement: str) -> str:
    """The name in a requirement such as `click>=8.1`."""
    end = next((i for i, c in enumerate(requirement) if not (c.isalnum() or c in "-_.")), len(requirement))
    return requirement[:end]


def text_of(source: str) -> str:
    """Call `module:function`."""
    module, _, name = source.partition(":")
    function: Callable[[], str] = getattr(importlib.import_module(module), name)
    assert inspect.isfunction(function)
    return function()


def stale() -> list[str]:
    """Pages whose text in the tree is not what the source gives."""
    return [path for path, source in PAGES.items() if _written(ROOT / path) != text_of(source)]


def _written(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


def main(arguments: list[str]) -> int:
    """Write the pages, or say which are stale."""
    if arguments == ["--check"]:
        old = stale()
        for path in old:
            print(f"{path} is not what the source gives; next: make docs")
        return 1 if old else 0
    for path, source in PAGES.items():
        text = text_of(source)
        if _written(ROOT / path) != text:
            (ROOT / path).write_text(text, "utf-8")
            print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
