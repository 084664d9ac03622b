"""Fuzz target: answers of hooks outside the process, and their calls of the library. Run with atheris, or feed
`test_one_input` yourself.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any, cast

from danelaw.errors import DanelawError
from danelaw.policy import Address, Client, Library, MessageContext, calls, wire
from danelaw.policy.contexts import AuthContext, Context
from danelaw.policy.forms import WireError
from danelaw.policy.mail import Mail
from danelaw.scripting.isolated.frames import FrameReader

_MESSAGE = b"From: a@example.org\r\nSubject: hello\r\n\r\nbody\r\n"


class _Anything:
    """A library in which every part is there and every method gives itself."""

    def __getattr__(self, name: str) -> Any:
        return lambda **arguments: self


def test_one_input(data: bytes) -> None:
    """An answer that can be carried out, or a `DanelawError`; the same for calls and frames."""
    with contextlib.suppress(WireError):
        FrameReader().receive(data)
    try:
        value = wire.from_octets(data, 1 << 20)
    except WireError:
        return
    for point, context in _contexts():
        _answered(point, context, value)
    _called(value)


def _answered(point: str, context: Context, value: Any) -> None:
    try:
        answer = wire.answer_from_object(point, value, wire.given_of(context))
        assert answer.verdict is None or type(answer.verdict) in wire.POINTS[point].verdicts
        wire.carry_out(answer, context)
    except DanelawError as error:
        assert error.reason


def _called(value: Any) -> None:
    library = cast(Library, _Library())
    try:
        call = calls.find(library, value.get("path") if isinstance(value, dict) else value)
    except DanelawError:
        return
    assert not call.method.name.startswith("_")


class _Library:
    def __getattr__(self, name: str) -> Any:
        return _Anything()


def _contexts() -> list[tuple[str, Context]]:
    common: dict[str, Any] = {"now": 1.0, "policy": "v", "library": _Library(), "client": Client("192.0.2.1", 25)}
    message = MessageContext(
        **common, reverse_path=Address("a@example.org"), id="1", mail=Mail(lambda: _MESSAGE),
        recipients=[Address("b@example.org")], size=len(_MESSAGE),
    )  # fmt: skip
    return [("end_of_data", message), ("auth", AuthContext(**common, mechanism="PLAIN", user="a"))]


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
