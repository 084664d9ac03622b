"""Filter engines behind danelaw and behind Postfix: the same engine, the same messages, alternating runs.

    python bench/filters.py                    every engine that is installed
    python bench/filters.py --engine clamd     one of them
    python bench/filters.py --rounds 3

danelaw speaks each engine's own protocol; Postfix reaches rspamd by its milter proxy, clamd by clamav-milter, spamd by
spamass-milter. opendkim is a milter on both sides. Prints the rate, the mail server's CPU per message, and that of the
engine with what stands between it and the server. Wants root, and Debian's packages postfix, rspamd, clamav-daemon,
clamav-milter, spamd, spamass-milter, opendkim.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

from interop import engines
from postfix import Postfix
from processes import usage

from gateway import Gateway

SINK_PORT, POSTFIX_PORT, DANELAW_PORT = 2646, 2545, 2547
CLAMAV_MILTER, SPAMASS_MILTER = 11894, 11895


@dataclass
class Pair:
    """One engine: `[[filter]]` for danelaw, smtpd_milters for Postfix, and the processes that do the work."""

    kind: str
    address: str
    milter: str
    messages: int
    started: list[engines.Engine] = field(default_factory=list)

    def pids(self) -> list[int]:
        """Roots of the engine's process trees."""
        return [one.pid for one in self.started]

    def stop(self) -> None:
        """End everything."""
        for one in reversed(self.started):
            one.stop()


def rspamd(place: Path) -> Pair:
    """rspamd's normal worker, and its proxy worker as milter."""
    engine = engines.rspamd(place)
    return Pair("rspamd", engine.address, f"inet:127.0.0.1:{engines.RSPAMD_MILTER}", 1000, [engine])


def clamd(place: Path) -> Pair:
    """clamd, and clamav-milter beside it."""
    engine = engines.clamd(place)
    config = place / "milter.conf"
    config.write_text(
        f"MilterSocket inet:{CLAMAV_MILTER}@127.0.0.1\nClamdSocket {engine.address}\nForeground yes\n"
        f"OnInfected Reject\nUser root\nTemporaryDirectory {place}\nLogSyslog no\n"
    )
    beside = engines.Engine(["clamav-milter", "-c", str(config)], place, "clamav-milter", f"127.0.0.1:{CLAMAV_MILTER}")
    return Pair("clamd", engine.address, f"inet:127.0.0.1:{CLAMAV_MILTER}", 1000, [engine, beside])


def spamd(place: Path) -> Pair:
    """spamd, and spamass-milter, which runs spamc for each message."""
    engine = engines.spamd(place)
    host, _, port = engine.address.partition(":")
    command = ["spamass-milter", "-p", f"inet:{SPAMASS_MILTER}@127.0.0.1", "--", "-d", host, "-p", port]
    beside = engines.Engine(command, place, "spamass-milter", f"127.0.0.1:{SPAMASS_MILTER}")
    return Pair("spamd", engine.address, f"inet:127.0.0.1:{SPAMASS_MILTER}", 100, [engine, beside])


def opendkim(place: Path) -> Pair:
    """opendkim signing, a milter for both."""
    key = place.parent / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    engine = engines.opendkim(place, key, "sender.test", "s1")
    return Pair("milter", engine.address, f"inet:{engine.address}", 1000, [engine])


ENGINES: dict[str, tuple[Callable[[Path], Pair], tuple[str, ...]]] = {
    "rspamd": (rspamd, ("rspamd",)),
    "clamd": (clamd, ("clamd", "clamav-milter")),
    "spamd": (spamd, ("spamd", "spamass-milter")),
    "opendkim": (opendkim, ("opendkim",)),
}


@dataclass(frozen=True)
class Run:
    """Messages per second until the sink had all; CPU per message of the mail server and of the engine, in µs."""

    rate: float
    server_us: float
    engine_us: float


def measured(port: int, server: int, pair: Pair, counter: Path, options: argparse.Namespace) -> Run:
    """Send the messages and wait until the sink has them; raises when it takes over 180 s."""
    messages = options.messages or pair.messages

    def count() -> int:
        return int(struct.unpack("<Q", counter.read_bytes()[:8])[0])

    goal = count() + messages
    before, engine_before = (usage(roots, memory=False).cpu_seconds for roots in ([server], pair.pids()))
    begun = time.perf_counter()
    source = subprocess.Popen(
        ["smtp-source", "-d", "-s", str(options.sessions), "-m", str(messages), "-l", str(options.size),
         "-f", "a@sender.test", "-t", "b@sink.test", f"127.0.0.1:{port}"]
    )  # fmt: skip
    while count() < goal:
        time.sleep(0.005)
        if time.perf_counter() - begun > 180:
            source.kill()
            raise SystemExit(f"only {count() - goal + messages} of {messages} arrived")
    elapsed = time.perf_counter() - begun
    source.wait(30)
    time.sleep(0.4)
    after, engine_after = (usage(roots, memory=False).cpu_seconds for roots in ([server], pair.pids()))
    return Run(messages / elapsed, (after - before) * 1e6 / messages, (engine_after - engine_before) * 1e6 / messages)


def compared(name: str, directory: Path, counter: Path, options: argparse.Namespace) -> None:
    """One engine behind both, in turn."""
    make, _ = ENGINES[name]
    pair = make(directory / name)
    postfix = Postfix(
        directory / f"postfix-{name}",
        POSTFIX_PORT,
        {"relayhost": f"[127.0.0.1]:{SINK_PORT}", "smtpd_milters": pair.milter, "milter_default_action": "tempfail"},
    )
    section = f'[[filter]]\nname = "it"\nkind = "{pair.kind}"\naddress = ["{pair.address}"]\nclients = "all"\n'
    danelaw = Gateway(directory / f"danelaw-{name}", DANELAW_PORT, SINK_PORT, more=section)
    results: dict[str, list[Run]] = {"danelaw": [], "postfix": []}
    try:
        postfix.start()
        danelaw.start()
        for _ in range(options.rounds):
            for side, port, pid in (
                ("danelaw", DANELAW_PORT, danelaw.pid),
                ("postfix", POSTFIX_PORT, postfix.master_pid),
            ):
                run = measured(port, pid, pair, counter, options)
                results[side].append(run)
                print(
                    f"  {name:9} {side:8} {run.rate:6.0f}/s   server {run.server_us:6.0f} us   engine "
                    f"{run.engine_us:6.0f} us CPU per message",
                    flush=True,
                )
    finally:
        danelaw.stop()
        postfix.stop()
        pair.stop()
    ours, theirs = _median(results["danelaw"]), _median(results["postfix"])
    both = (theirs.server_us + theirs.engine_us) / (ours.server_us + ours.engine_us)
    print(
        f"{name}: danelaw {ours.rate:.0f}/s, {ours.server_us:.0f} + {ours.engine_us:.0f} us; Postfix "
        f"{theirs.rate:.0f}/s, {theirs.server_us:.0f} + {theirs.engine_us:.0f} us; rate "
        f"{ours.rate / theirs.rate:.1f}x, CPU of server and engine {both:.1f}x less",
        flush=True,
    )


def _median(runs: list[Run]) -> Run:
    return Run(*(statistics.median(getattr(run, name) for run in runs) for name in ("rate", "server_us", "engine_us")))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=tuple(ENGINES), action="append", help="measure this one; repeatable")
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--messages", type=int, help="per run; otherwise 1000, for spamd 100")
    parser.add_argument("--size", type=int, default=10240)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("wants root: the engines change to accounts of their own")
    with tempfile.TemporaryDirectory(prefix="danelaw-bench-", dir="/var/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)
        counter = directory / "sink.count"
        sink = subprocess.Popen([sys.executable, str(Path(__file__).parent / "sink.py"), str(SINK_PORT), str(counter)])
        try:
            time.sleep(1)
            for engine in options.engine or ENGINES:
                absent = [one for one in (*ENGINES[engine][1], "postfix", "smtp-source") if shutil.which(one) is None]
                if absent:
                    print(f"{engine}: not measured, not installed: {', '.join(absent)}")
                    continue
                compared(engine, directory, counter, options)
        finally:
            sink.terminate()
            sink.wait(10)


if __name__ == "__main__":
    main()
