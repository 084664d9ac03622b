"""danelaw as a user runs it: `danelaw serve` with a configuration file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from interop.daemons import DANELAW, Daemon, run, until
from interop.exported import UNBOUND, Exported, ExportedHost

SETTINGS = """\
hostname = "{host.name}"

[[listen]]
address = "{host.address}:25"

[[certificate]]
chain = "{host.certificate}"
key = "{host.certificate}"

[relay]
networks = ["127.0.0.0/8"]

[spool]
directory = "{directory}/spool"

[resolver]
servers = ["{resolver[0]}:{resolver[1]}"]
anchor_file = "{exported.anchor}"

[tls]
roots_file = "{exported.directory}/tls/roots.pem"

[mta_sts]
enabled = false

[limits]
message_size = "2M"

[doctor]
at_start = false
"""


class Gateway:
    """A gateway that is one of the lab's mail hosts; asks unbound, trusts the lab's anchor. `start()`, `stop()`."""

    def __init__(self, directory: Path, exported: Exported, host: ExportedHost, more: str = "") -> None:
        directory.mkdir()
        self.host = host
        self.config = directory / "danelaw.toml"
        text = SETTINGS.format(host=host, directory=directory, exported=exported, resolver=UNBOUND)
        self.config.write_text(text + more)
        self._daemon = Daemon([*DANELAW, "serve", "--config", str(self.config)], directory, "danelaw")

    def start(self) -> None:
        """Wait until it listens."""
        self._daemon.wait_for(self.host.address, 25)

    def stop(self) -> None:
        """End it as a service manager does."""
        self._daemon.stop()

    @property
    def log(self) -> str:
        """Its log."""
        return self._daemon.log

    def attempts(self, identity: str) -> list[dict[str, Any]]:
        """What `danelaw explain` says was tried for a message; empty while it is unknown."""
        done = run(*DANELAW, "explain", f"<{identity}@sender.example>", "--json", "--config", str(self.config))
        return list(json.loads(done.stdout)["message"]["attempts"]) if done.returncode == 0 else []

    def first_attempt(self, identity: str) -> dict[str, Any]:
        """What was tried first, once it was; raises `AssertionError` with the log."""
        found: list[dict[str, Any]] = []

        def tried() -> bool:
            found[:] = self.attempts(identity)
            return bool(found)

        assert until(tried, 60, every=0.5), f"no attempt for {identity}\n{self.log}"
        return found[0]
