"""The library that scripts are given as `ctx.library`, over the gateway's own parts.

Every call is bounded in time and size, waits without holding the event loop up, and raises `LibraryError` when there is
no answer. What it does is shielded from the guard (`call`): a script that overruns its time is stopped in its own code,
never with a connection of the gateway half used. What a hook called is kept for traces where somebody wants to know.
"""

from danelaw.scripting.library.assemble import Means, OpenLibrary, open_library

__all__ = ["Means", "OpenLibrary", "open_library"]
