"""The supervisor's side of the lines: reads frames from every process and passes them on by name.

No event loop, no thread: sockets that never block and buffers that are bounded. A process that does not read what it is
sent loses its line, which ends it in good order; nobody else waits for it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from danelaw.errors import DanelawError
from danelaw.gateway.frames import FrameError, FrameReader, Message, encode

SUPERVISOR = "supervisor"
_MOST_UNREAD = 64 << 20
_READ = 1 << 18


class Peer:
    """One process's line, seen from the supervisor. `broken` once nothing can be said over it any more."""

    __slots__ = ("broken", "name", "out", "reader", "received", "socket")

    def __init__(self, name: str, end: socket.socket) -> None:
        end.setblocking(False)
        self.name = name
        self.socket = end
        self.reader = FrameReader()
        self.out = bytearray()
        self.received = 0
        self.broken = False

    def send(self, message: Message) -> None:
        """Say something; what the socket does not take now waits in the buffer."""
        if self.broken:
            return
        self.out += encode(message)
        self.flush()
        if len(self.out) > _MOST_UNREAD:
            self.broken = True

    def flush(self) -> None:
        """Give the socket what it takes."""
        try:
            while self.out:
                del self.out[: self.socket.send(self.out)]
        except BlockingIOError:
            pass
        except OSError:
            self.broken = True

    def receive(self) -> list[Message]:
        """What has arrived; sets `broken` at the end of the line."""
        try:
            data = self.socket.recv(_READ)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self.broken = True
            return []
        self.received += len(data)
        try:
            return self.reader.receive(data)
        except FrameError:
            self.broken = True
            return []


class Switchboard:
    """All lines. `services` answer what is addressed to the supervisor itself: name of the asker and arguments in, the
    result out (ignored for what was only told). `alias` are further names.
    """

    def __init__(self, services: dict[str, Callable[[str, dict[str, Any]], Any]]) -> None:
        self.peers: dict[str, Peer] = {}
        self.services = services
        self.alias: dict[str, str] = {}
        self._open: dict[str, set[tuple[str, int]]] = {}

    def connect(self, name: str, end: socket.socket) -> Peer:
        """A process has a line from now on."""
        peer = self.peers[name] = Peer(name, end)
        return peer

    def disconnect(self, name: str) -> None:
        """A process is gone: who waits for its answers hears so."""
        peer = self.peers.pop(name, None)
        if peer is None:
            return
        peer.socket.close()
        for asker, number in self._open.pop(name, set()):
            self._refuse(asker, number, f"{name} ended before it answered")
        for asked in self._open.values():
            asked.difference_update({one for one in asked if one[0] == name})

    def tell(self, to: str, op: str, **args: Any) -> None:
        """The supervisor says something."""
        peer = self.peers.get(to)
        if peer is not None:
            peer.send({"from": SUPERVISOR, "op": op, "args": args})

    def receive(self, peer: Peer) -> None:
        """Read a line that is ready and deal with what it brought."""
        for message in peer.receive():
            self._pass_on(peer.name, message)

    def _pass_on(self, sender: str, message: Message) -> None:
        to, number = str(message.get("to")), message.get("id")
        to = self.alias.get(to, to)
        if to == SUPERVISOR:
            self._serve(sender, message)
            return
        if "re" in message:
            self._open.get(sender, set()).discard((to, message["re"]))
        peer = self.peers.get(to)
        if peer is None or peer.broken:
            if number is not None:
                self._refuse(sender, number, f"there is no process {to}")
            return
        if number is not None:
            self._open.setdefault(to, set()).add((sender, number))
        peer.send({**message, "from": sender})

    def _serve(self, sender: str, message: Message) -> None:
        service, number = self.services.get(str(message.get("op"))), message.get("id")
        if service is None:
            if number is not None:
                self._refuse(sender, number, f"the supervisor knows no operation {message.get('op')!r}")
            return
        try:
            result = service(sender, message.get("args") or {})
        except DanelawError as error:
            if number is not None:
                self._refuse(sender, number, error.reason, error.advice)
            return
        except Exception as error:  # what one process says must not end the one that watches over all
            if number is not None:
                self._refuse(sender, number, f"internal error: {type(error).__name__}: {error}")
            return
        if number is not None and (peer := self.peers.get(sender)) is not None:
            peer.send({"from": SUPERVISOR, "re": number, "result": result})

    def _refuse(self, asker: str, number: int, reason: str, advice: str | None = None) -> None:
        peer = self.peers.get(asker)
        if peer is not None:
            peer.send({"from": SUPERVISOR, "re": number, "error": {"reason": reason, "advice": advice}})
