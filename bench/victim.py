"""danelaw as a subprocess that is killed and started again on the same spool, with short pauses between tries."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

CONFIG = """\
hostname = "danelaw.crash.test"
listen = [{{ address = "127.0.0.1:{port}" }}]
relay.networks = ["127.0.0.0/8"]
delivery.next_hop = "[127.0.0.1]:{first}"
delivery.connect_timeout = "2s"
resolver.servers = ["127.0.0.1:1"]
spool.directory = "{spool}"
spool.min_free = "1M"
log = {{ to = "file", file = "{directory}/danelaw.log" }}
doctor.at_start = false
mta_sts.enabled = false
limits.connections_per_client = 2000
queue.retry_first = "200ms"
queue.retry_longest = "1s"
queue.warn_after = "0s"
[[route]]
domain = "b.test"
next_hop = "[127.0.0.1]:{second}"
"""


class Victim:
    """The gateway, started and killed again and again on one spool."""

    def __init__(
        self,
        directory: Path,
        port: int,
        sinks: tuple[int, int],
        *,
        spool: Path | None = None,
        environment: dict[str, str] | None = None,
        before: str = "",
    ) -> None:
        """`spool` is below `directory` unless said; `environment` is added to this process's; `before` are Python
        statements that the gateway's process begins with.
        """
        self.directory, self.port, self.environment = directory, port, environment or {}
        self.program = ["-c", f"{before}; from danelaw.cli import main; main()"] if before else ["-m", "danelaw"]
        self.config = directory / "danelaw.toml"
        self.config.write_text(
            CONFIG.format(
                port=port, first=sinks[0], second=sinks[1], directory=directory, spool=spool or directory / "spool"
            )
        )
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; does not wait."""
        source = str(Path(__file__).resolve().parents[1] / "src")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, *self.program, "serve", "--config", str(self.config),
            stderr=asyncio.subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": source, **self.environment},
        )  # fmt: skip

    async def ready(self, seconds: float = 30.0) -> None:
        """Wait for its greeting."""
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(OSError):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    line = await reader.readline()
                    writer.close()
                    if line.startswith(b"220"):
                        return
                assert self.process is not None
                if self.process.returncode is not None:
                    raise SystemExit(f"the gateway ended by itself; see {self.directory}/danelaw.log")
                await asyncio.sleep(0.02)

    async def end(self, number: signal.Signals) -> None:
        """Send it a signal and wait for its end."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        await self.process.wait()

    def log(self) -> str:
        """Everything it has logged."""
        path = self.directory / "danelaw.log"
        return path.read_text() if path.exists() else ""
