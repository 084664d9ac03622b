"""A client that says NOOP a thousand times a second, in a process of its own: how long does the loop stand?"""

from __future__ import annotations

import multiprocessing
import socket
import time
from multiprocessing.connection import Connection


def _ping(port: int, end: Connection) -> None:
    connection = socket.create_connection(("127.0.0.1", port), 30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.recv(1000)
    seen: list[float] = []
    while True:
        if end.poll():
            if end.recv() is None:
                return
            end.send(seen)
            seen = []
        began = time.perf_counter()
        connection.sendall(b"NOOP\r\n")
        if not connection.recv(1000):
            raise SystemExit("the pinger's connection was closed")
        seen.append(time.perf_counter() - began)
        time.sleep(0.001)


class Pinger:
    """`start()`; `seen()` gives the seconds of each answer since the last call, sorted; `stop()`."""

    def __init__(self, port: int) -> None:
        self._end, far = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=_ping, args=(port, far), daemon=True)

    def start(self) -> None:
        """Begin."""
        self._process.start()
        time.sleep(1)
        self.seen()

    def seen(self) -> list[float]:
        """Never empty."""
        self._end.send(True)
        if not self._end.poll(60):
            raise SystemExit("the gateway did not answer the pinger for a minute")
        return sorted(self._end.recv()) or [0.0]

    def stop(self) -> None:
        """End."""
        if self._process.is_alive():
            self._end.send(None)
            self._process.join(5)
            self._process.terminate()
