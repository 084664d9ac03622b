"""The lab's name server: one UDP and TCP port that answers like a recursive resolver, with faults where declared."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from dataclasses import dataclass
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from danelaw.lab.faults import FaultTable, Silence
from danelaw.lab.recursion import Findings, Recursion, response

_UDP_PAYLOAD = 1232
_WITHOUT_EDNS = 512
_TCP_IDLE_SECONDS = 30.0


@dataclass(slots=True)
class Manners:
    """What the whole server does wrong, for trying out the probe of a gateway."""

    strip_signatures: bool = False
    invent_answers: bool = False
    no_tcp: bool = False
    no_edns: bool = False
    claim_ad: bool = False


class NameServer:
    """Listens on `address`, the same port for UDP and TCP. `questions` counts what was asked by (name, type)."""

    def __init__(self, recursion: Recursion, faults: FaultTable, *, manners: Manners | None = None) -> None:
        self._recursion = recursion
        self._faults = faults
        self._manners = manners or Manners()
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.questions: Counter[tuple[str, str]] = Counter()
        self.address = ("", 0)

    async def start(self, host: str, port: int = 0) -> None:
        """Bind; with port 0 any free port, found in `address` afterwards."""
        loop = asyncio.get_running_loop()
        for attempt in range(20):
            udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=(host, port))
            bound = udp.get_extra_info("sockname")[1]
            serving = not self._manners.no_tcp
            try:
                # Without TCP the port is held all the same, so that nobody else answers there.
                self._tcp = await asyncio.start_server(
                    self._serve_tcp, host, bound, start_serving=serving, reuse_address=serving
                )
                break
            except OSError:
                # The free UDP port was taken for TCP: try another pair.
                udp.close()
                if port or attempt == 19:
                    raise
        self._udp = udp
        self.address = (host, bound)

    async def close(self) -> None:
        """Stop answering."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
            for writer in tuple(self._open):
                writer.close()
            await self._tcp.wait_closed()
        # Transports close their sockets in the next turn of the loop.
        await asyncio.sleep(0)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            async with asyncio.timeout(_TCP_IDLE_SECONDS):
                while True:
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    wire = self.answer(await reader.readexactly(length), tcp=True)
                    if wire is None:
                        return
                    writer.write(struct.pack("!H", len(wire)) + wire)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            return
        finally:
            self._open.discard(writer)
            writer.close()

    def answer(self, wire: bytes, *, tcp: bool) -> bytes | None:
        """The answer to a query, None for silence."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        if len(query.question) != 1 or query.flags & dns.flags.QR:
            return None
        question = query.question[0]
        self.questions[question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)] += 1
        name = question.name.canonicalize()
        try:
            found, strip_edns = self._faults.apply(self._recursion, name, question.rdtype, tcp=tcp)
        except Silence as silence:
            return silence.instead
        reply = self._mannered(query, found, strip_edns)
        return _fitted(reply, None if tcp else _limit(query))

    def _mannered(self, query: dns.message.Message, found: Findings, strip_edns: bool) -> dns.message.Message:
        manners, question = self._manners, query.question[0]
        if manners.invent_answers and found.rcode == dns.rcode.NXDOMAIN:
            invented = dns.rrset.from_text(question.name, 60, "IN", "A", "127.3.0.1")
            found = Findings(answer=[invented] if question.rdtype == dns.rdatatype.A else [])
        if manners.strip_signatures:
            found = FaultTable.without_signatures(found)
        reply = response(query, found, edns=not (strip_edns or manners.no_edns), payload=_UDP_PAYLOAD)
        if manners.claim_ad:
            reply.flags |= dns.flags.AD
        return reply


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Neither asyncio's nor uvloop's own transport derives from the abstract class.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        wire = self._server.answer(data, tcp=False)
        if wire is not None and self._transport is not None:
            self._transport.sendto(wire, addr)


def _limit(query: dns.message.Message) -> int:
    """How long a UDP answer may be (RFC 6891 §6.2.3)."""
    return min(max(query.payload, _WITHOUT_EDNS), _UDP_PAYLOAD) if query.edns >= 0 else _WITHOUT_EDNS


def _fitted(reply: dns.message.Message, limit: int | None) -> bytes:
    """The wire form; when too long, an empty answer with TC (RFC 2181 §9)."""
    try:
        return reply.to_wire(max_size=limit or 65535)
    except dns.exception.TooBig:
        reply.answer, reply.authority, reply.additional = [], [], []
        reply.flags |= dns.flags.TC
        return reply.to_wire(max_size=65535)
