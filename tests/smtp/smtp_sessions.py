"""What the tests of this room share: settings, a server's owner that always says yes, and a corpus of sessions."""

from __future__ import annotations

from dataclasses import replace

from danelaw.address import Domain
from danelaw.smtp import (
    NEED_DATA,
    NEED_REPLY,
    USUAL_LIMITS,
    AuthCancelled,
    AuthRequested,
    AuthResponse,
    BodyChunk,
    CommandRefused,
    ConnectionBroken,
    DataRequested,
    EndOfMessage,
    Hello,
    MailFrom,
    MessageRefused,
    Quit,
    RcptTo,
    Reset,
    ServerConnection,
    ServerLimits,
    ServerSettings,
    StartTLS,
)

HOSTNAME = Domain.from_text("mx.example.org")


def limits(**changes: int) -> ServerLimits:
    """The usual limits, some changed."""
    return replace(USUAL_LIMITS, **changes)


def settings(*, limits_: ServerLimits = USUAL_LIMITS, **changes: object) -> ServerSettings:
    """A server's settings, some changed."""
    return ServerSettings(hostname=HOSTNAME, limits=limits_, **changes)  # type: ignore[arg-type]


def told(event: object) -> object:
    """An event in a form that does not depend on how its octets were chunked."""
    match event:
        case EndOfMessage():
            return ("end", event.size, event.streamed, event.cleaned, event.eight_bit, event.nul)
        case Hello() | MailFrom() | RcptTo() | StartTLS() | DataRequested() | CommandRefused() | Quit() | Reset():
            return event
        case MessageRefused() | ConnectionBroken() | AuthRequested() | AuthResponse() | AuthCancelled():
            return event
    raise AssertionError(f"unknown event {event!r}")


class Owner:
    """Says yes to everything, and writes down what was told and answered."""

    def __init__(self, settings_: ServerSettings, *, tls: bool = False) -> None:
        self.server = ServerConnection(settings_, tls=tls)
        self.events: list[object] = []
        self.bodies: list[bytes] = []
        self._body = b""
        self.sent = b""
        self.server.greet()
        self.flush()

    def flush(self) -> bytes:
        """Collect what the server wants to send."""
        data = self.server.data_to_send()
        self.sent += data
        return data

    def feed(self, *chunks: bytes) -> bytes:
        """Feed, answer everything, and give back what was sent."""
        before = len(self.sent)
        for chunk in chunks:
            self.server.receive_data(chunk)
            self.work()
        return self.sent[before:]

    def work(self) -> None:
        """Take events until none is left."""
        while (event := self.server.next_event()) is not NEED_DATA:
            if event is NEED_REPLY:
                self.server.accept()
            elif isinstance(event, BodyChunk):
                self._body += event.data
            else:
                self.events.append(told(event))
                if isinstance(event, EndOfMessage):
                    assert event.body == b"" or not event.streamed
                    self.bodies.append(self._body + event.body)
                if isinstance(event, EndOfMessage | MessageRefused | Reset):
                    self._body = b""
        self.flush()

    def codes(self) -> list[int]:
        """The codes of all replies, greeting included."""
        return [int(line[:3]) for line in self.sent.splitlines() if line[3:4] == b" "]


def ready(settings_: ServerSettings | None = None, *, tls: bool = False) -> Owner:
    """An owner whose client said EHLO."""
    owner = Owner(settings_ or settings(), tls=tls)
    owner.feed(b"EHLO client.example\r\n")
    owner.events.clear()
    owner.sent = b""
    return owner


ENVELOPE = b"MAIL FROM:<a@sender.example>\r\nRCPT TO:<b@example.org>\r\n"

SESSIONS: dict[str, bytes] = {
    "plain": b"EHLO c.example\r\n" + ENVELOPE + b"DATA\r\nSubject: x\r\n\r\n..dot\r\n...\r\ntext\r\n.\r\nQUIT\r\n",
    "two messages": b"HELO c\r\n" + (ENVELOPE + b"DATA\r\nx\r\n.\r\n") * 2 + b"QUIT\r\n",
    "empty message": b"EHLO c\r\n" + ENVELOPE + b"DATA\r\n.\r\nNOOP\r\nQUIT\r\n",
    "streamed": b"EHLO c\r\n" + ENVELOPE + b"DATA\r\n" + b"..0123456789\r\n" * 12 + b".\r\nQUIT\r\n",
    "chunks": b"EHLO c\r\n" + ENVELOPE + b"BDAT 6\r\nab\r\nc\rBDAT 3\r\n\n.\rBDAT 1\r\n\nBDAT 0 LAST\r\nQUIT\r\n",
    "streamed chunks": b"EHLO c\r\n"
    + ENVELOPE
    + b"BDAT 90\r\n"
    + b"01234567\r\n" * 9
    + b"BDAT 20 LAST\r\n"
    + b"01234567\r\n" * 2
    + b"QUIT\r\n",
    "chunk out of sequence": b"EHLO c\r\nBDAT 6\r\nQUIT\r\nMAIL FROM:<>\r\nBDAT 6 LAST\r\nRSET\r\nRSET\r\nQUIT\r\n",
    "bare LF": b"EHLO c\r\n" + ENVELOPE + b"DATA\r\na\nb\r\n.\r\nQUIT\r\n",
    "smuggling": b"EHLO c\r\n" + ENVELOPE + b"DATA\r\na\n.\r\nMAIL FROM:<evil@x>\r\n\r.\r\n.\r\nQUIT\r\n",
    "long line": b"EHLO c\r\n" + ENVELOPE + b"DATA\r\n" + b"x" * 700 + b"\r\n.\r\nx\r\n.\r\nQUIT\r\n",
    "too big": b"EHLO c\r\n" + ENVELOPE + b"DATA\r\n" + b"0123456789abcdef\r\n" * 60 + b".\r\nNOOP\r\nQUIT\r\n",
    "too big, in chunks": b"EHLO c\r\n"
    + ENVELOPE
    + b"BDAT 990\r\n"
    + b"x\r\n" * 330
    + b"BDAT 30\r\n"
    + b"RSET\r\n" * 5
    + b"BDAT 6 LAST\r\nQUIT\r\nRSET\r\nQUIT\r\n",
    "errors": b"EHLO\r\nFOO\r\nRCPT TO:<a@b>\r\nMAIL FROM:a@b\r\nDATA\r\nEHLO c\r\nMAIL FROM:<a@b> X=1\r\nQUIT\r\n",
    "bare LF in a command": b"EHLO c\nEHLO d\r\nEHLO e\r\nNOOP a\rb\r\nNOOP\r\nQUIT\r\n",
    "endless command": b"EHLO c\r\nNOOP " + b"x" * 1200 + b"\nMAIL FROM:<a@b>\r\nNOOP\r\nQUIT\r\n",
    "too many errors": b"FOO\r\n" * 12 + b"QUIT\r\n",
    "web browser": b"POST / HTTP/1.1\r\nHost: mx\r\n\r\nEHLO c\r\n",
    "TLS at once": b"\x16\x03\x01\x02\x00\x01\x00\n\r\n",
    "utf-8": b"EHLO c\r\nMAIL FROM:<\xc3\xbc@b.example> SMTPUTF8\r\nRCPT TO:<\xc3\xa4@b>\r\nRCPT TO:<\xff@b>\r\n"
    b"RSET\r\nMAIL FROM:<\xc3\xbc@b.example>\r\nQUIT\r\n",
    "eof in data": b"EHLO c\r\n" + ENVELOPE + b"DATA\r\nabc\r\n.\r",
    "silent": b"",
}
