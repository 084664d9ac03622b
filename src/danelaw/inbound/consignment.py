"""What of a message goes to the queue: as its client gave it, or as steps changed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.inbound.head import Head
from danelaw.policy.handling import USUAL
from danelaw.queue import HeldBy, QueuedMessage, QueuedRecipient, RecipientState, RoutingKey
from danelaw.requiretls import waives_tls
from danelaw.tlspolicy import SenderDemand

if TYPE_CHECKING:
    from danelaw.address import AddressLiteral, Domain
    from danelaw.inbound.arrival import Arrival
    from danelaw.inbound.conversation import Conversation
    from danelaw.inbound.intake import Intake
    from danelaw.smtp import Envelope
    from danelaw.spool import BodyWriter

MANY = 200
"""Recipients made ready in one turn of the event loop."""


@dataclass(slots=True)
class Parcel:
    """A consignment under its id, and its octets: in memory, or in a file that is not durable yet."""

    id: int
    goods: Consignment
    body: bytes | None
    writer: BodyWriter | None = None


class Consignment:
    """Makes recipients and message for the queue, from one message's facts. `size` counts our trace too."""

    __slots__ = (
        "_context",
        "_custody",
        "_demand",
        "_envelope",
        "_findings",
        "_handling",
        "_intake",
        "_message_id",
        "_reverse_path",
        "_session",
        "_tenant",
        "_waives",
        "size",
        "to",
    )

    def __init__(
        self, intake: Intake, session: Conversation, envelope: Envelope, head: Head, size: int,
        arrival: Arrival | None = None,
    ) -> None:  # fmt: skip
        """`head` is the header as the client gave it; `arrival` is what steps left of the message, None without any."""
        self._intake = intake
        self._session = session
        self._envelope = envelope
        self._message_id = head.message_id
        if not self._message_id and arrival is not None and arrival.added:
            self._message_id = Head(b"".join(arrival.added)).message_id
        self.size = size
        self._reverse_path = envelope.reverse_path if arrival is None else arrival.reverse_path
        self.to = envelope.recipients if arrival is None else tuple(arrival.recipients)
        holds = () if arrival is None else [(HeldBy(hold.step, hold.reason), hold.seconds) for hold in arrival.holds]
        self._custody = intake.terms.custody(holds, intake.clock()) if holds else None
        self._findings = "" if arrival is None else arrival.findings_text
        self._context = "" if arrival is None else arrival.context
        self._handling = handling = USUAL if arrival is None else arrival.handling
        self._waives = waives_tls(head.tls_required, requiretls=envelope.requiretls)
        self._demand = "requiretls" if envelope.requiretls else "tls-required-no" if self._waives else ""
        for more in ("" if arrival is None else arrival.demand, handling.demand):
            if more:
                self._demand = SenderDemand.from_word(self._demand).with_demand(SenderDemand.from_word(more)).word
        self._tenant = handling.tenant or intake.relay.tenants.of(
            session.client_address, self._reverse_path, trusted=session.trusted, user=session.user
        )

    @property
    def many(self) -> bool:
        """More recipients than one turn of the event loop should make ready."""
        return len(self.to) > MANY

    def recipients(self, now: float, first: int = 0, upto: int = MANY) -> list[QueuedRecipient]:
        """Some of the recipients as the queue knows them, due `now` (POSIX seconds)."""
        key, custody = self._key, self._custody
        recipients = []
        for number, item in enumerate(self.to[first:upto], first):
            mailbox = item.forward_path.mailbox
            notify = "" if item.notify is None else item.notify.to_text()
            orcpt = "" if item.orcpt is None else item.orcpt.to_text()
            recipient = QueuedRecipient(number, mailbox.to_text(), key(mailbox.domain), notify, orcpt, now)
            if custody is not None:
                recipient.state, recipient.reason = RecipientState.HELD, custody.reason
            recipients.append(recipient)
        return recipients

    def _key(self, domain: Domain | AddressLiteral) -> RoutingKey:
        handling, relay = self._handling, self._intake.relay
        if handling is USUAL:
            return relay.key(domain, self._demand, self._tenant)
        next_hop = handling.next_hop or relay.next_hop(domain)
        return RoutingKey(next_hop, self._demand, self._tenant, handling.job, handling.priority)

    def _expires(self, now: float) -> float:
        usual, wanted = self._intake.schedule.expires(now), self._handling.expires_in
        return usual if wanted is None else min(usual, now + wanted)

    def message(self, number: int, now: float, recipients: list[QueuedRecipient], *, eight_bit: bool) -> QueuedMessage:
        """The message with this id, received `now`."""
        envelope, session = self._envelope, self._session
        mailbox = self._reverse_path.mailbox
        return QueuedMessage(
            number,
            now,
            self._expires(now),
            "" if mailbox is None else mailbox.to_text(),
            tuple(recipients),
            self.size,
            len(recipients),
            "8BITMIME" if eight_bit else "7BIT",
            envelope.smtputf8,
            envelope.ret.value if envelope.ret else "",
            envelope.envid or "",
            envelope.requiretls,
            self._waives,
            session.client_address,
            session.helo,
            " ".join(session.tls or ()),
            self._message_id,
            custody=self._custody,
            findings=self._findings,
            context=self._context,
            client_user=session.user,
        )
