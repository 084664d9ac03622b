"""MTA-STS policies that survive restarts, looked up, fetched and refreshed (RFC 8461 §3.3, §5.1, §10.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias, TypeVar

from danelaw.address import Domain
from danelaw.dnsdata import Lookup
from danelaw.errors import DanelawError
from danelaw.mtasts import (
    RETRY_AFTER,
    CachedPolicy,
    FetchFailure,
    FetchOutcome,
    PolicyError,
    PolicyMode,
    STSAction,
    STSDecision,
    STSDiscovery,
    STSPolicy,
    after_failure,
    after_fetch,
    decide,
    discover,
)
from danelaw.state.database import StateDatabase, StateError
from danelaw.tlspolicy import STSState

T = TypeVar("T")
FetchPolicy: TypeAlias = Callable[[Domain], Awaitable[bytes]]
"""Fetches the document of a policy domain. Raises `DanelawError` with a `tlsrpt` result type (RFC 8460 §4.3.2.1)."""

# How long one look is good for: TXT records may live for a day, but a changed id should count soon.
_LOOK_SECONDS = 300.0
_FAILED_LOOK_SECONDS = 30.0
_KEEP_EXPIRED_SECONDS = 30 * 86_400.0
_MOST_UNSAVED = 10_000


class Resolves(Protocol):
    """What this module needs of `danelaw.resolver.Resolver`."""

    async def run(self, lookup: Lookup[T]) -> T:
        """Drive a look-up to its result."""


class STSStore:
    """Answers which policy applies to a policy domain now.

    Policies are kept in `state.db` until well after they expire. A policy nobody knows yet, or under a new id, is
    waited for; a known one is refreshed daily in the background while it applies. One fetch per domain at a time;
    after a failure the next one comes after five minutes. `on_trouble` is told, in words, when a refresh fails or
    the database cannot be written (RFC 8461 §3.3: tell the administrator); mail goes on meanwhile.
    """

    def __init__(
        self,
        database: StateDatabase,
        resolver: Resolves,
        fetch: FetchPolicy,
        *,
        wait_on_txt_error: bool = False,
        on_trouble: Callable[[Domain, str], None] = lambda domain, words: None,
    ) -> None:
        self._database = database
        self._resolver = resolver
        self._fetch_document = fetch
        self._wait_on_txt_error = wait_on_txt_error
        self._trouble = on_trouble
        self._running: dict[Domain, asyncio.Task[STSDecision]] = {}
        # What could not be written must hold at least in memory.
        self._unsaved: dict[Domain, tuple[CachedPolicy | None, FetchFailure | None]] = {}

    async def state_for(self, domain: Domain, now: float) -> STSState:
        """Discover, and fetch where that is due; `now` in POSIX seconds. Never raises for what DNS or HTTPS do."""
        discovery = await self._resolver.run(discover(domain))
        cached, failure = self.known(domain)
        decision = decide(discovery, cached, now, failure=failure, defer_when_unknown=self._wait_on_txt_error)
        from_memory = decision.action is not STSAction.FETCH
        if decision.action is STSAction.FETCH:
            decision = await asyncio.shield(self._flight(domain, decision, now))
        elif decision.action is STSAction.REFRESH:
            self._flight(domain, decision, now)
        return _state(domain, decision, discovery, now, from_memory)

    async def recheck(self, domain: Domain, now: float, *, seen: STSPolicy | None = None) -> bool:
        """Before mail is returned: has the domain published another policy (RFC 8461 §5.1 step 3)?

        Looks for a new id and fetches then. True when what applies now is another policy than `seen`, the one that
        stood in the way, or else the one remembered; False without either.
        """
        if seen is None:
            cached, _ = self.known(domain)
            seen = cached.policy if cached is not None and cached.applies(now) else None
        return seen is not None and (await self.state_for(domain, now)).policy != seen

    def known(self, domain: Domain) -> tuple[CachedPolicy | None, FetchFailure | None]:
        """What is remembered of a domain: its last policy, expired or not, and the last failed fetch."""
        if domain in self._unsaved:
            return self._unsaved[domain]
        return self._read_policy(domain), self._read_failure(domain)

    def seed(self, domain: Domain, policy: str, policy_id: str, fetched: float) -> None:
        """Remember a policy as if it had been fetched at `fetched`, for laboratories and imports.

        Raises `PolicyError` for an invalid one and `StateError` when it cannot be written.
        """
        self._write(domain, CachedPolicy(STSPolicy.from_text(policy), policy_id, fetched), None, fetched)

    async def close(self) -> None:
        """End fetches in flight."""
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _flight(self, domain: Domain, decision: STSDecision, now: float) -> asyncio.Task[STSDecision]:
        """The fetch for a domain, shared by everybody who needs it."""
        task = self._running.get(domain)
        if task is None:
            task = asyncio.ensure_future(self._fetch(domain, decision, now))
            self._running[domain] = task
            task.add_done_callback(lambda _: self._running.pop(domain, None))
        return task

    async def _fetch(self, domain: Domain, decision: STSDecision, now: float) -> STSDecision:
        outcome = await self._fetched(domain, decision, now)
        try:
            self._write(domain, outcome.cached, outcome.failure, now)
        except StateError as error:
            self._unsaved[domain] = (outcome.cached, outcome.failure)
            while len(self._unsaved) > _MOST_UNSAVED:
                del self._unsaved[next(iter(self._unsaved))]
            self._trouble(domain, f"the MTA-STS policy is remembered only until the next restart: {error.reason}")
        unneeded = outcome.cached is not None and outcome.cached.policy.mode is PolicyMode.NONE
        if outcome.failure is not None and not unneeded:  # RFC 8461 §3.3: alert "unless the cached policy mode is none"
            self._trouble(domain, f"MTA-STS policy not fetched: {outcome.failure.reason}")
        return outcome.decision

    async def _fetched(self, domain: Domain, decision: STSDecision, now: float) -> FetchOutcome:
        try:
            return after_fetch(decision, await self._fetch_document(domain), now)
        except DanelawError as error:
            result_type = str(getattr(error, "tlsrpt", "") or "sts-policy-fetch-error")
            return after_failure(decision, result_type, error.reason, now)

    # Storage

    def _read_policy(self, domain: Domain) -> CachedPolicy | None:
        rows = self._database.execute("SELECT id, policy, fetched FROM sts_policy WHERE domain = ?", (domain.ascii,))
        if not rows:
            return None
        policy_id, text, fetched = rows[0]
        try:
            return CachedPolicy(STSPolicy.from_text(str(text)), str(policy_id), _number(fetched))
        except PolicyError:
            # Written by a danelaw that read policies differently: it will be fetched again.
            return None

    def _read_failure(self, domain: Domain) -> FetchFailure | None:
        rows = self._database.execute(
            "SELECT at, tlsrpt, reason, id FROM sts_failure WHERE domain = ?", (domain.ascii,)
        )
        if not rows:
            return None
        at, tlsrpt, reason, failed_id = rows[0]
        return FetchFailure(_number(at), str(tlsrpt), str(reason), str(failed_id))

    def _write(self, domain: Domain, cached: CachedPolicy | None, failure: FetchFailure | None, now: float) -> None:
        """Store both, and sweep what nobody can need any more. Raises `StateError`."""
        execute, name = self._database.execute, domain.ascii
        if cached is not None:
            # Another process may have fetched a newer one while our fetch failed: it must not be undone.
            execute(
                "INSERT INTO sts_policy VALUES (?, ?, ?, ?, ?) ON CONFLICT (domain) DO UPDATE SET id = excluded.id,"
                " policy = excluded.policy, fetched = excluded.fetched, expires = excluded.expires"
                " WHERE excluded.fetched >= fetched",
                (name, cached.id, cached.policy.to_text(), cached.fetched, cached.expires),
            )
        if failure is None:
            execute("DELETE FROM sts_failure WHERE domain = ?", (name,))
        else:
            execute(
                "INSERT OR REPLACE INTO sts_failure VALUES (?, ?, ?, ?, ?)",
                (name, failure.at, failure.tlsrpt, failure.reason, failure.id),
            )
        execute("DELETE FROM sts_policy WHERE expires < ?", (now - _KEEP_EXPIRED_SECONDS,))
        execute("DELETE FROM sts_failure WHERE at < ?", (now - 2 * RETRY_AFTER,))
        self._unsaved.pop(domain, None)


def _state(domain: Domain, decision: STSDecision, discovery: STSDiscovery, now: float, from_memory: bool) -> STSState:
    cached = decision.policy
    failed = any(answer.failed for answer in discovery.answers)
    ends = [answer.expires for answer in discovery.answers if not answer.failed]
    return STSState(
        domain=domain,
        policy=cached.policy if cached is not None else None,
        from_cache=from_memory and cached is not None,
        note=decision.note,
        id=cached.id if cached is not None else "",
        expires=cached.expires if cached is not None else float("inf"),
        error=decision.error,
        unknown=cached is None and (failed or decision.error == "sts-policy-fetch-error"),
        wait=decision.wait,
        fresh_until=min([now + (_FAILED_LOOK_SECONDS if failed else _LOOK_SECONDS), *ends]),
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
