"""PROXY protocol version 2: a load balancer tells whom it speaks for (HAProxy's proxy-protocol.txt §2.2).

A reader without I/O: bytes in, header out. Read it only on connections from load balancers of ours: anybody can
write one. Version 1 is text and is not accepted; all balancers have known version 2 since 2014.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from danelaw.errors import DanelawError

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_HEADER = 16 + 4096
"""Octets of a header with its TLVs; the format allows 65 551, real ones have less than a hundred."""

_FIXED = len(SIGNATURE) + 4
_LOCAL, _PROXY = 0, 1
_TCP4, _TCP6 = 0x11, 0x21
_ADDRESS_SIZES = {_TCP4: 4, _TCP6: 16}


class ProxyError(DanelawError):
    """The connection does not begin with a valid PROXY header; it must be dropped."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """`source` and `destination` are (address, port) of the real connection, None for the balancer's own (LOCAL)
    connections and for families other than TCP. `rest` are the octets behind the header.
    """

    source: tuple[str, int] | None
    destination: tuple[str, int] | None
    rest: bytes


class ProxyReader:
    """Collects the octets of one header."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, data: bytes) -> ProxyHeader | None:
        """Feed what arrived; gives the header once it is complete, else None. Raises `ProxyError`."""
        buffer = self._buffer
        buffer += data
        start = bytes(buffer[: len(SIGNATURE)])
        if not SIGNATURE.startswith(start):
            raise ProxyError("the connection does not begin with a PROXY protocol version 2 header")
        if len(buffer) < _FIXED:
            return None
        version_command, family = buffer[12], buffer[13]
        if version_command >> 4 != 2 or version_command & 0x0F not in (_LOCAL, _PROXY):
            raise ProxyError(f"PROXY header with version and command {version_command:#04x} is not known")
        length = int.from_bytes(buffer[14:16], "big")
        end = _FIXED + length
        if end > MAX_HEADER:
            raise ProxyError(f"a PROXY header of {end} octets is too large")
        if len(buffer) < end:
            return None
        block, rest = bytes(buffer[_FIXED:end]), bytes(buffer[end:])
        buffer.clear()
        if version_command & 0x0F == _LOCAL:
            return ProxyHeader(None, None, rest)
        return _header(family, block, rest)


def _header(family: int, block: bytes, rest: bytes) -> ProxyHeader:
    size = _ADDRESS_SIZES.get(family)
    if size is None:
        return ProxyHeader(None, None, rest)  # §2.2: what is not understood is skipped, the balancer's address is used
    if len(block) < 2 * size + 4:
        raise ProxyError("a PROXY header is too short for its addresses")
    source, destination = (str(ipaddress.ip_address(block[i : i + size])) for i in (0, size))
    source_port = int.from_bytes(block[2 * size : 2 * size + 2], "big")
    destination_port = int.from_bytes(block[2 * size + 2 : 2 * size + 4], "big")
    return ProxyHeader((source, source_port), (destination, destination_port), rest)
