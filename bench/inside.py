"""Counts what only the process itself knows, and writes it to a file every few seconds: tasks, objects, permits in use.

`begin(path)` in the process to be watched. Counting looks at every object the garbage collector knows, in a thread.
"""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from pathlib import Path

SECONDS = 5.0


def _count() -> dict[str, int]:
    found = {"tasks": 0, "permits": 0, "queues": 0, "objects": 0}
    for one in gc.get_objects():
        found["objects"] += 1
        kind = type(one)
        if isinstance(one, asyncio.Task):
            found["tasks"] += not one.done()
        elif kind.__module__ == "danelaw.queue.permits" and kind.__name__ == "_Account":
            found["permits"] += one.in_use
        elif kind.__name__ == "VirtualQueue":
            found["queues"] += 1
    return found


def begin(path: Path) -> None:
    """Count from now on."""

    def watch() -> None:
        while True:
            time.sleep(SECONDS)
            path.write_text(json.dumps(_count()))

    threading.Thread(target=watch, name="inside", daemon=True).start()
