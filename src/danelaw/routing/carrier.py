"""Next hops that are no hosts: carriers by name, `carrier:mailboxes`."""

from __future__ import annotations

import re

PREFIX = "carrier:"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}", re.ASCII)


def carrier_of(next_hop: str) -> str | None:
    """The name in `carrier:NAME`; None for any other next hop."""
    name = next_hop.removeprefix(PREFIX)
    return name if name != next_hop and _NAME.fullmatch(name) else None
