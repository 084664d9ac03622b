"""CPU per 4 KB message in the SMTP cores alone: no sockets, no storage, no TLS.

Usage: python bench/smtp_core.py [messages]. Prints microseconds of thread time per message for the server (MAIL, RCPT
and DATA in one burst, then the message) and for the client that talks to it, the best and the median of nine rounds,
and, as a yardstick for the machine at this moment, nanoseconds per turn of an empty loop.
"""

from __future__ import annotations

import statistics
import sys
import time

from danelaw.address import Domain, ForwardPath, ReversePath
from danelaw.smtp import (
    NEED_DATA,
    NEED_REPLY,
    USUAL_CLIENT_LIMITS,
    USUAL_LIMITS,
    BodyDue,
    ClientConnection,
    EndOfMessage,
    Envelope,
    MessageAnswered,
    Recipient,
    ServerConnection,
    ServerSettings,
)
from danelaw.smtp.clearance import grant

MESSAGE = b"From: a@sender.example\r\nTo: b@example.org\r\nSubject: bench\r\n\r\n" + (b"x" * 70 + b"\r\n") * 56
BURST = b"MAIL FROM:<a@sender.example> SIZE=4096\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
REPLIES = b"250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n354 Send the message, end with CRLF.CRLF\r\n"


def serve(messages: int) -> None:
    """The server's share: two reads and two writes per message."""
    limits = USUAL_LIMITS.__class__(
        **{name: getattr(USUAL_LIMITS, name) for name in USUAL_LIMITS.__slots__}
        | {"commands": 10 * messages, "messages": 2 * messages}
    )
    server = ServerConnection(ServerSettings(hostname=Domain.from_text("mx.example.org"), limits=limits))
    server.greet()
    server.receive_data(b"EHLO client.example\r\n")
    server.next_event()
    server.accept()
    server.data_to_send()
    wire = MESSAGE + b".\r\n"
    for number in range(messages):
        for data in (BURST, wire):
            server.receive_data(data)
            while (event := server.next_event()) is not NEED_DATA:
                if event is not NEED_REPLY:
                    server.accept(f"Ok {number:x}" if type(event) is EndOfMessage else None)
            server.data_to_send()


def send(messages: int) -> None:
    """The client's share."""
    client = ClientConnection(1, USUAL_CLIENT_LIMITS)
    client.receive_data(b"220 mx.example.org ESMTP\r\n")
    client.next_event()
    client.ehlo("client.example")
    client.receive_data(b"250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE\r\n250 DSN\r\n")
    client.next_event()
    envelope = Envelope(
        ReversePath.from_text("<a@sender.example>"), (Recipient(ForwardPath.from_text("<b@example.org>")),)
    )
    for number in range(messages):
        clearance = grant(1, grounds="bench", tls=False)
        client.mail(clearance, envelope, size=len(MESSAGE), eight_bit=False)
        client.data_to_send()
        client.receive_data(REPLIES)
        while type(client.next_event()) is not BodyDue:
            pass
        client.send_message(MESSAGE)
        client.data_to_send()
        client.receive_data(b"250 2.0.0 Ok %x\r\n" % number)
        while type(client.next_event()) is not MessageAnswered:
            pass


def turn(turns: int) -> None:
    """The yardstick: a loop that adds."""
    total = 0
    for number in range(turns):
        total += number


def main() -> None:
    """Measure both sides."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    for name, side in (("server", serve), ("client", send)):
        rounds = []
        for _ in range(9):
            before = time.thread_time()
            side(messages)
            rounds.append((time.thread_time() - before) / messages * 1e6)
        print(
            f"{name}: best {min(rounds):5.1f} µs, median {statistics.median(rounds):5.1f} µs "
            f"per message of {len(MESSAGE)} octets"
        )
    before = time.thread_time()
    turn(1_000_000)
    print(f"yardstick: {(time.thread_time() - before) * 1e3:.1f} ns per turn of an empty loop")


if __name__ == "__main__":
    main()
