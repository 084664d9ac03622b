"""What a call of a hook costs in this process and in an isolated worker, without a gateway around it.

    python bench/isolated.py [--calls 3000] [--at-once 4] [--workers 8]

One hook per row: says nothing, reads the header of a 4 KB message, changes two fields, calls the library once, reads a
message of 1 MB. `alone` is one call after the other, `together` so many at once; both are microseconds per call.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import uvloop

from danelaw.policy import Address, Client, DNSAnswer, Library, Mail, MessageContext
from danelaw.scripting import GUARD, LoadedPolicy, Runner, load
from danelaw.scripting.isolated.confinement import Confinement
from danelaw.scripting.isolated.describing import describe
from danelaw.scripting.isolated.runner import IsolatedRunner

POLICY = """
from danelaw.policy import *

@hook.end_of_data
def nothing(ctx: MessageContext):
    return None

@hook.end_of_data
def reads(ctx: MessageContext):
    if "lottery" in ctx.mail.subject:
        return Hold("lottery")

@hook.end_of_data
def changes(ctx: MessageContext):
    ctx.mail.add("X-Policy", "seen")
    ctx.mail.set("X-Client", ctx.client.address)

@hook.end_of_data
async def asks(ctx: MessageContext):
    await ctx.library.dns.lookup("example.org", "MX")

@hook.end_of_data
def large(ctx: MessageContext):
    if "lottery" in ctx.mail.subject:
        return Hold("lottery")
"""
HEADER = b"From: a@bench.test\r\nTo: b@bench.test\r\nSubject: measured\r\nMessage-ID: <1@bench.test>\r\n\r\n"
SMALL, LARGE = HEADER + b"text\r\n" * 680, HEADER + b"text\r\n" * 175_000


class _DNS:
    async def lookup(self, name: str, type: str) -> DNSAnswer:
        return DNSAnswer(name, type, "insecure", True, ("10 mx.example.org.",))


LIBRARY = cast(Library, SimpleNamespace(dns=_DNS()))


def context(message: bytes) -> MessageContext:
    """What a hook is given."""
    return MessageContext(
        now=time.time(), policy="bench", library=LIBRARY, client=Client("192.0.2.1", 25, "client.test", True),
        reverse_path=Address("a@bench.test"), id="B1", mail=Mail(lambda: message),
        recipients=[Address("b@bench.test")], size=len(message),
    )  # fmt: skip


async def per_call(runner: Runner, policy: LoadedPolicy, name: str, calls: int, at_once: int) -> float:
    """Microseconds."""
    hooks = [hook for hook in policy.hooks if hook.name == name]
    message = LARGE if name == "large" else SMALL
    calls = calls // 10 if name == "large" else calls

    async def some(count: int) -> None:
        for _ in range(count):
            await runner.ask(policy, hooks, context(message))

    await some(20)
    begun = time.perf_counter()
    await asyncio.gather(*(some(calls // at_once) for _ in range(at_once)))
    return 1e6 * (time.perf_counter() - begun) / (calls // at_once * at_once)


async def measure(options: argparse.Namespace, folder: Path) -> None:
    """All rows."""
    GUARD.install()
    failed: Callable[[Any, Any], None] = lambda called, context: print(called)  # noqa: E731
    here, bounds = Runner(failed=failed), Confinement()
    apart = IsolatedRunner(failed=failed, bounds=bounds, workers=options.workers)
    loaded, described = load(folder), describe(folder, bounds)
    for hook in loaded.hooks:
        alone = await per_call(here, loaded, hook.name, options.calls, 1)
        isolated = await per_call(apart, described, hook.name, options.calls, 1)
        together = await per_call(apart, described, hook.name, options.calls, options.at_once)
        print(
            f"  {hook.name:8} here {alone:7.1f} us   isolated alone {isolated:7.1f} us, together {together:7.1f} us",
            flush=True,
        )
    apart.close()
    GUARD.remove()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--workers", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "policy.py").write_text(POLICY)
        uvloop.run(measure(options, folder))


if __name__ == "__main__":
    sys.exit(main())
