"""Finds, in the text of a policy alone, the mistakes that matter: what would hold all mail up, be lost, or never act.

Pure: a syntax tree in, problems out. Types and names of other libraries are mypy's matter; what is found here is what
it cannot know (that `time.sleep` stops all mail), or what must be found without it.
"""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Iterator
from dataclasses import fields

from danelaw import policy
from danelaw.policy import POINTS, Library
from danelaw.scripting.examining.lint_calls import calls_that_harm, missing_awaits
from danelaw.scripting.examining.lint_flow import flow_problems
from danelaw.scripting.examining.problems import Problem, in_order

Function = ast.FunctionDef | ast.AsyncFunctionDef


def lint(tree: ast.Module, file: str) -> tuple[Problem, ...]:
    """What is wrong in one file of a policy, in the order of its lines."""
    found: list[Problem] = []
    names = imported(tree)
    for function in functions(tree):
        found += calls_that_harm(function, names, file)
        found += missing_awaits(function, file)
        found += flow_problems(function, point_of(function), names, file)
        found += _context_attributes(function, names, file)
    found += _policy_calls(tree, names, file)
    found += _misplaced_tests(tree, file)
    return in_order(found)


def lint_tests(tree: ast.Module, file: str) -> tuple[Problem, ...]:
    """What is wrong in one file of tests: tests that never run, or two of one name."""
    found, seen = [], dict[str, int]()
    for node in tree.body:
        if not isinstance(node, Function):
            continue
        if node.name in seen:
            text = f"{node.name} stands in line {seen[node.name]} too; only this one runs"
            found.append(Problem(file, node.lineno, "test", text))
        seen[node.name] = node.lineno
    if not any(name.startswith("test_") for name in seen) and not any(
        isinstance(node, ast.ClassDef) and node.name.startswith("Test") for node in tree.body
    ):
        text = "no function in this file is a test; the name of a test begins with test_"
        found.append(Problem(file, 1, "test", text, "warning"))
    return in_order(found)


def imported(tree: ast.Module) -> dict[str, str]:
    """What names of the file stand for, by whole path: `sleep` for `time.sleep`, `policy` for `danelaw.policy`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                names[one.asname or one.name.partition(".")[0]] = one.name if one.asname else one.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for one in node.names:
                if one.name == "*" and node.module == "danelaw.policy":
                    names.update({name: f"danelaw.policy.{name}" for name in policy.__all__})
                else:
                    names[one.asname or one.name] = f"{node.module}.{one.name}"
    return names


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function, those within others too."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def point_of(function: Function) -> str | None:
    """The step a function is a hook of, by its decorator."""
    for decorator in function.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(target, ast.Attribute) and target.attr in POINTS:
            words = ast.unparse(target).split(".")
            if len(words) >= 2 and words[-2] == "hook":
                return target.attr
    return None


def _context_attributes(function: Function, names: dict[str, str], file: str) -> Iterator[Problem]:
    """`ctx.recipiant` in a hook, or in a function whose argument is declared to be a context."""
    for name, context in _contexts(function, names):
        known = {one.name for one in fields(context)} | {one for one in dir(context) if not one.startswith("_")}
        settable = {one.name for one in fields(context)}
        for node in ast.walk(function):
            if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name):
                continue
            if node.attr not in known:
                near = difflib.get_close_matches(node.attr, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                text = f"{context.__name__} has no {node.attr}{hint}"
                yield Problem(file, node.lineno, "name", text)
            elif isinstance(node.ctx, ast.Store) and node.attr not in settable:
                yield Problem(file, node.lineno, "name", f"{node.attr} of {context.__name__} cannot be set")
        for node in ast.walk(function):
            chain = _library_chain(node, name)
            if isinstance(node, ast.Attribute) and chain is not None and not _in_library(*chain):
                yield Problem(file, node.lineno, "name", f"the library has no {'.'.join(chain)}")


def _contexts(function: Function, names: dict[str, str]) -> Iterator[tuple[str, type]]:
    arguments = [*function.args.posonlyargs, *function.args.args]
    point = point_of(function)
    if point is not None and arguments:
        yield arguments[0].arg, POINTS[point].context
        return
    for one in arguments:
        path = names.get(one.annotation.id, "") if isinstance(one.annotation, ast.Name) else ""
        found = getattr(policy, path.removeprefix("danelaw.policy."), None) if path else None
        if isinstance(found, type) and issubclass(found, policy.Context):
            yield one.arg, found


def _library_chain(node: ast.AST, name: str) -> tuple[str, ...] | None:
    """(`dns`, `lookup`) for `ctx.library.dns.lookup`."""
    words: list[str] = []
    while isinstance(node, ast.Attribute):
        words.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id != name or len(words) < 2 or words[-1] != "library":
        return None
    return tuple(reversed(words[:-1]))[:2]


def _in_library(part: str, method: str = "") -> bool:
    hints = inspect.get_annotations(Library)
    if part not in hints:
        return False
    kind = getattr(inspect.getmodule(Library), str(hints[part]), None)
    return not method or not isinstance(kind, type) or hasattr(kind, method)


def _policy_calls(tree: ast.Module, names: dict[str, str], file: str) -> Iterator[Problem]:
    """`Reject(kode=550)`: verdicts and values of ours made with arguments they do not have."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        path = names.get(node.func.id, "")
        made = (
            getattr(policy, path.removeprefix("danelaw.policy."), None) if path.startswith("danelaw.policy.") else None
        )
        if not isinstance(made, type) or any(isinstance(one, ast.Starred) for one in node.args):
            continue
        if any(one.arg is None for one in node.keywords):
            continue
        try:
            inspect.signature(made).bind(*node.args, **{str(one.arg): one.value for one in node.keywords})
        except TypeError as error:
            yield Problem(file, node.lineno, "call", f"{node.func.id}(): {error}")
        except ValueError:
            continue  # it has no signature to compare with


def _misplaced_tests(tree: ast.Module, file: str) -> Iterator[Problem]:
    for node in tree.body:
        if isinstance(node, Function) and node.name.startswith("test_") and point_of(node) is None:
            text = f"{node.name} is never run as a test here"
            yield Problem(file, node.lineno, "test", text, "warning", "put it into tests/test_NAME.py")
