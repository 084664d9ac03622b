"""The peer: a store-and-forward gateway of aiosmtpd and aiosmtplib, as one would write it, with every message on disk.

    python aiosmtpd_relay.py PORT NEXTHOP-PORT SPOOL

The 250 comes after the message's file and its directory are flushed; then it is passed on over kept connections, twenty
at most, and its file removed. Runs under uvloop where there is one.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiosmtplib  # type: ignore[import-not-found,unused-ignore]
from aiosmtpd.smtp import SMTP  # type: ignore[import-not-found,unused-ignore]

CONNECTIONS = 20


class Relay:
    """Handler of aiosmtpd."""

    def __init__(self, spool: Path, next_hop: int) -> None:
        self._spool, self._next_hop = spool, next_hop
        self._directory = os.open(spool, os.O_RDONLY)
        self._numbers = itertools.count()
        self._threads = ThreadPoolExecutor(CONNECTIONS)
        self._queue: asyncio.Queue[tuple[Path, Any]] = asyncio.Queue()

    def _store(self, path: Path, octets: bytes) -> None:
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
        os.write(descriptor, octets)
        os.fsync(descriptor)
        os.close(descriptor)
        os.fsync(self._directory)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Store, answer, pass on."""
        path = self._spool / f"{os.getpid()}-{next(self._numbers)}"
        await asyncio.get_running_loop().run_in_executor(self._threads, self._store, path, envelope.original_content)
        self._queue.put_nowait((path, envelope))
        return "250 2.0.0 Ok"

    async def deliver(self) -> None:
        """One connection to the next hop, for ever."""
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=self._next_hop, start_tls=False, local_hostname="peer.test")
        while True:
            path, envelope = await self._queue.get()
            if not client.is_connected:
                await client.connect()
            await client.sendmail(envelope.mail_from, envelope.rcpt_tos, envelope.original_content)
            path.unlink()


async def main(port: int, next_hop: int, spool: Path) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    relay = Relay(spool, next_hop)
    deliveries = [loop.create_task(relay.deliver()) for _ in range(CONNECTIONS)]
    server = await loop.create_server(
        lambda: SMTP(relay, hostname="peer.test", loop=loop), "127.0.0.1", port, backlog=1000
    )
    await asyncio.gather(server.serve_forever(), *deliveries)


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
