"""What a hook is given: one context per step of a mail's life, each with everything the steps before had.

`notes` and `tags` are the script's own: what is noted from `connect` to `auth` belongs to the connection and is at
hand in each of its transactions; what is noted from `mail_from` on belongs to the message, is stored with it, and is
there at every delivery, also after a restart.

Everything else that may be changed says so. What a hook changes and then fails is not carried out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from danelaw.policy.facts import Address, Client, Finding, Origin
from danelaw.policy.handling import Handling
from danelaw.policy.notes import Notes

if TYPE_CHECKING:
    from danelaw.policy.library import Library
    from danelaw.policy.mail import Mail


@dataclass(slots=True, kw_only=True)
class Context:
    """What every hook has. `now` is POSIX seconds; `policy` the version of the policy that runs; `library` does
    everything that takes time. `tags` are words that `queue list`, `explain` and filters know.
    """

    now: float
    policy: str
    library: Library
    notes: Notes = field(default_factory=Notes)
    tags: set[str] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class ConnectContext(Context):
    """A client has connected; it has not been greeted. Its HELO name is not known."""

    client: Client


@dataclass(slots=True, kw_only=True)
class CommandContext(ConnectContext):
    """A command line as it came, without CRLF, before it is looked at; of AUTH only the mechanism. Not asked about
    BDAT, a message's text, and what a client sends within an authentication exchange.
    """

    line: str


@dataclass(slots=True, kw_only=True)
class HeloContext(ConnectContext):
    """The client has said EHLO or HELO; `client.helo` is the name it gave."""


@dataclass(slots=True, kw_only=True)
class AuthContext(HeloContext):
    """The client wants to authenticate. `user` is who it claims to be, `password` what it sent by PLAIN or LOGIN, None
    for mechanisms that do not send one; `proved` tells that the mechanism itself has shown it to be that user.
    `identity` may be set: who it then is, empty for `user`. `Accept` lets it in, and the file of users is not asked.
    """

    mechanism: str
    user: str
    password: str | None = field(default=None, repr=False)
    proved: bool = False
    identity: str = ""


@dataclass(slots=True, kw_only=True)
class MailContext(HeloContext):
    """MAIL FROM: a transaction begins. `reverse_path` is empty for the null reverse-path."""

    reverse_path: Address
    smtputf8: bool = False
    requiretls: bool = False
    declared_size: int | None = None


@dataclass(slots=True, kw_only=True)
class RecipientContext(MailContext):
    """RCPT TO: one recipient; `recipients` are those accepted before it. `relaying` tells whether relaying rules would
    allow it anyway.
    """

    recipient: Address
    recipients: tuple[Address, ...] = ()
    relaying: bool = True


@dataclass(slots=True, kw_only=True)
class MessageContext(MailContext):
    """The whole message is here and not ours yet. `recipients`, `reverse_path`, `mail` and `handling` may be changed;
    the Received field of this gateway is put on top afterwards.

    `origin` is what SPF, DKIM, DMARC and ARC say, None where authentication is off or the client trusted. `findings`
    are of all steps before.
    """

    id: str
    mail: Mail
    recipients: list[Address]
    size: int
    origin: Origin | None = None
    findings: tuple[Finding, ...] = ()
    handling: Handling = field(default_factory=Handling)

    def found(self, step: str) -> tuple[Finding, ...]:
        """What one step found (`rspamd`, `clamav`, `origin`)."""
        return tuple(one for one in self.findings if one.step == step)


@dataclass(slots=True, kw_only=True)
class DisconnectContext(HeloContext):
    """The client has gone. `messages` counts what was taken from it, `seconds` how long it was here."""

    messages: int = 0
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class Waiting:
    """A recipient in the queue: `tries` that failed so far, `reply` and `reason` of the last."""

    number: int
    address: Address
    tries: int = 0
    reply: str = ""
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class DeliveryContext(Context):
    """A message is about to be tried at its next hop, for these recipients. `mail` can be read and not changed."""

    id: str
    reverse_path: Address
    recipients: tuple[Waiting, ...]
    next_hop: str
    demand: str
    tenant: str
    job: str
    received_at: float
    expires: float
    size: int
    mail: Mail
    client: str = ""
    message_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTried:
    """One host of a try: its name, address, what protected the session in words, what it answered, and the reason."""

    host: str
    address: str
    protection: str
    tls: str
    reply: str
    reason: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a try would make of one recipient: `delivered`, `waiting` or `returned`, with reply, reason and class."""

    number: int
    address: Address
    outcome: str
    reply: str
    reason: str
    bounce_class: str = ""
    due: float | None = None


@dataclass(slots=True, kw_only=True)
class AttemptContext(DeliveryContext):
    """A try has ended, and nothing of it is written down yet."""

    hosts: tuple[HostTried, ...]
    results: tuple[Result, ...]
    started: float
    ended: float


@dataclass(slots=True, kw_only=True)
class ReportContext(Context):
    """A report about our mail came in, from whom as it says itself, and what was read out of it.

    `kind` is `dmarc` or `dmarc-failure` (to `[reports] dmarc_address`); `arf` (a complaint, RFC 5965), `dsn` (RFC 3464)
    or `bounce` (any other mail with the null reverse-path to an address with a detail), to `[reports] feedback`.
    `facts["to"]` is the address it came to, `facts["authenticated"]` the domain that DMARC has proved it to be from.
    All else anybody may have made up. `Discard` has a DMARC report not kept.
    """

    kind: str
    reporter: str
    facts: dict[str, object]


@dataclass(slots=True, kw_only=True)
class TimerContext(Context):
    """A timer went off. `name` is the hook's; `due` when it was due, `last` when it ran before, 0 for never."""

    name: str
    due: float
    last: float = 0.0
