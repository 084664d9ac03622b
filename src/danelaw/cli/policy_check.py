"""`danelaw policy check`: every mistake in a policy, with its line, before it judges mail."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.cli.output import Output
    from danelaw.scripting.examining.examination import Examined


@click.command()
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--no-types", is_flag=True, help="Leave types out, which take the longest.")
@click.option("--no-tests", is_flag=True, help="Leave the policy's own tests out.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@config_option
@output_options
@click.pass_context
def command(
    context: click.Context,
    directory: Path | None,
    no_types: bool,
    no_tests: bool,
    strict: bool,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Find all mistakes in a policy (DIRECTORY, otherwise [policy] directory): syntax, hooks that cannot be, unknown
    names and arguments, types (mypy --strict, where mypy is installed), what would hold up all mail, and failing tests.

    It is loaded in a process of its own. Exit status: 0 no errors, 1 errors (with --strict warnings too), 2 wrong
    command line.
    """
    folder = directory or configured(config_file)
    checked = examine(folder, types=not no_types)
    tests = None if no_tests or checked.errors else tested(folder)
    failed = bool(checked.errors) or (strict and bool(checked.warnings)) or (tests is not None and not tests[0])
    out = output(ascii_only)
    if as_json:
        out.json(
            {
                "directory": str(folder),
                "version": checked.version,
                "hooks": [{"step": step, "hook": name, "place": place} for step, name, place in checked.hooks],
                "problems": [one.to_object() for one in checked.problems],
                "types_checked": checked.types_checked,
                "tests": None if tests is None else {"passed": tests[0], "said": tests[1]},
            }
        )
    else:
        _show(out, folder, checked, tests, failed)
    context.exit(1 if failed else 0)


def examine(directory: Path, *, types: bool = True) -> Examined:
    """Examine a policy. Raises `DanelawError` for a directory that is none."""
    from danelaw.scripting.examining.examination import examine

    if not directory.is_dir():
        raise DanelawError(f"{directory} is no directory", advice="make it, or correct [policy] directory")
    return examine(directory, types=types)


def without_errors(directory: Path, *, types: bool = True) -> None:
    """Examine a policy that is to judge mail. Raises `PolicyError` for one with errors."""
    from danelaw.scripting import PolicyError

    errors = examine(directory, types=types).errors
    if errors:
        many = "an error" if len(errors) == 1 else f"{len(errors)} errors"
        raise PolicyError(
            f"{directory} has {many}: {errors[0].place}: {errors[0].text}" + (" …" if len(errors) > 1 else ""),
            advice=f"danelaw policy check {directory}",
        )


def tested(directory: Path) -> tuple[bool, str] | None:
    """Whether the policy's own tests pass, and what came of them in one line; None where there are none, or nothing
    here that runs them.
    """
    from danelaw.scripting.examining.checkup import test_files

    if not test_files(directory) or importlib.util.find_spec("danelaw.cli.policy_test") is None:
        return None
    from click.testing import CliRunner

    test: Any = importlib.import_module("danelaw.cli.policy_test").command
    result = CliRunner().invoke(test, [str(directory), "--json"])
    try:
        found = json.loads(result.output)
    except ValueError:
        return False, str(result.exception or result.output)
    return (bool(found["passed"]), str(found["said"])) if found["tests"] else None


def configured(config_file: Path | None) -> Path:
    """The folder that the configuration names. Raises `ConfigError`, `DanelawError` where it names none."""
    folder = load_config(config_file).policy.directory
    if folder is None:
        raise DanelawError("the configuration names no [policy] directory", advice="danelaw policy check DIRECTORY")
    return folder


def _show(out: Output, folder: Path, checked: Examined, tests: tuple[bool, str] | None, failed: bool) -> None:
    from danelaw.cli.output import Symbol

    errors, warnings = len(checked.errors), len(checked.warnings)
    rows = [
        (
            Symbol.STOPPED if one.severity == "error" else Symbol.ENCRYPTED,
            (one.place, one.kind, one.text + (f"   write: {one.advice}" if one.advice else "")),
        )
        for one in checked.problems
    ]
    words = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)} in {folder}"
    if checked.version is not None:
        words += f", version {checked.version}"
    out.headline(Symbol.STOPPED if failed else Symbol.VERIFIED, words + ".")
    if rows:
        out.table(rows, heads=("PLACE", "KIND", "WHAT"))
    out.line(f"  HOOKS  {_hooks(checked)}")
    out.line(f"  TYPES  {'checked by mypy --strict' if checked.types_checked else checked.why_no_types or 'not asked'}")
    out.line(f"  TESTS  {_tests(checked, tests)}")
    out.next(f"danelaw policy check {folder}" if failed else "danelaw policy stage --for 10%")


def _hooks(checked: Examined) -> str:
    if checked.version is None:
        return "cannot be loaded"
    return ", ".join(f"{step} {name}" for step, name, _ in checked.hooks) or "none: this policy does nothing"


def _tests(checked: Examined, tests: tuple[bool, str] | None) -> str:
    if tests is None:
        return "not run while there are errors" if checked.errors else "none run"
    return f"{'passed' if tests[0] else 'FAILED'}: {tests[1]}"
