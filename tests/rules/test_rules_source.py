"""Rules on the source: sizes, names, who may grant a clearance, what may not be left behind."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
from source_tree import PACKAGE, ROOT, functions, modules, shown, tree

MOST_MODULE_LINES = 400
MOST_FUNCTION_LINES = 60
# Exceptions are listed here with their reason, or not at all.
LONG_MODULES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}

FORBIDDEN_WORDS = ("Manager", "Helper", "Util", "Utils")
FORBIDDEN_MODULES = ("utils", "util", "helpers", "helper", "common", "misc", "manager")


def test_modules_are_short() -> None:
    sizes = {shown(path): path.read_text("utf-8").count("\n") for path in modules()}
    long = {name: size for name, size in sizes.items() if size > MOST_MODULE_LINES and name not in LONG_MODULES}
    assert not long, f"more than {MOST_MODULE_LINES} lines: split them by idea"


def test_functions_fit_on_a_screen() -> None:
    long = {
        f"{shown(path)}:{node.name}": size
        for path in modules()
        for node in functions(path)
        if (size := (node.end_lineno or node.lineno) - node.lineno + 1) > MOST_FUNCTION_LINES
    }
    assert not {name: size for name, size in long.items() if name not in LONG_FUNCTIONS}


def test_exceptions_to_sizes_are_still_needed() -> None:
    assert all((PACKAGE / name).is_file() for name in LONG_MODULES)
    assert all((PACKAGE / name.partition(":")[0]).is_file() for name in LONG_FUNCTIONS)


def test_names_say_what_a_thing_is() -> None:
    words = re.compile("|".join(rf"(?:^|(?<=[a-z0-9_])){word}(?![a-z])" for word in FORBIDDEN_WORDS))
    bad = [
        f"{shown(path)}: {node.name}"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and words.search(node.name)
    ]
    bad += [
        shown(path) for path in modules() if path.stem in FORBIDDEN_MODULES or path.parent.name in FORBIDDEN_MODULES
    ]
    assert not bad, "name it after what it is or does"


def test_nothing_is_left_for_later() -> None:
    marks = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
    left = [
        f"{path.relative_to(ROOT)}:{number}"
        for top in ("src", "fuzz", "bench", "tools")
        for path in sorted((ROOT / top).rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if marks.search(line)
    ]
    assert not left


def _defines(path: Path, name: str) -> bool:
    return any(node.name == name for node in functions(path))


def _names_grant(path: Path) -> bool:
    for node in ast.walk(tree(path)):
        if (
            isinstance(node, ast.ImportFrom)
            and (node.module or "").startswith("danelaw.smtp")
            and any(alias.name in ("grant", "*") for alias in node.names)
        ):
            return True
        if isinstance(node, ast.Attribute) and node.attr == "grant":
            return True
    return False


def test_only_the_judge_grants_a_clearance() -> None:
    judges = {path for path in (PACKAGE / "tlspolicy").glob("*.py") if _defines(path, "judge")}
    assert len(judges) <= 1
    assert {shown(path) for path in modules() if _names_grant(path)} <= {shown(path) for path in judges}


def test_only_the_clearance_module_knows_the_seal() -> None:
    assert {shown(path) for path in modules() if "_SEAL" in path.read_text("utf-8")} <= {"smtp/clearance.py"}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_files_name_no_registry_and_hash_everything(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash)", text, re.MULTILINE)
    packages = re.findall(r"^([A-Za-z0-9_.-]+)==.*\\\n((?:    --hash=.*\n?)+)", text, re.MULTILINE)
    assert len(packages) == len(re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE)) > 0


def _rooms() -> list[str]:
    return sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


@pytest.mark.parametrize("room", _rooms())
def test_a_room_introduces_itself(room: str) -> None:
    package = importlib.import_module(f"danelaw.{room}")
    assert package.__doc__
    assert all(hasattr(package, name) for name in getattr(package, "__all__", ()))


def test_test_modules_have_unique_names() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
