"""The library that scripts are given as `ctx.library`, over the gateway's own parts.

Every call is bounded in time and size, waits without holding the event loop up, and raises `LibraryError` when there is
no answer. What it does is shielded from the guard: a script that overruns its time is stopped in its own code.
"""

from danelaw.scripting.library.assemble import make_library

__all__ = ["make_library"]
