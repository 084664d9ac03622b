"""Other people's daemons and our own, started as children in the foreground, ended by their process id."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
DANELAW = (sys.executable, "-m", "danelaw")


class Daemon:
    """A process that has started when `address` takes connections; `log` is what it printed."""

    def __init__(self, command: Sequence[str], directory: Path, name: str) -> None:
        self._output = directory / f"{name}.out"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=directory, stdout=output, stderr=subprocess.STDOUT, env=ENVIRONMENT
            )
        self.name = name

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything it printed so far."""
        return self._output.read_text(errors="replace")

    def wait_for(self, address: str, port: int, seconds: float = 20.0) -> None:
        """Return when it accepts connections; raises `RuntimeError` with its output when it ends or is late."""
        if not until(lambda: self._process.poll() is not None or accepts(address, port), seconds):
            raise RuntimeError(f"{self.name} does not answer on {address}:{port}\n{self.log}")
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self._process.returncode}\n{self.log}")

    def stop(self) -> None:
        """End it and wait."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


def until(condition: Callable[[], object], seconds: float, *, every: float = 0.05) -> bool:
    """Whether the condition became true within the time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


def accepts(address: str, port: int) -> bool:
    """Whether somebody takes TCP connections there."""
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True


def run(*command: str, cwd: Path | None = None, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its exit status is for the caller to judge."""
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, errors="replace", timeout=seconds, check=False,
        env=ENVIRONMENT,
    )  # fmt: skip


def danelaw(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Our own command, as a user types it."""
    return run(*DANELAW, *arguments)


def danelaw_json(*arguments: str) -> Any:
    """What our own command says with `--json`."""
    done = danelaw(*arguments, "--json")
    assert done.stdout, done.stderr
    return json.loads(done.stdout)
