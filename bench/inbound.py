"""Mail from outside through a whole gateway that finds out who sent it: danelaw beside Postfix with the usual milters.

    python -m bench.inbound [--messages N] [--sessions N] [--rounds N] [--strangers] [--workers N] [--only danelaw]

10 KB with one RSA-2048 signature; SPF, DKIM and DMARC pass, from a signed zone on nsd, cached by one unbound that both
sides ask (danelaw caches and validates itself besides). Before anything is measured one message goes through each
side, and its Authentication-Results must say that all three passed. Runs alternate: danelaw, danelaw without
[authentication], and Postfix with policyd-spf, opendkim and opendmarc. A run ends when the sink has every message; CPU
is that of all the processes of a side, spool and delivery included. Resolver, load tool and sink are shown apart.

Wants root, 127.0.0.53:53, and Debian's packages postfix, postfix-policyd-spf-python, opendkim, opendmarc, nsd,
unbound, ldnsutils.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cryptography.hazmat.primitives.asymmetric import rsa
from interop.daemons import until

from bench.authentication import published, signed
from bench.dkim import message
from bench.gateway import Gateway
from bench.milter_chain import NEEDED, MilterChain
from bench.processes import usage
from bench.workplace import workplace
from bench.zone import DANEZone
from danelaw.address import Domain
from danelaw.dkim import PrivateKey, SigningKey

_PROSE = b"Most mail is prose or base64: single spaces, lines that end without one.\r\n"
_AUTHOR = "dane.test"
_SINK_PORT, _CHAIN_PORT, _DANELAW_PORT, _BARE_PORT = 2656, 2555, 2557, 2558
_CHAIN, _DANELAW, _BARE = "Postfix and milters", "danelaw", "danelaw, no authentication"
# No other name exists: what lies above the zone is answered at once, not after the time-outs of absent root servers.
_NOTHING_ELSE = f"""\
server:
  local-zone: "." static
  local-data: ". 3600 IN SOA a.root. nobody.root. 1 3600 600 86400 3600"
  local-zone: "{_AUTHOR}." transparent
  local-zone: "127.in-addr.arpa." static
  local-data: "1.0.0.127.in-addr.arpa. 3600 IN PTR mx.{_AUTHOR}."
"""
_PASSED = (
    re.compile(rb"\bspf=pass\b", re.I),
    re.compile(rb"\bdkim=pass\b", re.I),
    re.compile(rb"\bdmarc=pass\b", re.I),
)


@dataclass(frozen=True)
class Side:
    """A gateway under test: its port, and the roots of its process trees by name."""

    name: str
    port: int
    pids: Callable[[], dict[str, int]]
    judges: bool = True


@dataclass(frozen=True)
class Run:
    """Messages per second until the sink had all; µs of CPU per message by process tree; those of what is shared."""

    rate: float
    parts: dict[str, float]
    shared: dict[str, float]

    @property
    def cpu(self) -> float:
        """µs per message of the whole side."""
        return sum(self.parts.values())


def source(port: int, octets: Path, count: int, sessions: int, *, keep: bool = True) -> subprocess.Popen[bytes]:
    """Postfix's load tool; without `keep` each message has a connection of its own."""
    sender = ["-M", f"mx.{_AUTHOR}", "-f", f"anna@{_AUTHOR}", "-t", "b@ours.test", "-F", str(octets)]
    amount = ["-s", str(sessions), "-m", str(count), *(["-d"] if keep else [])]
    return subprocess.Popen(["smtp-source", *amount, *sender, f"127.0.0.1:{port}"])


def sample(side: Side, octets: Path, place: Path) -> str:
    """Send one message and give the fields of its header as delivered that say what was found; raises `SystemExit` when
    not all three passed.
    """
    place.mkdir()
    place.chmod(0o777)
    sink = subprocess.Popen(
        ["smtp-sink", "-u", "nobody", "-R", str(place), "-d", "one.", f"127.0.0.1:{_SINK_PORT}", "100"]
    )
    try:
        time.sleep(0.3)
        source(side.port, octets, 1, 1).wait(30)
        if not until(lambda: any(b"\n\n" in path.read_bytes() for path in place.iterdir()), 30):
            raise SystemExit(f"{side.name}: the sample does not arrive")
        time.sleep(0.2)
    finally:
        sink.terminate()
        sink.wait(10)
    header = next(iter(place.iterdir())).read_bytes().replace(b"\r", b"").partition(b"\n\n")[0]
    unfolded = re.sub(rb"\n[ \t]+", b" ", header)
    fields = re.findall(rb"^Authentication-Results:.*$", unfolded, re.MULTILINE | re.IGNORECASE)
    said = b"\n    ".join(fields).decode()
    absent = [wanted.pattern.decode() for wanted in _PASSED if not any(wanted.search(one) for one in fields)]
    if absent:
        raise SystemExit(f"{side.name} did not find {', '.join(absent)} in\n    {said or header.decode()}")
    return said


class Measurement:
    """Messages through one side after the other into one sink."""

    def __init__(self, directory: Path, octets: Path, zone: DANEZone, sessions: int, keep: bool) -> None:
        self._octets, self._sessions, self._keep = octets, sessions, keep
        self._counter = directory / "sink.count"
        self._sink = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("sink.py")), str(_SINK_PORT), str(self._counter)]
        )
        self._shared = {"resolver": zone.pids(), "sink": [self._sink.pid]}
        if not until(lambda: self._counter.exists() and self._counter.stat().st_size > 0, 20):
            raise SystemExit("the sink does not start")

    def _count(self) -> int:
        return int(struct.unpack_from("<Q", self._counter.read_bytes())[0])

    def run(self, side: Side, count: int) -> Run:
        """Send `count` messages and wait for all of them; raises `SystemExit` after 300 s."""
        goal = self._count() + count
        roots = {name: [pid] for name, pid in side.pids().items()} | self._shared
        before = {name: usage(pids, memory=False).cpu_seconds for name, pids in roots.items()}
        tools, begun = os.times(), time.perf_counter()
        load = source(side.port, self._octets, count, self._sessions, keep=self._keep)
        if not until(lambda: self._count() >= goal or load.poll(), 300, every=0.005) or load.poll():
            load.kill()
            raise SystemExit(f"{side.name}: only {self._count() - goal + count} of {count} arrived")
        elapsed = time.perf_counter() - begun
        load.wait(30)
        time.sleep(0.5)  # what a side still has to write down belongs to its cost
        after = {name: usage(pids, memory=False).cpu_seconds for name, pids in roots.items()}
        each = {name: (after[name] - before[name]) / count * 1e6 for name in roots}
        spent = os.times()
        load_tool = spent.children_user + spent.children_system - tools.children_user - tools.children_system
        shared = {name: each.pop(name) for name in self._shared}
        return Run(count / elapsed, each, {"load tool": load_tool / count * 1e6} | shared)

    def stop(self) -> None:
        """End the sink."""
        self._sink.terminate()
        self._sink.wait(10)


def report(name: str, run: Run) -> None:
    """One run on one line."""
    parts = ", ".join(f"{part} {spent:.0f}" for part, spent in run.parts.items())
    shared = ", ".join(f"{part} {spent:.0f}" for part, spent in run.shared.items())
    print(
        f"  {name:26} {run.rate:6.0f}/s   {run.cpu:6.0f} us CPU per message ({parts}; beside it {shared})", flush=True
    )


def summary(results: dict[str, list[Run]]) -> None:
    """Medians, and the ratios round by round."""
    for name, runs in results.items():
        rates = sorted(run.rate for run in runs)
        print(
            f"{name}: median {statistics.median(rates):.0f}/s (from {rates[0]:.0f} to {rates[-1]:.0f}),"
            f" {statistics.median(run.cpu for run in runs):.0f} us CPU per message"
        )
    if _CHAIN in results:
        pairs = list(zip(results[_DANELAW], results[_CHAIN], strict=True))
        rate = statistics.median(ours.rate / theirs.rate for ours, theirs in pairs)
        cpu = statistics.median(theirs.cpu / ours.cpu for ours, theirs in pairs)
        print(f"danelaw / {_CHAIN}, round by round: median {rate:.1f}x the rate, {cpu:.1f}x less CPU")


def gateways(directory: Path, zone: DANEZone, workers: int) -> dict[str, tuple[Gateway, int]]:
    """danelaw with and without finding out, configured but not started."""
    common = f"server.workers = {workers}\n"
    common += f'resolver.servers = ["127.0.0.53:53"]\nresolver.anchor_file = "{zone.anchor}"\n'
    # All clients of the benchmark have one address, which a ceiling for one client must not stop.
    common += 'limits.client = { connection_rate = "none", message_rate = "none" }\n[[domain]]\nname = "ours.test"\n'
    made = {}
    for name, port, more in ((_DANELAW, _DANELAW_PORT, "[authentication]\nenabled = true\n"), (_BARE, _BARE_PORT, "")):
        gateway = Gateway(directory / f"danelaw-{port}", port, _SINK_PORT, more=common + more)
        # Clients of the benchmark are strangers, whose mail is looked at.
        gateway.config.write_text(gateway.config.read_text().replace('["127.0.0.0/8"]', '["192.0.2.1/32"]'))
        made[name] = gateway, port
    return made


def compared(directory: Path, options: argparse.Namespace) -> None:
    """Everything, in one directory."""
    signer = SigningKey(Domain(_AUTHOR), "r", PrivateKey.from_key(rsa.generate_private_key(65537, 2048)))
    octets = directory / "message"
    whole = signed(message(_PROSE).replace(b"anna@example.org", f"anna@{_AUTHOR}".encode()), signer)
    octets.write_bytes(whole.replace(b"\r\n", b"\n"))
    records = published(signer, client="127.0.0.0/8", author=_AUTHOR).records
    # The zone has an address for mx already, and says itself who sends as dane.test.
    zone = DANEZone(directory / "dns", _SINK_PORT, more="".join(f"{record}\n" for record in records))
    with (zone.directory / "unbound.conf").open("a") as file:
        file.write(_NOTHING_ELSE)
    ours = gateways(directory, zone, options.workers)
    key = f"{signer.selector}._domainkey.{_AUTHOR} {signer.key.record().to_text()}"
    chain = None
    if not options.only:
        chain = MilterChain(directory / "chain", _CHAIN_PORT, _SINK_PORT, zone.resolv_conf, key)
    sides = [
        Side(name, port, lambda one=one: {"gateway": one.pid}, name != _BARE) for name, (one, port) in ours.items()
    ]
    measurement: Measurement | None = None
    try:
        zone.start()
        for gateway, _ in ours.values():
            gateway.start()
        print(f"danelaw: {ours[_DANELAW][0].config.read_text()!r}")
        if chain is not None:
            chain.start()
            sides.append(Side(_CHAIN, _CHAIN_PORT, chain.pids))
            print(f"{_CHAIN}:\n{chain.configuration}")
        for side in sides:
            if side.judges:
                print(f"{side.name} says of a sample:\n    {sample(side, octets, directory / f'sample-{side.port}')}")
        measurement = Measurement(directory, octets, zone, options.sessions, not options.strangers)
        results: dict[str, list[Run]] = {side.name: [] for side in sides}
        for side in sides:
            measurement.run(side, options.sessions * 10)
        for number in range(options.rounds):
            load = os.getloadavg()[0]
            print(
                f"round {number + 1}: {options.messages} messages, {options.sessions} sessions, load average {load:.1f}"
            )
            for side in sides:
                results[side.name].append(measurement.run(side, options.messages))
                report(side.name, results[side.name][-1])
        summary(results)
    except (RuntimeError, SystemExit):
        if chain is not None:
            print(chain.log[:2000])
        raise
    finally:
        if measurement is not None:
            measurement.stop()
        if chain is not None:
            chain.stop()
        for gateway, _ in ours.values():
            gateway.stop()
        zone.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--strangers", action="store_true", help="a connection for each message, as most mail at an MX comes"
    )
    parser.add_argument("--workers", type=int, default=0, help="worker processes of danelaw")
    parser.add_argument("--only", choices=("danelaw",), help="without the peer (no ratio)")
    options = parser.parse_args()
    needed = ("nsd", "unbound", "ldns-signzone", "smtp-source", "smtp-sink", *(() if options.only else NEEDED))
    absent = [one for one in needed if shutil.which(one) is None]
    if absent or os.geteuid() != 0:
        print(f"not measured: wants root and {', '.join(absent) or 'nothing else'}")
        return
    with workplace("inbound") as directory:
        compared(directory, options)


if __name__ == "__main__":
    main()
