"""docs/policy-library.md: what scripts can call, from the docstrings of its interfaces."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

from danelaw.policy import answers, cached, library, state
from danelaw.policy.cached import CachedFunction

INTRODUCTION = """\
# What policy scripts can call

Made by `make docs` from `danelaw.policy.library`. All of it hangs on the context of a hook: `ctx.library.dns`.
`danelaw policy test` and tests of your own give the same from plain data (`danelaw.testing.library.FakeLibrary`).

Every call waits without holding anybody else up, within a time limit, and raises `LibraryError` when it cannot say: no
answer is never an empty answer. A hook that lets the error pass defers the mail, or does what its `on_failure` says. A
script that has worked too long is stopped in its own code, never in the middle of a call.
"""
_SPACES = ("Counter", "Rate", "Set", "Value", "Semaphore", "Held", "Taken")


def page() -> str:
    """The text of the page."""
    lines = [INTRODUCTION]
    for name, interface in parts():
        lines += [f"## `ctx.library.{name}`", "", *_prose(interface), ""]
        for method in methods(interface):
            lines += _method(f"ctx.library.{name}.{method}", getattr(interface, method))
        if interface is state.State:
            for kind in _SPACES:
                lines += _space(kind, getattr(state, kind))
    lines += ["## `@cached`", "", *_rendered((inspect.getmodule(CachedFunction) or cached).__doc__ or ""), ""]
    lines += _method("cached", cached)
    lines += ["## What calls give", ""]
    for name in sorted(answers.__all__):
        lines += _value(name, getattr(answers, name))
    return "\n".join(lines).rstrip() + "\n"


def parts() -> Iterator[tuple[str, Any]]:
    """The parts of the library by name, with their interfaces."""
    hints = get_type_hints(library.Library)
    for field in dataclasses.fields(library.Library):
        yield field.name, hints[field.name]


def methods(interface: Any) -> list[str]:
    """The public methods of an interface, in order."""
    return [name for name, value in vars(interface).items() if inspect.isfunction(value) and not name.startswith("_")]


def _method(title: str, function: Any) -> list[str]:
    signature = inspect.signature(function)
    kept = [one for name, one in signature.parameters.items() if name != "self"]
    shown = _unquoted(str(signature.replace(parameters=kept)))
    called = title.rpartition(".")[2]
    verb = "await " if inspect.iscoroutinefunction(function) else ""
    return [f"### `{title}`", "", "```python", f"{verb}{called}{shown}", "```", "", *_prose(function), ""]


def _space(name: str, interface: Any) -> list[str]:
    lines = [f"### `{name}`", "", *_prose(interface), ""]
    for method in methods(interface):
        function = getattr(interface, method)
        parameters = [one for name, one in inspect.signature(function).parameters.items() if name != "self"]
        shown = _unquoted(str(inspect.signature(function).replace(parameters=parameters)))
        text = " ".join((inspect.getdoc(function) or "").split())
        lines.append(f"- `await {method}{shown}`: {text}")
    return [*lines, ""]


def _value(name: str, value: Any) -> list[str]:
    if not isinstance(value, type):
        return []
    lines = [f"### `{name}`", "", *_prose(value), ""]
    if dataclasses.is_dataclass(value):
        lines += [f"- `{field.name}: {field.type}`" for field in dataclasses.fields(value)]
        more = [key for key, one in vars(value).items() if isinstance(one, property) or inspect.isfunction(one)]
        lines += [f"- `{key}`: {_first(getattr(value, key))}" for key in more if not key.startswith("_")]
        lines.append("")
    return lines


def _first(value: Any) -> str:
    return " ".join((inspect.getdoc(value) or "").split())


def _unquoted(signature: str) -> str:
    """Annotations without the quotes that `from __future__ import annotations` gives them."""
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", signature)


def _prose(value: Any) -> list[str]:
    return _rendered(dedented(value.__doc__ or ""))


def dedented(text: str) -> str:
    """A docstring without the indentation of its last line; `inspect.getdoc` would take an example's away too where
    nothing else is indented.
    """
    first, *rest = text.splitlines()
    depth = len(rest[-1]) if rest and not rest[-1].strip() else 0
    return "\n".join([first, *(line[depth:] for line in rest)]).rstrip()


def _rendered(text: str) -> list[str]:
    """A docstring with what is indented as Python."""
    found: list[str] = []
    for block in re.split(r"\n\n(?=\S)|\n\n(?=    )", text):
        if block.startswith("    "):
            found += ["```python", inspect.cleandoc(block), "```", ""]
        else:
            found += [block, ""]
    return found[:-1]
