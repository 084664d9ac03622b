"""A running lab in a thread of its own, so that plain blocking clients can talk to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from lab_running import Running

from danelaw.lab import Lab


@pytest.fixture(scope="package")
def running() -> Iterator[Running]:
    """One lab for all tests of a process; tests use destinations of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="lab")
    thread.start()
    lab = Lab()
    try:
        asyncio.run_coroutine_threadsafe(lab.start(), loop).result(30)
        yield Running(lab, loop)
    finally:
        asyncio.run_coroutine_threadsafe(lab.close(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
