"""How one of several workers takes connections from a listening socket that all of them share.

One connection per turn of the event loop, and only while this worker is not busier than the least busy one: a worker
that took whatever waits would leave the others idle, and put every client behind one commit.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

_AGAIN_SECONDS = 0.005
_EXHAUSTED_SECONDS = 0.2
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
SLACK = 2
"""So many clients more than the least loaded worker are no reason to stand back."""


class Acceptor:
    """Serves a copy of the descriptor of `listening`; `may_accept` is asked before each connection."""

    def __init__(
        self, listening: socket.socket, factory: Callable[[], asyncio.Protocol], may_accept: Callable[[], bool]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = listening.dup()
        self._factory = factory
        self._may_accept = may_accept
        self._tasks: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket.fileno(), self._readable)

    @property
    def arriving(self) -> int:
        """Connections accepted that have no protocol yet."""
        return len(self._tasks)

    def close(self) -> None:
        """Accept nothing more; what was accepted goes on. The socket itself stays open in the supervisor."""
        if self._socket.fileno() < 0:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    async def settled(self) -> None:
        """Returns once every accepted connection has its protocol."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    def _readable(self) -> None:
        if not self._may_accept():
            self._pause(_AGAIN_SECONDS)
            return
        try:
            connection, _ = self._socket.accept()
        except OSError as error:
            # Another worker was quicker, or the client is gone again; without descriptors the loop must not spin.
            if error.errno in _EXHAUSTED:
                self._pause(_EXHAUSTED_SECONDS)
            return
        connection.setblocking(False)
        task: asyncio.Task[object] = self._loop.create_task(self._begin(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _begin(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, connection)
        except OSError:
            connection.close()

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._timer = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        self._loop.add_reader(self._socket.fileno(), self._readable)
