"""An owner that is asked about each command line before it is read."""

from __future__ import annotations

import base64
import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smtp_sessions import settings

from danelaw.smtp import (
    NEED_DATA,
    NEED_REPLY,
    AuthRequested,
    CommandLine,
    CommandRefused,
    ConnectionBroken,
    Hello,
    LocalProtocolError,
    Reply,
    ServerConnection,
    Signal,
)

NO = Reply.of(550, "5.7.1", "no")
CLOSE = Reply.of(421, "4.7.0", "enough")
SESSION = b"\r\n".join(
    b"EHLO c.example|NOOP|MAIL FROM:<a@c.example>|RCPT TO:<b@example.org>|RCPT TO:<c@example.org>|DATA|Subject: x|"
    b"|NOOP|.|MAIL FROM:<>|RCPT TO:<b@example.org>|BDAT 6|RSET|BDAT 6 LAST|QUIT|BLAH|VRFY x|QUIT|".split(b"|")
)


def played(octets: bytes, cuts: list[int], *, screens: bool) -> tuple[bytes, list[str], list[str]]:
    """What is sent, which events there were but lines, and the lines that were asked about."""
    server = ServerConnection(settings(), tls=False)
    server.screens = screens
    server.greet()
    events: list[str] = []
    lines: list[str] = []
    places = [0, *sorted(cuts), len(octets)]
    for begin, end in itertools.pairwise(places):
        server.receive_data(octets[begin:end])
        while not isinstance(event := server.next_event(), Signal):
            if isinstance(event, CommandLine):
                lines.append(event.text)
                server.accept()
                continue
            events.append(type(event).__name__)
            with contextlib.suppress(LocalProtocolError):  # not every event is answered
                server.accept()
    return server.data_to_send(), events, lines


@given(st.lists(st.integers(0, len(SESSION)), max_size=8))
def test_lines_that_pass_are_read_as_without_being_asked_about(cuts: list[int]) -> None:
    sent, events, none = played(SESSION, [], screens=False)
    screened, same, lines = played(SESSION, cuts, screens=True)
    assert (screened, same, none) == (sent, events, [])
    # Nobody is asked about BDAT and what is data.
    asked = [line.split()[0] for line in lines]
    assert " ".join(asked) == "EHLO NOOP MAIL RCPT RCPT DATA MAIL RCPT BLAH VRFY QUIT"


def test_a_password_is_not_told() -> None:
    server = ServerConnection(settings(auth=("PLAIN",)), tls=True)
    server.screens = True
    server.greet()
    server.receive_data(b"EHLO c.example\r\n")
    assert server.next_event() == CommandLine(b"EHLO c.example")
    server.accept()
    assert isinstance(server.next_event(), Hello)
    server.accept()
    word = base64.b64encode(b"\0anna\0secret")
    server.receive_data(b"AUTH  PLAIN " + word + b"\r\n")
    asked = server.next_event()
    assert isinstance(asked, CommandLine)
    assert asked.text == "AUTH PLAIN"
    assert word.decode() not in repr(asked)
    server.reply(NO)
    told = server.next_event()
    assert isinstance(told, CommandRefused)
    assert told.line == b"AUTH"


def test_what_stands_within_an_authentication_exchange_is_not_asked_about() -> None:
    server = ServerConnection(settings(auth=("PLAIN",)), tls=True)
    server.greet()
    server.receive_data(b"EHLO c.example\r\nAUTH PLAIN\r\n")
    assert isinstance(server.next_event(), Hello)
    server.accept()
    assert isinstance(server.next_event(), AuthRequested)
    server.screens = True
    server.challenge(b"")
    server.receive_data(base64.b64encode(b"\0anna\0secret") + b"\r\n")
    assert not isinstance(server.next_event(), CommandLine)


@pytest.mark.parametrize(("reply", "closed"), [(NO, False), (CLOSE, True)])
def test_a_line_that_is_turned_down_is_never_read(reply: Reply, closed: bool) -> None:
    server = ServerConnection(settings(), tls=False)
    server.screens = True
    server.greet()
    server.data_to_send()
    server.receive_data(b"EHLO c.example\r\n")
    assert isinstance(server.next_event(), CommandLine)
    assert server.next_event() is NEED_REPLY
    server.reply(reply)
    assert isinstance(server.next_event(), CommandRefused)
    assert server.next_event() is NEED_DATA
    assert server.data_to_send() == reply.to_wire()
    assert server.closed is closed
    with pytest.raises(LocalProtocolError):
        server.reply(reply)


def test_lines_that_are_turned_down_are_commands_and_errors_like_others() -> None:
    server = ServerConnection(settings(), tls=False)
    server.screens = True
    server.greet()
    for _ in range(1000):
        server.receive_data(b"NOOP\r\n")
        while not isinstance(event := server.next_event(), CommandLine | Signal):
            pass
        if event is NEED_DATA:
            break
        server.reply(NO)
        assert isinstance(server.next_event(), CommandRefused | ConnectionBroken)
    assert server.closed
    assert 1 < server.commands < 1000
