"""How the supervisor saves shared state: a forked child writes the file, since a disk may be slow and the supervisor
has no thread. The child has the state of the moment it was forked at.
"""

from __future__ import annotations

import gc
import os
import resource
import time
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError
from danelaw.gateway.frames import encode
from danelaw.gateway.shared_file import SAVE_SECONDS, load, save, sweep
from danelaw.gateway.shared_service import SharedService
from danelaw.gateway.switchboard import SUPERVISOR
from danelaw.shared import Store, lines

if TYPE_CHECKING:
    import socket

    from danelaw.config import Config
    from danelaw.gateway.children import Child, Nursery
    from danelaw.gateway.switchboard import Switchboard
    from danelaw.telemetry import Log

_NAME = "shared-state-"


class SharedKeeping:
    """Shared state in the supervisor. Call `look` in each turn, `service.work` whenever it wakes, `ended` for every
    child that has ended, and `save_now` at the end. `lock` is the spool's, which no child may keep.
    """

    def __init__(
        self, config: Config, nursery: Nursery, switchboard: Switchboard, lock: int, log: Log, inherited: dict[str, Any]
    ) -> None:
        """`inherited` has as `shared` what `service.state` gave in the program before this one; without it, what was
        saved last is loaded.
        """
        before = inherited.get("shared")
        self._directory = config.spool.directory
        self._nursery = nursery
        self._lock = lock
        found = self._inherited(before, log) if before else None
        if found is None:
            sweep(self._directory)
            loaded = load(self._directory, config.server.shared_state, log)
            self.service = SharedService(loaded, time.monotonic)
        else:
            self.service = found
        self.service.attach(switchboard)
        switchboard.services["shared-state-unsaved"] = self._unsaved
        # What was handed on may be newer than the file.
        self._saved = -1 if found is not None else self.service.store.changes
        self._saving = self._saved
        self._due = time.monotonic() + SAVE_SECONDS
        self._number = 0
        self._why = ""

    @staticmethod
    def _inherited(before: dict[str, Any], log: Log) -> SharedService | None:
        service = SharedService(Store(), time.monotonic)
        try:
            service.restore(before)
        except (DanelawError, KeyError, TypeError, ValueError) as error:
            # The program before this one may have been another version; the file is for all of them.
            log.error("shared-state-damaged", reason=f"what was handed on makes no sense: {error}")
            return None
        return service

    def look(self, now: float, config: Config, *, resting: bool) -> None:
        """Save what has changed, when it is time and no child is at it. While `resting`, no semaphore is lent."""
        self.service.store.closed = resting
        self.service.store.budget.most = config.server.shared_state
        if now < self._due or self.service.store.changes == self._saved:
            return
        if any(child.name.startswith(_NAME) for child in self._nursery.children.values()):
            return
        self._due, self._saving = now + SAVE_SECONDS, self.service.store.changes
        self._number += 1
        self._nursery.fork(f"{_NAME}{self._number}", 0, self._in_child, (self._lock,))

    def ended(self, child: Child, status: int, log: Log) -> None:
        """A child has ended; any."""
        if not child.name.startswith(_NAME):
            return
        if status == 0:
            self._saved = self._saving
            return
        log.error(
            "shared-state-unsaved", reason=self._why or f"the process that writes it ended with {status}",
            advice="look at the disk of the spool; it is tried again",
        )  # fmt: skip
        self._why = ""

    def save_now(self, log: Log) -> None:
        """Save what has changed since the last time, in this process."""
        if self.service.store.changes == self._saved:
            return
        try:
            save(self._directory, lines(self.service.store, time.monotonic(), time.time()))
        except OSError as error:
            log.error("shared-state-unsaved", reason=error.strerror or str(error))

    def _in_child(self, end: socket.socket) -> int:
        # A garbage collection would copy all memory that is shared with the supervisor.
        gc.disable()
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        os.closerange(3, end.fileno())
        os.closerange(end.fileno() + 1, most)
        try:
            save(self._directory, lines(self.service.store, time.monotonic(), time.time()))
        except OSError as error:
            why = f"{error.filename or self._directory}: {error.strerror}"
            end.sendall(encode({"to": SUPERVISOR, "op": "shared-state-unsaved", "args": {"reason": why}}))
            return 1
        return 0

    def _unsaved(self, sender: str, args: dict[str, object]) -> None:
        self._why = str(args.get("reason"))
