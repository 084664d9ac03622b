"""A name server on loopback that knows what it is told and nothing of DNSSEC, and the command driven against it."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
from click.testing import CliRunner, Result

from danelaw.cli.auth import command

SERVFAIL = "SERVFAIL"
SILENT = "SILENT"


class Zone:
    """Records in zone-file form, one a line, names absolute without final dot. `broken` names answer badly, for a type
    or for all: (name, type or "*") to `SERVFAIL` or `SILENT`.
    """

    def __init__(self, text: str, broken: Mapping[tuple[str, str], str] | None = None) -> None:
        self.sets: dict[tuple[dns.name.Name, int], dns.rrset.RRset] = {}
        self.broken = dict(broken or {})
        self.asked: list[str] = []
        self._names: set[dns.name.Name] = set()
        for line in filter(None, map(str.strip, text.splitlines())):
            owner, rdtype, data = line.split(None, 2)
            name = dns.name.from_text(owner)
            one = dns.rrset.from_text(name, 60, "IN", rdtype, data)
            found = self.sets.setdefault((name, one.rdtype), one)
            if found is not one:
                found.add(one[0])
            while name not in self._names:
                self._names.add(name)
                if name != dns.name.root:
                    name = name.parent()

    def answer(self, octets: bytes, *, most: int) -> bytes | None:
        """The reply to a query, None for silence."""
        query = dns.message.from_wire(octets)
        reply = dns.message.make_response(query, recursion_available=True)
        asked = query.question[0]
        name, kind = asked.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(asked.rdtype)
        self.asked.append(f"{name} {kind}")
        how = self.broken.get((name, kind)) or self.broken.get((name, "*"))
        if how == SILENT:
            return None
        found = self.sets.get((asked.name, asked.rdtype))
        alias = self.sets.get((asked.name, dns.rdatatype.CNAME))
        if how == SERVFAIL:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif found is not None:
            reply.answer.append(found)
        elif alias is not None:
            reply.answer.append(alias)
            further = self.sets.get((alias[0].target, asked.rdtype))
            if further is not None:
                reply.answer.append(further)
        elif asked.name not in self._names and asked.name != dns.name.root:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        wire = reply.to_wire(max_size=65535)
        if len(wire) > most:
            reply.answer.clear()
            reply.flags |= dns.flags.TC
            wire = reply.to_wire()
        return wire


@contextmanager
def serving(zone: Zone) -> Iterator[str]:
    """`127.0.0.1:PORT` where the zone is answered, over UDP and TCP."""

    class OverUDP(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            octets, reply_to = self.request
            wire = zone.answer(octets, most=1232)
            if wire is not None:
                reply_to.sendto(wire, self.client_address)

    class OverTCP(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while len(size := self.rfile.read(2)) == 2:
                wire = zone.answer(self.rfile.read(int.from_bytes(size, "big")), most=65535)
                if wire is None:
                    return
                self.wfile.write(len(wire).to_bytes(2, "big") + wire)

    with (
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), OverTCP) as tcp,
        socketserver.ThreadingUDPServer(tcp.server_address, OverUDP) as udp,
    ):
        threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in (tcp, udp)]
        for thread in threads:
            thread.start()
        try:
            yield f"127.0.0.1:{udp.server_address[1]}"
        finally:
            for server in (tcp, udp):
                server.shutdown()
            for thread in threads:
                thread.join()


def run(octets: bytes, *arguments: str) -> Result:
    """`danelaw auth -` with a message on standard input; nothing is taken out of what it prints."""
    options = {"standalone_mode": False, "catch_exceptions": False, "color": True}
    return CliRunner().invoke(command, ["-", *arguments], input=octets, **options)


def judged(
    octets: bytes,
    server: str,
    *,
    ip: str = "192.0.2.1",
    helo: str = "mx.example.org",
    mail_from: str = "joe@example.org",
    at: str = "1790000000",
) -> dict[str, Any]:
    """What `danelaw auth … --json` says of a message, and its exit status as "status"."""
    where = ("--server", server, "--at", at, "--json")
    result = run(octets, "--ip", ip, "--helo", helo, "--mail-from", mail_from, *where)
    said: dict[str, Any] = json.loads(result.output)
    return said | {"status": result.return_value}  # type: ignore[attr-defined]
