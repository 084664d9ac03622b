"""The commands a client sends, as values (RFC 5321 §4.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from danelaw.smtp.envelope import Recipient


class Verb(Enum):
    """The verbs danelaw knows. MESSAGE is no verb on the wire: it stands for the end of message data."""

    EHLO = "EHLO"
    HELO = "HELO"
    STARTTLS = "STARTTLS"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BDAT = "BDAT"
    RSET = "RSET"
    NOOP = "NOOP"
    HELP = "HELP"
    VRFY = "VRFY"
    EXPN = "EXPN"
    QUIT = "QUIT"
    MESSAGE = "end of message"


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was sent and whose reply is, or was, awaited."""

    verb: Verb
    recipient: Recipient | None = None
