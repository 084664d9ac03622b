"""Running the tests of a policy: files `test_*.py` beside or below it, plain functions that are given a `PolicyLab`."""

from __future__ import annotations

import inspect
import itertools
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError
from danelaw.scripting.examining.checkup import test_files
from danelaw.scripting.loading import load
from danelaw.testing import assertions
from danelaw.testing.coverage import FileCovered, HookCovered, LineWatch, hooks_covered, percent
from danelaw.testing.policylab import PolicyLab

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.scripting.running import Called

WATCHED_FACTOR = 20.0
"""How much longer a hook may work while its lines are watched."""
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Result:
    """One test: `passed`, or what went wrong in words, at which place. `remarks` are hooks that failed meanwhile."""

    file: str
    name: str
    seconds: float
    wrong: str = ""
    place: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing went wrong."""
        return not self.wrong


@dataclass(slots=True)
class Report:
    """All tests of a policy. `files` and `hooks` say what of it they reached; `files` is empty where lines were not
    watched.
    """

    version: str
    results: list[Result] = field(default_factory=list)
    files: tuple[FileCovered, ...] = ()
    hooks: tuple[HookCovered, ...] = ()

    @property
    def failed(self) -> list[Result]:
        """Those in which something went wrong."""
        return [one for one in self.results if not one.passed]

    @property
    def lines_percent(self) -> float:
        """The part of all lines that ran."""
        lines = sum(one.lines for one in self.files)
        return percent(lines - sum(len(one.missing) for one in self.files), lines)

    @property
    def hooks_asked(self) -> int:
        """How many hooks were asked at least once."""
        return sum(one.asked > 0 for one in self.hooks)


def run_tests(
    directory: Path, config: Config | None = None, *, chosen: str = "", coverage: bool = True,
    told: Callable[[Result], None] = lambda result: None,
) -> Report:  # fmt: skip
    """Run the tests whose `file::name` contains `chosen`, each in a lab of its own with the policy loaded anew; `told`
    hears of each at once.

    Raises `PolicyError` for a policy that cannot be loaded.
    """
    directory = directory.resolve()
    watch = LineWatch(directory) if coverage else None
    with watch or nullcontext():
        policy = load(directory)
        report = Report(policy.version)
        calls: list[Called] = []
        for path in test_files(directory):
            for result in _of_file(path, directory, config, chosen, calls, coverage):
                report.results.append(result)
                told(result)
    report.files = () if watch is None else watch.covered()
    report.hooks = hooks_covered(policy.hooks, calls)
    return report


def _of_file(
    path: Path, directory: Path, config: Config | None, chosen: str, calls: list[Called], coverage: bool
) -> Iterator[Result]:
    file = path.relative_to(directory).as_posix()
    try:
        module = _module(path)
    except Exception as error:  # whatever a test file does when it is read
        yield Result(file, "", 0.0, f"it cannot be read: {_words(error)}", _place(error, path))
        return
    for name, test in _tests(module):
        if chosen in f"{file}::{name}":
            yield _run(path, file, name, test, PolicyLab(directory, config), calls, coverage)


def _module(path: Path) -> ModuleType:
    """A test file as a module that is in nobody's way. Its folder is searched for what it imports meanwhile."""
    module = ModuleType(f"danelaw_policy_tests_{next(_numbers)}_{path.stem}")
    module.__file__ = str(path)
    vars(module)[assertions.SAID] = assertions.said
    before, written = list(sys.path), sys.dont_write_bytecode
    sys.path.insert(0, str(path.parent))
    sys.dont_write_bytecode = True
    try:
        exec(assertions.compiled(path.read_bytes(), str(path)), vars(module))
    finally:
        sys.path[:] = before
        sys.dont_write_bytecode = written
    return module


def _tests(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The tests of a module, in the order in which they stand there."""
    for name, found in vars(module).items():
        if name.startswith("test_") and inspect.isfunction(found) and found.__module__ == module.__name__:
            yield name, found


def _run(
    path: Path, file: str, name: str, test: Callable[..., Any], lab: PolicyLab, calls: list[Called], coverage: bool
) -> Result:
    lab.budget_factor = WATCHED_FACTOR if coverage else 1.0
    started = time.perf_counter()
    wrong, place = "", ""
    try:
        with lab:
            test(**_arguments(test, lab))
            if missing := lab.missing:
                wrong = f"the test does not say what is answered to {'; '.join(dict.fromkeys(missing))}"
                place = f"{file}:{test.__code__.co_firstlineno}"
    except Exception as error:
        wrong, place = _words(error), _place(error, path)
    calls += lab.calls
    remarks = tuple(dict.fromkeys(f"{one.point} {one.hook} failed: {one.reason}" for one in lab.failures))
    return Result(file, name, time.perf_counter() - started, wrong, place, remarks)


def _arguments(test: Callable[..., Any], lab: PolicyLab) -> dict[str, Any]:
    if inspect.iscoroutinefunction(test):
        raise DanelawError("a test is a plain function: def, not async def", advice="lab.run(…) runs a coroutine")
    names = list(inspect.signature(test).parameters)
    if names not in ([], ["lab"]):
        raise DanelawError(f"a test has one argument, lab, and not {', '.join(names)}")
    return dict.fromkeys(names, lab)


def _words(error: Exception) -> str:
    if isinstance(error, AssertionError):
        return str(error) or "an assertion does not hold"
    words = error.reason if isinstance(error, DanelawError) else str(error)
    return f"{type(error).__name__}: {words}".removesuffix(": ")


def _place(error: Exception, path: Path) -> str:
    """The innermost line of the test file where it went wrong."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{path.name}:{error.lineno}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == str(path):
            return f"{path.name}:{frame.lineno}"
    return path.name
