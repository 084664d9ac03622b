"""The envelope: what MAIL and RCPT said (RFC 5321 §2.3.1, RFC 3461 §4, RFC 6531 §3.4, RFC 8689 §2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag

from danelaw.address import ForwardPath, ReversePath
from danelaw.smtp.xtext import OriginalRecipient


class Body(Enum):
    """The BODY parameter of MAIL (RFC 6152 §3)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT_MIME = "8BITMIME"


class Ret(Enum):
    """The RET parameter of MAIL: how much of the message a failure notice returns (RFC 3461 §4.3)."""

    FULL = "FULL"
    HDRS = "HDRS"


class Notify(Flag):
    """The NOTIFY parameter of RCPT: when the sender wants a notice (RFC 3461 §4.1). NEVER stands alone."""

    NEVER = 1
    SUCCESS = 2
    FAILURE = 4
    DELAY = 8

    def to_text(self) -> str:
        """`SUCCESS,FAILURE`"""
        return ",".join(member.name for member in Notify if member in self and member.name is not None)


@dataclass(frozen=True, slots=True)
class Recipient:
    """One accepted RCPT. `notify` None means the parameter was absent: notices on failure and perhaps on delay.

    `demand` is what was asked for this recipient in its address, in a word of the owner's; it is never on the wire.
    """

    forward_path: ForwardPath
    notify: Notify | None = None
    orcpt: OriginalRecipient | None = None
    demand: str = ""

    @property
    def is_ascii(self) -> bool:
        """False when SMTPUTF8 is needed to transmit this recipient."""
        return self.forward_path.is_ascii


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message's envelope. `body` None means no BODY parameter; `envid` is decoded from xtext."""

    reverse_path: ReversePath
    recipients: tuple[Recipient, ...]
    smtputf8: bool = False
    body: Body | None = None
    ret: Ret | None = None
    envid: str | None = None
    requiretls: bool = False
