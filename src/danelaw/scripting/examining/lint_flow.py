"""What a hook gives back, what it swallows, and what it remembers in the wrong place."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from danelaw import policy
from danelaw.policy import POINTS
from danelaw.scripting.examining.lint_calls import own_nodes
from danelaw.scripting.examining.problems import Problem

_VERDICTS = {kind for point in POINTS.values() for kind in point.verdicts}


def flow_problems(
    function: ast.FunctionDef | ast.AsyncFunctionDef, point: str | None, names: Mapping[str, str], file: str
) -> Iterator[Problem]:
    """Of one function; `point` is the step it is a hook of, None for any other."""
    yield from _excepts(function, file)
    yield from _globals(function, file)
    yield from _lost_verdicts(function, names, file)
    if point is not None:
        yield from _returns(function, point, names, file)


def _excepts(function: ast.AST, file: str) -> Iterator[Problem]:
    for node in own_nodes(function):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = "" if node.type is None else ast.unparse(node.type)
        if (node.type is None or "BaseException" in caught) and not _raises(node):
            text = f"except{f' {caught}' if caught else ''}: also catches what stops a hook that runs too long"
            yield Problem(file, node.lineno, "except", text, "error", "except LibraryError: or except Exception:")
        elif caught == "Exception" and all(isinstance(one, ast.Pass) for one in node.body):
            text = "every mistake is passed over in silence"
            yield Problem(file, node.lineno, "except", text, "warning", "catch LibraryError, or log what was caught")


def _raises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def _globals(function: ast.AST, file: str) -> Iterator[Problem]:
    for node in own_nodes(function):
        if isinstance(node, ast.Global):
            text = f"{', '.join(node.names)}: each worker has its own, and a restart forgets it"
            yield Problem(
                file, node.lineno, "state", text, "warning", "ctx.library.state, or ctx.notes for one message"
            )


def _lost_verdicts(function: ast.AST, names: Mapping[str, str], file: str) -> Iterator[Problem]:
    """`Reject("no")` in a line of its own, or raised."""
    for node in own_nodes(function):
        if isinstance(node, ast.Expr) and (made := _verdict(node.value, names)) is not None:
            yield Problem(
                file, node.lineno, "verdict", f"{made} is made and not returned", "error", f"return {made}(…)"
            )
        elif isinstance(node, ast.Raise) and node.exc is not None and (made := _verdict(node.exc, names)) is not None:
            yield Problem(
                file, node.lineno, "verdict", f"{made} is a value, nothing to raise", "error", f"return {made}(…)"
            )


def _returns(
    function: ast.FunctionDef | ast.AsyncFunctionDef, point: str, names: Mapping[str, str], file: str
) -> Iterator[Problem]:
    allowed = {kind.__name__ for kind in POINTS[point].verdicts}
    returns = [node for node in own_nodes(function) if isinstance(node, ast.Return) and node.value is not None]
    gives = False
    for node in returns:
        for value in _alternatives(node.value):
            if isinstance(value, ast.Constant):
                if value.value is not None:
                    text = f"{value.value!r} is no verdict of {point}"
                    yield Problem(file, node.lineno, "verdict", text, "error", _allowed(allowed))
                continue
            gives = True
            made = _verdict(value, names)
            if isinstance(value, ast.Name) and _is_verdict(value.id, names):
                text = f"{value.id} is returned without being made"
                yield Problem(file, node.lineno, "verdict", text, "error", f"return {value.id}()")
            elif made is not None and made not in allowed:
                text = f"{made} is no verdict of {point}"
                yield Problem(file, node.lineno, "verdict", text, "error", _allowed(allowed))
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in own_nodes(function)):
        yield Problem(
            file, function.lineno, "verdict", "a hook returns its verdict; it cannot yield", "error", "return"
        )
    elif not gives and allowed and not _acts(function):
        text = f"{function.name} gives no verdict and changes nothing"
        yield Problem(file, function.lineno, "verdict", text, "warning", _allowed(allowed))


def _alternatives(node: ast.AST | None) -> Iterator[ast.AST]:
    if isinstance(node, ast.IfExp):
        yield from _alternatives(node.body)
        yield from _alternatives(node.orelse)
    elif node is not None:
        yield node


def _acts(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether something in it may have an effect: a call, an assignment to something's attribute or item."""
    for node in own_nodes(function):
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            return True
        if isinstance(node, ast.Call | ast.Await | ast.Raise):
            return True
    return False


def _verdict(node: ast.AST, names: Mapping[str, str]) -> str | None:
    """The name of the verdict that a call makes."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and _is_verdict(node.func.id, names):
            return node.func.id
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            is_policy = names.get(node.func.value.id) == "danelaw.policy"
            return node.func.attr if is_policy and _kind(node.func.attr) in _VERDICTS else None
    return None


def _is_verdict(name: str, names: Mapping[str, str]) -> bool:
    path = names.get(name, "")
    return path.startswith("danelaw.policy.") and _kind(path.removeprefix("danelaw.policy.")) in _VERDICTS


def _kind(name: str) -> object:
    return getattr(policy, name, None)


def _allowed(names: set[str]) -> str:
    return f"None to go on, or {', '.join(sorted(names))}" if names else "nothing: it gives no verdict"
