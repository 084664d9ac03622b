"""A counting SMTP sink with optional STARTTLS, as cheap as Python allows, to keep the load tool small in the figures.

Run as `python bench/sink.py PORT COUNTFILE [CERT KEY]`; the first eight bytes of COUNTFILE hold the messages taken,
the next eight the connections, the next eight those that used TLS (little endian).
"""

from __future__ import annotations

import asyncio
import mmap
import os
import ssl
import struct
import sys

import uvloop


class Counter:
    """Three counters in a file other processes can map."""

    def __init__(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.ftruncate(descriptor, 4096)
        self._map = mmap.mmap(descriptor, 4096)
        self.messages = self.connections = self.secured = 0

    def store(self) -> None:
        """Publish the counters."""
        struct.pack_into("<QQQ", self._map, 0, self.messages, self.connections, self.secured)


class Sink(asyncio.Protocol):
    """One connection."""

    def __init__(self, counter: Counter, context: ssl.SSLContext | None, secure: bool = False) -> None:
        self.counter, self.context, self.secure = counter, context, secure
        self.buffer = bytearray()
        self.in_data = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        if not self.secure:
            self.counter.connections += 1
            transport.write(b"220 sink ESMTP\r\n")  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        buffer = self.buffer
        buffer += data
        out: list[bytes] = []
        while True:
            if self.in_data:
                end = buffer.find(b"\r\n.\r\n")
                if end < 0:
                    del buffer[:-4]  # a large message is not kept, nor looked through again
                    break
                del buffer[: end + 5]
                self.in_data = False
                self.counter.messages += 1
                self.counter.store()
                out.append(b"250 2.0.0 Ok\r\n")
                continue
            end = buffer.find(b"\n")
            if end < 0:
                break
            line = bytes(buffer[:end]).strip().upper()
            del buffer[: end + 1]
            if self._command(line[:4], out):
                return
        if out:
            self.transport.write(b"".join(out))  # type: ignore[union-attr]

    def _command(self, verb: bytes, out: list[bytes]) -> bool:
        assert self.transport is not None
        if verb == b"EHLO":
            starttls = b"250-STARTTLS\r\n" if self.context and not self.secure else b""
            out.append(b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n" + starttls + b"250 SIZE 0\r\n")
        elif verb == b"DATA":
            self.in_data = True
            out.append(b"354 go\r\n")
        elif verb == b"STAR" and self.context:
            self.transport.write(b"220 go\r\n")
            self._task = asyncio.ensure_future(self._upgrade())
            return True
        elif verb == b"QUIT":
            self.transport.write(b"".join(out) + b"221 bye\r\n")
            self.transport.close()
            return True
        else:
            out.append(b"250 2.0.0 Ok\r\n")
        return False

    async def _upgrade(self) -> None:
        assert self.transport is not None
        assert self.context is not None
        secured = Sink(self.counter, self.context, secure=True)
        try:
            transport = await asyncio.get_running_loop().start_tls(
                self.transport, secured, self.context, server_side=True
            )
        except (TimeoutError, OSError, ssl.SSLError) as error:
            print("tls:", error, flush=True)
            return
        self.counter.secured += 1
        secured.transport = transport  # type: ignore[assignment]


async def main(port: int, path: str, certificate: list[str]) -> None:
    """Serve until killed."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    counter = Counter(path)
    server = await asyncio.get_running_loop().create_server(
        lambda: Sink(counter, context), "127.0.0.1", port, backlog=1000
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
