"""Examines a policy in a process of its own: `python -m danelaw.scripting.examining.checkup DIRECTORY` prints JSON.

It loads the files as the gateway would, so whatever they do at that moment they do here, and hurt nobody.
"""

from __future__ import annotations

import ast
import builtins
import dis
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType

from danelaw.scripting.errors import PolicyError
from danelaw.scripting.examining.linting import lint, lint_tests
from danelaw.scripting.examining.problems import Problem, in_order
from danelaw.scripting.guard import GUARD
from danelaw.scripting.loading import LoadedPolicy, load, modules_of, policy_files


def examined(directory: Path) -> tuple[tuple[Problem, ...], LoadedPolicy | None]:
    """All problems that can be found without types and tests, and the policy where it can be loaded."""
    try:
        files = [path for path in policy_files(directory) if path.suffix == ".py"]
    except PolicyError as error:
        return (Problem("", 0, "load", error.reason, "error", error.advice or ""),), None
    problems: list[Problem] = []
    for path in files:
        problems += _of_file(path, path.relative_to(directory).as_posix(), lint)
    for path in test_files(directory):
        problems += _of_file(path, path.relative_to(directory).as_posix(), lint_tests)
    if not files:
        problems.append(Problem("", 0, "load", f"there is no Python file in {directory}", "warning"))
    loaded = None
    if not any(one.kind == "syntax" for one in problems):
        try:
            loaded = load(directory)
            problems += _unknown_names(loaded)
        except PolicyError as error:
            problems.append(_from_loading(error))
    return in_order(problems), loaded


def test_files(directory: Path) -> list[Path]:
    """The files with tests of a policy."""
    return sorted({*directory.rglob("test_*.py")}) if directory.is_dir() else []


def _of_file(path: Path, name: str, look: Callable[[ast.Module, str], tuple[Problem, ...]]) -> Iterator[Problem]:
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
        compile(tree, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        yield Problem(name, getattr(error, "lineno", None) or 0, "syntax", str(getattr(error, "msg", error)))
    except (MemoryError, RecursionError):
        yield Problem(name, 0, "syntax", "it is nested too deep to be read")
    except OSError as error:
        yield Problem(name, 0, "load", f"it cannot be read: {error.strerror}")
    else:
        yield from look(tree, name)


def _from_loading(error: PolicyError) -> Problem:
    place, colon, text = error.reason.partition(": ")
    file, _, line = place.partition(":")
    if colon and file.endswith(".py"):
        kind = "declaration" if "Error: " not in text else "load"
        return Problem(file, int(line) if line.isdigit() else 0, kind, text, "error", error.advice or "")
    return Problem("", 0, "load", error.reason, "error", error.advice or "")


def _unknown_names(policy: LoadedPolicy) -> Iterator[Problem]:
    """Names that no hook or function would find when it is called."""
    for file, module in modules_of(policy).items():
        path = policy.directory / file
        known = vars(module).keys() | vars(builtins).keys()
        code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        for name, line in _global_names(code):
            if name not in known:
                yield Problem(file, line, "name", f"the name {name} is not defined")


def _global_names(code: CodeType, *, within: bool = False) -> Iterator[tuple[str, int]]:
    """Names that functions take from their module, with lines; those of the module's own text were found by loading."""
    if within:
        line = code.co_firstlineno
        for instruction in dis.get_instructions(code):
            line = instruction.starts_line or line
            if instruction.opname == "LOAD_GLOBAL":
                yield str(instruction.argval), line
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant, within=True)


def main(arguments: list[str]) -> int:
    """Print what was found as one JSON object, and nothing that the policy prints."""
    answer = os.dup(1)
    os.dup2(2, 1)
    with GUARD.installed():
        problems, loaded = examined(Path(arguments[0]).resolve())
    hooks = [] if loaded is None else [[one.point, one.name, one.place] for one in loaded.hooks]
    version = None if loaded is None else loaded.version
    found = {"version": version, "hooks": hooks, "problems": [one.to_object() for one in problems]}
    with os.fdopen(answer, "w") as out:
        out.write(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
