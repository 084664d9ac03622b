"""Assertions of policy tests say what they found: `fate.verdict == "held"` alone would not tell what the verdict was.

A test file is compiled with its assertions rewritten: both sides of a comparison are kept, and shown when it fails.
Nothing is evaluated twice.
"""

from __future__ import annotations

import ast
from types import CodeType
from typing import Any

SAID = "_danelaw_said"
_LEFT, _RIGHT = "_danelaw_left", "_danelaw_right"
_MOST = 300
_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}


class _Telling(ast.NodeTransformer):
    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        """An assertion without words of its own gets some."""
        if node.msg is not None:
            return node
        words = ast.Constant(ast.unparse(node.test)[:_MOST])
        test = node.test
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            left, right = test.left, test.comparators[0]
            test.left = ast.NamedExpr(ast.Name(_LEFT, ast.Store()), left)
            test.comparators = [ast.NamedExpr(ast.Name(_RIGHT, ast.Store()), right)]
            sides = [
                ast.Constant(ast.unparse(one)[:_MOST]) if not isinstance(one, ast.Constant) else ast.Constant("")
                for one in (left, right)
            ]
            values: list[ast.expr] = [ast.Name(_LEFT, ast.Load()), ast.Name(_RIGHT, ast.Load())]
            operator = ast.Constant(_OPERATORS[type(test.ops[0])])
            node.msg = ast.Call(ast.Name(SAID, ast.Load()), [operator, *sides, *values], [])
        else:
            node.msg = words
        return node


def compiled(source: bytes, name: str) -> CodeType:
    """A test file, ready to run. Raises `SyntaxError`, `ValueError`."""
    tree = ast.fix_missing_locations(_Telling().visit(ast.parse(source, filename=name)))
    code = compile(tree, name, "exec", dont_inherit=True)
    assert isinstance(code, CodeType)
    return code


def said(operator: str, left_text: str, right_text: str, left: Any, right: Any) -> str:
    """What a comparison found: `fate.verdict is 'accepted'; 'held' was expected`."""
    if operator == "==" and not right_text:
        return f"{left_text} is {_short(left)}; {_short(right)} was expected"
    parts = [f"{left_text or _short(left)} {operator} {right_text or _short(right)} does not hold"]
    parts += [f"{text} is {_short(value)}" for text, value in ((left_text, left), (right_text, right)) if text]
    return "; ".join(parts)


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:  # a test must be told what failed, whatever else does
        return f"<{type(value).__name__} without a repr: {type(error).__name__}>"
    return text if len(text) <= _MOST else text[:_MOST] + "…"
