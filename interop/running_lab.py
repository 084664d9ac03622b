"""The running lab with a gateway, mail hosts on real port 25, and unbound between its name server and the others."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from interop.daemons import Daemon
from interop.exported import SYSTEM_RESOLVER

from danelaw.cli.check import Wanted, examine
from danelaw.config import load
from danelaw.gateway.rehearsal import Rehearsal, Result
from danelaw.gateway.settings import resolver_settings
from danelaw.lab import SCENARIOS, Lab, Scenario
from danelaw.outbound.checkup import Checkup
from danelaw.pkix import Roots
from danelaw.routing import NextHop

T = TypeVar("T")
_TOGETHER = 8
_CONNECT_SECONDS = 3.0
_UNBOUND = """\
server:
  directory: "{directory}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  interface: {address}@53
  do-not-query-localhost: no
  trust-anchor-file: "root.key"
  # Otherwise unbound answers from proofs it knows (RFC 8198) where the lab lets a look-up fail on purpose.
  aggressive-nsec: no
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: {server[0]}@{server[1]}
"""


class RunningLab:
    """`start()`, then blocking calls from any thread, then `stop()`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.rehearsal = Rehearsal(SCENARIOS, directory)
        self.rehearsal.lab = Lab(SCENARIOS, port25=True)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lab")
        self._bridges: list[asyncio.Server] = []
        self._unbound: Daemon | None = None

    def start(self) -> None:
        """Bring up lab, gateway and unbound."""
        self._thread.start()
        self._do(self.rehearsal.__aenter__(), 60)
        self._do(self._bridge(), 10)
        server = self.rehearsal.lab.name_server.address
        text = _UNBOUND.format(directory=self.directory, address=SYSTEM_RESOLVER, server=server)
        (self.directory / "unbound.conf").write_text(text)
        self._unbound = Daemon(("unbound", "-d", "-c", "unbound.conf"), self.directory, "unbound")
        self._unbound.wait_for(SYSTEM_RESOLVER, 53)

    def stop(self) -> None:
        """Take everything down."""
        if self._unbound is not None:
            self._unbound.stop()
        for bridge in self._bridges:
            self._loop.call_soon_threadsafe(bridge.close)
        self._do(self.rehearsal.__aexit__(None, None, None), 60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def checkups(self) -> dict[str, Checkup]:
        """`danelaw check` of every destination, with the gateway's configuration and memory."""
        config = load(self.rehearsal.config_file)
        roots = Roots.from_file(self.directory / "roots.pem")
        slots = asyncio.Semaphore(_TOGETHER)

        async def one(scenario: Scenario) -> Checkup:
            wanted = Wanted(
                next_hop=NextHop.from_text(scenario.next_hop or scenario.domain),
                resolver=resolver_settings(config),
                roots=roots,
                clock=time.time,
                routes=dict(config.lab.dial),
                config=config,
                connect_seconds=_CONNECT_SECONDS,
            )
            async with slots:
                return await examine(scenario.domain, wanted)

        return self._for_all(one)

    def deliveries(self) -> dict[str, Result]:
        """What the gateway makes of one message to every destination."""
        slots = asyncio.Semaphore(_TOGETHER)

        async def one(scenario: Scenario) -> Result:
            async with slots:
                return await self.rehearsal.play(scenario, 90)

        return self._for_all(one)

    def _for_all(self, one: Any) -> dict[str, Any]:
        async def everybody() -> list[Any]:
            return await asyncio.gather(*(one(scenario) for scenario in SCENARIOS))

        found = self._do(everybody(), 240)
        return {scenario.domain: item for scenario, item in zip(SCENARIOS, found, strict=True)}

    async def _bridge(self) -> None:
        """IPv6 hosts are real too: from port 25 of their address to where the lab's routes lead."""
        for (address, port), target in self.rehearsal.lab.routes.items():
            if port == 25 and ":" in address:
                self._bridges.append(await _forward((address, port), target))

    def _do(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)


async def _forward(source: tuple[str, int], target: tuple[str, int]) -> asyncio.Server:
    """Bytes both ways between who connects to `source`, and `target`."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*target)
        except OSError:
            # The host is declared dead: a reset is what its senders shall see.
            writer.transport.abort()
            return
        await asyncio.gather(pump(reader, back), pump(there, writer))

    return await asyncio.start_server(connected, *source)
