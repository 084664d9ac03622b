"""A version of the policy that also runs on live mail and changes nothing: its verdicts are only compared.

The active version speaks first; then the shadow is asked the same with what the client said and what the library
answered. It is asked behind the mail, from a queue that is bounded in number and octets, and within its share of the
processor's time: where it cannot keep up, connections are left out and counted. Nobody ever waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from danelaw.policy import (
    Address,
    Defer,
    Disconnect,
    Library,
    MailContext,
    MessageContext,
    Notes,
    RecipientContext,
    Reject,
)  # fmt: skip
from danelaw.scripting.shadowing.comparing import Before, Outcome, compare
from danelaw.scripting.shadowing.differences import Differences
from danelaw.scripting.shadowing.quiet import quiet
from danelaw.scripting.shadowing.taping import Tape, taped

if TYPE_CHECKING:
    from danelaw.policy import Context, Hook
    from danelaw.scripting.guard import Meter
    from danelaw.scripting.running import Runner, Said
    from danelaw.scripting.shadowing.comparing import Difference
    from danelaw.scripting.versioning.versions import Candidate

MOST_JOBS = 500
MOST_OCTETS = 32 << 20
_SMALL = 64 * 1024
_BURST_SECONDS = 0.25


class _Job(NamedTuple):
    context: Context
    ours: Outcome
    tape: Tape
    rules: tuple[Hook, ...]


@dataclass(slots=True)
class Follower:
    """One connection as the shadow sees it: what its hooks have noted, and what is yet to be asked."""

    client: str
    notes: Notes = field(default_factory=Notes)
    tags: set[str] = field(default_factory=set)
    transaction: tuple[Notes, set[str]] | None = None
    refused: set[str] = field(default_factory=set)
    is_over: bool = False
    is_gone: bool = False
    is_wanted: bool = True
    pending: list[tuple[tuple[Difference, ...], str]] = field(default_factory=list)
    jobs: deque[_Job] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None
    is_dropped: bool = False


class Trial:
    """One step: the context as the shadow will be given it, and the library that writes down what it answers."""

    __slots__ = ("_before", "_context", "_follower", "_point", "_rules", "_shadow", "_tape", "library")

    def __init__(
        self, shadow: Shadow, follower: Follower, point: str, context: Context, rules: tuple[Hook, ...]
    ) -> None:
        self._rules = rules
        self._shadow, self._follower, self._point = shadow, follower, point
        self._tape = Tape()
        self._before = Before.of(context)
        self._context = _twin(context)
        self.library = taped(context.library, self._tape)

    def ends(self, said: Said | None, context: Context) -> None:
        """The active version has spoken; the shadow is asked when there is time."""
        outcome = _outcome(self._point, said, self._before, context)
        self._shadow.enqueue(self._follower, _Job(self._context, outcome, self._tape, self._rules))


class Shadow:
    """Follows connections for one version. `runner` has a `Meter` for its guard; `share` is the part of one processor's
    time that its hooks may take; `clock` is a monotonic clock in seconds.
    """

    def __init__(
        self, candidate: Candidate, runner: Runner, meter: Meter, library: Library, share: float,
        without: frozenset[str] = frozenset(), clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """At steps `without` a shadow nothing is compared: what is asked there has effects elsewhere."""
        self.candidate = candidate
        self.differences = Differences()
        self.since = clock()
        self.runner = runner
        self._meter = meter
        self._library = library
        self._without = without
        self._share = share
        self._clock = clock
        self._allowed_at = self.since
        self._allowance = _BURST_SECONDS
        self._seen = 0.0
        self._jobs = 0
        self._octets = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def version(self) -> str:
        """The version that runs as a shadow."""
        return self.candidate.policy.version

    def follow(self, client: Any, now: float) -> Follower | None:
        """Follow a connection that begins `now` (POSIX seconds), if it is in the shadow's part and there is time."""
        if not self.candidate.takes_client(client, now):
            return None
        if not self._has_time():
            self.differences.dropped += 1
            return None
        return Follower(client.address, is_wanted=not self.candidate.portion.domains)

    def begins(self, follower: Follower, point: str, context: Context, rules: tuple[Hook, ...] = ()) -> Trial | None:
        """A step begins, at which `rules` are asked first; None where it need not be compared."""
        if follower.is_dropped or point in self._without:
            return None
        return Trial(self, follower, point, context, rules)

    def enqueue(self, follower: Follower, job: _Job) -> None:
        """To be asked later."""
        octets = _octets(job.context)
        if self._jobs >= MOST_JOBS or self._octets + octets > MOST_OCTETS:
            self._drop(follower)
            return
        self._jobs += 1
        self._octets += octets
        follower.jobs.append(job)
        if follower.task is None:
            follower.task = task = asyncio.get_running_loop().create_task(self._work(follower))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Returns when nothing is left to be asked."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def close(self) -> None:
        """Ask nothing more."""
        for task in self._tasks:
            task.cancel()
        self.runner.close()

    # inside

    def _has_time(self) -> bool:
        now = self._clock()
        spent = self._meter.spent - self._seen
        self._seen = self._meter.spent
        gained = (now - self._allowed_at) * self._share
        self._allowed_at = now
        self._allowance = min(_BURST_SECONDS, self._allowance + gained - spent)
        return self._allowance > 0

    def _drop(self, follower: Follower) -> None:
        if not follower.is_dropped:
            follower.is_dropped = True
            self.differences.dropped += 1
        for job in follower.jobs:
            self._done(job.context)
        follower.jobs.clear()

    def _done(self, context: Context) -> None:
        self._jobs -= 1
        self._octets -= _octets(context)

    async def _work(self, follower: Follower) -> None:
        await asyncio.sleep(0)  # after what the client waits for
        while follower.jobs:
            job = follower.jobs.popleft()
            try:
                if not self._has_time():
                    self._drop(follower)
                    break
                await self._ask(follower, job)
            finally:
                self._done(job.context)
        follower.task = None

    async def _ask(self, follower: Follower, job: _Job) -> None:
        context, ours, tape, rules = job
        point, policy = ours.point, self.candidate.policy
        if follower.is_gone and point != "helo":
            return  # the shadow has refused this client: there would be no more of it
        if point == "mail_from" or self._begins_late(context):
            follower.transaction = (follower.notes.copy(), set(follower.tags))
            follower.refused, follower.is_over, follower.pending = set(), False, []
            follower.is_wanted = not self.candidate.portion.domains
        self._want(follower, context)
        if follower.is_over and point in ("rcpt_to", "end_of_data"):
            return
        notes, tags = follower.transaction or (follower.notes, follower.tags)
        effects: list[str] = []
        context = replace(
            context, notes=notes, tags=tags, policy=policy.version, library=quiet(self._library, effects.append, tape)
        )
        if isinstance(context, MessageContext):
            context.recipients = [one for one in context.recipients if one not in follower.refused]
        before = Before.of(context)
        said = await self.runner.ask(policy, (*rules, *policy.at(point)), context)
        theirs = _outcome(point, said, before, context)
        self._note(follower, context, ours, theirs, effects)
        if point == "end_of_data":
            follower.transaction = None
        elif _refuses(theirs):
            if isinstance(context, RecipientContext):
                follower.refused.add(context.recipient)
            elif point == "mail_from":
                follower.is_over = True
        if point in ("connect", "helo"):
            follower.is_gone = _refuses(theirs)

    def _begins_late(self, context: Context) -> bool:
        """Whether this is the first that a shadow hears of a transaction, since it is not asked about senders."""
        return "mail_from" in self._without and isinstance(context, RecipientContext) and not context.recipients

    def _want(self, follower: Follower, context: Context) -> None:
        if isinstance(context, RecipientContext) and self.candidate.portion.has_recipient(Address(context.recipient)):
            follower.is_wanted = True
            self._tell(follower)

    def _note(self, follower: Follower, context: Context, ours: Outcome, theirs: Outcome, effects: list[str]) -> None:
        found = self.differences
        found.steps += 1
        found.messages += theirs.point == "end_of_data"
        found.failed += theirs.failed
        for effect in effects:
            found.would_do(effect)
        name = _name(follower, context)
        follower.pending.append((compare(ours, theirs), name))
        if follower.is_wanted:
            self._tell(follower)

    def _tell(self, follower: Follower) -> None:
        for differences, whose in follower.pending:
            self.differences.add(differences, whose)
        follower.pending = []


def _octets(context: Context) -> int:
    return context.size if isinstance(context, MessageContext) else 0


def _twin(context: Context) -> Context:
    """The same context, to be changed apart, for as long as it takes."""
    if not isinstance(context, MessageContext):
        return replace(context, notes=context.notes.copy(), tags=set(context.tags))
    mail = context.mail.copy()
    if context.size > _SMALL:
        mail.draft  # noqa: B018  what lies in a file is opened now: later the file is gone
    return replace(
        context, notes=context.notes.copy(), tags=set(context.tags), mail=mail, recipients=list(context.recipients)
    )


def _outcome(point: str, said: Said | None, before: Before, context: Context) -> Outcome:
    if said is None:
        return Outcome.of(point, None, "", before, context)
    return Outcome.of(point, said.verdict, said.hook.name, before, context, failed=said.failed)


def _refuses(outcome: Outcome) -> bool:
    return isinstance(outcome.verdict, Reject | Defer | Disconnect)


def _name(follower: Follower, context: Context) -> str:
    """What people find the message by: its id, before it has one the addresses."""
    if isinstance(context, MessageContext):
        return context.id
    if isinstance(context, RecipientContext):
        return f"{context.reverse_path or '<>'} to {context.recipient}"
    if isinstance(context, MailContext):
        return f"{context.reverse_path or '<>'} from {follower.client}"
    return follower.client
