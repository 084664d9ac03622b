"""The lab as `danelaw lab --export` writes it, served by nsd and validated by unbound with the files written there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interop.daemons import Daemon, danelaw, run

NSD = ("127.0.0.1", 5300)
UNBOUND = ("127.0.0.1", 5301)
# What the README of the export tells those who want to point a Postfix at it.
SYSTEM_RESOLVER = "127.0.0.53"
_UNBOUND_ON_PORT_53 = """\
include: "{directory}/unbound.conf"
server:
  interface: 127.0.0.53@53
"""


@dataclass(frozen=True)
class ExportedHost:
    """A mail host of the export: which domain it serves, where, with which certificate."""

    domain: str
    name: str
    address: str
    certificate: Path
    parameters: Path


class Exported:
    """The directory written; `start()` its nsd and unbound, and `stop()` them."""

    def __init__(self, directory: Path) -> None:
        done = danelaw("lab", "--export", str(directory))
        assert done.returncode == 0, done.stderr
        directory.chmod(0o755)
        self.directory = directory
        self.anchor = directory / "anchor.ds"
        self.hosts: list[dict[str, Any]] = json.loads((directory / "hosts.json").read_text())
        self._daemons: list[Daemon] = []

    def start(self) -> None:
        """Check the configuration with the daemons' own checkers, then start them."""
        (self.directory / "unbound-53.conf").write_text(_UNBOUND_ON_PORT_53.format(directory=self.directory))
        for checker in (("nsd-checkconf", "nsd.conf"), ("unbound-checkconf", "unbound-53.conf")):
            done = run(*checker, cwd=self.directory)
            assert done.returncode == 0, done.stdout + done.stderr
        for command, (address, port) in (
            (("nsd", "-d", "-c", "nsd.conf"), NSD),
            (("unbound", "-d", "-c", "unbound-53.conf"), UNBOUND),
        ):
            daemon = Daemon(command, self.directory, command[0])
            self._daemons.append(daemon)
            daemon.wait_for(address, port)

    def stop(self) -> None:
        """End both."""
        for daemon in self._daemons:
            daemon.stop()
        self._daemons.clear()

    def host(self, domain: str) -> ExportedHost:
        """The first mail host of a domain."""
        found = next(host for host in self.hosts if host["domain"] == domain)
        certificate = self.directory / found["certificate"]
        parameters = self.directory / "postfix" / f"{found['name']}.cf"
        return ExportedHost(domain, found["name"], found["addresses"][0], certificate, parameters)

    def parameters(self, file: Path) -> dict[str, str]:
        """A file of Postfix parameters as main.cf settings."""
        lines = (line for line in file.read_text().splitlines() if line and not line.startswith("#"))
        return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
