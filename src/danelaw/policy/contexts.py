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
    """POSIX seconds, by the gateway's clock."""
    policy: str
    """The version of the policy that runs."""
    library: Library
    """Everything that takes time: DNS, HTTP, shared state, databases."""
    notes: Notes = field(default_factory=Notes)
    """The script's own, as JSON: of the connection until MAIL, of the message from there on."""
    tags: set[str] = field(default_factory=set)
    """Words that `queue list`, `explain`, rules and filters know. May be changed."""


@dataclass(slots=True, kw_only=True)
class ConnectContext(Context):
    """A client has connected; it has not been greeted. Its HELO name is not known."""

    client: Client
    """Who speaks to us."""


@dataclass(slots=True, kw_only=True)
class CommandContext(ConnectContext):
    """A command line as it came, without CRLF, before it is looked at; of AUTH only the mechanism. Not asked about
    BDAT, a message's text, and what a client sends within an authentication exchange.
    """

    line: str
    """The line, with what is no UTF-8 replaced."""


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
    """PLAIN, LOGIN or SCRAM-SHA-256."""
    user: str
    """Who it claims to be."""
    password: str | None = field(default=None, repr=False)
    """What it sent by PLAIN or LOGIN, None for mechanisms that send none."""
    proved: bool = False
    """Whether the mechanism itself has shown it to be that user."""
    identity: str = ""
    """Who it then is; empty for `user`. May be set."""


@dataclass(slots=True, kw_only=True)
class MailContext(HeloContext):
    """MAIL FROM: a transaction begins. `reverse_path` is empty for the null reverse-path."""

    reverse_path: Address
    """The sender in the envelope, empty for the null reverse-path."""
    smtputf8: bool = False
    """Whether the client asked for SMTPUTF8 (RFC 6531)."""
    requiretls: bool = False
    """Whether it asked for REQUIRETLS (RFC 8689), which no hook can take back."""
    declared_size: int | None = None
    """Octets as the client has them in SIZE, None where it does not say."""


@dataclass(slots=True, kw_only=True)
class RecipientContext(MailContext):
    """RCPT TO: one recipient; `recipients` are those accepted before it. `relaying` tells whether relaying rules would
    allow it anyway.
    """

    recipient: Address
    """Who is named now."""
    recipients: tuple[Address, ...] = ()
    """Those accepted before it."""
    relaying: bool = True
    """Whether relaying rules allow it anyway."""


@dataclass(slots=True, kw_only=True)
class MessageContext(MailContext):
    """The whole message is here and not ours yet. `recipients`, `reverse_path`, `mail` and `handling` may be changed;
    the Received field of this gateway is put on top afterwards.

    `origin` is what SPF, DKIM, DMARC and ARC say, None where authentication is off or the client trusted. `findings`
    are of all steps before.
    """

    id: str
    """The message's id in the queue, the log and `explain`."""
    mail: Mail
    """The message; may be changed."""
    recipients: list[Address]
    """Those accepted. May be changed."""
    size: int
    """Octets of the message as it came."""
    origin: Origin | None = None
    """What SPF, DKIM, DMARC and ARC say; None where authentication is off or the client is trusted."""
    findings: tuple[Finding, ...] = ()
    """What all steps before found."""
    handling: Handling = field(default_factory=Handling)
    """How it is to travel. May be replaced by another `Handling`."""

    def found(self, step: str) -> tuple[Finding, ...]:
        """What one step found (`rspamd`, `clamav`, `origin`)."""
        return tuple(one for one in self.findings if one.step == step)


@dataclass(slots=True, kw_only=True)
class DisconnectContext(HeloContext):
    """The client has gone. `messages` counts what was taken from it, `seconds` how long it was here."""

    messages: int = 0
    """Messages taken from it."""
    seconds: float = 0.0
    """How long it was here."""


@dataclass(slots=True, kw_only=True)
class Waiting:
    """A recipient in the queue: `tries` that failed so far, `reply` and `reason` of the last."""

    number: int
    """Its number within the message."""
    address: Address
    """Who it is."""
    tries: int = 0
    """Tries that failed so far."""
    reply: str = ""
    """What the last of them was answered."""
    reason: str = ""
    """Why it failed, in words."""


@dataclass(slots=True, kw_only=True)
class DeliveryContext(Context):
    """A message is about to be tried at its next hop, for these recipients. `mail` can be read and not changed."""

    id: str
    """The message's id."""
    reverse_path: Address
    """The sender in the envelope."""
    recipients: tuple[Waiting, ...]
    """For whom this delivery is: all of one next hop."""
    next_hop: str
    """Where it goes: a domain, a host with its port, or `carrier:NAME`."""
    demand: str
    """What is demanded of the way so far: empty, encrypted, verified or dane."""
    tenant: str
    """Whose mail it is, as a queue key."""
    job: str
    """The job it belongs to, as a queue key."""
    received_at: float
    """When it came, in POSIX seconds."""
    expires: float
    """When it is given up, in POSIX seconds."""
    size: int
    """Octets of the message."""
    mail: Mail
    """The message, which can be read and not changed."""
    client: str = ""
    """The address of the client that it came from."""
    message_id: str = ""
    """Message-ID, with its brackets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTried:
    """One host of a try: its name, address, what protected the session in words, what it answered, and the reason."""

    host: str
    """Its name."""
    address: str
    """Its IP address."""
    protection: str
    """What protected the session, in words."""
    tls: str
    """TLS version, empty without."""
    reply: str
    """What it answered."""
    reason: str
    """Why the session was protected so, or not begun."""
    outcome: str
    """What became of the try there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a try would make of one recipient: `delivered`, `waiting` or `returned`, with reply, reason and class."""

    number: int
    """The recipient's number within the message."""
    address: Address
    """Who it is."""
    outcome: str
    """`delivered`, `waiting` or `returned`."""
    reply: str
    """What the host answered."""
    reason: str
    """The same in words."""
    bounce_class: str = ""
    """What the reply means (`danelaw bounce list`)."""
    due: float | None = None
    """When it is tried again, in POSIX seconds; None where it is not."""


@dataclass(slots=True, kw_only=True)
class AttemptContext(DeliveryContext):
    """A try has ended, and nothing of it is written down yet."""

    hosts: tuple[HostTried, ...]
    """The hosts that were tried, in order."""
    results: tuple[Result, ...]
    """What would become of each recipient."""
    started: float
    """When the try began, in POSIX seconds."""
    ended: float
    """When it ended."""


@dataclass(slots=True, kw_only=True)
class ReportContext(Context):
    """A report about our mail came in, from whom as it says itself, and what was read out of it.

    `kind` is `dmarc` or `dmarc-failure` (to `[reports] dmarc_address`); `arf` (a complaint, RFC 5965), `dsn` (RFC 3464)
    or `bounce` (any other mail with the null reverse-path to an address with a detail), to `[reports] feedback`.
    `facts["to"]` is the address it came to, `facts["authenticated"]` the domain that DMARC has proved it to be from.
    All else anybody may have made up. `Discard` has a DMARC report not kept. Of kind `trust` are our own, about members
    of trust groups whose standing changed: `facts` has `domain`, `before`, `now` (`kept`, `broken`, `left`), `at`,
    `reason` and `change`, a number that is the same when it is told again after a crash.
    """

    kind: str
    """`dmarc`, `dmarc-failure`, `arf`, `dsn`, `bounce` or `trust`."""
    reporter: str
    """Who reports, as the report says itself; may be empty. The group for `trust`."""
    facts: dict[str, object]
    """What was read out of it, as JSON; `to` and `authenticated` are of the mail it came in."""


@dataclass(slots=True, kw_only=True)
class TimerContext(Context):
    """A timer went off. `name` is the hook's; `due` when it was due, `last` when it ran before, 0 for never."""

    name: str
    """The name of the hook."""
    due: float
    """When it was due, in POSIX seconds."""
    last: float = 0.0
    """When it ran before, 0 for never."""
