"""CPU per SPF evaluation with DNS cached, and per record parsed; pyspf beside it where it is installed.

Usage: python bench/spf.py [evaluations]. The record is a usual one: two own networks, an include of a provider with 24
networks of which the last but one holds the client, "mx", and "-all". Three ways: by the real resolver with everything
in its cache (signed zones of the lab), by a dictionary alone, and by pyspf over the same dictionary; pyspf fetches and
parses anew each time, as its users let it. Prints microseconds of thread time, best and median of nine rounds, and, as
a yardstick for the machine at this moment, nanoseconds per turn of an empty loop.
"""

from __future__ import annotations

import asyncio
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from importlib.machinery import PathFinder
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from danelaw.dnsdata import Answer, Lookup, Question
from danelaw.lab import Lab, Sender
from danelaw.lab.scenario import SideZone
from danelaw.resolver import Resolver
from danelaw.spf import Evaluation, Record, Request, SPFResult, evaluate
from danelaw.testing import FakeDNS

CLIENT, HELO, SENDER = "192.0.2.7", "mx.example.net", "anna@customer.lab"
_NETWORKS = [f"ip4:198.51.{i}.0/24" for i in range(22)] + ["ip4:192.0.2.0/24", "ip6:2001:db8::/32"]
CUSTOMER = "v=spf1 ip4:203.0.113.9 ip6:2001:db8:1::/48 include:_spf.provider.lab mx -all"
PROVIDER = "v=spf1 " + " ".join(_NETWORKS) + " ~all"
ROUNDS = 9


def _strings(text: str) -> str:
    return " ".join(f'"{text[start : start + 200]}"' for start in range(0, len(text), 200))


def _request() -> Request:
    return Request.mail_from(ip_address(CLIENT), SENDER, HELO)


def _drive(lookup: Lookup[Evaluation], known: dict[Question, Answer]) -> Evaluation:
    try:
        batch = next(lookup)
        while True:
            batch = lookup.send(tuple(known[question] for question in batch))
    except StopIteration as stop:
        found: Evaluation = stop.value
        return found


def _report(name: str, rounds: list[float]) -> None:
    print(f"{name}: best {min(rounds):7.1f} µs, median {statistics.median(rounds):7.1f} µs")


def _measure(name: str, count: int, once: Callable[[], object]) -> None:
    rounds = []
    for _ in range(ROUNDS):
        before = time.thread_time()
        for _ in range(count):
            once()
        rounds.append((time.thread_time() - before) / count * 1e6)
    _report(name, rounds)


async def _through_the_resolver(count: int) -> None:
    customer = Sender(domain="customer.lab", records=(f"@ TXT {_strings(CUSTOMER)}",))
    side = SideZone(origin="provider.lab", records=(f"_spf TXT {_strings(PROVIDER)}",))
    provider = Sender(domain="elsewhere.lab", also_zones=(side,))
    async with Lab((), senders=(customer, provider)) as lab, Resolver(lab.resolver) as resolver:
        found = await resolver.run(evaluate(_request()))
        assert found.result is SPFResult.PASS, found.reason
        rounds = []
        for _ in range(ROUNDS):
            before = time.thread_time()
            for _ in range(count):
                await resolver.run(evaluate(_request()))
            rounds.append((time.thread_time() - before) / count * 1e6)
    _report("danelaw, resolver's cache, signed", rounds)


def _by_dictionary(count: int) -> None:
    fake = FakeDNS(f"customer.lab. TXT {_strings(CUSTOMER)}\n_spf.provider.lab. TXT {_strings(PROVIDER)}")
    questions = [Question.from_text(name, "TXT") for name in ("customer.lab", "_spf.provider.lab")]
    known = {question: fake.answer(question) for question in questions}
    assert _drive(evaluate(_request()), known).result is SPFResult.PASS
    _measure("danelaw, dictionary              ", count, lambda: _drive(evaluate(_request()), known))


def _peer() -> Any:
    """The module `spf` of pyspf, whose name this file has too; None when it is not installed."""
    here = Path(__file__).resolve().parent
    spec = PathFinder.find_spec("spf", [path for path in sys.path if Path(path).resolve() != here])
    if spec is None or spec.loader is None:
        return None
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    return peer


def _by_pyspf(count: int) -> None:
    peer = _peer()
    if peer is None:
        print("pyspf is not installed here, so there is nothing to compare with")
        return
    texts = {"customer.lab": CUSTOMER, "_spf.provider.lab": PROVIDER}

    def lookup(name: str, rdtype: str, *_: object) -> list[object]:
        return [((name, rdtype), (texts[name].encode(),))] if rdtype == "TXT" and name in texts else []

    peer.DNSLookup = lookup
    assert peer.check2(CLIENT, SENDER, HELO)[0] == "pass"
    _measure("pyspf, dictionary                ", max(count // 10, 50), lambda: peer.check2(CLIENT, SENDER, HELO))


def turn(turns: int) -> None:
    """The yardstick: a loop that adds."""
    total = 0
    for number in range(turns):
        total += number


def main() -> None:
    """Measure all of it in one run."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    asyncio.run(_through_the_resolver(count))
    _by_dictionary(count)
    _by_pyspf(count)
    _measure("danelaw, parsing 24 networks anew", max(count // 10, 50), lambda: Record.from_text(PROVIDER))
    before = time.thread_time()
    turn(1_000_000)
    print(f"yardstick: {(time.thread_time() - before) * 1e3:.1f} ns per turn of an empty loop")


if __name__ == "__main__":
    main()
