"""`danelaw serve` with workers, as a process of its own, and what a test does with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.ends import Client, configured, until

ROOT = Path(__file__).resolve().parent.parent.parent
ORDINARY = "import sys; from danelaw.cli import main; sys.exit(main())"


class Served:
    """A gateway with workers: `address` takes mail, `log` is what it has logged, `words` what it said."""

    def __init__(self, process: asyncio.subprocess.Process, directory: Path) -> None:
        self.process, self.directory = process, directory
        self.words = ""
        self.address = ("", 0)

    @property
    def log(self) -> str:
        """Everything logged."""
        path = self.directory / "danelaw.log"
        return path.read_text() if path.exists() else ""

    def counted(self, event: str) -> int:
        """How often an event was logged."""
        return len(re.findall(rf"Z (?:error: |warning: )?{event}\b", self.log))

    async def started(self) -> None:
        """Wait until it says where it accepts mail."""
        assert self.process.stderr is not None
        async with asyncio.timeout(40):
            while (found := re.search(r"accepts mail on 127\.0\.0\.1:(\d+)", self.words)) is None:
                line = (await self.process.stderr.readline()).decode()
                assert line, self.words
                self.words += line
        self.address = ("127.0.0.1", int(found[1]))

    async def ended(self) -> int:
        """Wait for its end; gives the exit status."""
        assert self.process.stderr is not None
        async with asyncio.timeout(60):
            self.words += (await self.process.stderr.read()).decode()
            return await self.process.wait()

    async def stop(self) -> None:
        """SIGTERM, and a clean end."""
        self.process.send_signal(signal.SIGTERM)
        assert await self.ended() == 0, self.words

    async def send(self, recipient: str, sender: str = "anna@sender.test") -> str:
        """One message; gives its id."""
        async with await Client.connect(self.address) as client:
            await client.greeted()
            return await client.message(b"Subject: hello\r\n\r\nhi\r\n", recipient, sender=sender)

    async def ask(self, operation: str, **arguments: Any) -> Any:
        """An operation of the control socket."""
        reader, writer = await asyncio.open_unix_connection(str(self.directory / "spool" / "control.sock"))
        try:
            writer.write(json.dumps({"op": operation, "args": arguments}).encode() + b"\n")
            async with asyncio.timeout(30):
                answer = json.loads(await reader.readline())
        finally:
            writer.close()
        assert answer["ok"], answer
        return answer["result"]

    async def workers(self) -> list[dict[str, Any]]:
        """The roster as `gateway.status` has it."""
        return list((await self.ask("gateway.status"))["workers"])

    async def signalled(self, number: signal.Signals, event: str) -> None:
        """Send a signal and wait until its effect is logged once more."""
        before = self.counted(event)
        self.process.send_signal(number)
        await until(lambda: self.counted(event) > before, event, 40)


def settings(directory: Path, more: str = "", *, workers: int = 2, server: str = "") -> Path:
    """The configuration of a gateway with workers, its log in a file."""
    log = f'[log]\nto = "file"\nfile = {json.dumps(str(directory / "danelaw.log"))}\n'
    return configured(directory, f"[server]\nworkers = {workers}\n{server}\n{log}{more}")


@contextlib.asynccontextmanager
async def served(
    config: Path, program: str = ORDINARY, *, wait: bool = True, listening: list[socket.socket] | None = None
) -> AsyncIterator[Served]:
    """Start one; whatever is left of it at the end is killed."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "COLUMNS": "300"}
    command = [sys.executable, "-c", program, "serve", "--config", str(config)]
    if listening:
        # As systemd does: descriptors from 3 on, and the process id of the one they are for (sd_listen_fds).
        moves = "; ".join(f"os.dup2({one.fileno()}, {3 + place})" for place, one in enumerate(listening))
        program = f"import os; {moves}; os.environ['LISTEN_PID'] = str(os.getpid()); {program}"
        command[2] = program
        environment |= {"LISTEN_FDS": str(len(listening))}
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, env=environment,
        pass_fds=[one.fileno() for one in listening or ()], start_new_session=True,
    )  # fmt: skip
    one = Served(process, config.parent)
    try:
        if wait:
            await one.started()
        yield one
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        assert process.stderr is not None
        await process.stderr.read()
        await process.wait()
