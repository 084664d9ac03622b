"""Relay 4 KB messages: danelaw against a tuned Postfix, alternating runs on the same machine in the same minutes.

    python bench/relay.py                      plain in, plain out, client connections kept
    python bench/relay.py --fresh              a client connection per message
    python bench/relay.py --flush-delay 2      both sides on a disk whose flushes take 2 ms longer
    python bench/relay.py --peer exim          against Exim, OpenSMTPD, Haraka or aiosmtpd: see bench/peers/set-up
    python bench/relay.py --dane               plain in, DANE-verified TLS out (Postfix beside a validating unbound)

Prints every run, then medians, the ratio, and the load tools' own CPU. Needs Debian's postfix package, and
for --dane nsd, unbound and ldnsutils.
"""

from __future__ import annotations

import argparse
import statistics
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from flush import imported_by_postfix, slow_flush
from other_peers import PEERS, Peer, PeerMissing
from postfix import Postfix
from processes import usage
from workplace import workplace
from zone import DANEZone

from gateway import Gateway

SINK_PORT, POSTFIX_PORT, DANELAW_PORT = 2626, 2525, 2527


@dataclass(frozen=True)
class Run:
    """One measured run: rate until the sink had everything, CPU of the server and of the load tools per message."""

    rate: float
    cpu_us: float
    tools_us: float
    pss_mib: float


class Load:
    """smtp-source in front, a counting sink behind."""

    def __init__(
        self,
        options: argparse.Namespace,
        directory: Path,
        certificate: tuple[Path, Path] | None,
        *,
        port: int = SINK_PORT,
    ) -> None:
        self.options = options
        self.counter = directory / "sink.count"
        command = [sys.executable, str(Path(__file__).parent / "sink.py"), str(port), str(self.counter)]
        if certificate is not None:
            command += [str(path) for path in certificate]
        self.sink = subprocess.Popen(command)
        time.sleep(1)
        if self.sink.poll() is not None:
            raise SystemExit(f"the sink cannot listen on port {port}")

    def count(self) -> int:
        """Messages the sink has taken so far."""
        return int(struct.unpack("<Q", self.counter.read_bytes()[:8])[0])

    def run(self, port: int, roots: list[int]) -> Run:
        """Send all messages to `port` and wait until the sink has them; raises when it takes over 120 s. `relayed`
        among the options, where there is one, is how many; else `messages`, of `size` octets.
        """
        options = self.options
        messages = getattr(options, "relayed", options.messages)
        size = 4096 if hasattr(options, "relayed") else options.size
        command = ["smtp-source", *([] if options.fresh else ["-d"]), "-s", str(options.sessions)]
        command += ["-m", str(messages), "-l", str(size), "-f", "a@sender.test"]
        command += ["-t", f"b@{options.domain}", f"127.0.0.1:{port}"]
        before, goal = usage(roots, memory=False), self.count() + messages
        tools_before = usage([self.sink.pid], memory=False).cpu_seconds
        started = time.perf_counter()
        source = subprocess.Popen(command)
        peak, next_look = 0.0, 0.5
        while self.count() < goal:
            time.sleep(0.005)
            elapsed = time.perf_counter() - started
            if elapsed > next_look:
                peak, next_look = max(peak, usage(roots).pss_mib), elapsed + 1
            if elapsed > 120:
                raise SystemExit(f"only {self.count() - goal + messages} of {messages} arrived")
        elapsed = time.perf_counter() - started
        _, _, source_usage = __import__("os").wait4(source.pid, 0)
        time.sleep(0.4)
        after = usage(roots)
        tools = usage([self.sink.pid], memory=False).cpu_seconds - tools_before
        tools += source_usage.ru_utime + source_usage.ru_stime
        per_message = 1e6 / messages
        return Run(
            messages / elapsed,
            (after.cpu_seconds - before.cpu_seconds) * per_message,
            tools * per_message,
            max(peak, after.pss_mib),
        )

    def stop(self) -> None:
        """End the sink."""
        self.sink.terminate()
        self.sink.wait(10)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fresh", action="store_true", help="a client connection per message")
    parser.add_argument("--dane", action="store_true", help="DANE-verified TLS towards the next hop")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--messages", type=int, default=4000)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flush-delay", type=float, default=0.0, metavar="MS", help="each flush takes longer")
    parser.add_argument("--peer", choices=("postfix", *PEERS), default="postfix")
    parser.add_argument("--only", choices=("danelaw", "peer"), help="measure one side alone (no ratio)")
    options = parser.parse_args()
    if options.peer != "postfix" and (options.dane or options.flush_delay):
        parser.error(f"--dane and --flush-delay are for Postfix, not for {options.peer}")
    return options


def _report(name: str, run: Run) -> None:
    print(
        f"  {name:8} {run.rate:7.0f}/s   {run.cpu_us:6.0f} us CPU per message   tools {run.tools_us:4.0f} us"
        f"   PSS {run.pss_mib:5.1f} MiB",
        flush=True,
    )


def _summary(results: dict[str, list[Run]]) -> None:
    for name, runs in results.items():
        rates = sorted(run.rate for run in runs)
        print(
            f"{name}: median {statistics.median(rates):.0f}/s (from {rates[0]:.0f} to {rates[-1]:.0f}),"
            f" {statistics.median(run.cpu_us for run in runs):.0f} us CPU per message"
        )
    if len(results) == 2:
        peer = next(name for name in results if name != "danelaw")
        ratios = sorted(a.rate / b.rate for a, b in zip(results["danelaw"], results[peer], strict=True))
        rounds = ", ".join(f"{ratio:.1f}" for ratio in ratios)
        print(f"danelaw / {peer}, round by round: median {statistics.median(ratios):.1f}x ({rounds})")


def main() -> None:
    """Measure and print."""
    options = _options()
    with workplace("relay") as directory:
        zone = DANEZone(directory / "dns", SINK_PORT) if options.dane else None
        options.domain = "dane.test" if zone else "sink.test"
        servers: dict[str, tuple[int, int]] = {}
        load = Load(options, directory, (zone.certificate, zone.key) if zone else None)
        slow = slow_flush(directory, options.flush_delay)
        imported = imported_by_postfix(slow)
        peer: Postfix | Peer
        if options.peer == "postfix":
            peer = Postfix(directory / "postfix", POSTFIX_PORT, _postfix_settings(zone) | imported)
        else:
            peer = PEERS[options.peer](directory / "peer", POSTFIX_PORT, SINK_PORT)
        gateway = Gateway(directory / "danelaw", DANELAW_PORT, SINK_PORT, zone, environment=slow)
        try:
            if zone:
                zone.start()
            if options.only != "danelaw":
                print(f"{options.peer}: {_start(peer, zone)}")
                servers[options.peer] = (POSTFIX_PORT, peer.master_pid)
            if options.only != "peer":
                gateway.start()
                servers["danelaw"] = (DANELAW_PORT, gateway.pid)
                print(f"danelaw: {gateway.config.read_text()!r}")
            results: dict[str, list[Run]] = {name: [] for name in servers}
            for number in range(options.rounds):
                print(f"round {number + 1}: {options.messages} messages, {options.sessions} sessions")
                for name, (port, pid) in servers.items():
                    results[name].append(load.run(port, [pid]))
                    _report(name, results[name][-1])
            _summary(results)
        finally:
            load.stop()
            gateway.stop()
            if options.only != "danelaw":
                peer.stop()
            if zone:
                zone.stop()


def _start(peer: Postfix | Peer, zone: DANEZone | None) -> str:
    """Start the peer; gives its configuration in words."""
    if isinstance(peer, Peer):
        try:
            peer.start()
        except PeerMissing as missing:
            raise SystemExit(f"not measured: {missing}") from None
        return repr(peer.settings)
    peer.start(resolv_conf=zone.resolv_conf if zone else None)
    changed = {k: v for k, v in peer.settings.items() if "limit" in k or "delay" in k or "tls" in k}
    return ", ".join(f"{k}={v}" for k, v in changed.items())


def _postfix_settings(zone: DANEZone | None) -> dict[str, str]:
    if zone is None:
        return {"relayhost": f"[127.0.0.1]:{SINK_PORT}"}
    return {
        "relayhost": f"[mx.dane.test]:{SINK_PORT}",
        "smtp_tls_security_level": "dane",
        "smtp_dns_support_level": "dnssec",
        "smtp_host_lookup": "dns",
        "smtp_tls_loglevel": "1",
        "smtp_tls_connection_reuse": "yes",
    }


if __name__ == "__main__":
    main()
