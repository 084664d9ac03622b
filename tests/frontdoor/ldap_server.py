"""A directory that knows a few addresses: bind, search by equality, StartTLS (RFC 4511), and nothing else."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.ends import until

BIND, UNBIND, SEARCH, EXTENDED = 0x60, 0x42, 0x63, 0x77


def tlv(tag: int, content: bytes) -> bytes:
    """One element, BER with definite length."""
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2)
    return bytes([tag]) + length + content


def elements(octets: bytes) -> list[tuple[int, bytes]]:
    """The elements within another."""
    found, at = [], 0
    while at < len(octets):
        tag, size, at = octets[at], octets[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(octets[at : at + count]), at + count
        found.append((tag, octets[at : at + size]))
        at += size
    return found


def result(tag: int, code: int, words: str = "") -> bytes:
    """An LDAPResult."""
    return tlv(tag, tlv(0x0A, bytes([code])) + tlv(0x04, b"") + tlv(0x04, words.encode()))


@dataclass
class LDAPServer:
    """`known` values are found whatever the attribute, with `attributes`; `password` is demanded where it is set."""

    known: set[str]
    password: str = ""
    context: ssl.SSLContext | None = None
    mute: bool = False
    attributes: dict[str, list[bytes]] = field(default_factory=dict)
    copies: int = 1
    searches: list[str] = field(default_factory=list)
    binds: list[str] = field(default_factory=list)
    connections: int = 0
    started_tls: int = 0

    async def __aenter__(self) -> Self:
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.drop()
        await until(lambda: not self._writers, "the end of all conversations")

    def drop(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while (message := await self._message(reader)) is not None:
                (_, number), (tag, content), *_ = elements(message)
                if tag == UNBIND:
                    break
                if self.mute:
                    continue
                if tag == EXTENDED and self.context is not None:
                    # The ClientHello must not be read in the clear.
                    writer.transport.pause_reading()  # type: ignore[attr-defined]
                for answer in self._answers(tag, content):
                    writer.write(tlv(0x30, tlv(0x02, number) + answer))
                if tag == EXTENDED and self.context is not None:
                    await writer.start_tls(self.context)
                    self.started_tls += 1
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _message(self, reader: asyncio.StreamReader) -> bytes | None:
        head = await reader.read(1)
        if not head:
            return None
        (size,) = await reader.readexactly(1)
        if size & 0x80:
            size = int.from_bytes(await reader.readexactly(size & 0x7F))
        return await reader.readexactly(size)

    def _answers(self, tag: int, content: bytes) -> list[bytes]:
        if tag == BIND:
            (_, _), (_, name), (_, secret) = elements(content)
            self.binds.append(name.decode())
            return [result(0x61, 0 if secret.decode() == self.password else 49, "who?")]
        if tag == EXTENDED:
            return [result(0x78, 0 if self.context is not None else 2)]
        assert tag == SEARCH
        wanted = elements(elements(content)[6][1])[1][1].decode()
        self.searches.append(wanted)
        attributes = b"".join(
            tlv(0x30, tlv(0x04, name.encode()) + tlv(0x31, b"".join(tlv(0x04, value) for value in values)))
            for name, values in self.attributes.items()
        )
        entry = tlv(0x64, tlv(0x04, b"uid=x,dc=ours,dc=test") + tlv(0x30, attributes))
        return [*([entry] * self.copies if wanted in self.known else []), result(0x65, 0)]
