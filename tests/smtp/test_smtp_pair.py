"""Our client talks to our server: what arrives is what was sent, octet by octet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smtp_sessions import Owner, limits, settings

from danelaw.address import ForwardPath, ReversePath
from danelaw.smtp import (
    NEED_DATA,
    USUAL_CLIENT_LIMITS,
    BodyDue,
    ClientConnection,
    DataRequested,
    Envelope,
    GreetingReceived,
    HelloReceived,
    MessageAnswered,
    Notify,
    OriginalRecipient,
    Recipient,
    Ret,
)
from danelaw.smtp.body_writer import canonical
from danelaw.smtp.clearance import grant

ENVELOPE = Envelope(
    ReversePath.from_text("<jürgen@bücher.example>"),
    (
        Recipient(
            ForwardPath.from_text('<"a b"@example.org>'),
            Notify.SUCCESS | Notify.DELAY,
            OriginalRecipient("utf-8", "ü +=\\@x"),
        ),
        Recipient(ForwardPath.from_text("<用户@[IPv6:2001:db8::1]>")),
    ),
    smtputf8=True,
    ret=Ret.HDRS,
    envid="id +=1",
)


class Pair:
    """A client and a server with a perfect network between them."""

    def __init__(self, *, stream_above: int = 65536) -> None:
        self.owner = Owner(settings(limits_=limits(text_line=1 << 20, stream_above=stream_above), accept_nul=True))
        self.client = ClientConnection(1, USUAL_CLIENT_LIMITS)
        self.client.receive_data(self.owner.sent)
        assert isinstance(self.client.next_event(), GreetingReceived)
        self.client.ehlo("me.example")
        assert isinstance(self.exchange()[-1], HelloReceived)

    def exchange(self) -> list[object]:
        """Carry octets to and fro until both are silent."""
        events: list[object] = []
        while data := self.client.data_to_send():
            self.client.receive_data(self.owner.feed(data))
            while (event := self.client.next_event()) is not NEED_DATA:
                events.append(event)
        return events

    def deliver(self, body: bytes, *, chunking: bool, pieces: int = 0) -> bytes:
        """Send a message, whole or in pieces, and give back what the server took."""
        self.client.mail(grant(1, grounds="test", tls=False), ENVELOPE, size=len(body), chunking=chunking)
        assert isinstance(self.exchange()[-1], BodyDue)
        if pieces:
            for start in range(0, len(body), pieces):
                self.client.send_chunk(body[start : start + pieces])
            self.client.finish_message()
        else:
            self.client.send_message(body)
        answered = self.exchange()[-1]
        assert isinstance(answered, MessageAnswered)
        assert answered.reply.code == 250, answered.reply
        return self.owner.bodies.pop()


def test_the_envelope_arrives_as_it_was() -> None:
    pair = Pair()
    pair.deliver(b"x\r\n", chunking=False)
    (request,) = [event for event in pair.owner.events if isinstance(event, DataRequested)]
    assert request.envelope.recipients == ENVELOPE.recipients
    assert request.envelope.reverse_path == ENVELOPE.reverse_path
    assert (request.envelope.ret, request.envelope.envid, request.envelope.smtputf8) == (Ret.HDRS, "id +=1", True)


@pytest.mark.corpus
@pytest.mark.parametrize("chunking", [False, True])
def test_real_messages_pass_octet_by_octet(corpus: Callable[[str], Path], chunking: bool) -> None:
    files = [path for path in sorted(corpus("mime").rglob("*")) if path.is_file()]
    whole, streamed = Pair(), Pair(stream_above=1000)
    for path in files:
        body = canonical(path.read_bytes())
        expected = body if chunking or body.endswith(b"\r\n") else body + b"\r\n"
        assert whole.deliver(body, chunking=chunking) == expected, path.name
        assert streamed.deliver(body, chunking=chunking, pieces=777) == expected, path.name
    assert len(files) > 50


@given(st.lists(st.sampled_from([b"\r\n", b".", b"..", b"x", b"\xff", b" ", b"\r\n.\r\n"]), max_size=30), st.booleans())
def test_any_canonical_text_passes(pieces: list[bytes], chunking: bool) -> None:
    body = b"".join(pieces)
    expected = body if chunking or body.endswith(b"\r\n") else body + b"\r\n"
    if not chunking and not body:
        expected = b""
    for size in (0, 1, 3):
        assert Pair(stream_above=10).deliver(body, chunking=chunking, pieces=size) == expected


@given(st.binary(max_size=60))
def test_canonical_text_has_only_crlf(data: bytes) -> None:
    text = canonical(data)
    assert text.replace(b"\r\n", b"").count(b"\r") == text.replace(b"\r\n", b"").count(b"\n") == 0
    assert canonical(text) == text
