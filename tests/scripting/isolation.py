"""A policy in isolated workers without a gateway around it."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from danelaw.policy import Address, Client, Context, DNSAnswer, Library, LibraryError, RecipientContext
from danelaw.scripting import Budget, Called, LoadedPolicy, Said
from danelaw.scripting.isolated.confinement import Confinement
from danelaw.scripting.isolated.describing import describe
from danelaw.scripting.isolated.runner import IsolatedRunner


class _DNS:
    async def lookup(self, name: str, type: str) -> DNSAnswer:
        if name == "broken.example":
            raise LibraryError("DNS fails for broken.example")
        return DNSAnswer(name, type, "secure", True, (f"10 mx.{name}.",))


class _Words:
    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def event(self, text: str, **facts: Any) -> None:
        self.said.append((text, facts))

    def count(self, name: str, by: float = 1.0) -> None:
        self.said.append((name, by))


class _Secrets:
    def get(self, name: str) -> str:
        return f"the secret {name}"


class Isolated:
    """A runner with its policy; `calls` are all that were made, `ended` why workers were ended."""

    def __init__(self, policy: LoadedPolicy, budget: Budget, workers: int, bounds: Confinement, recycle: int) -> None:
        self.policy = policy
        self.calls: list[Called] = []
        self.ended: list[str] = []
        self.words = _Words()
        self.library = cast(
            Library, SimpleNamespace(dns=_DNS(), log=self.words, measures=self.words, secrets=_Secrets())
        )
        self.runner = IsolatedRunner(
            budget,
            observe=self._observe,
            bounds=bounds,
            workers=workers,
            recycle_after=recycle,
            ended=self.ended.append,
        )

    def _observe(self, called: Called, context: Context) -> None:
        self.calls.append(called)

    def context(self, recipient: str = "b@example.org") -> RecipientContext:
        """What hooks are given."""
        return RecipientContext(
            now=1.0,
            policy=self.policy.version,
            library=self.library,
            client=Client("192.0.2.1", 25),
            reverse_path=Address("a@example.org"),
            recipient=Address(recipient),
        )

    async def ask(self, name: str, recipient: str = "b@example.org") -> Said | None:
        """Ask one hook of the policy."""
        hooks = [hook for hook in self.policy.hooks if hook.name == name]
        assert hooks
        return await self.runner.ask(self.policy, hooks, self.context(recipient))

    @property
    def starts(self) -> int:
        """Processes that were started."""
        return sum(pool.starts for pool in self.runner.pools.values())


HONEST = """
from danelaw.policy import *

@hook.rcpt_to
def honest(ctx: RecipientContext):
    return Redirect((ctx.recipient.localpart + "@else.example",))
"""


@asynccontextmanager
async def isolated(
    folder: Path,
    text: str,
    *,
    seconds: float = 20.0,
    cpu: float = 0.1,
    failures: int = 100,
    workers: int = 2,
    memory: int = 256 << 20,
    recycle: int = 10_000,
) -> AsyncIterator[Isolated]:
    """A policy of these lines, behind an honest hook."""
    folder.mkdir(exist_ok=True)
    (folder / "policy.py").write_text(HONEST + textwrap.dedent(text))
    bounds = Confinement(memory=memory)
    found = Isolated(describe(folder, bounds), Budget(seconds, cpu, failures), workers, bounds, recycle)
    try:
        yield found
    finally:
        found.runner.close()
