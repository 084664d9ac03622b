"""The PROXY protocol, version 2: who the client behind our load balancer is (haproxy's proxy-protocol.txt, §2.2).

Sans-IO. Only a balancer named in the configuration is read; whoever else could write such a header could claim any
address. Version 1, a text line, is refused: it has no fixed length and no TLVs, and every balancer speaks version 2.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from danelaw.errors import DanelawError

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED = 16
_MOST_BODY = 2048  # addresses of AF_UNIX take 216 octets; the rest are TLVs, which we skip
_LOCAL, _PROXY = 0, 1
_ADDRESSES = {0x11: ("!4s4sHH", 12), 0x21: ("!16s16sHH", 36)}


class ProxyHeaderError(DanelawError):
    """What came first is no PROXY header version 2, or one this gateway cannot use."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """`source` is the client's address and port; None when the balancer speaks for itself (LOCAL: a health check).

    `rest` are the octets that followed the header.
    """

    source: tuple[str, int] | None
    destination: tuple[str, int] | None
    rest: bytes


class ProxyReader:
    """Collects octets until the header is complete."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def receive(self, data: bytes) -> ProxyHeader | None:
        """Take octets; gives the header once it is whole, None before. Raises `ProxyHeaderError`."""
        buffer = self._buffer = self._buffer + data
        if buffer[: len(SIGNATURE)] != SIGNATURE[: len(buffer)]:
            raise ProxyHeaderError(
                "the connection does not begin with a PROXY header version 2",
                advice="switch the balancer to send-proxy-v2, or remove proxy from [[listen]]",
            )
        if len(buffer) < _FIXED:
            return None
        version_command, family, length = struct.unpack_from("!BBH", buffer, 12)
        if version_command >> 4 != 2 or version_command & 15 > _PROXY:
            raise ProxyHeaderError(f"PROXY header with unknown version and command {version_command:#04x}")
        if length > _MOST_BODY:
            raise ProxyHeaderError(f"PROXY header of {length} octets: more than {_MOST_BODY}")
        if len(buffer) < _FIXED + length:
            return None
        body, rest = buffer[_FIXED : _FIXED + length], buffer[_FIXED + length :]
        if version_command & 15 == _LOCAL:
            return ProxyHeader(None, None, rest)
        return self._proxied(family, body, rest)

    def _proxied(self, family: int, body: bytes, rest: bytes) -> ProxyHeader:
        shape = _ADDRESSES.get(family)
        if shape is None:
            raise ProxyHeaderError(f"PROXY header for transport {family:#04x}: only TCP over IPv4 and IPv6 carry mail")
        if len(body) < shape[1]:
            raise ProxyHeaderError("PROXY header is shorter than its addresses")
        source, destination, source_port, destination_port = struct.unpack_from(shape[0], body)
        return ProxyHeader(
            (str(ipaddress.ip_address(source)), source_port),
            (str(ipaddress.ip_address(destination)), destination_port),
            rest,
        )
