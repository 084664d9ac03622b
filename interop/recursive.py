"""A recursive server on loopback that answers everybody alike with given octets, genuine or damaged."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.exception
import dns.flags
import dns.message

from danelaw.dnsdata import Question

Serve = Callable[[Question], bytes]
_UDP_LIMIT = 4096


class _Datagrams(socketserver.ThreadingUDPServer):
    daemon_threads = True
    serve: Serve


class _Streams(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    serve: Serve


def _reply(query: bytes, serve: Serve, limit: int) -> bytes | None:
    try:
        message = dns.message.from_wire(query)
    except dns.exception.DNSException:
        return None
    asked = message.question[0]
    wire = query[:2] + serve(Question(asked.name, asked.rdtype))[2:]
    if len(wire) <= limit:
        return wire
    short = dns.message.make_response(message)
    short.flags |= dns.flags.TC
    return short.to_wire()


class _Datagram(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, sock = self.request
        wire = _reply(data, self.server.serve, _UDP_LIMIT)  # type: ignore[attr-defined]
        if wire is not None:
            sock.sendto(wire, self.client_address)


class _Stream(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while len(length := self.rfile.read(2)) == 2:
            query = self.rfile.read(int.from_bytes(length, "big"))
            wire = _reply(query, self.server.serve, 65535)  # type: ignore[attr-defined]
            if wire is None:
                return
            self.wfile.write(len(wire).to_bytes(2, "big") + wire)


@contextmanager
def serving(serve: Serve) -> Iterator[int]:
    """A plain recursive server that answers with `serve`; yields its port, the same for UDP and TCP."""
    with _Streams(("127.0.0.1", 0), _Stream) as tcp, _Datagrams(tcp.server_address, _Datagram) as udp:
        udp.serve = tcp.serve = serve
        for server in (udp, tcp):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield int(udp.server_address[1])
        udp.shutdown()
        tcp.shutdown()
