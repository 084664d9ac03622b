"""The client's side of an SMTP conversation, without I/O."""

from __future__ import annotations

from danelaw.smtp.clearance import Clearance
from danelaw.smtp.client_events import ClientEvent
from danelaw.smtp.envelope import Envelope
from danelaw.smtp.events import Signal
from danelaw.smtp.extensions import Extensions
from danelaw.smtp.settings import ClientLimits


class ClientConnection:
    """One connection to a next hop. `connection_id` is what a `Clearance` must be bound to."""

    connection_id: int

    def __init__(self, connection_id: int, limits: ClientLimits, *, tls: bool = False) -> None:
        raise NotImplementedError

    @property
    def extensions(self) -> Extensions:
        """As of the last EHLO; empty before, after HELO, and after STARTTLS."""
        raise NotImplementedError

    @property
    def tls(self) -> bool:
        """Inside TLS."""
        raise NotImplementedError

    @property
    def idle(self) -> bool:
        """EHLO done, no transaction, no reply outstanding: the connection can take a message."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """No further command can be sent."""
        raise NotImplementedError

    def receive_data(self, data: bytes) -> None:
        """Octets from the network. Problems are raised by `next_event`."""
        raise NotImplementedError

    def receive_eof(self) -> None:
        """The server closed its side."""
        raise NotImplementedError

    def next_event(self) -> ClientEvent | Signal:
        """The next event or `NEED_DATA`. Raises `RemoteProtocolError` subclasses; close then."""
        raise NotImplementedError

    def data_to_send(self) -> bytes:
        """Everything queued since the last call, joined."""
        raise NotImplementedError

    def ehlo(self, name: str) -> None:
        """Send EHLO with our host name or address literal."""
        raise NotImplementedError

    def helo(self, name: str) -> None:
        """Send HELO: to servers that refuse EHLO (RFC 5321 §3.2)."""
        raise NotImplementedError

    def starttls(self) -> None:
        """Send STARTTLS."""
        raise NotImplementedError

    def tls_established(self) -> None:
        """The handshake succeeded: forget the extensions; send EHLO again (RFC 3207 §4.2)."""
        raise NotImplementedError

    def mail(
        self,
        clearance: Clearance,
        envelope: Envelope,
        *,
        size: int | None = None,
        eight_bit: bool = True,
        chunking: bool = False,
    ) -> None:
        """Begin a transaction: MAIL, RCPT for every recipient, DATA; in one burst where PIPELINING is offered.

        `size` in octets; `eight_bit` whether the message has octets above 127; `chunking` use BDAT where offered.
        Raises `ClearanceRefused`, `NextHopLacks`, `LocalProtocolError`; nothing is sent then.
        """
        raise NotImplementedError

    def send_message(self, body: bytes) -> None:
        """Send the whole message after `BodyDue`."""
        raise NotImplementedError

    def send_chunk(self, data: bytes) -> None:
        """Send a piece of the message after `BodyDue`."""
        raise NotImplementedError

    def finish_message(self) -> None:
        """End the message begun with `send_chunk`."""
        raise NotImplementedError

    def rset(self) -> None:
        """Abort the transaction."""
        raise NotImplementedError

    def noop(self) -> None:
        """Keep the connection alive."""
        raise NotImplementedError

    def quit(self) -> None:
        """Say goodbye."""
        raise NotImplementedError
