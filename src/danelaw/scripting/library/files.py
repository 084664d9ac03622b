"""File types and archives for scripts, in a few threads: unpacking must not hold the event loop up."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from danelaw.filetypes import examine
from danelaw.policy import FileFacts, LibraryError
from danelaw.scripting.driving import in_task
from danelaw.scripting.library.call import library_call

SECONDS = 10.0
_AT_ONCE = 2
_AT_ONCE_UP_TO = 4096
"""Octets that cost less to look at than a thread does."""


class FileExaminer:
    """`policy.library.Files`."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="files")

    @library_call("files.examine")
    async def examine(self, octets: bytes, filename: str = "") -> FileFacts:
        """What they are and hold, within limits."""
        if len(octets) <= _AT_ONCE_UP_TO and not octets.startswith((b"PK", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
            return examine(octets, filename)
        await in_task()
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.get_running_loop().run_in_executor(self._threads, examine, octets, filename)
        except TimeoutError:
            raise LibraryError(f"a file could not be looked at within {self._seconds:g} s") from None

    async def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
