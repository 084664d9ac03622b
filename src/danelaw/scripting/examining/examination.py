"""All that can be found out about a policy before it judges mail: its text, how it loads, its types, its tests.

Everything runs in other processes, with a limit of time each; a policy that is broken or hostile hurts only them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from danelaw.scripting.examining.problems import Problem, in_order
from danelaw.scripting.examining.typing_errors import CACHE, prepared, problems_of

LOAD_SECONDS = 30.0
TYPES_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found: the version the files would get, None where they cannot be loaded; the hooks as step, name and
    place; problems by file and line. `types_checked` is False where mypy is not installed or was not asked.
    """

    version: str | None
    hooks: tuple[tuple[str, str, str], ...]
    problems: tuple[Problem, ...]
    types_checked: bool = False
    why_no_types: str = ""

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Those that would go wrong."""
        return tuple(one for one in self.problems if one.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Those that may."""
        return tuple(one for one in self.problems if one.severity == "warning")


def examine(directory: Path, *, types: bool = True) -> Examined:
    """Examine the policy in a directory. Takes a second, and with `types` some more."""
    directory = directory.resolve()
    found = _looked_at(directory)
    if not types or any(one.kind == "syntax" for one in found.problems):
        return found
    if not has_mypy():
        why = "mypy is not installed: pip install mypy, into the environment danelaw runs in"
        return Examined(found.version, found.hooks, found.problems, False, why)
    problems, why = type_problems(directory)
    new = [one for one in problems if not _is_said(one, found.problems)]
    return Examined(found.version, found.hooks, in_order([*found.problems, *new]), not why, why)


def _is_said(one: Problem, already: Sequence[Problem]) -> bool:
    """Whether our own look at the text has found the same mistake."""
    return any((own.file, own.line) == (one.file, one.line) and one.kind in _SAME.get(own.kind, ()) for own in already)


_SAME = {
    "name": ("attr-defined", "name-defined"),
    "call": ("call-arg", "arg-type"),
    "await": ("unused-coroutine",),
    "verdict": ("return-value",),
}
"""Our kinds, and what mypy calls the same."""


def has_mypy() -> bool:
    """Whether types can be checked here."""
    return importlib.util.find_spec("mypy") is not None


def _looked_at(directory: Path) -> Examined:
    command = [sys.executable, "-P", "-m", "danelaw.scripting.examining.checkup", str(directory)]
    status, out, err = _run(command, LOAD_SECONDS)
    if status is None:
        problem = Problem("", 0, "load", f"the policy did not load within {LOAD_SECONDS:.0f} seconds")
        return Examined(None, (), (problem,))
    try:
        found = json.loads(out)
        problems = tuple(Problem.from_object(one) for one in found["problems"])
        hooks = tuple((str(one[0]), str(one[1]), str(one[2])) for one in found["hooks"])
    except (ValueError, KeyError, TypeError, IndexError):
        last = err.strip().splitlines()[-1:] or [f"exit status {status}"]
        text = f"the process that loaded it ended: {last[0][:300]}"
        return Examined(None, (), (Problem("", 0, "load", text),))
    return Examined(found["version"], hooks, problems)


def type_problems(directory: Path) -> tuple[list[Problem], str]:
    """What mypy alone finds in a policy; and why nothing is known, where it could not run."""
    with tempfile.TemporaryDirectory(prefix="danelaw-policy-") as place:
        package, lines = prepared(directory, Path(place))
        command = [
            sys.executable, "-P", "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context",
            "--no-color-output", "--show-error-codes", "--no-pretty", f"--config-file={os.devnull}",
            f"--cache-dir={_cache()}", "-p", package,
        ]  # fmt: skip
        status, out, err = _run(command, TYPES_SECONDS, place)
    if status is None:
        return [], f"mypy did not end within {TYPES_SECONDS:.0f} seconds"
    if status not in (0, 1):
        return [], f"mypy could not run: {(err or out).strip()[:300]}"
    return problems_of(out, package, lines), ""


def _cache() -> str:
    """Where mypy keeps what it knows of our types: the first run takes long."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, CACHE) if os.access(os.path.dirname(base) or "/", os.W_OK) else os.devnull


def _run(command: Sequence[str], seconds: float, place: str | None = None) -> tuple[int | None, str, str]:
    """Exit status (None: it took too long and was killed), standard output and error."""
    environment = {**os.environ, "MYPYPATH": place or "", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=place, env=environment, capture_output=True, timeout=seconds, check=False, text=True,
            errors="replace", stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, "", ""
    return done.returncode, done.stdout, done.stderr
