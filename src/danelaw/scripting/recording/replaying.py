"""Judging recorded messages once more: the same step as in a gateway, with side effects off.

A `Replay` has one version of the policy, the rules, and a library that changes nothing; it takes one message after
another and says what would have become of each, and what the hooks of every step said and changed on the way. Shared
state is its own, begins empty, and moves with the times of the messages: a rate says of old mail what it would have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from danelaw.address import ForwardPath, ReversePath
from danelaw.inbound.arrival import Arrival, Content, Discard, Refuse
from danelaw.inbound.arrival import Client as Connected
from danelaw.inbound.arrival import Finding as ArrivalFinding
from danelaw.policy import Context, Hook, Library, MailContext, MessageContext
from danelaw.rules import Rule
from danelaw.rules.asking import NAME as RULES
from danelaw.scripting.library.offline import offline_library, own_state
from danelaw.scripting.rulebook import Rulebook
from danelaw.scripting.running import Budget, Called, Runner, Said
from danelaw.scripting.shadowing.comparing import Before, Difference, Outcome, compare
from danelaw.scripting.shadowing.quiet import quiet
from danelaw.scripting.step import ScriptStep
from danelaw.scripting.versioning.versions import Versions
from danelaw.smtp import Envelope, MailFrom, Recipient, Reply

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Ruling
    from danelaw.policy import Finding, Origin
    from danelaw.scripting.loading import LoadedPolicy
    from danelaw.scripting.recording.recorded import Recorded

Fate: TypeAlias = Literal["accepted", "rejected", "deferred", "discarded", "held"]
Key: TypeAlias = tuple[str, str]
MOST_COUNTED = 500
"""Different side effects that are counted."""


@dataclass(slots=True)
class Judged:
    """What would become of one message: its `fate`, whose word that is (`by`, empty where nobody objected) and its
    words; what hooks said and changed by step (`rcpt_to` once for each recipient), None where there are no hooks.
    """

    fate: Fate = "accepted"
    by: str = ""
    words: str = ""
    steps: dict[Key, Outcome | None] = field(default_factory=dict)
    calls: list[Called] = field(default_factory=list)


@dataclass(slots=True)
class Counts:
    """What many messages came to. `effects` is what would have been done elsewhere, `refused` calls that nobody
    answered.
    """

    messages: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    by: Counter[tuple[str, str]] = field(default_factory=Counter)
    hooks: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, judged: Judged) -> None:
        """One more message."""
        self.messages += 1
        self.fates[judged.fate] += 1
        if judged.by:
            self.by[judged.fate, judged.by] += 1
        for one in judged.calls:
            self.hooks[one.point, one.hook, one.outcome] += 1


class Replay:
    """Judges messages by one version. Made and used within one event loop."""

    def __init__(
        self, policy: LoadedPolicy, rules: Iterable[Rule], budget: Budget, library: Library | None = None
    ) -> None:
        """`library` answers what only reads; None: nobody is asked anything."""
        self.policy = policy
        self.counts = Counts()
        self.now = 0.0
        self._judged = Judged()
        self._rule = ""
        self._recorder = _Recorder(budget, self)
        asked = library or offline_library(self.clock, lambda call: _count(self.counts.refused, call))
        silent = quiet(asked, lambda effect: _count(self.counts.effects, effect))
        self.library = replace(silent, state=own_state(self.clock))
        rulebook = Rulebook(rules, self._matched)
        self._step = ScriptStep(
            Versions(policy, waiting=()), rulebook, self._recorder, self.library, self.clock, lambda *asked: None
        )

    def _matched(self, rule: Rule, context: MailContext) -> None:
        self._rule = rule.name

    def clock(self) -> float:
        """When the message came that is being judged."""
        return self.now

    async def judge(self, message: Recorded) -> Judged:
        """What would become of it. Raises `DanelawError` for an envelope that no SMTP client could have sent."""
        self.now = message.received_at
        judged = self._judged = Judged()
        self._recorder.origin = message.origin
        sender = ReversePath.from_text(f"<{message.reverse_path}>")
        named = [Recipient(ForwardPath.from_text(f"<{one}>")) for one in message.recipients]
        client = _connected(message)
        for point, asked in (("connect", self._step.connect), ("helo", self._step.helo)):
            if self._refused(point, await asked(replace(client, user="", helo=client.helo if point == "helo" else ""))):
                return self._counted(judged)
        judged.steps.setdefault(("mail_from", ""), None)
        if not self._refused("mail_from", await self._step.transaction(client, _mail_of(message, sender))):
            taken = [one for one in named if await self._takes(client, sender, one)]
            if taken or not named:
                judged.fate, judged.by, judged.words = "accepted", "", ""
                judged.steps.setdefault(("end_of_data", ""), None)
                await self._whole(message, client, Envelope(sender, tuple(taken), message.smtputf8))
        return self._counted(judged)

    async def _takes(self, client: Connected, sender: ReversePath, recipient: Recipient) -> bool:
        key = ("rcpt_to", recipient.forward_path.mailbox.to_text())
        self._judged.steps.setdefault(key, None)
        return not self._refused("rcpt_to", await self._step.recipient(client, sender, recipient))

    async def _whole(self, message: Recorded, client: Connected, envelope: Envelope) -> None:
        numbers = iter(range(1, 1 << 30))
        arrival = Arrival(
            0, self.now, client, envelope, Content(message.octets, len(message.octets)), envelope.reverse_path,
            list(envelope.recipients), findings=[ArrivalFinding(*_three(one)) for one in message.findings],
            new_id=lambda: next(numbers),
        )  # fmt: skip
        ruling: Ruling | None = await self._step.message(arrival)
        if isinstance(ruling, Refuse):
            self._refused("end_of_data", ruling.reply)
        elif isinstance(ruling, Discard):
            self._ends("discarded", ruling.reason)
        elif ruling is not None or arrival.holds:
            self._ends("held", ruling.reason if ruling is not None else arrival.holds[0].reason)

    def _refused(self, point: str, reply: Reply | None) -> bool:
        if point != "rcpt_to":
            self._judged.steps.setdefault((point, ""), None)
        if reply is None:
            return False
        self._ends("rejected" if reply.is_permanent else "deferred", reply.to_text())
        return True

    def _ends(self, fate: Fate, words: str) -> None:
        said = self._recorder.said
        self._judged.fate, self._judged.words = fate, words
        self._judged.by = "" if said is None else said.hook.name
        if said is not None and said.hook.module == RULES:
            self._judged.by = f"rule {self._rule}"

    def _counted(self, judged: Judged) -> Judged:
        self.counts.add(judged)
        return judged

    def begin(self) -> list[Called]:
        """Forget the last message; the list fills with the calls of hooks that follow."""
        self._judged = Judged()
        return self._judged.calls

    async def ask(self, hooks: Iterable[Hook], context: Context) -> Said | None:
        """Ask some hooks about a context, with everything as in a replay."""
        return await self._recorder.ask(self.policy, hooks, context)

    def note(self, key: Key, outcome: Outcome) -> None:
        """What the hooks of a step came to."""
        self._judged.steps[key] = outcome

    def called(self, called: Called) -> None:
        """A hook was asked."""
        self._judged.calls.append(called)


class _Recorder(Runner):
    """Asks hooks as a gateway does, and notes what each step came to."""

    __slots__ = ("_replay", "origin", "said")

    def __init__(self, budget: Budget, replay: Replay) -> None:
        super().__init__(budget, observe=lambda called, context: replay.called(called))
        self._replay = replay
        self.origin: Origin | None = None
        self.said: Said | None = None

    async def ask(self, policy: LoadedPolicy, hooks: Iterable[Hook], context: Context) -> Said | None:
        """See `Runner`."""
        hooks = tuple(hooks)
        if isinstance(context, MessageContext) and context.origin is None:
            context.origin = self.origin
        before = Before.of(context)
        self.said = said = await super().ask(policy, hooks, context)
        point = hooks[0].point
        verdict, hook, failed = (None, "", False) if said is None else (said.verdict, said.hook.name, said.failed)
        outcome = Outcome.of(point, verdict, hook, before, context, failed=failed)
        self._replay.note((point, getattr(context, "recipient", "")), outcome)
        return said


def differences(ours: Judged, theirs: Judged) -> Iterator[Difference]:
    """What differs between two judgements of one message, step by step, as far as both were asked. A step that the one
    version ended at, and the other did not, is the last one: what follows from it is no other difference.
    """
    for key, outcome in ours.steps.items():
        if key not in theirs.steps:
            continue
        other = theirs.steps[key]
        if outcome is None and other is None:
            continue
        yield from compare(outcome or _neutral(other), other or _neutral(outcome))


def _neutral(outcome: Outcome | None) -> Outcome:
    """What no hook says and changes."""
    assert outcome is not None
    return Outcome(outcome.point, offered=outcome.offered, recipients=outcome.offered)


def _mail_of(message: Recorded, sender: ReversePath) -> MailFrom:
    return MailFrom(sender, len(message.octets), None, message.smtputf8, None, None, message.requiretls)


def _connected(message: Recorded) -> Connected:
    client = message.client
    tls = None if client.tls is None else (client.tls.version, client.tls.cipher)
    return Connected(
        client.address, client.port, client.helo, client.extended, tls, client.trusted, client.listener, client.user
    )


def _three(finding: Finding) -> tuple[str, str, str]:
    return finding.step, finding.result, finding.reason


def _count(counter: Counter[str], what: str) -> None:
    if what in counter or len(counter) < MOST_COUNTED:
        counter[what] += 1
