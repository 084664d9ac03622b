"""DATA, BDAT and STARTTLS on the server's side."""

from __future__ import annotations

import pytest
from smtp_sessions import ENVELOPE, Owner, limits, ready, settings

from danelaw.smtp import (
    NEED_DATA,
    NEED_REPLY,
    BodyChunk,
    CommandRefused,
    ConnectionBroken,
    DataRequested,
    EndOfMessage,
    Hello,
    LocalProtocolError,
    MessageRefused,
    Reply,
    ServerConnection,
    StartTLS,
)
from danelaw.smtp.state import State

MAIL8 = b"MAIL FROM:<a@b> BODY=8BITMIME\r\nRCPT TO:<a@b>\r\n"


def test_the_end_of_a_message_carries_body_envelope_and_what_was_seen() -> None:
    owner = ready()
    server = owner.server
    server.receive_data(MAIL8 + b"DATA\r\n")
    owner.work()
    server.receive_data(b"..a\r\n.b\r\n\xe9\r\n.\r\n")
    event = server.next_event()
    assert isinstance(event, EndOfMessage)
    assert (event.body, event.size, event.streamed, event.eight_bit) == (b".a\r\nb\r\n\xe9\r\n", 10, False, True)
    assert len(event.envelope.recipients) == 1
    assert server.next_event() is NEED_REPLY
    server.accept("queued as 1")
    assert server.data_to_send() == b"250 2.0.0 queued as 1\r\n"
    assert server.state is State.READY
    assert server.envelope is None


def test_small_messages_come_whole_and_large_ones_in_pieces() -> None:
    for lines, streamed in ((64, False), (65, True)):
        server = ready(settings(limits_=limits(stream_above=640))).server
        server.receive_data(ENVELOPE + b"DATA\r\n")
        while not isinstance(server.next_event(), DataRequested):
            server.accept()
        server.accept()
        text = b"01234567\r\n" * lines
        server.receive_data(text + b".\r\n")
        event = server.next_event()
        if streamed:
            assert isinstance(event, BodyChunk)
            assert event.data == text
            event = server.next_event()
        assert isinstance(event, EndOfMessage)
        assert event.streamed is streamed
        assert event.body == (b"" if streamed else text)
        assert event.size == len(text)


def test_pieces_end_with_a_line_and_their_owner_is_told_when_they_come_to_nothing() -> None:
    server = ready(settings(limits_=limits(stream_above=100, message_size=1000))).server
    server.receive_data(ENVELOPE + b"DATA\r\n")
    while not isinstance(server.next_event(), DataRequested):
        server.accept()
    server.accept()
    pieces = []
    for _ in range(200):
        server.receive_data(b"..234567\r\n")
        while (event := server.next_event()) is not NEED_DATA:
            assert isinstance(event, BodyChunk)
            pieces.append(event.data)
    assert all(piece.endswith(b"\r\n") for piece in pieces)
    assert 0 < sum(map(len, pieces)) <= 1100, "what is too big is dropped, not handed out"
    server.receive_data(b".\r\n")
    event = server.next_event()
    assert isinstance(event, MessageRefused)
    assert event.reply.code == 552
    assert server.next_event() is NEED_DATA


@pytest.mark.parametrize(
    ("octets", "changes", "code"),
    [
        (b"x" * 998 + b"\r\n", {}, b"250"),
        (b"x" * 999 + b"\r\n", {}, b"554 5.6.0"),
        (b"." + b"." + b"x" * 997 + b"\r\n", {}, b"250"),
        (b"x" * 5000 + b"\r\n", {}, b"554 5.6.0"),
        (b"\0\r\n", {}, b"554 5.6.0"),
        (b"\0\r\n", {"accept_nul": True}, b"250"),
        (b"\xe9\r\n", {}, b"250"),
        (b"\xe9\r\n", {"accept_undeclared_8bit": False}, b"554 5.6.3"),
    ],
)
def test_what_message_data_may_hold(octets: bytes, changes: dict[str, bool], code: bytes) -> None:
    owner = ready(settings(limits_=limits(text_line=1000), **changes))
    assert owner.feed(ENVELOPE + b"DATA\r\n", octets + b".\r\n").splitlines()[-1].startswith(code)
    chunked = ready(settings(limits_=limits(text_line=1000), **changes))
    if not octets.startswith(b"."):
        sent = chunked.feed(ENVELOPE + b"BDAT %d LAST\r\n" % len(octets) + octets)
        assert sent.splitlines()[-1].startswith(code)


def test_declared_8bit_data_is_always_taken() -> None:
    owner = ready(settings(accept_undeclared_8bit=False))
    owner.feed(MAIL8 + b"DATA\r\n\xe9\r\n.\r\n")
    assert owner.bodies == [b"\xe9\r\n"]


def test_the_size_limit_counts_the_message_and_not_its_dots() -> None:
    for text, taken in ((b"..23456\r\n" * 10, True), (b"..23456\r\n" * 10 + b"x\r\n", False)):
        owner = ready(settings(limits_=limits(message_size=80)))
        sent = owner.feed(ENVELOPE + b"DATA\r\n" + text + b".\r\nNOOP\r\n")
        assert bool(owner.bodies) is taken
        assert (b"552 5.3.4" in sent) is not taken
        assert sent.endswith(b"250 2.0.0 Ok\r\n")


def test_data_may_be_refused_and_the_transaction_stays() -> None:
    server = ready().server
    server.receive_data(ENVELOPE + b"DATA\r\n")
    while not isinstance(server.next_event(), DataRequested):
        server.accept()
    server.reply(Reply.of(451, "4.3.1", "Disk full"))
    assert server.state is State.RCPT
    assert server.data_to_send().endswith(b"451 4.3.1 Disk full\r\n")


def test_chunks_get_a_reply_each_and_the_last_one_is_the_owners() -> None:
    owner = ready()
    sent = owner.feed(ENVELOPE + b"BDAT 3\r\na\r\nBDAT 0\r\nbdat 3 last\r\nb\r\n")
    assert [line[:3] for line in sent.splitlines()] == [b"250"] * 5
    assert owner.bodies == [b"a\r\nb\r\n"]
    request = next(event for event in owner.events if isinstance(event, DataRequested))
    assert request.chunking
    assert sum(isinstance(event, DataRequested) for event in owner.events) == 1


def test_a_refused_first_chunk_is_consumed() -> None:
    server = ready().server
    server.receive_data(ENVELOPE + b"BDAT 6\r\nRSET\r\nBDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<a@b>\r\nRSET\r\n")
    while not isinstance(server.next_event(), DataRequested):
        server.accept()
    server.data_to_send()
    server.reply(Reply.of(451, "4.3.1", "Disk full"))
    seen = []
    while (event := server.next_event()) is not NEED_DATA:
        seen.append(type(event).__name__)
    assert seen == ["CommandRefused", "CommandRefused", "Reset"]
    assert [line[:3] for line in server.data_to_send().splitlines()] == [b"451", b"503", b"503", b"250"]


@pytest.mark.parametrize(
    "line", [b"BDAT", b"BDAT x", b"BDAT -1", b"BDAT 5 LAST now", b"BDAT 5LAST", b"BDAT " + b"9" * 21]
)
def test_a_chunk_of_unknown_size_ends_the_connection(line: bytes) -> None:
    """Its octets could not be told from commands."""
    owner = ready()
    sent = owner.feed(ENVELOPE + line + b"\r\nMAIL FROM:<evil@x>\r\n")
    assert owner.server.closed
    assert sent.splitlines()[-1].startswith(b"501 5.5.4")
    assert isinstance(owner.events[-1], ConnectionBroken)


def test_a_chunk_that_exceeds_the_limit_is_refused_before_it_is_read_and_consumed() -> None:
    owner = ready(settings(limits_=limits(message_size=10)))
    sent = owner.feed(ENVELOPE + b"BDAT 6\r\n", b"abcd\r\n", b"BDAT 6\r\n")
    assert sent.endswith(b"552 5.3.4 Message size exceeds the limit\r\n")
    assert isinstance(owner.events[-1], MessageRefused)
    assert owner.feed(b"QUIT\r\n") == b""
    assert owner.feed(b"MAIL FROM:<a@b>\r\n").startswith(b"503")
    assert owner.feed(b"RSET\r\n" + ENVELOPE + b"BDAT 3 LAST\r\nx\r\n").count(b"250") == 4


def test_starttls_forgets_everything() -> None:
    owner = ready(settings(starttls=True, requiretls=True))
    assert owner.feed(b"STARTTLS\r\n") == b"220 2.0.0 Ready to start TLS\r\n"
    server = owner.server
    assert server.awaiting_tls
    with pytest.raises(LocalProtocolError):
        server.receive_data(b"\x16\x03\x01")
    assert server.next_event() is NEED_DATA
    server.tls_established()
    assert server.tls
    assert owner.feed(b"MAIL FROM:<a@b>\r\n").startswith(b"503 5.5.1 Say EHLO")
    assert b"REQUIRETLS" in owner.feed(b"EHLO c\r\n")
    assert owner.feed(b"STARTTLS\r\n").startswith(b"503 5.5.1 TLS is already active")
    assert owner.feed(b"MAIL FROM:<a@b> REQUIRETLS\r\n").startswith(b"250")


@pytest.mark.parametrize("late", [False, True])
def test_octets_behind_starttls_end_the_connection(late: bool) -> None:
    server = ready(settings(starttls=True)).server
    server.receive_data(b"STARTTLS\r\n" if late else b"STARTTLS\r\nMAIL FROM:<evil@x>\r\n")
    assert isinstance(server.next_event(), StartTLS)
    if late:
        server.receive_data(b"M")
    server.accept()
    assert not server.awaiting_tls
    assert server.closed
    assert server.data_to_send().startswith(b"554 5.5.1")
    assert isinstance(server.next_event(), ConnectionBroken)
    assert server.next_event() is NEED_DATA


def test_starttls_can_be_refused_for_now() -> None:
    server = ready(settings(starttls=True)).server
    server.receive_data(b"STARTTLS\r\nNOOP\r\n")
    server.next_event()
    server.reply(Reply.of(454, "4.7.0", "TLS not available"))
    assert server.next_event() is NEED_DATA
    assert [line[:3] for line in server.data_to_send().splitlines()] == [b"454", b"250"]


def test_tls_can_be_demanded() -> None:
    owner = ready(settings(starttls=True, tls_required=True))
    sent = owner.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\nBDAT 6\r\nQUIT\r\nVRFY a\r\nNOOP\r\n")
    assert sent.count(b"530 5.7.0") == 5
    assert sent.endswith(b"250 2.0.0 Ok\r\n")


def test_the_client_may_vanish_anywhere() -> None:
    owner = ready()
    owner.feed(ENVELOPE + b"DATA\r\nhalf a mess")
    owner.server.receive_eof()
    owner.work()
    assert isinstance(owner.events[-1], ConnectionBroken)
    assert owner.events[-1].reply is None
    assert owner.server.closed
    last = Owner(settings())
    last.server.receive_data(b"EHLO c\r\nQUIT\r\n")
    last.server.receive_eof()
    last.work()
    assert not any(isinstance(event, ConnectionBroken) for event in last.events)


def test_what_a_refused_command_shows_is_cut() -> None:
    owner = Owner(settings())
    owner.feed(b"X" * 500 + b"\r\n")
    (event,) = owner.events
    assert isinstance(event, CommandRefused)
    assert event.line == b"X" * 200


def test_a_client_may_talk_before_the_greeting_and_is_noted() -> None:
    server = ServerConnection(settings())
    server.receive_data(b"EHLO c\r\n")
    assert server.next_event() is NEED_DATA
    server.greet()
    assert isinstance(server.next_event(), Hello)
    assert server.early_talker
