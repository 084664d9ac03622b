"""The command line as a whole: overview, loading when used, errors without tracebacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import click
import pytest

import danelaw
import danelaw.cli.frame
from danelaw.cli import danelaw as root
from danelaw.cli import main
from danelaw.cli.frame import COMMANDS
from danelaw.errors import DanelawError


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int | str | None, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(args))
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


def test_the_overview_groups_commands_by_job(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--help")
    assert status == 0
    assert [line for line in out.splitlines() if line in ("Run:", "Look:", "Change:", "Test:")] == [
        "Run:",
        "Look:",
        "Change:",
        "Test:",
    ]
    assert all(f"  {name}" in out for name in COMMANDS)


def test_the_overview_loads_nothing_heavy(repository: Path) -> None:
    code = (
        "import sys; from danelaw.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'pydantic', 'dns', 'cryptography', 'aiohttp', 'uvloop', 'rich', 'asyncio', 'danelaw.config'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(repository / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["sned"], "did you mean: danelaw send"),
        (["xyzzy"], "danelaw --help"),
        (["config", "chekc"], "No such command"),
        (["queue", "show"], "Missing argument"),
        (["config", "check", "--jsno"], "--json"),
    ],
)
def test_a_wrong_command_line_says_what_would_be_right(
    args: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(capsys, *args)
    assert status == 2
    assert words in err
    assert err.splitlines()[-1].startswith("next: danelaw")


def test_an_expected_failure_is_two_lines_and_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def failing() -> NoReturn:
        raise DanelawError("the spool is in use", advice="stop the other gateway")

    monkeypatch.setattr(danelaw.cli.frame.Commands, "get_command", lambda self, ctx, name: failing)
    status, _, err = run(capsys, "serve")
    assert status == 1
    assert err == "danelaw: the spool is in use\nnext: stop the other gateway\n"


def test_a_command_gives_its_exit_status(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def verdict() -> int:
        return 40

    monkeypatch.setattr(danelaw.cli.frame.Commands, "get_command", lambda self, ctx, name: verdict)
    assert run(capsys, "check")[0] == 40


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version")[1] == f"danelaw {danelaw.__version__}\n"


def test_unknown_names_are_no_commands() -> None:
    assert root.get_command(click.Context(root), "os.path") is None
