"""What can go wrong in an SMTP conversation, and who is to blame."""

from __future__ import annotations

from danelaw.errors import DanelawError
from danelaw.smtp.reply import Reply


class SMTPError(DanelawError):
    """Root of the exceptions of this package."""


class LocalProtocolError(SMTPError):
    """Our own program asked for something the protocol does not allow at this moment."""


class RemoteProtocolError(SMTPError):
    """The peer broke the protocol. `reply` is what to tell it (server) or what it is worth (client: a 4yz or 5yz).

    After this the connection is of no use: close it.
    """

    def __init__(self, reason: str, reply: Reply, *, advice: str | None = None) -> None:
        super().__init__(reason, advice=advice)
        self.reply = reply


class MalformedReply(RemoteProtocolError):
    """The server's reply does not follow RFC 5321 §4.2: no code, changing codes, bare CR or LF."""


class ReplyTooLong(RemoteProtocolError):
    """The server's reply has more octets or lines than the limits allow."""


class UnexpectedReply(RemoteProtocolError):
    """The server sent a reply nobody asked for: what follows could not be attributed to a command."""


class StartTLSInjection(RemoteProtocolError):
    """Clear-text octets arrived between the end of STARTTLS and the handshake (RFC 3207 §6, CVE-2011-0411)."""


class CommandError(SMTPError):
    """A command that is refused for its syntax; `reply` is the answer and the session goes on."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.to_text())
        self.reply = reply


class NextHopLacks(SMTPError):
    """The next hop does not offer what this message needs; nothing was sent. `reply` says it as a status."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


class ClearanceRefused(SMTPError):
    """An envelope was about to be sent without a clearance for this very connection."""


class BareNewline(LocalProtocolError):
    """Message data handed over for sending has a CR or LF that is not part of a CRLF."""
