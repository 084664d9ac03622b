"""What the fixture `running` hands out."""

from __future__ import annotations

import asyncio

from danelaw.lab import Lab


class Running:
    """A started lab and the loop it runs on."""

    def __init__(self, lab: Lab, loop: asyncio.AbstractEventLoop) -> None:
        self.lab = lab
        self.loop = loop

    def address(self, domain: str, position: int = 0, port: int = 25) -> tuple[str, int]:
        """Where an address of a domain's hosts (or of its policy host) really is."""
        if port == 443:
            found = [p.address for p in self.lab.world.policies if p.scenario.domain == domain]
        else:
            found = [a for h in self.lab.world.hosts if h.scenario.domain == domain for a, _ in h.addresses]
        return self.lab.routes[found[position], port]
