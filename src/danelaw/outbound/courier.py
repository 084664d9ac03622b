"""Carrying mail to its next hop: what every delivery needs, and how one begins."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from danelaw.outbound.answers import Answers
from danelaw.outbound.by_carrier import by_carrier
from danelaw.outbound.causes import of_survey
from danelaw.outbound.checkpoint import Checkpoint
from danelaw.outbound.delivery import Tour
from danelaw.outbound.express import LARGEST_BODY, Express
from danelaw.outbound.opening import Door
from danelaw.outbound.outcome import Outcome
from danelaw.outbound.pool import Pool
from danelaw.outbound.reach import Reachability
from danelaw.outbound.record import EvidenceLedger, attempt_of
from danelaw.outbound.stepping import Moves, stepped
from danelaw.outbound.steps import USUAL, DeliverySteps, Way
from danelaw.queue import RecipientState
from danelaw.queue.pages import HostVerdict, Work
from danelaw.routing import NextHop, carrier_of
from danelaw.smtp import EnhancedStatusCode
from danelaw.tlspolicy import SenderDemand

if TYPE_CHECKING:
    from danelaw.carriers import Carrier
    from danelaw.outbound.destination import Survey, Surveyor
    from danelaw.outbound.transport_field import TransportFields
    from danelaw.pkix import Roots
    from danelaw.queue import QueuedMessage, QueuedRecipient, RoutingKey
    from danelaw.queue.gate import Gate
    from danelaw.spool import Spool
    from danelaw.telemetry import Log, Metrics
    from danelaw.tlspolicy import Handshake, Judgement


class SessionCount(Protocol):
    """Counts sessions for TLS reports (RFC 8460): each connection once, when it is judged for the first time."""

    def __call__(self, judgement: Judgement, handshake: Handshake | None, message: QueuedMessage, now: float) -> None:
        """A session for `message`; `handshake` is None where nobody connects to the host."""


@lru_cache(maxsize=8192)
def _destination(key: RoutingKey) -> tuple[NextHop, SenderDemand] | None:
    """None where the next hop is a carrier."""
    if carrier_of(key.next_hop) is not None:
        return None
    return NextHop.from_text(key.next_hop), SenderDemand.from_word(key.demand)


@dataclass(slots=True, kw_only=True)
class Courier:
    """What every delivery needs. `families` orders addresses; `own_names` are hosts that are this gateway; from the
    carriers in `last_stops` mail goes no further. `sessions` is told of each new connection that was judged, and
    `transport_fields` tell how mail for own domains came in.
    """

    surveyor: Surveyor
    door: Door
    pool: Pool
    roots: Roots | None
    spool: Spool
    log: Log
    metrics: Metrics
    families: tuple[str, ...] = ("ipv6", "ipv4")
    own_names: frozenset[str] = frozenset()
    clock: Callable[[], float] = time.time
    shuffle: Callable[[list[object]], None] = random.shuffle
    ledger: EvidenceLedger = field(default_factory=EvidenceLedger)
    reach: Reachability = field(default_factory=Reachability)
    gate: Gate | None = None
    answers: Answers
    carriers: Mapping[str, Carrier] = field(default_factory=dict)
    last_stops: frozenset[str] = frozenset()
    steps: DeliverySteps = field(default_factory=DeliverySteps)
    moves: Moves = field(default_factory=Moves.none)
    transport_fields: TransportFields | None = None
    sessions: SessionCount | None = None
    checkpoint: Checkpoint = field(init=False)

    def __post_init__(self) -> None:
        self.checkpoint = Checkpoint(self.gate, self.pool)

    async def deliver(self, work: Work, outcome: Outcome | None = None) -> Outcome:
        """Try every host until each recipient has an end, as policy steps have it. Network and policy failures are part
        of the outcome.

        `outcome` is filled while the tries go on: what it says holds even when this is cancelled.
        """
        filled = Outcome() if outcome is None else outcome
        if self.steps.all:
            return await stepped(self, work, filled)
        return await self.carry(work, filled)

    async def carry(self, work: Work, outcome: Outcome, way: Way = USUAL) -> Outcome:
        """The same without steps, over connections made in this way."""
        destination = _destination(work.key)
        if destination is None:
            return await by_carrier(self, work, outcome)
        next_hop, demand = destination
        started = self.clock()
        survey = self.surveyor.cached(next_hop, demand, started)
        if survey is None:
            survey = await self.surveyor.survey(next_hop, demand, started)
        if survey.undeliverable is not None:
            status = EnhancedStatusCode(*survey.undeliverable.status).to_text()
            reason, cause = survey.undeliverable.reason, of_survey(survey).value
            ended = Outcome.all_recipients(work, RecipientState.FAILED, status, reason, cause=cause)
            self._unreached(work, survey, started, "returned", survey.undeliverable.reason, ended)
            return ended
        if survey.error is not None:
            waits = Outcome(HostVerdict.DOWN, survey.error)
            self._unreached(work, survey, started, "waiting", survey.error, waits)
            return waits
        return await Tour(self, work, survey, started, outcome, way).run()

    def express(
        self, work: Work, outcome: Outcome, ended: Callable[[Express, Exception | None], None]
    ) -> Express | None:
        """Begin a delivery that needs no task: the destination is known, a connection is open, the body in memory.

        None when it takes the long way, `deliver`; nothing was sent then and nothing is in `outcome`.
        """
        if work.body is None or len(work.body) > LARGEST_BODY or self.steps.before:
            return None
        destination = _destination(work.key)
        if destination is None:
            return None
        next_hop, demand = destination
        now = self.clock()
        survey = self.surveyor.cached(next_hop, demand, now)
        if survey is None or survey.undeliverable is not None or survey.error is not None:
            return None
        tour = Tour(self, work, survey, now, outcome)
        kept = tour.at_once()
        if kept is None:
            return None
        express = Express(work, tour, *kept, self.door, ended, self.field_above(work, work.message.recipients))
        return express if express.start() else None

    def field_above(self, work: Work, recipients: Iterable[QueuedRecipient]) -> bytes:
        """What is sent above a message to some of its recipients: how it came in, where it stays at home."""
        return b"" if self.transport_fields is None else self.transport_fields.of(work.message, recipients)

    async def policy_changed(self, key: RoutingKey, now: float) -> bool:
        """Whether a destination's MTA-STS policy is another than the one its mail failed under (RFC 8461 §5.1)."""
        destination = _destination(key)
        return destination is not None and await self.surveyor.recheck(*destination, now)

    def close(self) -> None:
        """Close idle connections."""
        self.pool.close()

    def _unreached(self, work: Work, survey: Survey, started: float, word: str, reason: str, outcome: Outcome) -> None:
        """Write down a try that ended with the look-ups, with the DNS answers that prove it."""
        known, facts = self.ledger.of_survey(survey, started)
        outcome.evidence.extend(known.due)
        outcome.attempts.append(
            attempt_of(
                started=started,
                ended=self.clock(),
                survey=survey,
                plan=None,
                recipients=tuple(item.number for item in work.message.recipients),
                outcome=word,
                reason=reason,
                facts=facts,
                cause=of_survey(survey),
                basis=known.record,
            )
        )
        for recipient in work.message.recipients:
            self.metrics.outbound_recipients.add(word, "nothing sent")
            self.metrics.came_of(work.key.demand, word)
            self.log.event(
                word,
                id=work.message.id_text,
                to=recipient.forward_path,
                demand=work.key.demand or None,
                reason=reason,
            )
