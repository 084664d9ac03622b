"""How many look-ups a second: cached and cold, CPU time of this process, against a signed zone on loopback.

    python -m bench.resolver [--messages N]

Prints microseconds of CPU (`time.thread_time`) for: one cached answer, one warm `Lookup` of a relayed message
(MX, then A, AAAA and TLSA of two hosts), and one validated miss with all zone keys warm; the server's own CPU is
measured apart and taken off.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from multiprocessing import Process, Queue

from tests.resolver.scripted_dns import NOW, ZONE, ScriptedServer, SignedZone

from danelaw.dnsdata import Answer, Lookup, Question
from danelaw.resolver import Resolver, ResolverSettings

_HOSTS = 400


def zone() -> SignedZone:
    """The test zone with many hosts, so that every miss is another name."""
    hosts = "\n".join(f"h{number}.bench. 600 IN A 192.0.2.{number % 250}" for number in range(_HOSTS))
    return SignedZone(text=f"{ZONE}\n{hosts}\nexample. 600 IN MX 20 a.root.test.\n")


def serve(queue: Queue[tuple[str, int]]) -> None:
    """The name server, in a process of its own."""

    async def main() -> None:
        async with ScriptedServer(zone()) as server:
            queue.put(server.address)
            await asyncio.Event().wait()

    asyncio.run(main())


def relayed() -> Lookup[tuple[Answer, ...]]:
    """What one message needs from DNS."""
    first = yield (Question.from_text("example", "MX"),)
    names = ("mx.example", "a.root.test")
    rest = yield tuple(Question.from_text(name, kind) for name in names for kind in ("A", "AAAA"))
    last = yield tuple(Question.from_text(f"_25._tcp.{name}", "TLSA") for name in names)
    return first + rest + last


def per_call(calls: int, action: Callable[[], object]) -> float:
    """Microseconds of CPU for one call."""
    begin = time.thread_time()
    for _ in range(calls):
        action()
    return (time.thread_time() - begin) / calls * 1e6


async def measure(server: tuple[str, int], messages: int) -> None:
    """All figures in one loop."""
    settings = ResolverSettings(servers=(server,), anchors=zone().anchors)
    async with Resolver(settings, clock=lambda: float(NOW)) as resolver:
        question = Question.from_text("_25._tcp.mx.example", "TLSA")
        await resolver.run(relayed())
        print(f"cached answer             {per_call(100_000, lambda: resolver.cached(question)):8.1f} µs")
        begin = time.thread_time()
        for _ in range(messages):
            await resolver.run(relayed())
        warm = (time.thread_time() - begin) / messages * 1e6
        print(f"warm look-up, 7 questions {warm:8.1f} µs   {1e6 / warm:8.0f} messages/s")
        names = [Question.from_text(f"h{number}.bench", "A") for number in range(_HOSTS)]
        begin = time.thread_time()
        answers = await asyncio.gather(*(resolver.ask(name) for name in names))
        cold = (time.thread_time() - begin) / len(names) * 1e6
        assert all(answer.secure for answer in answers)
        print(f"validated miss, warm keys {cold:8.1f} µs   {1e6 / cold:8.0f} answers/s")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=5_000)
    arguments = parser.parse_args()
    queue: Queue[tuple[str, int]] = Queue()
    server = Process(target=serve, args=(queue,), daemon=True)
    server.start()
    try:
        asyncio.run(measure(queue.get(timeout=30), arguments.messages))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
