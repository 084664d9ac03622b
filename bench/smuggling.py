"""SMTP smuggling: does any false end of data split a message, here or at the server it is passed on to?

    python bench/smuggling.py [--through postfix exim opensmtpd]

A client gives danelaw, by DATA and by BDAT, messages in which every mixture of CR, LF, CRLF and NUL around a dot is
followed by the commands of a second message. danelaw passes on what it takes, once refusing bare line ends (its
default) and once cleaning them, through a real Postfix, Exim and OpenSMTPD to a next hop that writes down every sender
it hears. The second sender must never be heard, and each message taken must arrive as one. By BDAT a true CRLF.CRLF too
is content like any other. Exit status 1 when a message was split or lost; a server that is not there is left out, and
said so (see bench/peers/set-up).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import socket
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from other_peers import PEERS, Peer, PeerMissing
from postfix import Postfix
from workplace import workplace

from gateway import Gateway

SINK_PORT, PEER_PORT, PORT = 2706, 2607, 2609
LINE_ENDS = (b"\r\n", b"\n", b"\r", b"\n\r", b"\r\r\n", b"\0\r\n", b"\r\0\n", b"\n\n", b"\r\n\n", b"\x85\r", b"\x0b\n")
SMUGGLED = b"MAIL FROM:<evil@sender.test>\r\nRCPT TO:<victim@sink.test>\r\nDATA\r\nSubject: evil\r\n\r\nevil"
PATIENCE = 90.0


class Witness:
    """The last next hop, in a thread of its own: every sender it heard, and the subjects of what it took."""

    def __init__(self) -> None:
        self.senders: list[bytes] = []
        self.subjects: list[bytes] = []
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        if not self._ready.wait(10):
            raise SystemExit(f"the sink cannot listen on port {SINK_PORT}")

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._talk, "127.0.0.1", SINK_PORT)
        self._ready.set()
        await server.serve_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink ESMTP\r\n")
        while line := await reader.readline():
            verb, reply = line[:4].upper(), b"250 ok\r\n"
            if verb == b"EHLO":
                reply = b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
            elif verb == b"MAIL":
                self.senders.append(line)
            elif verb == b"DATA":
                writer.write(b"354 go\r\n")
                self._take(await reader.readuntil(b"\r\n.\r\n"))
            elif verb == b"QUIT":
                break
            writer.write(reply)
        writer.close()

    def _take(self, message: bytes) -> None:
        begin = message.find(b"Subject: ") + 9
        self.subjects.append(message[begin : message.find(b"\r", begin)])


def attempt(name: bytes, body: bytes, *, chunked: bool) -> list[bytes]:
    """One session; every reply until the server closes."""
    message = b"Subject: " + name + b"\r\n\r\ntext" + body
    with socket.create_connection(("127.0.0.1", PORT), 20) as connection:
        file = connection.makefile("rb")
        for step in (b"", b"EHLO client.test\r\n", b"MAIL FROM:<a@sender.test>\r\n", b"RCPT TO:<b@sink.test>\r\n"):
            connection.sendall(step)
            while file.readline()[3:4] == b"-":
                pass
        if chunked:
            connection.sendall(b"BDAT %d LAST\r\n" % len(message) + message)
        else:
            connection.sendall(b"DATA\r\n")
            file.readline()
            connection.sendall(message + b"\r\n.\r\n")
        connection.sendall(b"QUIT\r\n")
        return file.readlines()


def play(peer: Postfix | Peer | None, home: Path, mode: str, witness: Witness) -> list[str]:
    """All variants through one server (or none between); gives what went wrong, in words."""
    gateway = Gateway(
        home / f"danelaw-{mode}", PORT, PEER_PORT if peer is not None else SINK_PORT, more=QUIET.format(mode)
    )
    del witness.subjects[:], witness.senders[:]
    taken, refused, wrong = [], 0, []
    try:
        gateway.start()
        for number, (before, after) in enumerate(itertools.product(LINE_ENDS, repeat=2)):
            for chunked in (False, True):
                body = before + b"." + after + SMUGGLED
                if not chunked and b"\r\n.\r\n" in before + b"." + after:
                    continue  # a true end of DATA: what follows are the client's own commands
                name = b"v%d-%s" % (number, b"bdat" if chunked else b"data")
                queued = sum(b"queued as" in line for line in attempt(name, body, chunked=chunked))
                if queued > 1:
                    wrong.append(f"danelaw took two messages from {before!r}.{after!r}")
                taken += [name] * (queued > 0)
                refused += not queued
        deadline = time.monotonic() + PATIENCE
        while len(witness.subjects) < len(taken) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
    finally:
        gateway.stop()
    arrived = sorted(witness.subjects)
    wrong += ["a smuggled sender was heard"] if any(b"evil" in line for line in witness.senders) else []
    wrong += [f"{name.decode()} did not arrive" for name in sorted(set(taken) - set(arrived))]
    wrong += [f"{name!r} arrived, which was not sent" for name in set(arrived) - set(taken)]
    wrong += ["a message arrived twice"] if len(arrived) != len(set(arrived)) else []
    through = type(peer).__name__ if peer is not None else "nobody between"
    verdict = "each as one" if not wrong else f"{len(wrong)} WRONG"
    print(
        f"  {through:15} {mode:7} taken {len(taken):3}, refused {refused:3}, arrived {len(arrived):3}: {verdict}",
        flush=True,
    )
    return wrong


QUIET = 'resolver.servers = ["127.0.0.1:1"]\nmta_sts.enabled = false\nbare_newline = "{}"\n'


def main() -> None:
    """Try everything, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    servers = ("none", "postfix", "exim", "opensmtpd")
    parser.add_argument("--through", nargs="*", choices=servers, default=servers)
    options = parser.parse_args()
    witness, wrong = Witness(), []
    print(f"{len(LINE_ENDS) ** 2} false ends of data, by DATA and by BDAT")
    for name in options.through:
        with workplace("smuggling") as home:
            peer: Postfix | Peer | None = None
            if name == "postfix":
                peer = Postfix(home / "postfix", PEER_PORT, {"relayhost": f"[127.0.0.1]:{SINK_PORT}"})
            elif name != "none":
                peer = PEERS[name](home / name, PEER_PORT, SINK_PORT)
            try:
                if peer is not None:
                    peer.start()
                for mode in ("refuse", "clean"):
                    wrong += play(peer, home, mode, witness)
            except PeerMissing as missing:
                print(f"  {name}: left out, {missing}")
            finally:
                if peer is not None:
                    peer.stop()
    for one in wrong:
        print(f"  WRONG: {one}")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
