"""Compare the validator with unbound and delv over the generated internet. Not part of the test run.

`python -m tests.dnssec.differential [--mutations N]` from the top of the tree, with `src` on PYTHONPATH. Serves the
zones on loopback, puts unbound in front as a validating forwarder, and asks everybody the same questions. Prints each
difference and exits with their number. A finding is *serious* when unbound says bogus and we say secure.
"""

from __future__ import annotations

import argparse
import random
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
from tests.dnssec import signing, world
from tests.dnssec.driving import drive

from danelaw.dnsdata import Question
from danelaw.dnssec import TrustAnchors, Validator

Serve = Callable[[Question], bytes]


class _Datagrams(socketserver.ThreadingUDPServer):
    daemon_threads = True
    serve: Serve


class _Streams(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    serve: Serve


def _reply(query: bytes, serve: Serve, limit: int) -> bytes:
    message = dns.message.from_wire(query)
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
        sock.sendto(_reply(data, self.server.serve, 4096), self.client_address)  # type: ignore[attr-defined]


class _Stream(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while len(length := self.rfile.read(2)) == 2:
            query = self.rfile.read(int.from_bytes(length, "big"))
            wire = _reply(query, self.server.serve, 65535)  # type: ignore[attr-defined]
            self.wfile.write(len(wire).to_bytes(2, "big") + wire)


@contextmanager
def serving(serve: Serve) -> Iterator[int]:
    """A plain recursive server on loopback that answers with `serve`; yields its port."""
    with _Streams(("127.0.0.1", 0), _Stream) as tcp, _Datagrams(tcp.server_address, _Datagram) as udp:
        udp.serve = tcp.serve = serve
        for server in (udp, tcp):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield int(udp.server_address[1])
        udp.shutdown()
        tcp.shutdown()


@contextmanager
def unbound(upstream: int, anchor: str) -> Iterator[int]:
    """An unbound that forwards everything to `upstream` and validates from `anchor`; yields its port."""
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        (Path(directory) / "anchor").write_text(anchor)
        (Path(directory) / "unbound.conf").write_text(
            f'server:\n directory: "{directory}"\n chroot: ""\n username: ""\n pidfile: ""\n use-syslog: no\n'
            f" interface: 127.0.0.1@{port}\n do-not-query-localhost: no\n trust-anchor-file: anchor\n"
            ' module-config: "validator iterator"\n aggressive-nsec: no\n local-zone: test. nodefault\n'
            " cache-max-ttl: 0\n cache-max-negative-ttl: 0\n val-bogus-ttl: 0\n infra-host-ttl: 0\n"
            f'remote-control:\n control-enable: no\nforward-zone:\n name: "."\n forward-addr: 127.0.0.1@{upstream}\n'
        )
        process = subprocess.Popen(["unbound", "-d", "-c", f"{directory}/unbound.conf"], stderr=subprocess.DEVNULL)
        try:
            yield port
        finally:
            process.terminate()
            process.wait(10)


def verdict_of_unbound(port: int, question: Question) -> str:
    query = dns.message.make_query(question.name, question.rdtype, want_dnssec=True)
    query.flags |= dns.flags.AD
    for _ in range(20):
        try:
            response = dns.query.udp(query, "127.0.0.1", 5, port, ignore_unexpected=True)
            break
        except (OSError, dns.exception.DNSException):
            time.sleep(0.2)
    else:
        return "no answer"
    if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return "failure"
    return "secure" if response.flags & dns.flags.AD else "insecure"


def verdict_of_delv(port: int, anchor: str, question: Question) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        tag, algorithm, digest_type, digest = anchor.split()[2:6]
        file.write(f'trust-anchors {{ "." static-ds {tag} {algorithm} {digest_type} "{digest}"; }};\n')
        file.flush()
        where = ["@127.0.0.1", "-p", str(port), "-a", file.name, "+root=."]
        what = [str(question.name), dns.rdatatype.to_text(question.rdtype)]
        done = subprocess.run(["delv", *where, *what], capture_output=True, text=True, timeout=30, check=False)
    text = done.stdout + done.stderr
    if "fully validated" in text:
        return "insecure" if "unsigned answer" in text else "secure"
    return "insecure" if "unsigned answer" in text else "failure"


def compare(questions: list[Question], serve: Serve, *, delv_every: int = 0) -> tuple[int, int]:
    """Print the differences; returns how many there were and how many were serious."""
    differences = serious = 0
    anchor = world.world().anchor
    with serving(serve) as upstream, unbound(upstream, anchor) as port:
        for number, question in enumerate(questions):
            validator = Validator(TrustAnchors.from_text(anchor))
            answer = drive(validator.resolve(question, time.time()), serve)
            ours = "failure" if answer.failed else answer.status.value
            theirs = {"unbound": verdict_of_unbound(port, question)}
            if delv_every and number % delv_every == 0:
                theirs["delv"] = verdict_of_delv(upstream, anchor, question)
            for who, verdict in theirs.items():
                if verdict != ours:
                    differences += 1
                    serious += verdict == "failure" and ours == "secure"
                    print(f"{question}: {who} {verdict}, danelaw {ours}: {answer.reason}", flush=True)
    return differences, serious


def damaged(seed: int, question: Question) -> Serve:
    """The same damage for everybody who asks `question`."""
    from tests.dnssec.test_dnssec_mutations import MUTATIONS

    chance = random.Random(seed)
    wire = MUTATIONS[seed % len(MUTATIONS)](chance, question)
    return lambda asked: wire if asked == question else world.world().wire(asked)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=0, help="damaged answers to compare as well")
    parser.add_argument("--every", type=int, default=1, help="compare every n-th question")
    parser.add_argument("--delv-every", type=int, default=10, help="ask delv every n-th time; 0 for never")
    options = parser.parse_args()
    if shutil.which("unbound") is None:
        parser.error("unbound is not installed")
    signing.NOW = int(time.time())
    everything = list(world.questions())
    differences, serious = compare(
        everything[:: options.every], world.world().wire, delv_every=options.delv_every if shutil.which("delv") else 0
    )
    chance = random.Random(1)
    current: list[Serve] = [world.world().wire]
    anchor = world.world().anchor
    with serving(lambda asked: current[0](asked)) as upstream, unbound(upstream, anchor) as port:
        for seed in range(options.mutations):
            question = chance.choice(everything)
            current[0] = damaged(seed, question)
            answer = drive(Validator(TrustAnchors.from_text(anchor)).resolve(question, time.time()), current[0])
            theirs = verdict_of_unbound(port, question)
            if theirs == "failure" and answer.secure:
                # Unbound remembers bad keys for a minute: damage of an earlier case may still speak here.
                with unbound(upstream, anchor) as fresh:
                    theirs = verdict_of_unbound(fresh, question)
            if theirs == "failure" and answer.secure:
                serious += 1
                print(f"SERIOUS seed {seed} {question}: unbound {theirs}, danelaw secure: {answer.reason}", flush=True)
    print(f"{differences} differences, {serious} serious")
    return serious


if __name__ == "__main__":
    raise SystemExit(main())
