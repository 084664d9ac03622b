"""The control process as the supervisor sees it: started, replaced on a reload, started again when it died."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from danelaw.gateway.desk import Desk
from danelaw.gateway.settings import log_of
from danelaw.gateway.worker import CONTROL

if TYPE_CHECKING:
    import socket

    from danelaw.config import Config
    from danelaw.gateway.children import Child, Nursery
    from danelaw.gateway.listeners import Listeners
    from danelaw.gateway.switchboard import Switchboard
    from danelaw.telemetry import Log

_AGAIN_SECONDS = 1.0
_FAREWELL_SECONDS = 5.0
_TICK_SECONDS = 0.1


class Front:
    """Keeps one control process. `number` is that of the last one, so that names never repeat; `lock` is the spool's,
    which no child may keep.
    """

    def __init__(self, nursery: Nursery, switchboard: Switchboard, log: Log, lock: int, number: int) -> None:
        self._nursery = nursery
        self._switchboard = switchboard
        self.log = log
        self._lock = lock
        self.number = number
        self._current: Child | None = None
        self._due = 0.0
        if number:
            switchboard.alias[CONTROL] = f"{CONTROL}-{number}"

    def look(self, config: Config, listeners: Listeners, now: float) -> None:
        """Start one where there is none."""
        if self._current is None and now >= self._due:
            self.replace(config, listeners)

    def replace(self, config: Config, listeners: Listeners) -> None:
        """Start one under this configuration; the one before ends once it has answered what it was asked."""
        self.number += 1
        name = f"{CONTROL}-{self.number}"
        addresses = listeners.addresses(config)

        def work(end: socket.socket) -> int:
            self.log.close()
            for socket_name, one in listeners.sockets.items():
                if socket_name.startswith("smtp "):
                    one.close()

            async def main() -> int:
                return await Desk(config, listeners, addresses, end, log_of(config)).run()

            return asyncio.run(main())

        self._current = self._nursery.fork(name, 0, work, (self._lock,))
        before, self._switchboard.alias[CONTROL] = self._switchboard.alias.get(CONTROL), name
        if before is not None:
            self._switchboard.tell(before, "retire")

    def ended(self, child: Child, status: int, now: float) -> None:
        """A control process is gone."""
        if child is self._current:
            self._current, self._due = None, now + _AGAIN_SECONDS
            self.log.error("control-died", pid=child.pid, reason=f"exit status {status}")

    def end(self) -> None:
        """The workers are gone, and so nothing is left to look at."""
        for child in self._nursery.children.values():
            self._switchboard.tell(child.name, "retire")
        deadline = time.monotonic() + _FAREWELL_SECONDS
        while self._nursery.children:
            self._nursery.wait(_TICK_SECONDS)
            self._nursery.reap()
            if time.monotonic() > deadline:
                for child in self._nursery.children.values():
                    self._nursery.kill(child)
