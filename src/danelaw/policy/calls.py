"""Calls of the library as JSON: what an isolated hook asks of the gateway, and what it is told.

    {"path": [["dns"], ["lookup", {"name": "example.org", "type": "MX"}]]}

A path begins with a part of `Library` and follows methods that give parts themselves to one that gives a value. The
interfaces in `danelaw.policy.library` are the whole truth: what they do not declare cannot be called, and arguments and
results are read by their declared types. So a part that is added there is at hand in isolated hooks too.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from danelaw.policy.forms import Form, WireError, form_of, hints_of
from danelaw.policy.library import Library

MOST_STEPS = 4


class Method(NamedTuple):
    """A declared method. `part` is the interface it gives, or None where it gives a value, whose form is `result`."""

    name: str
    signature: inspect.Signature
    arguments: dict[str, Form]
    result: Form | None
    part: type | None
    is_coroutine: bool


class Call(NamedTuple):
    """A method found by its path: call `function` with `arguments`."""

    method: Method
    function: Any
    arguments: dict[str, Any]


@cache
def parts() -> dict[str, Any]:
    """The parts of the library and the interface of each; those declared as anything at all are not at hand."""
    return {name: kind for name, kind in hints_of(Library).items() if _is_interface(kind)}


@cache
def methods(interface: type) -> dict[str, Method]:
    """The methods of an interface that can be called from outside the process."""
    found: dict[str, Method] = {}
    for name, function in inspect.getmembers(interface, inspect.isfunction):
        if name.startswith("_"):
            continue
        try:
            found[name] = _method(name, function)
        except TypeError:
            continue  # a form that cannot travel: callables, context managers
    return found


def _method(name: str, function: Any) -> Method:
    hints = hints_of(function)
    result = hints.pop("return", type(None))
    signature = inspect.signature(function)
    signature = signature.replace(parameters=tuple(signature.parameters.values())[1:])
    named = {one.name for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD}
    part = result if _is_interface(result) else None
    if part is not None and inspect.iscoroutinefunction(function):
        raise TypeError(f"{name} waits for a part")
    return Method(
        name,
        signature,
        {argument: form_of(hints[argument]) for argument in (named | hints.keys())},
        None if part is not None else form_of(result),
        part,
        inspect.iscoroutinefunction(function),
    )


def _is_interface(kind: Any) -> bool:
    return isinstance(kind, type) and getattr(kind, "_is_protocol", False)


def arguments_to_object(method: Method, positional: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by their names. Raises `TypeError` as the call itself would."""
    bound = method.signature.bind(*positional, **named).arguments
    for name, one in method.signature.parameters.items():
        if one.kind is one.VAR_KEYWORD:
            extra = bound.pop(name, {})
            clash = extra.keys() & (method.arguments.keys() - {name})
            if clash:
                raise TypeError(f"{method.name} cannot be given {min(clash)!r}")
            form = method.arguments[name]
            return _written(method, bound) | {key: form.write(value, None) for key, value in extra.items()}
    return _written(method, bound)


def _written(method: Method, bound: dict[str, Any]) -> dict[str, Any]:
    return {name: method.arguments[name].write(value, None) for name, value in bound.items()}


def find(library: Library, path: Any) -> Call:
    """What a path from outside leads to. Raises `WireError` for what is not declared; parts on the way are called."""
    if not isinstance(path, list) or not 2 <= len(path) <= MOST_STEPS:
        raise WireError("a call has a path")
    first, *rest = path
    name = first[0] if isinstance(first, list) and len(first) == 1 and isinstance(first[0], str) else ""
    interface = parts().get(name)
    if interface is None:
        raise WireError(f"the library has no {name!r:.60} that isolated hooks can use")
    here: Any = getattr(library, name)
    for at, step in enumerate(rest):
        method, arguments = _step(interface, step)
        is_last = at == len(rest) - 1
        if (method.part is None) is not is_last:
            raise WireError(f"the path of a call does not end at {method.name}")
        if method.part is None:
            return Call(method, getattr(here, method.name), arguments)
        here, interface = getattr(here, method.name)(**arguments), method.part
    raise WireError("a call has a path")


def _step(interface: type, step: Any) -> tuple[Method, dict[str, Any]]:
    if not isinstance(step, list) or len(step) != 2 or not isinstance(step[0], str) or not isinstance(step[1], dict):
        raise WireError("a step of a call is a name and its arguments")
    method = methods(interface).get(step[0])
    if method is None:
        raise WireError(f"there is no {step[0]!r:.60} that isolated hooks can call")
    return method, _read_arguments(method, step[1])


def _read_arguments(method: Method, written: dict[str, Any]) -> dict[str, Any]:
    rest = next((one.name for one in method.signature.parameters.values() if one.kind is one.VAR_KEYWORD), None)
    found = {}
    for name, value in written.items():
        form = method.arguments.get(name if name != rest else "") or (method.arguments[rest] if rest else None)
        if form is None:
            raise WireError(f"{method.name} has no argument {name!r:.60}")
        found[name] = form.read(value, name, None)
    try:
        method.signature.bind(**found)
    except TypeError as error:
        raise WireError(f"{method.name}: {error}") from None
    return found


def names(interfaces: Iterable[type]) -> list[str]:
    """All names that can be called, for documentation and tests."""
    return [f"{interface.__name__}.{name}" for interface in interfaces for name in methods(interface)]
