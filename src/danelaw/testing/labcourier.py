"""Deliveries of a lab: next hops say what a test wrote down; everything else is the gateway's own code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from danelaw.outbound.answers import Answers
from danelaw.outbound.courier import Courier
from danelaw.outbound.outcome import Outcome, RecipientOutcome
from danelaw.outbound.steps import USUAL, Carried, Way
from danelaw.queue import Attempt, RecipientState
from danelaw.queue.pages import HostVerdict
from danelaw.smtp import USUAL_CLIENT_LIMITS
from danelaw.smtp.reply_reader import ReplyReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from danelaw.outbound.steps import PendingDelivery
    from danelaw.policy import Carrier
    from danelaw.queue.pages import Work
    from danelaw.smtp import Reply
    from danelaw.telemetry import Log, Metrics
    from danelaw.testing.labspool import LabSpool

HopAnswer: TypeAlias = str | Mapping[str, str]
"""A reply for all recipients (`451 4.2.0 busy`), replies by address, or other words: no host was reached."""
ACCEPTED = "250 2.0.0 Ok"


@dataclass(slots=True)
class Hops:
    """What next hops say, by name; each answer is used once, the last one stays. Whoever is not named accepts."""

    answers: dict[str, list[HopAnswer]] = field(default_factory=dict)

    def next(self, name: str) -> HopAnswer:
        """What it says now."""
        held = self.answers.get(name)
        if not held:
            return ACCEPTED
        return held.pop(0) if len(held) > 1 else held[0]


class LabCourier(Courier):
    """Asks steps as `Courier` does; a try is what `hops` say. `ways` are how deliveries went, in order."""

    __slots__ = ("hops", "ways")

    hops: Hops
    ways: list[tuple[str, Way]]

    @classmethod
    def of(
        cls, hops: Hops, spool: LabSpool, log: Log, metrics: Metrics, clock: Callable[[], float],
        certificates: Sequence[str], carriers: Sequence[str],
    ) -> LabCourier:  # fmt: skip
        """A courier for these next hops; `certificates` and `carriers` are those known by name."""
        nothing = cast("Any", None)
        made = cls(
            surveyor=nothing,
            door=cast("Any", SimpleNamespace(certificates=frozenset(certificates))),
            pool=nothing,
            roots=None,
            spool=cast("Any", spool),
            log=log,
            metrics=metrics,
            clock=clock,
            answers=Answers(log=log, metrics=metrics),
            carriers=dict.fromkeys(carriers, nothing),
        )
        made.hops, made.ways = hops, []
        return made

    async def carry(self, work: Work, outcome: Outcome, way: Way = USUAL) -> Outcome:
        """A try at the next hop."""
        hop, now = work.key.next_hop, self.clock()
        self.ways.append((hop, way))
        said = self.hops.next(hop)
        numbers = tuple(one.number for one in work.message.recipients)
        if isinstance(said, str) and not said[:3].isdigit():
            outcome.verdict, outcome.reason = HostVerdict.DOWN, said
            outcome.attempts.append(
                Attempt(now, hop, numbers, hop, port=0, protection="nothing sent", outcome="waiting", reason=said)
            )
            return outcome
        for one in work.message.recipients:
            text = said if isinstance(said, str) else said.get(one.forward_path, ACCEPTED)
            end = outcome.recipients[one.number] = self._end(work, one.number, reply_from(text))
            word = {RecipientState.DELIVERED: "delivered", RecipientState.FAILED: "returned"}.get(end.state, "waiting")
            outcome.attempts.append(
                Attempt(
                    now, hop, (one.number,), hop, "192.0.2.25", 25, protection="encrypted only", tls_version="TLSv1.3",
                    reply=end.reply, outcome=word, reason=end.reason,
                )
            )  # fmt: skip
        return outcome

    def _end(self, work: Work, number: int, reply: Reply) -> RecipientOutcome:
        """What a reply means, by the gateway's bounce classes."""
        hop, said = work.key.next_hop, reply.to_text()
        status = "2.0.0" if reply.enhanced is None else reply.enhanced.to_text()
        if reply.is_positive:
            return RecipientOutcome(number, RecipientState.DELIVERED, status, said, "", hop)
        meaning = self.answers.heard(reply, hop, work.key)
        one = meaning.bounce_class
        state = RecipientState.QUEUED if meaning.again else RecipientState.FAILED
        if meaning.hold:
            state = RecipientState.HELD
        words = f"{hop} {'refused it' if reply.is_permanent else 'asks to try again later'}: {reply}"
        return RecipientOutcome(number, state, status, said, words, hop, one.notice, one.advice, meaning.wait, one.name)


@dataclass(slots=True)
class LabCarriers:
    """Carriers of a policy's own. `carried` is what they were given; `refused` says who cannot be reached, and why."""

    carried: list[tuple[Carrier, str, bytes]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    async def carry(self, wanted: Carrier, pending: PendingDelivery) -> Carried:
        """Everybody gets it, but for those who are refused."""
        self.carried.append((wanted, pending.message.id_text, b"".join(pending.octets())))
        ends = {}
        for one in pending.message.recipients:
            reason = self.refused.get(one.forward_path)
            state = RecipientState.DELIVERED if reason is None else RecipientState.FAILED
            status = "2.0.0" if reason is None else "5.1.1"
            ends[one.number] = RecipientOutcome(one.number, state, status, "", reason or "")
        return Carried(type(wanted).__name__.lower(), ends)

    async def close(self) -> None:
        """Nothing is open."""


def reply_from(text: str) -> Reply:
    """A reply as a server says it: `550 5.1.1 nobody here`. Raises `danelaw.smtp.MalformedReply`."""
    reader = ReplyReader(USUAL_CLIENT_LIMITS)
    reader.feed(text.encode("utf-8") + b"\r\n")
    reply = reader.next_reply()
    assert reply is not None
    return reply
