"""A policy as mypy is to see it, and what it says as problems with the policy's own files and lines."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from danelaw.scripting.examining.problems import Problem, Severity
from danelaw.scripting.loading import policy_files

CACHE = "danelaw/mypy"
_PACKAGE = "policy"
_LINE = re.compile(r"(?P<file>[^:\n]+):(?P<line>\d+): (?P<kind>error|note): (?P<text>.*?)(?:  \[(?P<code>[a-z-]+)\])?")
# A policy may be written without annotations: what is only left out is worth a word, and stops nobody.
_LEFT_OUT = frozenset(
    {"no-untyped-def", "no-untyped-call", "type-arg", "no-any-return", "no-any-unimported", "import-untyped",
     "var-annotated", "untyped-decorator", "unused-ignore", "misc-note"}
)  # fmt: skip


def prepared(directory: Path, place: Path) -> tuple[str, Path]:
    """Copy the policy's Python files below `place`, as the package that the gateway makes of them; gives its name and
    path.
    """
    root = place / _PACKAGE
    root.mkdir()
    for path in policy_files(directory):
        if path.suffix in (".py", ".pyi"):
            target = root / path.relative_to(directory)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    for folder in (root, *(one for one in root.rglob("*") if one.is_dir())):
        (folder / "__init__.py").touch()
    return _PACKAGE, root


def problems_of(output: str, package: str, root: Path) -> list[Problem]:
    """What mypy printed. Notes belong to the error before them, as advice."""
    found: list[Problem] = []
    for line in output.splitlines():
        said = _LINE.fullmatch(line)
        if said is None:
            continue
        file = said["file"].removeprefix(f"{package}/").removeprefix(f"{root}/")
        if said["kind"] == "note":
            if found and found[-1].line == int(said["line"]) and not found[-1].advice:
                last = found[-1]
                found[-1] = Problem(last.file, last.line, last.kind, last.text, last.severity, said["text"])
            continue
        code = said["code"] or "types"
        severity: Severity = "warning" if code in _LEFT_OUT else "error"
        found.append(Problem(file, int(said["line"]), code, said["text"], severity))
    return found
