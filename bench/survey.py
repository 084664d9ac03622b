"""`danelaw survey` over thousands of lab domains: rate, memory, killed and resumed, held against the lab's truth.

    python bench/survey.py [--domains 10000] [--kill-at 0.4] [--keep DIRECTORY]

The lab (in a process of its own) signs a zone for each domain that is to be signed, and runs the servers of two large
providers, of a bulk host and of every eighth domain. The survey runs as a user runs it, is killed with SIGKILL when
`--kill-at` of the domains are done, and goes on. Then each domain's verdicts are compared with what the lab was told to
make of it, and the lab says how often it was asked for an MX and how many sessions its servers saw.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from danelaw.lab import Lab
from danelaw.lab.scenario import (
    STS,
    Behaviour,
    Certificate,
    Fault,
    FaultKind,
    Host,
    Issuer,
    PolicyHost,
    Scenario,
    StartTLS,
)
from danelaw.lab.settings import write_settings

_REPORTS = ('_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls@example.lab"',)
_PLAIN = tuple(Host(name=f"mx{i}.bigmail.lab.", preference=i, elsewhere=True) for i in range(1, 5))
_DANE = tuple(Host(name=f"mx{i}.danemail.lab.", preference=i, elsewhere=True) for i in range(1, 3))
_BULK = (Host(name="mx.bulk.unsigned.", elsewhere=True),)
# Verdicts: level, dnssec, dane, MTA-STS.
Verdicts = tuple[str, str, str, str]


def providers() -> Iterator[tuple[Scenario, Verdicts]]:
    """The domains that declare the shared servers."""
    yield (
        Scenario(domain="bigmail.lab", hosts=tuple(Host(name=f"mx{i}", preference=i, tlsa=()) for i in range(1, 5))),
        ("encrypted", "signed", "none", "absent"),
    )
    yield (
        Scenario(domain="danemail.lab", hosts=tuple(Host(name=f"mx{i}", preference=i) for i in range(1, 3))),
        ("dane", "signed", "valid", "absent"),
    )
    yield (
        Scenario(domain="bulk.unsigned", signed=False, hosts=(Host(name="mx", tlsa=()),)),
        ("encrypted", "unsigned", "none", "absent"),
    )


def scenario(number: int) -> tuple[Scenario, Verdicts]:
    """The domain of a number: of 40, 16 are at the large provider, 13 at the one with DANE, 3 at the bulk host, one is
    mixed, and the others have servers of their own or none.
    """
    domain, place = f"d{number}.lab", number % 40
    reports = _REPORTS if number % 5 == 0 else ()
    if place < 16:
        signed = place % 2 == 0
        verdicts = ("encrypted", "signed" if signed else "unsigned", "none", "absent")
        return Scenario(domain=domain, signed=signed, hosts=_PLAIN, records=reports), verdicts
    if place < 29:
        signed = place < 26
        verdicts = ("dane", "signed", "valid", "absent") if signed else ("host-dane", "unsigned", "host-only", "absent")
        return Scenario(domain=domain, signed=signed, hosts=_DANE, records=reports), verdicts
    if place < 32:
        return Scenario(domain=domain, hosts=_BULK, records=reports), ("encrypted", "signed", "none", "absent")
    return _own(domain, place, number // 40, reports)


def _own(domain: str, place: int, turn: int, reports: tuple[str, ...]) -> tuple[Scenario, Verdicts]:
    if place == 32:
        mixed = (_DANE[0], Host(name="mx4.bigmail.lab.", preference=20, elsewhere=True))
        return Scenario(domain=domain, hosts=mixed, records=reports), ("encrypted", "signed", "partial", "absent")
    if place == 33:
        private = Certificate(issuer=Issuer.PRIVATE)
        tlsa = ("3 1 1",) if turn % 2 else ("2 1 1 intermediate",)
        host = Host(tlsa=tlsa, certificate=private, behaviour=Behaviour(requiretls=turn % 3 == 0))
        return Scenario(domain=domain, hosts=(host,), records=reports), ("dane", "signed", "valid", "absent")
    if place == 34:
        host = Host(tlsa=("3 1 1 old",))
        return Scenario(domain=domain, hosts=(host,), records=reports), ("waits", "signed", "broken", "absent")
    if place == 35:
        plain = Host(tlsa=(), behaviour=Behaviour(starttls=StartTLS.ABSENT))
        return Scenario(domain=domain, signed=False, hosts=(plain,)), ("clear", "unsigned", "none", "absent")
    if place == 36:
        return _with_policy(domain, turn, reports)
    if place == 37:
        kinds: tuple[tuple[str, str], ...] = (("null", "signed"), ("missing", "signed"), ("none", "signed"))
        mx, dnssec = kinds[turn % 3]
        if mx == "none":
            own = (Host(name="@"),)
            return Scenario(domain=domain, mx="none", hosts=own), ("dane", dnssec, "valid", "absent")
        return Scenario(domain=domain, mx=mx), ("no-mail", dnssec, "none", "absent")  # type: ignore[arg-type]
    if place == 38:
        dead = Host(tlsa=(), v4="dead", preference=5)
        hosts = (dead, _DANE[0]) if turn % 2 else (dead,)
        verdicts = ("dane", "signed", "partial", "absent") if turn % 2 else ("waits", "signed", "none", "absent")
        return Scenario(domain=domain, hosts=hosts, records=reports), verdicts
    if turn % 5 == 0:
        fault = Fault(kind=FaultKind.CORRUPT_SIGNATURES, types=("MX",))
        return Scenario(domain=domain, hosts=_DANE, faults=(fault,)), ("waits", "bogus", "unknown", "absent")
    silent = Host(tlsa=(), behaviour=Behaviour(greeting_delay=600.0))
    hosts = (silent,) if turn % 5 == 1 else _DANE
    if turn % 5 == 1:
        return Scenario(domain=domain, hosts=hosts), ("waits", "signed", "none", "absent")
    return Scenario(domain=domain, hosts=hosts), ("dane", "signed", "valid", "absent")


def _with_policy(domain: str, turn: int, reports: tuple[str, ...]) -> tuple[Scenario, Verdicts]:
    own = (Host(tlsa=()),)
    if turn % 4 == 0:
        sts = STS(mode="testing")
        return Scenario(domain=domain, signed=False, hosts=own, sts=sts), ("encrypted", "unsigned", "none", "testing")
    if turn % 4 == 1:
        sts = STS(host=PolicyHost.NOT_FOUND)
        return Scenario(domain=domain, hosts=own, sts=sts), ("encrypted", "signed", "none", "broken")
    signed = turn % 4 == 2
    found = ("mta-sts", "signed" if signed else "unsigned", "none", "enforce")
    return Scenario(domain=domain, signed=signed, hosts=own, sts=STS(), records=reports), found


def world(count: int) -> list[tuple[Scenario, Verdicts]]:
    """`count` domains with what is to be found out about them."""
    made = list(providers())
    return made + [scenario(number) for number in range(count - len(made))]


def serve(directory: Path, count: int) -> None:
    """The lab's process: serves until a line comes in, then says what was asked of it."""

    async def run() -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
        chosen = world(count)
        async with Lab([one for one, _ in chosen], senders=()) as lab:
            write_settings(lab, directory)
            (directory / "domains.txt").write_text("".join(f"x@{one.domain}\n" for one, _ in chosen))
            print("ready", flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            asked = [number for (_, rdtype), number in lab.name_server.questions.items() if rdtype == "MX"]
            said = {"mx": sum(asked), "sessions": lab.journal.sessions, "questions": lab.name_server.questions.total()}
            print(json.dumps(said), flush=True)

    asyncio.run(run())


def memory(pid: int) -> float:
    """MiB of PSS now, 0 when the process is gone."""
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(row.split()[1]) / 1024 for row in rows if row.startswith("Pss:")), 0.0)


def done_of(state: Path) -> int:
    """Domains done, read beside a running survey's write-ahead log: the file is locked, so a copy is looked at."""
    copy = state.with_suffix(".look")
    try:
        for suffix in ("", "-wal"):
            Path(f"{copy}{suffix}").write_bytes(Path(f"{state}{suffix}").read_bytes())
        connection = sqlite3.connect(copy)
        try:
            return int(connection.execute("SELECT count(facts) FROM domain").fetchone()[0])
        finally:
            connection.close()
    except (OSError, sqlite3.Error):
        return 0


def survey(directory: Path, kill_at: int | None) -> tuple[float, float, float]:
    """Run it; gives seconds, processor seconds and most MiB of PSS. With `kill_at` it is killed at so many domains."""
    state = directory / "domains.txt.survey"
    command = [sys.executable, "-m", "danelaw", "survey", str(directory / "domains.txt")]
    command += ["--config", str(directory / "danelaw.toml"), "--rate", "100000", "--quiet", "--timeout", "3"]
    command += ["--write", str(directory / "survey.json"), "--write", str(directory / "survey.csv")]
    command += ["--write", str(directory / "survey.html")]
    begun, most = time.monotonic(), 0.0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with (directory / "survey.out").open("w") as shown:
        process = subprocess.Popen(command, stdout=shown)
        looked = begun
        while process.poll() is None:
            most = max(most, memory(process.pid))
            time.sleep(0.1)
            if kill_at is not None and time.monotonic() - looked > 1:
                looked = time.monotonic()
                if done_of(state) >= kill_at:
                    os.kill(process.pid, signal.SIGKILL)
        process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if kill_at is None and process.returncode:
        raise SystemExit(f"the survey ended with {process.returncode}")
    return time.monotonic() - begun, cpu, most


def wrong(directory: Path, count: int) -> list[str]:
    """Every domain whose verdicts differ from the truth."""
    rows = {row["domain"]: row for row in json.loads((directory / "survey.json").read_text())["domains"]}
    found = []
    for one, (level, dnssec, dane, mta_sts) in world(count):
        row = rows.get(one.domain)
        if row is None:
            found.append(f"{one.domain}: missing")
            continue
        reports = "yes" if any("TLSRPTv1" in record for record in one.records) else "no"
        wanted = {"level": level, "dnssec": dnssec, "dane": dane, "mta_sts": mta_sts, "tlsrpt": reports}
        wrong = {key: (value, row[key]) for key, value in wanted.items() if row[key] != value}
        if wrong:
            found.append(f"{one.domain}: {wrong} {row['reason']}")
    return found


def main() -> None:
    """Run everything and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domains", type=int, default=10_000)
    parser.add_argument("--kill-at", type=float, default=0.4)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--serve", type=Path)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve, options.domains)
        return
    with tempfile.TemporaryDirectory(prefix="danelaw-survey-") as place:
        directory = options.keep or Path(place)
        directory.mkdir(parents=True, exist_ok=True)
        for old in directory.glob("domains.txt.survey*"):
            old.unlink()
        began = time.monotonic()
        command = [sys.executable, __file__, "--serve", str(directory), "--domains", str(options.domains)]
        lab = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert lab.stdin is not None
        assert lab.stdout is not None
        try:
            assert lab.stdout.readline() == "ready\n"
            print(f"lab: {options.domains} domains ready in {time.monotonic() - began:.0f} s")
            kill_at = int(options.domains * options.kill_at)
            first, cpu_first, most_first = survey(directory, kill_at)
            kept = done_of(directory / "domains.txt.survey")
            second, cpu_second, most_second = survey(directory, None)
            lab.stdin.write("\n")
            lab.stdin.flush()
            said = json.loads(lab.stdout.readline())
        finally:
            lab.terminate()
            lab.wait()
        differences = wrong(directory, options.domains)
        print(f"  killed after {first:.0f} s with {kept} done; the rest took {second:.0f} s")
        rate, cpu = options.domains / (first + second), (cpu_first + cpu_second) / options.domains
        print(f"  {rate:.0f} domains/s, {1000 * cpu:.1f} ms of processor time each")
        print(f"  most memory: {most_first:.0f} and {most_second:.0f} MiB PSS")
        print(f"  asked for MX: {said['mx']} times; {said['questions']} questions; {said['sessions']} SMTP sessions")
        print(f"  verdicts that differ from the truth: {len(differences)} of {options.domains}")
        print("\n".join(f"    {one}" for one in differences[:20]))
        kinds = Counter(found[0] for _, found in world(options.domains))
        print("  levels: " + ", ".join(f"{level} {number}" for level, number in kinds.most_common()))


if __name__ == "__main__":
    main()
