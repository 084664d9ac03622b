"""Where a server listens: an IP address and a port, as people write them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

_SOCKET_ADDRESS = re.compile(
    r"\[(?P<v6>[^\[\]]+)\](?::(?P<port6>\d{1,6}))?|(?P<v4>[^:\[\]]+)(?::(?P<port4>\d{1,6}))?|(?P<bare>[^\[\]]+)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, order=True)
class SocketAddress:
    """An IP address and a TCP or UDP port; `host` has no brackets."""

    host: str
    port: int

    @classmethod
    def from_text(cls, text: str, default_port: int | None = None) -> SocketAddress:
        """Read "192.0.2.1:25", "[2001:db8::1]:25", or without a port when there is a default.

        Raises `ValueError` when the address is no IP address or the port is missing or above 65535.
        """
        match = _SOCKET_ADDRESS.fullmatch(text)
        host = match["v6"] or match["v4"] or match["bare"] if match else ""
        try:
            address = str(ipaddress.ip_address(host))
        except ValueError:
            right = '; write "192.0.2.1:25" or "[2001:db8::1]:25"'
            raise ValueError(f"{text!r} is not an IP address with a port{right}") from None
        port = match["port6"] or match["port4"] if match else None
        if port is None and default_port is None:
            raise ValueError(f'{text!r} lacks a port; write for instance "{cls(address, 25)}"')
        number = int(port) if port is not None else int(default_port or 0)
        if number > 65535:
            raise ValueError(f"{text!r} has no valid port; a port is a number up to 65535")
        return cls(address, number)

    def to_text(self) -> str:
        """The form `from_text` reads, brackets around IPv6."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def pair(self) -> tuple[str, int]:
        """The form sockets take."""
        return (self.host, self.port)

    def __str__(self) -> str:
        return self.to_text()
