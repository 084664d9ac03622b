"""What isolated hooks can call, and what nobody outside can."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any, cast

import pytest

from danelaw.policy import Library, calls
from danelaw.policy.forms import WireError, hints_of


class Recorder:
    """A library that gives back what it was asked."""

    def __init__(self, *path: Any) -> None:
        self.path = path

    def __getattr__(self, name: str) -> Any:
        return lambda **arguments: Recorder(*self.path, (name, arguments))


LIBRARY = cast(Library, SimpleNamespace(**{name: Recorder(name) for name in calls.parts()}))
NOT_AT_HAND = {"Semaphore.acquire", "Semaphore.hold"}
"""Methods that give something to be held: a line cannot hold it."""


def _interfaces() -> dict[str, type]:
    found = dict(calls.parts())
    for kind in tuple(found.values()):
        found |= {method.name: method.part for method in calls.methods(kind).values() if method.part is not None}
    return found


def test_every_method_of_every_interface_is_at_hand_or_named_here() -> None:
    missing = set()
    for kind in _interfaces().values():
        declared = {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}
        missing |= {f"{kind.__name__}.{name}" for name in declared - calls.methods(kind).keys()}
    assert missing == NOT_AT_HAND
    assert set(hints_of(Library)) == set(calls.parts())


def test_a_call_finds_its_method_with_its_arguments() -> None:
    method = calls.methods(calls.parts()["dns"])["lookup"]
    step = ["lookup", calls.arguments_to_object(method, ("example.org",), {"type": "MX"})]
    found = calls.find(LIBRARY, [["dns"], step])
    assert found.function(**found.arguments).path == ("dns", ("lookup", {"name": "example.org", "type": "MX"}))


def test_a_call_goes_through_parts_that_methods_give() -> None:
    found = calls.find(LIBRARY, [["state"], ["counter", {"name": "n"}], ["add", {"key": "k", "by": 2}]])
    assert found.function(**found.arguments).path == (
        "state",
        ("counter", {"name": "n"}),
        ("add", {"key": "k", "by": 2}),
    )


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (None, "has a path"),
        ([], "has a path"),
        ([["dns"]], "has a path"),
        ([["os"], ["system", {"command": "x"}]], "has no 'os'"),
        ([["__class__"], ["mro", {}]], "has no '__class__'"),
        ([["dns"], ["_resolver", {}]], "no '_resolver'"),
        ([["dns"], ["__init__", {}]], "no '__init__'"),
        ([["dns"], ["lookup", {"name": 1, "type": "MX"}]], "name is a text"),
        ([["dns"], ["lookup", {"name": "x"}]], "type"),
        ([["dns"], ["lookup", {"name": "x", "type": "MX", "self": 1}]], "no argument 'self'"),
        ([["dns"], ["lookup", {"name": "x", "type": "MX"}], ["real", {}]], "does not end at lookup"),
        ([["state"], ["counter", {"name": "n"}]], "does not end at counter"),
        ([["dns"], "lookup"], "a name and its arguments"),
    ],
)
def test_what_is_not_declared_cannot_be_called(path: Any, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        calls.find(LIBRARY, path)
