"""What a delivery reports back: per recipient, in one value that is stored in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from danelaw.queue.attempt import Attempt
from danelaw.queue.values import QueuedMessage, RecipientState, RoutingKey


@dataclass(slots=True)
class RecipientResult:
    """The new state of one recipient. `QUEUED` means try again at `due` with `tries` counted; final states end it."""

    number: int
    state: RecipientState
    due: float = 0.0
    tries: int = 0
    reply: str = ""
    reason: str = ""


class Owed(NamedTuple):
    """What the sender of a message is yet to be told about one of its recipients; `words` are opaque to the spool."""

    number: int
    words: str


class Move(NamedTuple):
    """A recipient waits in another queue from now on."""

    number: int
    key: RoutingKey


@dataclass(slots=True)
class Settlement:
    """Everything that became true through one delivery, stored all or nothing.

    `message` may hold only the recipients concerned. `notices` are the DSNs this outcome calls for, each a message
    with its body: a recipient never becomes failed without its bounce on disk. `attempts` are added to the record;
    `evidence` are the blobs their digests name. `notified` marks that the sender was told about the delay. With no
    `results` nothing changes but the record (a host's failure moves no message).

    Of a message with very many recipients the notice is `owed` instead: what it is to say about each recipient is
    stored with the recipient's end, and the message stays until notices that tell of the numbers in `told` are stored.
    `context`, where it is not None, takes the place of the message's. `moves` puts recipients into other queues.
    """

    message: QueuedMessage
    at: float
    results: tuple[RecipientResult, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    notices: tuple[tuple[QueuedMessage, bytes], ...] = ()
    evidence: tuple[bytes, ...] = ()
    notified: bool = False
    owed: tuple[Owed, ...] = ()
    told: tuple[int, ...] = ()
    context: str | None = None
    moves: tuple[Move, ...] = ()
