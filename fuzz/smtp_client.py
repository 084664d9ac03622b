"""Fuzz the SMTP client: a server that says anything, at any moment, in any chunks.

python -m fuzz.smtp_client [libFuzzer options]
"""

from __future__ import annotations

import sys

from danelaw.address import ForwardPath, ReversePath
from danelaw.smtp import (
    NEED_DATA,
    BodyDue,
    ClientConnection,
    ClientLimits,
    ConnectionClosed,
    Envelope,
    GreetingReceived,
    HandshakeDue,
    HelloReceived,
    LocalProtocolError,
    MessageAnswered,
    NextHopLacks,
    Recipient,
    RemoteProtocolError,
    TransactionRefused,
)
from danelaw.smtp.clearance import grant

_ENVELOPE = Envelope(
    ReversePath.from_text("<a@b.example>"),
    (Recipient(ForwardPath.from_text("<x@y.example>")), Recipient(ForwardPath.from_text("<z@y.example>"))),
)
_LIMITS = ClientLimits(reply_line=512, reply_lines=20)
_MESSAGE = b".Subject: x\r\n\r\n.\r\ntext"


def _go_on(client: ClientConnection, event: object, *, chunking: bool) -> None:
    """Do what an owner would do next."""
    if isinstance(event, GreetingReceived):
        client.ehlo("me.example") if event.reply.code == 220 else client.quit()
    elif isinstance(event, HelloReceived) and event.reply.is_positive:
        if event.extensions.starttls and not client.tls:
            client.starttls()
        else:
            _mail(client, chunking=chunking)
    elif isinstance(event, HelloReceived):
        client.helo("me.example") if event.extended else client.quit()
    elif isinstance(event, HandshakeDue):
        client.tls_established()
        client.ehlo("me.example")
    elif isinstance(event, BodyDue):
        assert event.recipients, "no message without a recipient"
        if chunking:
            client.send_chunk(_MESSAGE[:8])
            client.send_chunk(_MESSAGE[8:])
            client.finish_message()
        else:
            client.send_message(_MESSAGE)
    elif isinstance(event, MessageAnswered | TransactionRefused) and client.idle:
        _mail(client, chunking=chunking)


def _mail(client: ClientConnection, *, chunking: bool) -> None:
    try:
        client.mail(grant(1, grounds="fuzz", tls=client.tls), _ENVELOPE, eight_bit=False, size=100, chunking=chunking)
    except NextHopLacks:
        client.quit()


def _run(chunks: list[bytes], *, chunking: bool) -> tuple[list[str], bytes]:
    client = ClientConnection(1, _LIMITS)
    told: list[str] = []
    sent = b""
    try:
        for chunk in chunks:
            client.receive_data(chunk)
            while (event := client.next_event()) is not NEED_DATA:
                told.append(type(event).__name__)
                _go_on(client, event, chunking=chunking)
                sent += client.data_to_send()
        client.receive_eof()
        last = client.next_event()
        assert last is NEED_DATA or isinstance(last, ConnectionClosed)
    except RemoteProtocolError as error:
        assert error.reason
        assert client.closed
        told.append(type(error).__name__)
    return told, sent


def test_one_input(data: bytes) -> None:
    """The first octets choose chunking; the rest is what the server says."""
    if len(data) < 2:
        return
    step, chunking, octets = data[0] % 61 + 1, bool(data[1] & 1), data[2:]
    try:
        whole = _run([octets], chunking=chunking)
        cut = _run([octets[i : i + step] for i in range(0, len(octets), step)], chunking=chunking)
    except LocalProtocolError as error:
        raise AssertionError(f"the client's own state was out of step: {error}") from error
    if b"STARTTLS" not in octets.upper():
        assert whole == cut, "chunking changed the conversation"
    text = whole[1].replace(b"\r\n", b"")
    assert b"\r" not in text
    assert b"\n" not in text


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
