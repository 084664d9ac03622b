"""What a server offers, tolerates, and bears at most; what a client bears at most."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from danelaw.address import AddressLiteral, Domain

# What each extension adds to the 512 octets of a command line: SIZE 26 (RFC 1870 §3), 8BITMIME 17 (RFC 6152 §2),
# DSN 107 on MAIL and 500 on RCPT (RFC 3461 §4), SMTPUTF8 10 (RFC 6531 §3.1), REQUIRETLS 11 (RFC 8689 §7).
LINE_INCREMENT = {b"MAIL": 26 + 17 + 107 + 10 + 11, b"RCPT": 500, b"VRFY": 10, b"EXPN": 10}
MAX_LINE_INCREMENT = max(LINE_INCREMENT.values())
AUTH_LINE = 12_288
"""Octets of a line of an authentication exchange (RFC 4954 §4); also what AUTH adds to its own line."""
# Where AUTH is offered it adds 500 to MAIL as well (RFC 4954 §3).
LINE_INCREMENT_WITH_AUTH = LINE_INCREMENT | {b"MAIL": LINE_INCREMENT[b"MAIL"] + 500, b"AUTH": AUTH_LINE}


class BareNewlines(Enum):
    """What to do with a CR or LF in message data that is not part of a CRLF (RFC 5321 §2.3.8)."""

    REFUSE = "refuse"
    """Consume the message, then answer 554 5.6.0."""
    CLEAN = "clean"
    """A bare LF becomes CRLF, a bare CR becomes a space, and `EndOfMessage.cleaned` counts them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """The most a client may ask of one connection. All in octets or counts; none has a default."""

    command_line: int
    """Octets of a command with its CRLF, before the increments of extensions (RFC 5321 §4.5.3.1.4: 512)."""
    text_line: int
    """Octets of a line of message data with its CRLF (RFC 5321 §4.5.3.1.6: 1000; many senders exceed it)."""
    commands: int
    """Commands on one connection."""
    errors: int
    """Commands refused for syntax, sequence or being unknown; one more closes the connection with 421."""
    messages: int
    """MAIL commands on one connection; told to the client by LIMITS (RFC 9422)."""
    recipients: int
    """Accepted recipients of one message (RFC 5321 §4.5.3.1.8: at least 100)."""
    message_size: int
    """Octets of a message, before dot-stuffing; told to the client by SIZE (RFC 1870)."""
    stream_above: int
    """Messages with more octets on the wire come as `BodyChunk` events, smaller ones whole in `EndOfMessage`."""


USUAL_LIMITS = ServerLimits(
    command_line=512,
    text_line=4096,
    commands=10_000,
    errors=20,
    messages=1_000,
    recipients=1_000,
    message_size=50 * 1024 * 1024,
    stream_above=64 * 1024,
)
"""Limits that suit most relays. The text line is four times what RFC 5321 asks, since real mail exceeds it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServerSettings:
    """How a server presents itself. One value serves all connections of a listener; equal only to itself."""

    hostname: Domain | AddressLiteral
    """Our name in the greeting and in EHLO."""
    limits: ServerLimits
    software: str = "danelaw"
    """The word after ESMTP in the greeting."""
    starttls: bool = False
    """Offer STARTTLS while the connection is in the clear."""
    tls_required: bool = False
    """Answer MAIL, RCPT, DATA, BDAT, VRFY and EXPN with 530 5.7.0 outside TLS (RFC 3207 §4)."""
    requiretls: bool = False
    """Offer REQUIRETLS inside TLS (RFC 8689)."""
    auth: tuple[str, ...] = ()
    """SASL mechanisms to offer inside TLS by AUTH (RFC 4954 §3); none: AUTH is unknown."""
    auth_in_clear: bool = False
    """Offer them outside TLS too: every router on the way then reads the passwords of PLAIN and LOGIN."""
    auth_required: bool = False
    """Answer MAIL and what follows it, VRFY and EXPN with 530 5.7.0 before AUTH succeeded (RFC 4954 §6)."""
    auth_failures: int = 3
    """Refused AUTH exchanges after which 421 closes the connection."""
    smtputf8: bool = True
    chunking: bool = True
    dsn: bool = True
    bare_newlines: BareNewlines = BareNewlines.REFUSE
    accept_undeclared_8bit: bool = True
    """Take 8-bit data without BODY=8BITMIME: RFC 6152 calls it an error, and half of the world sends it."""
    accept_nul: bool = False
    """Take NUL octets in message data. RFC 2045 §2.8 forbids them, RFC 5322 §4 calls them obsolete, and a next hop that
    drops them would read `CRLF NUL.CRLF` as the end of the message."""
    space_after_colon: bool = True
    """Take `MAIL FROM: <a@b>`, which RFC 5321 §3.3 forbids and many clients send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """The most a server may say to us."""

    reply_line: int
    """Octets of one reply line with its CRLF (RFC 5321 §4.5.3.1.5: 512)."""
    reply_lines: int
    """Lines of one reply."""
    strict_text: bool = False
    """Raise `MalformedReply` for 8-bit or control octets in a reply's text instead of escaping them."""


USUAL_CLIENT_LIMITS = ClientLimits(reply_line=2048, reply_lines=128)
"""Four times the line RFC 5321 allows, since real servers exceed it, and more lines than any known EHLO reply."""
