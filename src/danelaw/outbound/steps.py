"""The steps beside a delivery: what a policy may say before mail is sent to a next hop, and after a try.

A step is asked for one message and those of its recipients that travel together. Before the delivery it may choose
another way for them, or end it without one; after a try it may change when the next one is, what the sender reads, and
whether recipients that were not reached wait, are returned or are held. It sees everything and grants nothing: only
`tlspolicy.judge` makes a `Clearance`, a demand can only become stronger, and who was reached stays reached.

Without steps nothing here runs: an ordinary message has no call, no task and no statement for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from danelaw.tlspolicy import SenderDemand

if TYPE_CHECKING:
    from danelaw.outbound.outcome import RecipientOutcome
    from danelaw.queue import Attempt, QueuedMessage, QueuedRecipient, RoutingKey


class Way(NamedTuple):
    """How connections for one delivery are made; what is empty is as configured.

    `local` are addresses of this machine, at most one of each family: a host is then reached over their families only.
    `helo` is the name said in EHLO, `certificate` the name of a `[[client_certificate]]` shown when a server asks.
    Connections are shared only among deliveries with equal ways.
    """

    local: tuple[str, ...] = ()
    helo: str = ""
    certificate: str = ""


USUAL = Way()


@dataclass(frozen=True, slots=True)
class PendingDelivery:
    """A delivery that is about to begin. `message` has only the recipients of `key`; `now` is POSIX seconds; `octets`
    gives the message as stored, in pieces, each time anew (it may raise `SpoolError`).
    """

    message: QueuedMessage
    key: RoutingKey
    now: float
    octets: Callable[[], Iterable[bytes]]

    @property
    def recipients(self) -> tuple[QueuedRecipient, ...]:
        """Those it is for."""
        return self.message.recipients

    @property
    def tries(self) -> int:
        """How often the most tried of them was tried before."""
        return max((one.tries for one in self.message.recipients), default=0)

    @property
    def age(self) -> float:
        """Seconds since the message was taken."""
        return self.now - self.message.received_at


class Wait(NamedTuple):
    """No delivery now; the next is at `until` (POSIX seconds, but within the lifetime), and this counts as no try. A
    restart makes due at once whatever is due later than the longest wait of the schedule: then the step is asked again.
    """

    until: float
    reason: str


class Return(NamedTuple):
    """The mail is returned to its sender with this enhanced status (RFC 3463), such as `5.7.1`."""

    status: str
    reason: str


class Hold(NamedTuple):
    """The mail is held for the postmaster."""

    reason: str


class Carried(NamedTuple):
    """The step has delivered by itself, over a way called `by`: what became of each recipient, by number. Whoever is
    missing in `ends` waits for the next try. Mail whose sender demands verified TLS cannot be carried so.
    """

    by: str
    ends: Mapping[int, RecipientOutcome]


End: TypeAlias = Wait | Return | Hold | Carried


@dataclass(frozen=True, slots=True, kw_only=True)
class Directions:
    """What a step says before a delivery; the fields left alone change nothing.

    `next_hop` (a text `routing.NextHop` reads, or that of a carrier), `demand`, `job` and `priority` put the recipients
    into another queue, from where they are delivered under its limits. `way` is for this delivery. `most_recipients`
    bounds a transaction. With an `end` there is no delivery by us. `context`, where it is not None, takes the place of
    the message's. `because` says why in one line, for the record.
    """

    next_hop: str = ""
    demand: SenderDemand = SenderDemand.NONE
    job: str | None = None
    priority: int | None = None
    way: Way = USUAL
    most_recipients: int | None = None
    end: End | None = None
    context: str | None = None
    because: str = ""


@dataclass(frozen=True, slots=True)
class TriedDelivery:
    """A delivery that has ended, not yet written down. `ends` says what became of recipients by number; who is missing
    waits. `attempts` is every try at every host. With `host_down` no host could be used and `ends` is empty.
    """

    message: QueuedMessage
    key: RoutingKey
    now: float
    ends: Mapping[int, RecipientOutcome]
    attempts: tuple[Attempt, ...]
    host_down: bool
    reason: str


class Then(Enum):
    """What is to become of recipients that were not reached."""

    AS_IT_IS = "as it is"
    RETRY = "retry"
    RETURN = "return"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What a step says after a try, about recipients that were not reached: those in `recipients`, or all (None).

    `then` may return them, hold them, or try them again although they failed. `at` is the next try (POSIX seconds,
    within the lifetime). `bounce` names a class of the bounce file whose words the sender reads; `text` is added to
    what the notice says. `context` is about the message, as in `Directions`. `because` says why, for the record.
    """

    recipients: frozenset[int] | None = None
    then: Then = Then.AS_IT_IS
    at: float | None = None
    bounce: str = ""
    text: str = ""
    context: str | None = None
    because: str = ""


class DeliveryStep:
    """One step; the base says nothing. Only the methods a class overrides are ever asked.

    `name` is one word, unique, shown in the record, the log and metrics. A call may take `seconds`. What `before`
    raises, or its time being up, makes the mail wait, since nothing may go out unexamined; after a try that stands, and
    the fault is logged. Methods must be cancellable.
    """

    name = ""
    seconds = 30.0

    async def before(self, pending: PendingDelivery) -> Directions | None:
        """A delivery is about to begin. None has it made as it would be without this step."""
        return None

    async def after(self, tried: TriedDelivery) -> Amendment | None:
        """A delivery has ended. None leaves its outcome."""
        return None

    def close(self) -> None:
        """The gateway ends: what the step holds open is closed."""


@dataclass(slots=True)
class DeliverySteps:
    """The steps in force in one process, in their order; `install` replaces them while deliveries go on."""

    all: tuple[DeliveryStep, ...] = ()
    before: tuple[DeliveryStep, ...] = field(init=False, default=())
    after: tuple[DeliveryStep, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        self.install(self.all)

    def install(self, steps: Iterable[DeliveryStep]) -> None:
        """From now on these are asked; those under way end as they began."""
        self.all = tuple(steps)
        self.before = tuple(step for step in self.all if type(step).before is not DeliveryStep.before)
        self.after = tuple(step for step in self.all if type(step).after is not DeliveryStep.after)
