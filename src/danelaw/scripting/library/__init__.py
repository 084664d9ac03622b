"""The library that scripts are given as `ctx.library`, over the gateway's own parts.

Every call is bounded in time and size, waits without holding the event loop up, and raises `LibraryError` when there is
no answer. What it does is shielded from the guard (`call`): a script that overruns its time is stopped in its own code,
never with a connection of the gateway half used. What a hook called is kept for traces where somebody wants to know.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from danelaw.scripting.library.assemble import Means, OpenLibrary, open_library

__all__ = ["Means", "OpenLibrary", "open_library"]


def __getattr__(name: str) -> Any:
    # An isolated worker needs the forms of calls and none of the gateway's parts, which take a second to import.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("danelaw.scripting.library.assemble"), name)
