"""A name server for tests: a signed root zone served over real UDP and TCP sockets, with tricks on demand."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.node
import dns.rcode
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ed25519
from dns.dnssectypes import Algorithm

from danelaw.dnssec import TrustAnchors

NOW = 1_790_000_000
KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ZONE = """
. 3600 IN SOA a.root.test. h.root.test. 1 1800 900 604800 300
. 3600 IN NS a.root.test.
a.root.test. 3600 IN A 127.0.0.1
mx.example. 600 IN A 192.0.2.10
mx.example. 600 IN AAAA 2001:db8::10
_25._tcp.mx.example. 600 IN TLSA 3 1 1 0d6f88a103c20d6f88a103c20d6f88a103c20d6f88a103c20d6f88a103c2aaaa
example. 600 IN MX 10 mx.example.
alias.example. 300 IN CNAME mx.example.
short.example. 0 IN A 192.0.2.11
""" + "\n".join(f'big.example. 600 IN TXT "{number:03d}{"x" * 200}"' for number in range(20))


class SignedZone:
    """The root zone, signed, with answers and denials as an authoritative server gives them."""

    def __init__(self, now: int = NOW, text: str = ZONE) -> None:
        self.zone = dns.zone.from_text(text, origin=dns.name.root, relativize=False)
        dnskey = dns.dnssec.make_dnskey(KEY.public_key(), Algorithm.ED25519, flags=257)
        self.anchors = TrustAnchors.from_text(f". 3600 IN DNSKEY {dnskey.to_text()}")
        self.zone.find_rdataset(dns.name.root, dns.rdatatype.DNSKEY, create=True).add(dnskey, 3600)
        dns.dnssec.sign_zone(
            self.zone,
            keys=[(KEY, dnskey)],
            inception=now - 86400,
            expiration=now + 30 * 86400,
            add_dnskey=False,
            deterministic=True,
        )

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """The reply to one query, signatures included."""
        asked = query.question[0]
        reply = dns.message.make_response(query, recursion_available=True)
        reply.flags |= query.flags & dns.flags.CD
        reply.ednsflags |= query.ednsflags & dns.flags.DO
        name = asked.name
        node = self.zone.get_node(name)
        while node is not None:
            cname = node.get_rdataset(dns.rdataclass.IN, dns.rdatatype.CNAME)
            if cname is None or asked.rdtype == dns.rdatatype.CNAME:
                break
            self._put(reply.answer, name, dns.rdatatype.CNAME)
            name = cname[0].target
            node = self.zone.get_node(name)
        if node is not None and node.get_rdataset(dns.rdataclass.IN, asked.rdtype) is not None:
            self._put(reply.answer, name, asked.rdtype)
            return reply
        self._put(reply.authority, dns.name.root, dns.rdatatype.SOA)
        covering = self._covering(name)
        self._put(reply.authority, covering, dns.rdatatype.NSEC)
        if not self._exists(name):
            reply.set_rcode(dns.rcode.NXDOMAIN)
            encloser = name.parent()
            while not self._exists(encloser):
                encloser = encloser.parent()
            wildcard = self._covering(dns.name.Name((b"*", *encloser.labels)))
            if wildcard != covering:
                self._put(reply.authority, wildcard, dns.rdatatype.NSEC)
        return reply

    def _exists(self, name: dns.name.Name) -> bool:
        return any(owner.is_subdomain(name) for owner in self.zone)

    def _covering(self, name: dns.name.Name) -> dns.name.Name:
        covering: dns.name.Name = max(owner for owner in self.zone if owner <= name)
        return covering

    def _put(self, section: list[dns.rrset.RRset], name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> None:
        for covers, kind in ((dns.rdatatype.NONE, rdtype), (rdtype, dns.rdatatype.RRSIG)):
            rdataset = self.zone.get_rdataset(name, kind, covers)
            if rdataset is not None:
                rrset = dns.rrset.RRset(name, dns.rdataclass.IN, kind, covers)
                rrset.update(rdataset)  # type: ignore[no-untyped-call]
                section.append(rrset)


Trick = Callable[["Asked"], "bytes | list[bytes] | Awaitable[bytes | None] | None"]


@dataclass
class Asked:
    """One query as it arrived; `honest()` is what a good server would say."""

    wire: bytes
    tcp: bool
    zone: SignedZone
    port: int
    message: dns.message.Message = field(init=False)

    def __post_init__(self) -> None:
        self.message = dns.message.from_wire(self.wire)

    @property
    def rdtype(self) -> dns.rdatatype.RdataType:
        """The type asked for."""
        return self.message.question[0].rdtype

    @property
    def name(self) -> str:
        """The name asked for, in lower case."""
        return self.message.question[0].name.to_text().lower()

    def reply(self) -> dns.message.Message:
        """The honest reply, to be changed."""
        return self.zone.answer(self.message)

    def honest(self) -> bytes:
        """The honest reply, truncated over UDP when too large."""
        reply = self.reply()
        wire = reply.to_wire(max_size=65535)
        if not self.tcp and len(wire) > max(self.message.payload, 512):
            empty = dns.message.make_response(self.message)
            empty.flags |= dns.flags.TC
            return empty.to_wire()
        return wire

    def error(self, rcode: dns.rcode.Rcode) -> bytes:
        """A reply that only carries an error."""
        reply = dns.message.make_response(self.message)
        reply.set_rcode(rcode)
        return reply.to_wire()


class ScriptedServer(asyncio.DatagramProtocol):
    """Serves a zone on 127.0.0.1, the same port for UDP and TCP; `trick` may answer differently or not at all."""

    def __init__(self, zone: SignedZone, trick: Trick | None = None, *, listen_tcp: bool = True) -> None:
        self.zone = zone
        self.trick = trick or Asked.honest
        self.asked: list[Asked] = []
        self.ports: list[int] = []
        self._listen_tcp = listen_tcp
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._closed = False

    async def __aenter__(self) -> ScriptedServer:
        loop = asyncio.get_running_loop()
        while True:
            self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
            self.address: tuple[str, int] = self.transport.get_extra_info("sockname")
            try:
                # Without TCP the port is held all the same, so that nobody else answers there.
                self._server = await asyncio.start_server(
                    self._accept, *self.address, start_serving=self._listen_tcp, reuse_address=self._listen_tcp
                )
            except OSError:  # the port is free for UDP only: take another
                self.transport.close()
                continue
            return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        self.transport.close()
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A task cancelled before its first step closes nothing.
        for writer in self._writers:
            writer.transport.abort()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = Asked(data, False, self.zone, addr[1])
        self.asked.append(asked)
        self._spawn(self._reply_udp(asked, addr))

    async def _reply_udp(self, asked: Asked, addr: tuple[str, int]) -> None:
        for wire in await self._replies(asked):
            self.transport.sendto(wire, addr)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:
            writer.transport.abort()
            return
        self._writers.add(writer)
        self._spawn(self._serve_tcp(reader, writer))

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            size = int.from_bytes(await reader.readexactly(2), "big")
            asked = Asked(await reader.readexactly(size), True, self.zone, writer.get_extra_info("peername")[1])
            self.asked.append(asked)
            for wire in await self._replies(asked):
                writer.write(len(wire).to_bytes(2, "big") + wire)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _replies(self, asked: Asked) -> list[bytes]:
        result = self.trick(asked)
        if inspect.isawaitable(result):
            result = await result
        if result is None:
            if asked.tcp:
                await asyncio.Event().wait()
            return []
        return result if isinstance(result, list) else [result]

    def _spawn(self, coroutine: Awaitable[None]) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def count(self, *, tcp: bool, rdtype: str | None = None) -> int:
        """How many queries came by this transport, for this type."""
        return sum(
            asked.tcp is tcp and (rdtype is None or asked.rdtype == dns.rdatatype.from_text(rdtype))
            for asked in self.asked
        )
