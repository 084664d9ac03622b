"""`danelaw policy test`: the policy's own tests, without network, disk and clock."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import load_config, output, output_options
from danelaw.cli.policy_check import configured

if TYPE_CHECKING:
    from danelaw.cli.output import Output
    from danelaw.testing.policytests import Report, Result


@click.command()
@click.argument("directory", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-k", "chosen", default="", metavar="TEXT", help="Only tests whose file::name contains TEXT.")
@click.option("-v", "--verbose", is_flag=True, help="Name the tests that passed, too.")
@click.option("--no-coverage", is_flag=True, help="Do not watch which lines run.")
@click.option(
    "--fail-under", type=click.FloatRange(0, 100), metavar="PERCENT", help="Exit with 1 where fewer lines ran."
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Rules, domains and limits; otherwise those of a gateway for example.org.",
)
@output_options
@click.pass_context
def command(
    context: click.Context,
    directory: Path | None,
    chosen: str,
    verbose: bool,
    no_coverage: bool,
    fail_under: float | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Run the tests of a policy (DIRECTORY, otherwise [policy] directory): functions test_… in files test_*.py.

    Each is given a PolicyLab (danelaw.testing): a gateway in memory, whose SMTP, rules and deliveries are the real
    ones. Exit status: 0 all passed, 1 some did not, or there are none, or too few lines ran, 2 wrong command line.
    """
    from danelaw.testing.policytests import run_tests

    if no_coverage and fail_under is not None:
        raise click.UsageError("--fail-under needs coverage")
    config = None if config_file is None else load_config(config_file)
    folder = directory or configured(config_file)
    out = output(ascii_only)

    def told(result: Result) -> None:
        if not as_json:
            _show_result(out, result, verbose)

    report = run_tests(folder, config, chosen=chosen, coverage=not no_coverage, told=told)
    too_few = fail_under is not None and report.lines_percent < fail_under
    failed = bool(report.failed) or not report.results or too_few
    if as_json:
        out.json(_object(folder, report, not failed))
    else:
        _show(out, folder, report, failed, fail_under if too_few else None)
    context.exit(1 if failed else 0)


def _show_result(out: Output, result: Result, verbose: bool) -> None:
    from danelaw.cli.output import Symbol

    if result.passed and not verbose and not result.remarks:
        return
    name = f"{result.file}::{result.name}" if result.name else result.file
    out.headline(Symbol.VERIFIED if result.passed else Symbol.STOPPED, name)
    if not result.passed:
        out.paragraph(f"{result.place}: {result.wrong}", indent=4)
    for remark in result.remarks:
        out.paragraph(remark, indent=4)


def _show(out: Output, folder: Path, report: Report, failed: bool, wanted: float | None) -> None:
    from danelaw.cli.output import Symbol

    if report.hooks:
        rows = [
            (Symbol.VERIFIED if one.asked else Symbol.CLEAR, (one.point, one.name, str(one.asked), _said(one.said)))
            for one in report.hooks
        ]
        out.table(rows, heads=("STEP", "HOOK", "ASKED", "SAID"))
    if report.files:
        lines = [
            (
                Symbol.CLEAR if one.missing else Symbol.VERIFIED,
                (one.name, str(one.lines), f"{one.percent:.0f} %", one.missing_words),
            )
            for one in report.files
        ]
        out.table(lines, heads=("FILE", "LINES", "RAN", "NEVER RAN"))
    if wanted is not None:
        out.line(f"  {report.lines_percent:.0f} % of the lines ran, and {wanted:g} % are asked for.")
    out.headline(Symbol.STOPPED if failed else Symbol.VERIFIED, _summary(report))
    out.next(f"danelaw policy test {folder} -v" if failed else "danelaw policy stage --for 10%")


def _summary(report: Report) -> str:
    if not report.results:
        return "no test was found: write functions test_…(lab) into files test_*.py of the policy"
    count, failed = len(report.results), len(report.failed)
    words = f"{count - failed} of {count} tests passed" if failed else f"{count} test{'s' * (count != 1)} passed"
    words += f"; {report.hooks_asked} of {len(report.hooks)} hooks were asked"
    return words + (f"; {report.lines_percent:.0f} % of the lines ran" if report.files else "")


def _said(said: dict[str, int]) -> str:
    if not said:
        return "never asked"
    return ", ".join(f"{word} {count}" for word, count in sorted(said.items()))


def _object(folder: Path, report: Report, passed: bool) -> dict[str, Any]:
    return {
        "directory": str(folder),
        "version": report.version,
        "passed": passed,
        "said": _summary(report),
        "tests": [dataclasses.asdict(one) | {"passed": one.passed} for one in report.results],
        "hooks": [dataclasses.asdict(one) | {"asked": one.asked} for one in report.hooks],
        "files": [dataclasses.asdict(one) | {"percent": round(one.percent, 1)} for one in report.files],
        "lines_percent": round(report.lines_percent, 1) if report.files else None,
    }
