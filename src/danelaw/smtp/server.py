"""The server's side of an SMTP conversation, without I/O."""

from __future__ import annotations

from danelaw.smtp.envelope import Envelope
from danelaw.smtp.events import ServerEvent, Signal
from danelaw.smtp.reply import Reply
from danelaw.smtp.settings import ServerSettings


class ServerConnection:
    """One client's connection. Feed octets, take events, answer them in order, send what `data_to_send` has."""

    def __init__(self, settings: ServerSettings, *, tls: bool = False) -> None:
        """`tls` True for a listener with implicit TLS (RFC 8314)."""
        raise NotImplementedError

    @property
    def tls(self) -> bool:
        """Inside TLS."""
        raise NotImplementedError

    @property
    def awaiting_tls(self) -> bool:
        """The 220 to STARTTLS is given: send it, do the handshake, call `tls_established`. No octets in between."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """Nothing more will be read: send `data_to_send` and close."""
        raise NotImplementedError

    @property
    def between_transactions(self) -> bool:
        """No message is under way, so a shutdown may say 421 now."""
        raise NotImplementedError

    @property
    def early_talker(self) -> bool:
        """The client spoke before the greeting (RFC 5321 §4.3.1)."""
        raise NotImplementedError

    @property
    def envelope(self) -> Envelope | None:
        """The transaction as accepted so far."""
        raise NotImplementedError

    def greet(self, reply: Reply | None = None) -> None:
        """Give the greeting, or a 554 or 421 of your own. To be called once, first."""
        raise NotImplementedError

    def receive_data(self, data: bytes) -> None:
        """Octets from the network, in any chunks."""
        raise NotImplementedError

    def receive_eof(self) -> None:
        """The client closed its side."""
        raise NotImplementedError

    def next_event(self) -> ServerEvent | Signal:
        """The next event, `NEED_DATA`, or `NEED_REPLY` while the last event is unanswered."""
        raise NotImplementedError

    def reply(self, reply: Reply) -> None:
        """Answer the last event. 421 closes the connection."""
        raise NotImplementedError

    def accept(self, text: str | None = None) -> None:
        """Answer the last event positively with the usual code; `text` replaces the words after it."""
        raise NotImplementedError

    def close(self, reply: Reply) -> None:
        """Say 421 (shutdown, time-out) whatever is under way, and end."""
        raise NotImplementedError

    def tls_established(self) -> None:
        """The handshake after STARTTLS succeeded: forget everything the client said (RFC 3207 §4.2)."""
        raise NotImplementedError

    def data_to_send(self) -> bytes:
        """All replies since the last call, joined."""
        raise NotImplementedError
