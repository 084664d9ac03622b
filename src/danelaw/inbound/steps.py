"""The steps between a client and the queue, in their order: origin, filters, holds, and later operators' scripts.

A step is asked where it has something to say (`stages`), and not at all about trusted clients unless it wants to.
Without steps nothing here runs: the path of a relayed message has no task and no wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntFlag
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from danelaw.address import ReversePath
    from danelaw.inbound.arrival import Arrival, Client, Ruling
    from danelaw.inbound.attempt import Admit, Attempt
    from danelaw.inbound.head import Head
    from danelaw.smtp import Envelope, MailFrom, Recipient, Reply


class Stage(IntFlag):
    """Where a step wants to be asked."""

    CONNECT = 1
    MAIL = 2
    RECIPIENT = 4
    MESSAGE = 8
    RELEASE = 16
    REFUSAL = 32
    HELO = 64
    RELAY = 128
    AUTH = 256
    COMMAND = 512


class Step:
    """One step; the base says nothing everywhere. Methods may wait; each must bound its own time.

    `prompt` steps bound their own time and may be begun outside a task (`asking.begin`); all others are asked in one.

    `name` is one word, unique, shown in findings, logs and metrics. What a method raises is a fault of the step: it is
    logged, and the client is told 451 to come again, since nothing unexamined may pass.

    A client that logs in is another one for a step (`left`, then asked anew) unless it `stays_with_client`.

    Whom it is asked about: strangers (`for_strangers`), clients whose network may relay and users who logged in
    (`for_trusted`), users alone (`for_users`). Where only users send, nobody is a stranger: `connect` too is asked of
    those for users only, since nobody has logged in by then.
    """

    name = ""
    stages = Stage(0)
    for_strangers = True
    for_trusted = False
    for_users = False
    prompt = False
    stays_with_client = False

    @property
    def idle(self) -> bool:
        """True while it has nothing to say about any message: none is then examined for its sake."""
        return False

    def wants(self, head: Head, envelope: Envelope) -> bool:
        """Whether it has something to say about the message with this header; it must be quick. False costs such a
        message nothing else.
        """
        return True

    def close(self) -> None:
        """The gateway ends: what the step holds open is closed."""

    async def connect(self, client: Client) -> Reply | None:
        """A client connected (its HELO is not known): None to greet it, or the 4xx or 5xx it is greeted with."""
        return None

    def spoke_early(self, client: Client) -> Reply | None:
        """Asked where `connect` is, of a client that spoke before the greeting (RFC 5321 §4.3.1): None to greet it."""
        return None

    async def before_refusal(self, client: Client) -> None:
        """A command is about to be refused by a step, or a recipient by relaying rules: a step may take its time."""

    async def command(self, client: Client, line: str) -> Reply | None:
        """A command line, before it is read: None to read it. Of AUTH only the mechanism is told; BDAT and what stands
        within an authentication exchange are not asked about.
        """
        return None

    async def helo(self, client: Client) -> Reply | None:
        """EHLO or HELO: None to go on."""
        return None

    async def auth(self, client: Client, attempt: Attempt) -> Admit | Reply | None:
        """A client wants to log in, whoever it is: `Admit` lets it in, a reply does not (535 for good, 454 for now),
        None lets the next one decide, and last the file of users. A step that fails gives 454.
        """
        return None

    async def mail(self, client: Client, reverse_path: ReversePath) -> Reply | None:
        """MAIL: None to go on."""
        return None

    async def transaction(self, client: Client, mail: MailFrom) -> Reply | None:
        """MAIL with its parameters; most steps look at the reverse-path alone."""
        return await self.mail(client, mail.reverse_path)

    async def recipient(self, client: Client, reverse_path: ReversePath, recipient: Recipient) -> Reply | None:
        """RCPT of a recipient that relaying rules allow: None to accept it."""
        return None

    async def relay(
        self, client: Client, reverse_path: ReversePath, recipient: Recipient, refusal: Reply
    ) -> Reply | None:
        """RCPT of a recipient that relaying rules refuse: None to accept it all the same, usually the refusal."""
        return refusal

    def recipient_refused(self, client: Client, recipient: Recipient, reply: Reply) -> None:
        """A recipient was refused, by the rules or by another step. Nothing can be said to that any more."""

    def command_refused(self, client: Client, line: str) -> None:
        """A command that nobody knows was refused (RFC 5321 §4.2.4). Nothing can be said to that any more."""

    def left(self, client: Client) -> None:
        """A client whose connection a step was asked about has gone; what is kept for it can go."""

    async def message(self, arrival: Arrival) -> Ruling | None:
        """The message is here; it may be changed. None to go on."""
        return None

    async def release(self, arrival: Arrival) -> Ruling | None:
        """A message that a step before this one held is to go on: look at it again, if time may have changed what
        there is to say (a scanner with new signatures). It may not be changed any more. None to let it go; whatever is
        ruled keeps it held, since its client is gone.
        """
        return None


class Panel:
    """The steps that are asked about one kind of client, by stage, in order. Tuples: mostly they are empty."""

    __slots__ = (
        "command",
        "connect",
        "helo",
        "leaving",
        "mail",
        "message",
        "recipient",
        "refusal",
        "relay",
        "witnesses",
    )

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        steps = tuple(steps)
        self.connect = tuple(step for step in steps if Stage.CONNECT in step.stages)
        self.command = tuple(step for step in steps if Stage.COMMAND in step.stages)
        self.helo = tuple(step for step in steps if Stage.HELO in step.stages)
        self.mail = tuple(step for step in steps if Stage.MAIL in step.stages)
        self.recipient = tuple(step for step in steps if Stage.RECIPIENT in step.stages)
        self.relay = tuple(step for step in steps if Stage.RELAY in step.stages)
        self.refusal = tuple(step for step in steps if Stage.REFUSAL in step.stages)
        self.message = tuple(step for step in steps if Stage.MESSAGE in step.stages)
        self.leaving = tuple(step for step in steps if type(step).left is not Step.left)
        self.witnesses = tuple(step for step in steps if type(step).recipient_refused is not Step.recipient_refused)

    def about_message(self) -> tuple[Step, ...]:
        """Who is asked about a message that begins now: those that have something to ask for."""
        if not self.message:
            return ()
        return tuple(step for step in self.message if not step.idle)


class Steps:
    """The configured steps in order, and who of them is asked about trusted clients, about users who logged in, and
    about all others; `auth` are those that are asked who may log in.

    `known_name` gives the verified host name of a client's address where one of them has looked it up, for our Received
    field.
    """

    __slots__ = ("all", "auth", "known_name", "others", "trusted", "users")

    def __init__(self, steps: Iterable[Step] = (), known_name: Callable[[str], str | None] | None = None) -> None:
        self._set(tuple(steps))
        self.known_name = known_name if self.all else None

    def replace(self, step: Step) -> None:
        """Another step takes the place of the one of that name, for clients that come from now on; those that are here
        go on with the panel they were given.
        """
        self._set(tuple(step if one.name == step.name else one for one in self.all))

    def _set(self, steps: tuple[Step, ...]) -> None:
        self.all = steps
        self.others = Panel(step for step in self.all if step.for_strangers)
        self.trusted = Panel(step for step in self.all if step.for_trusted)
        self.users = Panel(step for step in self.all if step.for_trusted or step.for_users)
        self.users.connect = tuple(step for step in self.users.connect if step.for_users)
        self.auth = tuple(step for step in self.all if Stage.AUTH in step.stages)

    def panel(self, *, trusted: bool, users: bool = False) -> Panel:
        """Who is asked about such a client; `users` where nobody else may send, wherever they come from."""
        if users:
            return self.users
        return self.trusted if trusted else self.others
