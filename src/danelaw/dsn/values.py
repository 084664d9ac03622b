"""What a delivery status notification says, as values (RFC 3464 §2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from danelaw.dsn.cause import Cause
from danelaw.dsn.errors import DSNError

_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\Z", re.ASCII)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Action(Enum):
    """What became of the message for one recipient (RFC 3464 §2.3.3).

    `RELAYED`: handed to a server that sends no notices of success. `EXPANDED`: an alias went to several.
    """

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


class Demander(Enum):
    """Who demands the protection that a message was sent under, or could not be: the words of `[demand]` in a file of
    texts. `UNKNOWN`: DNS did not say, so it could not be known. `GROUP`: a trust group.
    """

    NOBODY = ""
    TLSA = "tlsa"
    TLSA_UNUSABLE = "tlsa-unusable"
    STS = "sts"
    TLSA_AND_STS = "tlsa-and-sts"
    OVERRIDE = "override"
    UNKNOWN = "unknown"
    ENCRYPTED = "encrypted"
    VERIFIED = "verified"
    DANE = "dane"
    REQUIRETLS = "requiretls"
    GROUP = "group"


class Asked(Enum):
    """Where a sender asked for what `Demander.ENCRYPTED`, `VERIFIED` and `DANE` demand: in a header field, in an
    address, or not at all as far as is known: a rule or a script of the gateway did.
    """

    FIELD = "field"
    ADDRESS = "address"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTry:
    """What happened at one mail host: `host` its name, empty where it did not come to one; `address` and `tls` (such as
    `TLSv1.3`) empty where it did not come that far; `detail` one line in English, `reply` what the host answered;
    `when` in POSIX seconds.
    """

    host: str
    when: float
    cause: Cause = Cause.OTHER
    address: str = ""
    tls: str = ""
    detail: str = ""
    reply: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DSNRecipient:
    """One recipient of the original message.

    `address` without angle brackets; `status` an enhanced code whose class fits the action (RFC 3464 §2.3.4: 5 or 4
    for failed, 4 for delayed, 2 otherwise); `reason` one sentence for the sender, the security reason included;
    `advice` what the sender can do, if anything; `orcpt` the ORCPT parameter as received (`rfc822;a+2Bb@c.example`);
    `remote_mta` the host that decided and `diagnostic` its reply (`550 5.1.1 no such user`), both None when no
    server was spoken to; times in POSIX seconds, `will_retry_until` only for delayed.

    For the person's part: `destination` the domain; `cause` what went wrong and `demander` who demanded protection;
    `tries` the last at each host; `failing_since` since when the destination fails and `worked_until` until when its
    servers took mail before; `over` the seconds after which it was given up, None where no lifetime ended; `remark`
    words that the operator's policy adds.
    Raises `DSNError` for a status or address that cannot be written.
    """

    address: str
    action: Action
    status: str
    reason: str
    advice: str | None = None
    orcpt: str | None = None
    remote_mta: str | None = None
    diagnostic: str | None = None
    last_attempt: float | None = None
    will_retry_until: float | None = None
    destination: str = ""
    cause: Cause = Cause.OTHER
    demander: Demander = Demander.NOBODY
    tries: tuple[HostTry, ...] = ()
    failing_since: float | None = None
    worked_until: float | None = None
    over: float | None = None
    remark: str = ""

    def __post_init__(self) -> None:
        allowed = {Action.FAILED: "45", Action.DELAYED: "4"}.get(self.action, "2")
        if not _STATUS.match(self.status) or self.status[0] not in allowed:
            raise DSNError(f"status {self.status!r} does not go with action {self.action.value} (RFC 3464 §2.3.4)")
        if not self.address or _CONTROLS.search(self.address) or len(self.address) > 998:
            raise DSNError(f"{self.address[:60]!r} cannot be written as a recipient")


@dataclass(frozen=True, slots=True, kw_only=True)
class DSN:
    """One notice to one sender.

    `to` is the original reverse-path without angle brackets, never empty: nobody is told about a notice
    (RFC 5321 §4.5.5). `original` is the whole message, or its header alone when that is all that is at hand;
    `ret_full` is RET (True FULL, False HDRS, None not given); `envid` is ENVID decoded from xtext.
    `requiretls` says that the original demanded REQUIRETLS; with `redacted` the way back lacks it and the notice
    must carry nothing of the message (RFC 8689 §5). `sender_address` stands in From; empty means MAILER-DAEMON at
    `reporting_mta`. `smtputf8` and `eight_bit` say what the way back can carry. `demand` is what else the sender
    demanded for the original, and `asked` where; its body is not sent back then either.
    """

    reporting_mta: str
    to: str
    recipients: tuple[DSNRecipient, ...]
    original: bytes
    arrival: float | None = None
    envid: str | None = None
    received_from: str | None = None
    ret_full: bool | None = None
    requiretls: bool = False
    redacted: bool = False
    smtputf8: bool = False
    eight_bit: bool = True
    max_original: int = 65_536
    sender_name: str = "Mail delivery"
    sender_address: str = ""
    demand: Demander = Demander.NOBODY
    asked: Asked = Asked.GATEWAY

    def __post_init__(self) -> None:
        if not self.recipients:
            raise DSNError("a notice must be about at least one recipient")
        if not self.to or _CONTROLS.search(self.to):
            raise DSNError("there is nobody to tell: the reverse-path is empty", advice="ask dsn.told() first")
        if not self.to.isascii() and not self.smtputf8:
            raise DSNError(f"{self.to!r} can only be reached with SMTPUTF8")
        for value in (
            self.reporting_mta,
            self.sender_name,
            self.sender_address or "x",
            self.received_from or "x",
        ):
            if not value or not value.isascii() or _CONTROLS.search(value):
                raise DSNError(f"{value!r} cannot stand in a notice")

    @property
    def action(self) -> Action:
        """What the notice is about first: failure before delay before success."""
        return min((recipient.action for recipient in self.recipients), key=list(Action).index)


@dataclass(frozen=True, slots=True)
class NoticeEnvelope:
    """How the notice travels: MAIL FROM:<> always, RET never, NOTIFY=NEVER (RFC 3461 §6.1).

    `requiretls` goes onto MAIL (RFC 8689 §5), but its lack at the next hop must not discard the notice;
    `smtputf8` and `eight_bit` are what this content needs.
    """

    to: str
    requiretls: bool
    smtputf8: bool
    eight_bit: bool
    reverse_path: str = "<>"
    notify: str = "NEVER"


def envelope_of(dsn: DSN, content: bytes) -> NoticeEnvelope:
    """The envelope for a notice built from `dsn`."""
    header_end = content.find(b"\r\n\r\n")
    utf8 = not dsn.to.isascii() or not content[:header_end].isascii() or b"\nContent-Type: message/global" in content
    return NoticeEnvelope(
        to=dsn.to,
        requiretls=dsn.requiretls and not dsn.redacted,
        smtputf8=dsn.smtputf8 and utf8,
        eight_bit=not content.isascii(),
    )
