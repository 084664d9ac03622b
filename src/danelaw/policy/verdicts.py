"""What a hook may say. Verdicts are values: whoever asks the hooks carries them out. None always means: go on.

Texts are for the client or the sender of the mail; `Reply` makes control characters harmless and cuts long lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from danelaw.errors import DanelawError
from danelaw.policy.carriers import Carrier
from danelaw.policy.handling import Handling

if TYPE_CHECKING:
    from danelaw.policy.mail import Mail


class VerdictError(DanelawError, ValueError):
    """A verdict that cannot be carried out: a code that is no refusal, a retention below nothing."""


def _check(code: int, first: int, status: str) -> None:
    if code // 100 != first:
        raise VerdictError(f"{code} is not a {first}xx reply")
    head, dot, _ = status.partition(".")
    if not dot or head != str(first):
        raise VerdictError(f"the enhanced status code of a {first}xx reply begins with {first}, not {status!r}")


def _check_recipients(to: object) -> None:
    if not isinstance(to, tuple) or not all(isinstance(one, str) for one in to):
        raise VerdictError(f'recipients are a tuple of addresses, ("anna@example.org",), not {to!r}')
    if not to:
        raise VerdictError("name a recipient; to send mail nowhere, discard it")


@dataclass(frozen=True, slots=True)
class Accept:
    """Yes, and no hook behind this one is asked at this stage.

    At `rcpt_to`, `relay` also allows a recipient that relaying rules would refuse: a script that knows which domains
    or mailboxes are served says so here.
    """

    relay: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """No, for good: the client is told `code` (5xx), `status` (RFC 3463) and `text`. Raises `VerdictError`."""

    text: str = "refused by local policy"
    code: int = 550
    status: str = "5.7.1"

    def __post_init__(self) -> None:
        _check(self.code, 5, self.status)


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now: the client, or the queue, tries again later; it is told `code` (4xx), `status` and `text`. At
    `pre_delivery`, `seconds` says when (None: as usual).

    Raises `VerdictError`.
    """

    text: str = "not now by local policy; try again later"
    code: int = 451
    status: str = "4.7.1"
    seconds: float | None = None

    def __post_init__(self) -> None:
        _check(self.code, 4, self.status)
        if self.seconds is not None and not self.seconds >= 0:
            raise VerdictError("a delivery cannot be put off to the past")


@dataclass(frozen=True, slots=True)
class Disconnect:
    """421 and the end of the connection."""

    text: str = "closing the connection by local policy"


@dataclass(frozen=True, slots=True)
class Discard:
    """The client is told 250, and the message goes nowhere. `reason` is for the log and `explain`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """The message is stored and waits in quarantine for people, who see the `reason`; `seconds` None means the usual
    retention.

    Raises `VerdictError`.
    """

    reason: str
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and not self.seconds > 0:
            raise VerdictError("a hold lasts longer than no time")


@dataclass(frozen=True, slots=True)
class Redirect:
    """At `rcpt_to` this recipient, at `end_of_data` all of them, are replaced by other addresses: `to`, a tuple."""

    to: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_recipients(self.to)


@dataclass(frozen=True, slots=True)
class Copy:
    """One of the messages that an arrival becomes, for the addresses in `to`.

    `handling` goes over that of the context, of two demands the stronger. `reverse_path` None leaves the sender as it
    is, "" is the null reverse-path. `mail` None is the message as the hook has left it; `ctx.mail.copy()` gives one
    that can be changed for this copy alone. `hold` stores it in quarantine.
    """

    to: tuple[str, ...]
    reverse_path: str | None = None
    mail: Mail | None = None
    handling: Handling = field(default_factory=Handling)
    hold: Hold | None = None

    def __post_init__(self) -> None:
        _check_recipients(self.to)


@dataclass(frozen=True, slots=True)
class Queue:
    """The arrival becomes these `copies`, all of them or none: 250 is said once every one is on stable storage."""

    copies: tuple[Copy, ...]

    def __post_init__(self) -> None:
        if not self.copies:
            raise VerdictError("queue at least one copy; to send mail nowhere, discard it")


@dataclass(frozen=True, slots=True)
class Route:
    """At `pre_delivery`: how this delivery goes. What is empty stays as it is.

    `next_hop` is another next hop (`example.org`, `[relay.example]:2525`); `local_address` an IP address of ours;
    `helo` the name we give; `demand` (`encrypted`, `verified`, `dane`) can only strengthen what is demanded already;
    `certificate` names a `[[client_certificate]]` to show to the next hop.
    """

    next_hop: str = ""
    local_address: str = ""
    helo: str = ""
    demand: str = ""
    certificate: str = ""


@dataclass(frozen=True, slots=True)
class Carry:
    """At `pre_delivery`: this carrier takes the message instead of an SMTP next hop."""

    carrier: Carrier


@dataclass(frozen=True, slots=True)
class Amend:
    """At `post_delivery`: change what follows from a try for the recipients that it has not delivered.

    `retry_in` (seconds) is when it is tried again; `fail` gives up now, `keep` tries again instead of giving up, but
    never beyond the message's lifetime. `bounce_class` replaces the class of the reply; `text` is added to the human
    part of a notice; `hold` keeps the recipients for people. Nothing turns a delivery into anything else.

    Raises `VerdictError`.
    """

    retry_in: float | None = None
    fail: bool = False
    keep: bool = False
    bounce_class: str = ""
    text: str = ""
    hold: Hold | None = None

    def __post_init__(self) -> None:
        if self.fail and (self.keep or self.retry_in is not None):
            raise VerdictError("a recipient cannot be given up and tried again")
        if self.retry_in is not None and not self.retry_in >= 0:
            raise VerdictError("a try cannot lie in the past")


ConnectVerdict: TypeAlias = Accept | Reject | Defer | Disconnect | None
CommandVerdict: TypeAlias = Reject | Defer | Disconnect | None
HeloVerdict: TypeAlias = Accept | Reject | Defer | Disconnect | None
AuthVerdict: TypeAlias = Accept | Reject | Defer | Disconnect | None
MailVerdict: TypeAlias = Accept | Reject | Defer | Disconnect | None
RecipientVerdict: TypeAlias = Accept | Reject | Defer | Disconnect | Redirect | None
MessageVerdict: TypeAlias = Accept | Reject | Defer | Discard | Hold | Redirect | Queue | None
PreDeliveryVerdict: TypeAlias = Accept | Route | Carry | Defer | Reject | Hold | None
PostDeliveryVerdict: TypeAlias = Amend | None
ReportVerdict: TypeAlias = Accept | Discard | None
Verdict: TypeAlias = Accept | Reject | Defer | Disconnect | Discard | Hold | Redirect | Queue | Route | Carry | Amend
