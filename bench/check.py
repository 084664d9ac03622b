"""`danelaw check` cold and warm, and the survey behind every delivery, in the lab.

    python bench/check.py

cold: a new process each time, interpreter and imports included. Survey: the look-ups behind every delivery, once with
nothing known of DNS and once with everything known.
Prints medians; CPU is of this process alone (the lab runs in another).
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from danelaw.address import Domain
from danelaw.config import load
from danelaw.gateway.settings import resolver_settings
from danelaw.outbound.destination import Surveyor
from danelaw.resolver import Resolver
from danelaw.routing import NextHop
from danelaw.state import OverrideStore
from danelaw.tlspolicy import SenderDemand

_DOMAIN = "dane.lab"
_RUNS = 15


def _lab(directory: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "danelaw", "lab", "--directory", str(directory), "--json"]
    lab = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert lab.stdout is not None
    text = ""
    while not text.rstrip().endswith("\n}"):
        text += lab.stdout.readline()
    assert json.loads(text)["destinations"]
    return lab


def _cold(config: Path) -> list[float]:
    times = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        command = [sys.executable, "-m", "danelaw", "check", _DOMAIN, "--config", str(config), "--json"]
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return times


async def _surveys(config: Path) -> tuple[list[float], list[float], float]:
    """Wall and CPU seconds of a survey with nothing known, and CPU seconds of one with everything known."""
    settings = resolver_settings(load(config))
    next_hop = NextHop.of_domain(Domain(_DOMAIN))
    wall, cpu = [], []
    for _ in range(_RUNS):
        resolver = Resolver(settings)
        surveyor = Surveyor(resolver, None, OverrideStore())
        started, used = time.perf_counter(), time.process_time()
        found = await surveyor.survey(next_hop, SenderDemand.NONE, time.time())
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
        assert found.hosts
        if len(wall) < _RUNS:
            await resolver.close()
    used = time.process_time()
    for _ in range(20_000):
        assert surveyor.cached(next_hop, SenderDemand.NONE, time.time()) is found
    warm = (time.process_time() - used) / 20_000
    await resolver.close()
    return wall, cpu, warm


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="danelaw-bench-") as name:
        directory = Path(name)
        lab = _lab(directory)
        try:
            config = directory / "danelaw.toml"
            print(f"check, cold: {statistics.median(_cold(config)) * 1000:.0f} ms for the whole process")
            wall, cpu, warm = asyncio.run(_surveys(config))
            print(
                f"survey of {_DOMAIN}, nothing known: {statistics.median(wall) * 1000:.1f} ms,"
                f" {statistics.median(cpu) * 1000:.1f} ms CPU; everything known: {warm * 1e6:.1f} us CPU"
            )
        finally:
            lab.terminate()
            lab.wait(10)


if __name__ == "__main__":
    main()
