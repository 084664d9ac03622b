"""The commands a client sends, as values (RFC 5321 §4.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from danelaw.smtp.envelope import Recipient


class Verb(Enum):
    """The verbs danelaw knows. GREETING and MESSAGE are no verbs on the wire: they
    stand for the server's first words and for the end of message data."""

    __hash__ = object.__hash__  # members are singletons, and Enum's own hash is Python code on the hot path

    EHLO = "EHLO"
    HELO = "HELO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
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
    GREETING = "greeting"
    MESSAGE = "end of message"


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was sent and whose reply is, or was, awaited."""

    verb: Verb
    recipient: Recipient | None = None
