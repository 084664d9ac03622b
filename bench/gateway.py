"""danelaw as a benchmark runs it: its ordinary configuration, one process, on a port of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zone import DANEZone

PLAIN = """\
hostname = "danelaw.bench.test"
listen = [{{ address = "127.0.0.1:{port}" }}]
relay.networks = ["127.0.0.0/8"]
delivery.next_hop = "{next_hop}"
spool.directory = "{directory}/spool"
log = {{ to = "file", file = "{directory}/danelaw.log" }}
doctor.at_start = false
limits.connections_per_client = 2000
limits.messages = 1000000
limits.commands = 10000000
"""
DANE = """\
resolver.servers = ["127.0.0.53:53"]
resolver.anchor_file = "{anchor}"
"""


class Gateway:
    """`start()` it, use its port and `pid`, and `stop()` it."""

    def __init__(
        self,
        directory: Path,
        port: int,
        sink_port: int,
        zone: DANEZone | None = None,
        *,
        environment: dict[str, str] | None = None,
        more: str = "",
        sampled: Path | None = None,
        counted: Path | None = None,
    ) -> None:
        """`environment` is added to the process's own, `more` to the configuration. `sampled` and `counted` are where
        `sampler` and `inside` write what they see in the process.
        """
        watched = [(module, path) for module, path in (("sampler", sampled), ("inside", counted)) if path is not None]
        begin = "".join(f"import {module}; {module}.begin(pathlib.Path({str(path)!r})); " for module, path in watched)
        here = str(Path(__file__).parent)
        before = f"import sys, pathlib; sys.path.insert(0, {here!r}); {begin}sys.path.remove({here!r}); "
        run = ["-c", before + "from danelaw.cli import main; main()"]
        self._program = run if watched else ["-m", "danelaw"]
        directory.mkdir(parents=True, exist_ok=True)
        self.port = port
        self.directory = directory
        self.config = directory / "danelaw.toml"
        next_hop = f"[mx.dane.test]:{sink_port}" if zone else f"[127.0.0.1]:{sink_port}"
        text = PLAIN.format(port=port, next_hop=next_hop, directory=directory)
        if zone is not None:
            text += DANE.format(anchor=zone.anchor)
        self.config.write_text(text + more)
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def start(self, *, step: float = 0.1) -> None:
        """Start it and wait for its greeting, looked for every `step` seconds."""
        command = [sys.executable, *self._program, "serve", "--config", str(self.config)]
        self._process = subprocess.Popen(command, env=self._environment)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            time.sleep(step)
            if self._process.poll() is not None:
                raise SystemExit("danelaw does not start")
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                    if probe.recv(100).startswith(b"220"):
                        return
            except OSError:
                continue
        raise SystemExit(f"danelaw does not answer on port {self.port}")

    def stop(self) -> None:
        """Stop it; reports what it left in the queue directory stays until the caller removes it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
