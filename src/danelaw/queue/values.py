"""What the queue holds: a message, its recipients, and the key that says which of them travel together.

Slotted and immutable by convention only: a frozen dataclass costs several microseconds per message on the
path between end of data and 250.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from danelaw.queue.custody import Custody
from danelaw.queue.ids import id_to_text


class RecipientState(IntEnum):
    """Where a recipient stands; the numbers are stored and never change meaning.

    `QUEUED` waits on disk; `DELIVERING` is claimed by the running process (in a page or on the wire);
    `HELD` waits for an operator. The others are final: `RELAYED` is RFC 3464 §2.3.3 "relayed" (passed on to a
    host without DSN), `EXPIRED` is a failure by lifetime, `DROPPED` an operator's logged act.
    """

    QUEUED = 0
    DELIVERING = 1
    HELD = 2
    DELIVERED = 3
    FAILED = 4
    EXPIRED = 5
    RELAYED = 6
    DROPPED = 7

    @property
    def final(self) -> bool:
        """True when nothing more will be tried."""
        return self >= RecipientState.DELIVERED

    @property
    def words(self) -> str:
        """The word people see: waiting, held, delivered, returned or dropped."""
        return _STATE_WORDS[self]


_STATE_WORDS = (
    "waiting",
    "waiting",
    "held",
    "delivered",
    "returned",
    "returned",
    "delivered",
    "dropped",
)


PRIORITIES = {"high": 1, "normal": 0, "low": -1}
"""Priorities by the words people use."""
_PRIORITY_WORDS = {number: word for word, number in PRIORITIES.items()}


def priority_word(priority: int) -> str:
    """`high`, `normal` or `low`."""
    return _PRIORITY_WORDS[priority]


class RoutingKey(NamedTuple):
    """What travels together: next hop as written in the route (`example.org`, `[relay.example]:2525`), the
    sender's demand in one word (empty, or as `tlspolicy.SenderDemand.word` has it), the tenant whose share it uses, the
    job it is part of (empty for none), and its priority (one of `PRIORITIES`) within the share of its tenant.
    """

    next_hop: str
    demand: str = ""
    tenant: str = ""
    job: str = ""
    priority: int = 0

    def to_text(self) -> str:
        """`example.org`, or `example.org requiretls tenant=a job=b priority=high` when there is more to say."""
        parts = [self.next_hop]
        if self.demand:
            parts.append(self.demand)
        if self.tenant:
            parts.append(f"tenant={self.tenant}")
        if self.job:
            parts.append(f"job={self.job}")
        if self.priority:
            parts.append(f"priority={priority_word(self.priority)}")
        return " ".join(parts)


MOST_CONTEXT = 65_536
"""Octets of a message's context."""


@dataclass(slots=True)
class QueuedRecipient:
    """One recipient of a message.

    `number` counts from 0 within the message. `forward_path` is the address without brackets. `notify` (RFC 3461 §4.1,
    such as `SUCCESS,FAILURE`, or empty) and `orcpt` (§4.2, `rfc822;…`, decoded, or empty) travel on. `due` is POSIX
    seconds of the next try, never later than the message's `expires`; `tries` counts finished tries that were this
    message's own failure. `reply` is the last SMTP reply of the next hop, `reason` our last words about it.
    `site` is the MX site its queue was last sent to (`google`), where it is known and asked for.
    """

    number: int
    forward_path: str
    key: RoutingKey
    notify: str = ""
    orcpt: str = ""
    due: float = 0.0
    tries: int = 0
    state: RecipientState = RecipientState.QUEUED
    reply: str = ""
    reason: str = ""
    changed_at: float = 0.0
    site: str = ""


@dataclass(slots=True)
class QueuedMessage:
    """One message on disk. Times are POSIX seconds.

    `reverse_path` is the address without brackets, empty for `<>`. `body_kind` is `7BIT` or `8BITMIME` (RFC 6152).
    `ret` is `FULL`, `HDRS` or empty and `envid` decoded (RFC 3461 §4.3-4.4). `client_*` say who gave it to us, for
    history: `client_tls` is version and cipher in words, empty for clear text, `client_user` as whom it had logged in.
    `size` is octets as stored (our Received field included). `body_file` names the file of a large body, None when the
    body is in the database.
    `notified` is true once the sender was told about the delay. `recipients` may be a part of all recipients (those
    of one routing key); `recipient_count` always counts all. `custody` says why recipients of it are held, None when
    none is. `findings` is what steps found out at arrival, as JSON text `[["spf","pass","why"],…]`, empty when nothing.
    `context` is what scripts noted about it from connect on, as JSON text of at most `MOST_CONTEXT` octets that is
    opaque here; empty when nothing.
    """

    id: int
    received_at: float
    expires: float
    reverse_path: str
    recipients: tuple[QueuedRecipient, ...]
    size: int
    recipient_count: int = 1
    body_kind: str = "7BIT"
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    requiretls: bool = False
    tls_required_no: bool = False
    client_address: str = ""
    client_helo: str = ""
    client_tls: str = ""
    message_id: str = ""
    body_file: str | None = None
    notified: bool = False
    custody: Custody | None = None
    findings: str = ""
    context: str = ""
    client_user: str = ""

    @property
    def id_text(self) -> str:
        """The id as people type it."""
        return id_to_text(self.id)

    @property
    def keys(self) -> tuple[RoutingKey, ...]:
        """The routing keys of its recipients, each once, in order of first use."""
        if len(self.recipients) == 1:
            return (self.recipients[0].key,)
        return tuple(dict.fromkeys(recipient.key for recipient in self.recipients))
