"""Which hook is being asked about which message, for whatever it calls: its log lines name both, and a trace has its
calls.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple

MOST_CALLS = 200
"""Calls of one hook that a trace keeps."""


class LibraryCall(NamedTuple):
    """One call of the library: `dns.lookup`, its arguments and its result in short, and how long it took. `failed`
    where it raised; then `result` says what.
    """

    name: str
    arguments: str
    result: str
    seconds: float
    failed: bool = False


@dataclass(slots=True)
class Calling:
    """A hook at work. `message` is the id of its message, empty before there is one; `calls` are what it called, None
    where nobody wants to know.
    """

    hook: str
    message: str = ""
    calls: list[LibraryCall] | None = None

    def add(self, call: LibraryCall) -> None:
        """One more call, within limits."""
        if self.calls is not None and len(self.calls) < MOST_CALLS:
            self.calls.append(call)


CALLING: ContextVar[Calling | None] = ContextVar("danelaw_policy_calling", default=None)
"""The hook at work in this context. It is set anew by every call of a hook and never reset: the call may go on in a
task whose context is another.
"""
