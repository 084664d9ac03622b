"""AUTH at the server: when it is offered, what it carries, how it ends."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smtp_sessions import Owner, ready, settings

from danelaw.smtp import (
    NEED_DATA,
    NEED_REPLY,
    AuthCancelled,
    AuthRequested,
    AuthResponse,
    CommandRefused,
    ConnectionBroken,
    LocalProtocolError,
    MailFrom,
    Reply,
    ServerConnection,
    ServerSettings,
)
from danelaw.smtp.settings import AUTH_LINE

OFFERED = settings(auth=("PLAIN", "LOGIN"), starttls=True)
WRONG = Reply.of(535, "5.7.8", "Wrong")
LATER = Reply.of(454, "4.7.0", "Later")


def asked(
    settings_: ServerSettings = OFFERED, *, tls: bool = True, hello: bytes = b"EHLO c.example\r\n"
) -> ServerConnection:
    """A connection whose client has said EHLO."""
    server = ServerConnection(settings_, tls=tls)
    server.greet()
    server.receive_data(b"EHLO c.example\r\n")
    assert server.next_event() is not NEED_DATA
    server.accept()
    server.data_to_send()
    return server


def say(server: ServerConnection, line: bytes) -> object:
    """One line; the event it gives."""
    server.receive_data(line + b"\r\n")
    return server.next_event()


@pytest.mark.parametrize(
    ("settings_", "tls", "offered"),
    [
        (OFFERED, True, True),
        (OFFERED, False, False),
        (settings(auth=("PLAIN",), auth_in_clear=True), False, True),
        (settings(), True, False),
    ],
)
def test_auth_is_offered_inside_tls_or_where_clear_text_is_allowed(
    settings_: ServerSettings, tls: bool, offered: bool
) -> None:
    sent = Owner(settings_, tls=tls).feed(b"EHLO c.example\r\n")
    assert (b"AUTH PLAIN" in sent) is offered


@pytest.mark.parametrize(
    ("settings_", "tls", "line", "reply"),
    [
        (settings(), True, b"AUTH PLAIN", b"500 5.5.1"),
        (OFFERED, False, b"AUTH PLAIN", b"538 5.7.11"),
        (OFFERED, True, b"AUTH", b"501 5.5.4"),
        (OFFERED, True, b"AUTH CRAM-MD5", b"504 5.5.4"),
        (OFFERED, True, b"AUTH PLAIN *", b"501 5.7.0"),
        (OFFERED, True, b"AUTH PLAIN x", b"501 5.5.2"),
        (OFFERED, True, b"AUTH PLAIN AGEAYg", b"501 5.5.2"),
        (OFFERED, True, b"AUTH PLAIN AGEAYg== AGEAYg==", b"501 5.5.2"),
        (OFFERED, True, b"AUTH PLAIN \xff", b"501 5.5.2"),
        (OFFERED, True, b"AUTH PL\xffIN", b"504 5.5.4"),
    ],
)
def test_what_cannot_begin_is_refused_and_shows_nothing(
    settings_: ServerSettings, tls: bool, line: bytes, reply: bytes
) -> None:
    owner = ready(settings_, tls=tls)
    assert owner.feed(line + b"\r\n").startswith(reply)
    (event,) = owner.events
    assert isinstance(event, CommandRefused)
    assert event.line == b"AUTH"


def test_auth_after_helo_or_in_a_transaction_is_out_of_sequence() -> None:
    owner = Owner(OFFERED, tls=True)
    assert owner.feed(b"HELO c\r\n", b"AUTH PLAIN\r\n").endswith(b"503 5.5.1 Say EHLO first\r\n")
    owner = ready(OFFERED, tls=True)
    assert owner.feed(b"MAIL FROM:<a@b.example>\r\n", b"AUTH PLAIN\r\n").endswith(
        b"503 5.5.1 A transaction is already open\r\n"
    )


def test_an_initial_response_is_decoded() -> None:
    for line, response in (
        (b"auth plain AGEAYg==", b"\0a\0b"),
        (b"AUTH PLAIN =", b""),
        (b"AUTH PLAIN", None),
        (b"AUTH PLAIN  AGEAYg== ", b"\0a\0b"),
    ):
        assert say(asked(), line) == AuthRequested("PLAIN", response)


def test_challenges_and_responses_alternate_until_the_verdict() -> None:
    server = asked()
    assert say(server, b"AUTH LOGIN") == AuthRequested("LOGIN", None)
    server.challenge(b"Username:")
    assert server.data_to_send() == b"334 VXNlcm5hbWU6\r\n"
    assert say(server, b"dGlt") == AuthResponse(b"tim")
    assert server.next_event() is NEED_REPLY
    server.challenge(b"")
    assert server.data_to_send() == b"334 \r\n"
    assert say(server, b"") == AuthResponse(b"")
    assert not server.authenticated
    server.accept()
    assert server.data_to_send().startswith(b"235 2.7.0 ")
    assert server.authenticated
    assert say(server, b"AUTH PLAIN") == CommandRefused(
        b"AUTH", Reply.of(503, "5.5.1", "You are authenticated already")
    )


@pytest.mark.parametrize(
    ("response", "reply"),
    [
        (b"*", b"501 5.7.0"),
        (b"no base64!", b"501 5.5.2"),
        (b"=", b"501 5.5.2"),
        (b"AAAA" * (AUTH_LINE // 4 + 200), b"500 5.5.6"),
        (b"QQ\nQQ", b"500 5.5.2"),
    ],
)
def test_an_exchange_ends_without_a_verdict_and_the_session_goes_on(response: bytes, reply: bytes) -> None:
    server = asked()
    say(server, b"AUTH LOGIN")
    server.challenge(b"Username:")
    server.data_to_send()
    event = say(server, response)
    assert isinstance(event, AuthCancelled)
    told = server.next_event()
    assert isinstance(told, CommandRefused)
    assert told.line == b""
    assert server.data_to_send().startswith(reply)
    assert say(server, b"AUTH PLAIN AGEAYg==") == AuthRequested("PLAIN", b"\0a\0b")


def test_commands_within_an_exchange_are_responses() -> None:
    server = asked()
    say(server, b"AUTH LOGIN")
    server.challenge(b"")
    assert say(server, b"QUIT") == AuthResponse(base64.b64decode("QUIT"))


def test_a_long_response_fits() -> None:
    server = asked()
    say(server, b"AUTH PLAIN")
    server.challenge(b"")
    octets = b"x" * 9000
    assert say(server, base64.b64encode(octets)) == AuthResponse(octets)
    server.reply(WRONG)
    assert say(server, b"AUTH PLAIN " + base64.b64encode(octets)) == AuthRequested("PLAIN", octets)


def test_failures_end_the_connection_and_delays_do_not() -> None:
    server = asked()
    for _ in range(5):
        say(server, b"AUTH PLAIN AGEAYg==")
        server.reply(LATER)
    for _ in range(2):
        say(server, b"AUTH PLAIN AGEAYg==")
        server.reply(WRONG)
        assert server.next_event() is NEED_DATA
    say(server, b"AUTH PLAIN AGEAYg==")
    server.reply(WRONG)
    assert isinstance(server.next_event(), ConnectionBroken)
    assert server.closed
    assert server.data_to_send().endswith(b"421 4.7.0 Too many failed authentications; closing\r\n")


def test_mail_waits_for_auth_where_that_is_required() -> None:
    owner = ready(settings(auth=("PLAIN",), auth_required=True), tls=True)
    for line in (b"MAIL FROM:<a@b>", b"RCPT TO:<a@b>", b"DATA", b"VRFY x", b"EXPN x"):
        assert owner.feed(line + b"\r\n").startswith(b"530 5.7.0 Authentication required"), line
    assert owner.feed(b"BDAT 6 LAST\r\nQUIT\r\n").startswith(b"530 5.7.0")
    for line in (b"NOOP", b"RSET", b"HELP", b"EHLO c.example"):
        assert owner.feed(line + b"\r\n").startswith(b"2"), line
    assert owner.feed(b"AUTH PLAIN AGEAYg==\r\n").startswith(b"235")
    assert owner.feed(b"EHLO again.example\r\n", b"MAIL FROM:<a@b.example>\r\n").endswith(b"250 2.1.0 Sender ok\r\n")


def test_starttls_forgets_who_logged_in_before() -> None:
    owner = ready(settings(auth=("PLAIN",), auth_in_clear=True, auth_required=True, starttls=True))
    owner.feed(b"AUTH PLAIN AGEAYg==\r\n", b"STARTTLS\r\n")
    assert owner.server.authenticated
    owner.server.tls_established()
    assert not owner.server.authenticated
    assert owner.feed(b"EHLO c.example\r\n", b"MAIL FROM:<a@b.example>\r\n").endswith(
        b"530 5.7.0 Authentication required\r\n"
    )


@pytest.mark.parametrize(
    ("parameter", "auth"),
    [(b"AUTH=<>", ""), (b"AUTH=e+3Dmc2@example.com", "e=mc2@example.com"), (b"AUTH=" + b"x" * 500, "x" * 500)],
)
def test_the_auth_parameter_of_mail_is_read(parameter: bytes, auth: str) -> None:
    # RFC 4954 §5
    owner = ready(OFFERED, tls=True)
    owner.feed(b"MAIL FROM:<a@b.example> " + parameter + b"\r\n")
    (event,) = owner.events
    assert isinstance(event, MailFrom)
    assert event.auth == auth


@pytest.mark.parametrize("parameter", [b"AUTH", b"AUTH=+3", b"AUTH=" + b"x" * 501, b"AUTH=<> AUTH=<>", b"AUTH=+00"])
def test_an_auth_parameter_that_is_none_is_refused(parameter: bytes) -> None:
    assert ready(OFFERED, tls=True).feed(b"MAIL FROM:<a@b.example> " + parameter + b"\r\n").startswith(b"501 5.5.4")


def test_the_auth_parameter_is_unknown_where_auth_is_not_offered() -> None:
    for owner in (ready(OFFERED), ready(settings(), tls=True)):
        assert owner.feed(b"MAIL FROM:<a@b.example> AUTH=<>\r\n").startswith(b"555 5.5.4")


def test_only_auth_is_answered_with_a_challenge() -> None:
    server = asked()
    with pytest.raises(LocalProtocolError):
        server.challenge(b"x")
    say(server, b"MAIL FROM:<a@b.example>")
    with pytest.raises(LocalProtocolError):
        server.challenge(b"x")


LINES = st.sampled_from([b"*", b"", b"=", b"AGEAYg==", b"AUTH PLAIN", b"QUIT"]) | st.binary(max_size=60)


@given(st.lists(LINES))
def test_any_lines_give_replies_and_no_password_is_shown(lines: list[bytes]) -> None:
    server = asked()
    for line in (b"AUTH PLAIN AGEAc2VjcmV0", *lines):
        server.receive_data(line.replace(b"\n", b"").replace(b"\r", b"") + b"\r\n")
        while (event := server.next_event()) is not NEED_DATA:
            assert "secret" not in repr(event)
            assert "c2VjcmV0" not in repr(event)
            if isinstance(event, AuthRequested | AuthResponse):
                server.challenge(b"more")
            elif event is NEED_REPLY:
                server.reply(Reply.of(550, "5.7.1", "No"))
    for line in server.data_to_send().split(b"\r\n")[:-1]:
        assert line[:3].isdigit()


SESSION = (
    b"EHLO c\r\nAUTH LOGIN\r\ndGlt\r\nc2VjcmV0\r\nAUTH PLAIN !\r\nMAIL FROM:<a@b> AUTH=<>\r\nRSET\r\n"
    b"EHLO d\r\nAUTH LOGIN dGlt\r\n*\r\nQUIT\r\n"
)


def played(chunks: list[bytes]) -> tuple[list[str], bytes]:
    """Events and replies of a session whose owner asks twice before it says no, then yes."""
    server = ServerConnection(settings(auth=("LOGIN", "PLAIN")), tls=True)
    server.greet()
    told, responses = [], 0
    for chunk in chunks:
        server.receive_data(chunk)
        while (event := server.next_event()) is not NEED_DATA:
            told.append(type(event).__name__)
            if isinstance(event, AuthRequested):
                server.challenge(b"")
            elif isinstance(event, AuthResponse):
                responses += 1
                if responses % 2:
                    server.challenge(b"Password:")
                else:
                    server.reply(WRONG)
            elif event is NEED_REPLY:
                raise AssertionError("every event was answered")
            elif type(event).__name__ in ("Hello", "MailFrom"):
                server.accept()
    return told, server.data_to_send()


def test_every_cut_of_a_session_with_logins_gives_the_same() -> None:
    whole = played([SESSION])
    assert whole[0].count("AuthResponse") == 2
    assert whole[0][-3:] == ["AuthCancelled", "CommandRefused", "Quit"]
    assert played([SESSION[i : i + 1] for i in range(len(SESSION))]) == whole
    for cut in range(1, len(SESSION)):
        assert played([SESSION[:cut], SESSION[cut:]]) == whole, cut
