"""The step that carries out hold rules (`danelaw quarantine rule`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from danelaw.inbound.arrival import Hold
from danelaw.inbound.head import Head
from danelaw.inbound.steps import Stage, Step
from danelaw.quarantine import Summary
from danelaw.quarantine.rules import HoldRule, first
from danelaw.queue import QueuedMessage, QueuedRecipient, RoutingKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from danelaw.inbound.arrival import Arrival, Ruling

_NO_KEY = RoutingKey("")


class Rules(Protocol):
    """Where rules come from (`state.HoldRuleStore`)."""

    def all(self, now: float) -> tuple[HoldRule, ...]:
        """Every rule, ended ones included."""

    def allows(self, recipient: str, sender: str) -> bool:
        """Whether a recipient wants this sender's mail."""


class HoldingStep(Step):
    """Holds what a rule names, whoever sends it. A message is held whole when a rule names one of its recipients.

    It goes free where every recipient has allowed its envelope sender. `clock` gives POSIX seconds.
    """

    name = "rule"
    stages = Stage.MESSAGE
    for_trusted = True

    def __init__(self, rules: Rules, clock: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock

    @property
    def idle(self) -> bool:
        """True while there are no rules."""
        return not self._rules.all(self._clock())

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Held by the first rule that names it."""
        now = self._clock()
        rules = self._rules.all(now)
        if not rules:
            return None
        message = as_queued(arrival)
        subject = Summary.of(arrival.content.header).subject if any(rule.subject for rule in rules) else ""
        rule = first(rules, message, subject, now)
        if rule is None or self._allowed(message):
            return None
        return Hold(f"rule {rule.number}: {rule.reason}", self.name)

    def _allowed(self, message: QueuedMessage) -> bool:
        sender = message.reverse_path
        return bool(sender) and all(self._rules.allows(one.forward_path, sender) for one in message.recipients)


def as_queued(arrival: Arrival) -> QueuedMessage:
    """What filters can know of a message that is not in the queue yet."""
    mailbox, client = arrival.reverse_path.mailbox, arrival.client
    recipients = tuple(
        QueuedRecipient(number, one.forward_path.mailbox.to_text(), _NO_KEY)
        for number, one in enumerate(arrival.recipients)
    )
    return QueuedMessage(
        arrival.id, arrival.received_at, arrival.received_at, "" if mailbox is None else mailbox.to_text(), recipients,
        arrival.content.size, len(recipients), client_address=client.address, client_helo=client.helo,
        message_id=Head(arrival.content.header + b"\r\n").message_id,
    )  # fmt: skip
