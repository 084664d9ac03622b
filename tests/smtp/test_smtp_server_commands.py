"""Commands one by one: what is accepted, what is refused and with which reply (RFC 5321 §4.1, §4.2)."""

from __future__ import annotations

import pytest
from smtp_sessions import HOSTNAME, Owner, limits, ready, settings

from danelaw.address import AddressLiteral, Domain
from danelaw.smtp import (
    NEED_DATA,
    NEED_REPLY,
    Body,
    CommandRefused,
    ConnectionBroken,
    Hello,
    LocalProtocolError,
    MailFrom,
    Notify,
    Quit,
    RcptTo,
    Reply,
    Reset,
    Ret,
    ServerConnection,
)
from danelaw.smtp.commands import Verb
from danelaw.smtp.state import ALLOWED, State, refusal

MAIL = b"MAIL FROM:<a@b.example>\r\n"


def test_ehlo_lists_what_is_offered() -> None:
    owner = Owner(settings(starttls=True, requiretls=True))
    sent = owner.feed(b"EHLO c.example\r\n").decode()
    lines = [line[4:] for line in sent.splitlines()]
    assert lines[0] == HOSTNAME.to_text()
    assert {"PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING", "DSN", "STARTTLS"} <= set(lines)
    assert "SIZE 52428800" in lines
    assert "REQUIRETLS" not in lines, "only inside TLS (RFC 8689)"
    assert "BINARYMIME" not in lines
    inside = Owner(settings(starttls=True, requiretls=True), tls=True)
    lines = [line[4:] for line in inside.feed(b"EHLO c.example\r\n").decode().splitlines()]
    assert "REQUIRETLS" in lines
    assert "STARTTLS" not in lines


@pytest.mark.parametrize(
    ("line", "host"),
    [
        (b"EHLO c.example", Domain.from_text("c.example")),
        (b"ehlo [192.0.2.1]  ", AddressLiteral("192.0.2.1")),
        (b"EHLO [IPv6:2001:db8::1]", AddressLiteral("2001:db8::1")),
        (b"HELO my~pc!", None),
        (b"EHLO [1.2.3]", None),
    ],
)
def test_hello(line: bytes, host: object) -> None:
    owner = Owner(settings())
    owner.feed(line + b"\r\n")
    (event,) = owner.events
    assert isinstance(event, Hello)
    assert event.host == host
    assert event.extended is line.lower().startswith(b"ehlo")


@pytest.mark.parametrize("line", [b"EHLO", b"HELO ", b"EHLO a b", b"EHLO \xc3\xbc.example", b"EHLO " + b"x" * 300])
def test_no_hello(line: bytes) -> None:
    assert Owner(settings()).feed(line + b"\r\n").startswith(b"501 5.5.")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"MAIL FROM:<a@b.example>", b"250 2.1.0"),
        (b"mail from:<>", b"250 2.1.0"),
        (b"MAIL FROM: <a@b.example>", b"250 2.1.0"),
        (b"MAIL FROM:<@x.example:a@b.example>", b"250 2.1.0"),
        (b'MAIL FROM:<"a b> c"@b.example>', b"250 2.1.0"),
        (b"MAIL FROM:<a@[192.0.2.1]>  ", b"250 2.1.0"),
        (b"MAIL FROM:<a@b.example>  SIZE=100  BODY=8bitmime", b"250 2.1.0"),
        (b"MAIL FROM:<a@b.example> BODY=7BIT RET=full ENVID=a+2Bb", b"250 2.1.0"),
        (b"MAIL FROM:<\xc3\xbc@b.example> SMTPUTF8", b"250 2.1.0"),
        (b"MAIL FROM:<a@b\xc3\xbccher.example> SMTPUTF8", b"250 2.1.0"),
        (b"MAIL FROM:a@b.example", b"501 5.5.4"),
        (b"MAIL <a@b.example>", b"501 5.5.4"),
        (b"MAIL FROM:<a@b.example", b"501 5.5.4"),
        (b"MAIL FROM:<a@b.example>SIZE=1", b"501 5.5.4"),
        (b"MAIL", b"501 5.5.4"),
        (b"MAIL FROM:<a>", b"501 5.1.7"),
        (b"MAIL FROM:<a@b..c>", b"501 5.1.7"),
        (b"MAIL FROM:<a@b.>", b"501 5.1.7"),
        (b"MAIL FROM:<\xc3\xbc@b.example>", b"553 5.6.7"),
        (b"MAIL FROM:<a@b\xc3\xbccher.example>", b"553 5.6.7"),
        (b"MAIL FROM:<\xff@b.example> SMTPUTF8", b"501 5.5.2"),
        (b"MAIL FROM:<a\x00@b.example>", b"501 5.5.2"),
        (b"MAIL FROM:<a@b.example> SIZE=52428801", b"552 5.3.4"),
        (b"MAIL FROM:<a@b.example> SIZE=" + b"9" * 20, b"552 5.3.4"),
        (b"MAIL FROM:<a@b.example> SIZE=" + b"9" * 21, b"501 5.5.4"),
        (b"MAIL FROM:<a@b.example> SIZE", b"501 5.5.4"),
        (b"MAIL FROM:<a@b.example> SIZE=1 SIZE=1", b"501 5.5.4"),
        (b"MAIL FROM:<a@b.example> BODY=BINARYMIME", b"501 5.5.4"),
        (b"MAIL FROM:<a@b.example> SMTPUTF8=yes", b"501 5.5.4"),
        (b"MAIL FROM:<a@b.example> RET=SOME", b"501 5.5.4"),
        (b"MAIL FROM:<a@b.example> ENVID=a=b", b"501 5.5.4"),
        (b"MAIL FROM:<a@b.example> ENVID=+0D+0A", b"501 5.5.4"),
        (b"MAIL FROM:<a@b.example> ENVID=" + b"x" * 101, b"501 5.5.4"),
        (b"MAIL FROM:<a@b.example> NOTIFY=NEVER", b"555 5.5.4"),
        (b"MAIL FROM:<a@b.example> AUTH=<>", b"555 5.5.4"),
        (b"MAIL FROM:<a@b.example> REQUIRETLS", b"555 5.5.4"),
        (b"MAIL FROM:<a@b.example> -x", b"501 5.5.4"),
    ],
)
def test_mail(line: bytes, code: bytes) -> None:
    assert ready().feed(line + b"\r\n").startswith(code)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"RCPT TO:<a@b.example>", b"250 2.1.5"),
        (b"rcpt to:<PostMaster>", b"250 2.1.5"),
        (b"RCPT TO: <a@b.example> NOTIFY=SUCCESS,failure,DELAY ORCPT=rfc822;a+2Bb@c.example", b"250 2.1.5"),
        (b"RCPT TO:<a@b.example> NOTIFY=NEVER ORCPT=utf-8;\\x{FC}@c.example", b"250 2.1.5"),
        (b"RCPT TO:<a@b.example> ORCPT=rfc822;" + b"x" * 400, b"250 2.1.5"),
        (b"RCPT TO:<>", b"501 5.1.3"),
        (b"RCPT TO:<a>", b"501 5.1.3"),
        (b"RCPT TO:a@b.example", b"501 5.5.4"),
        (b"RCPT TO:<\xc3\xbc@b.example>", b"553 5.6.7"),
        (b"RCPT TO:<a@b.example> NOTIFY=NEVER,DELAY", b"501 5.5.4"),
        (b"RCPT TO:<a@b.example> NOTIFY=DELAY,DELAY", b"501 5.5.4"),
        (b"RCPT TO:<a@b.example> NOTIFY=", b"501 5.5.4"),
        (b"RCPT TO:<a@b.example> NOTIFY", b"501 5.5.4"),
        (b"RCPT TO:<a@b.example> ORCPT=a@b", b"501 5.5.4"),
        (b"RCPT TO:<a@b.example> ORCPT=rfc822;a+0Db", b"501 5.5.4"),
        (b"RCPT TO:<a@b.example> SIZE=1", b"555 5.5.4"),
    ],
)
def test_rcpt(line: bytes, code: bytes) -> None:
    owner = ready()
    owner.feed(MAIL)
    assert owner.feed(line + b"\r\n").startswith(code)


def test_parameters_arrive_decoded() -> None:
    owner = ready(settings(requiretls=True), tls=True)
    owner.feed(b"MAIL FROM:<a@b> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+3Dy REQUIRETLS\r\n")
    owner.feed(b"RCPT TO:<\xc3\xa4@b> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;\\x{E4}+@b\r\n".replace(b"+@", b"@"))
    mail, rcpt = owner.events
    assert isinstance(mail, MailFrom)
    assert (mail.size, mail.body, mail.smtputf8, mail.ret) == (7, Body.EIGHT_BIT_MIME, True, Ret.HDRS)
    assert (mail.envid, mail.requiretls) == ("x=y", True)
    assert isinstance(rcpt, RcptTo)
    assert rcpt.recipient.notify == Notify.SUCCESS | Notify.DELAY
    assert rcpt.recipient.orcpt is not None
    assert (rcpt.recipient.orcpt.address_type, rcpt.recipient.orcpt.address) == ("utf-8", "ä@b")
    envelope = owner.server.envelope
    assert envelope is not None
    assert envelope.requiretls
    assert envelope.recipients == (rcpt.recipient,)


def test_helo_sessions_have_no_parameters() -> None:
    owner = Owner(settings())
    assert owner.feed(b"HELO c\r\n").endswith(b"250 mx.example.org\r\n")
    assert owner.feed(b"MAIL FROM:<a@b> SIZE=1\r\n").startswith(b"555 5.5.4")
    assert owner.feed(b"MAIL FROM:<a@b>\r\n").startswith(b"250")


def test_the_space_after_the_colon_can_be_refused() -> None:
    owner = ready(settings(space_after_colon=False))
    assert owner.feed(b"MAIL FROM: <a@b>\r\n").startswith(b"501")
    assert owner.feed(MAIL).startswith(b"250")
    assert owner.feed(b"RCPT TO: <a@b>\r\n").startswith(b"501")


def test_extensions_that_are_off_take_no_parameters() -> None:
    owner = ready(settings(dsn=False, smtputf8=False, chunking=False))
    for parameter in (b"RET=FULL", b"ENVID=x", b"SMTPUTF8"):
        assert owner.feed(b"MAIL FROM:<a@b> " + parameter + b"\r\n").startswith(b"555")
    assert b"502" in owner.feed(b"BDAT 4 LAST\r\nRSET\r\n")
    assert owner.server.closed


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"NOOP", b"250"),
        (b"NOOP whatever", b"250"),
        (b"HELP", b"214"),
        (b"HELP MAIL", b"214"),
        (b"VRFY a@b", b"252"),
        (b"VRFY \xc3\xbc@b SMTPUTF8", b"252"),
        (b"VRFY", b"501"),
        (b"EXPN list", b"502"),
        (b"RSET", b"250"),
        (b"RSET now", b"501"),
        (b"DATA now", b"501"),
        (b"STARTTLS", b"502"),
        (b"TURN", b"500 5.5.1"),
        (b"", b"500 5.5.1"),
        (b"AUTH PLAIN x", b"500 5.5.1"),
        (b"\xff\xfe", b"500 5.5.1"),
    ],
)
def test_housekeeping(line: bytes, code: bytes) -> None:
    assert ready().feed(line + b"\r\n").startswith(code)


@pytest.mark.parametrize("state", [s for s in State if any(s in allowed for allowed in ALLOWED.values())])
@pytest.mark.parametrize("verb", list(ALLOWED))
def test_the_state_table_has_no_hole(verb: Verb, state: State) -> None:
    reply = refusal(verb, state, recipients_refused=False)
    assert (reply is None) is (state in ALLOWED[verb])
    if reply is not None:
        assert reply.code == 503


def _in_state(state: State) -> Owner:
    owner = Owner(settings(limits_=limits(message_size=50), starttls=True))
    steps = {
        State.GREETED: b"",
        State.READY: b"EHLO c\r\n",
        State.MAIL: b"EHLO c\r\n" + MAIL,
        State.RCPT: b"EHLO c\r\n" + MAIL + b"RCPT TO:<a@b>\r\n",
        State.BDAT: b"EHLO c\r\n" + MAIL + b"RCPT TO:<a@b>\r\nBDAT 3\r\na\r\n",
        State.BDAT_FAILED: b"EHLO c\r\n" + MAIL + b"RCPT TO:<a@b>\r\nBDAT 99\r\n" + b"x" * 99,
    }
    owner.feed(steps[state])
    assert owner.server.state is state
    return owner


_LINES = {
    Verb.EHLO: b"EHLO c",
    Verb.HELO: b"HELO c",
    Verb.STARTTLS: b"STARTTLS",
    Verb.MAIL: b"MAIL FROM:<a@b>",
    Verb.RCPT: b"RCPT TO:<a@b>",
    Verb.DATA: b"DATA",
    Verb.BDAT: b"BDAT 0",
    Verb.RSET: b"RSET",
    Verb.NOOP: b"NOOP",
    Verb.HELP: b"HELP",
    Verb.VRFY: b"VRFY a",
    Verb.QUIT: b"QUIT",
}


@pytest.mark.parametrize("state", [State.GREETED, State.READY, State.MAIL, State.RCPT, State.BDAT, State.BDAT_FAILED])
@pytest.mark.parametrize("verb", list(_LINES))
def test_the_server_follows_the_state_table(verb: Verb, state: State) -> None:
    sent = _in_state(state).feed(_LINES[verb] + b"\r\n")
    assert sent.startswith(b"503") is (state not in ALLOWED[verb])


def test_no_valid_recipients() -> None:
    owner = ready()
    server = owner.server
    owner.feed(MAIL)
    server.receive_data(b"RCPT TO:<a@b>\r\nDATA\r\nBDAT 3\r\nabc")
    assert isinstance(server.next_event(), RcptTo)
    server.reply(Reply.of(550, "5.1.1", "No such user"))
    event = server.next_event()
    assert isinstance(event, CommandRefused)
    assert event.reply.to_text().startswith("554 5.5.1")
    owner.work()
    assert server.data_to_send() == b""
    assert owner.sent.count(b"554 5.5.1") == 2


def test_answers_may_come_late_and_nothing_overtakes() -> None:
    server = ServerConnection(settings())
    server.greet()
    server.receive_data(b"EHLO c\r\n" + MAIL + b"RCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\n")
    assert isinstance(server.next_event(), Hello)
    assert server.next_event() is NEED_REPLY
    server.receive_data(b"DATA\r\n")
    assert server.next_event() is NEED_REPLY
    server.accept()
    assert isinstance(server.next_event(), MailFrom)
    server.reply(Reply.of(451, "4.7.1", "Later"))
    first, second, third = (server.next_event() for _ in range(3))
    assert all(isinstance(event, CommandRefused) for event in (first, second, third)), "RCPT, RCPT, DATA without MAIL"
    assert server.next_event() is NEED_DATA
    codes = [line[:3] for line in server.data_to_send().splitlines() if line[3:4] == b" "]
    assert codes == [b"220", b"250", b"451", b"503", b"503", b"503"], "one write for the whole burst"


def test_misuse_by_the_owner_is_an_error() -> None:
    server = ServerConnection(settings())
    with pytest.raises(LocalProtocolError):
        server.accept()
    server.greet()
    with pytest.raises(LocalProtocolError):
        server.greet()
    with pytest.raises(LocalProtocolError):
        server.tls_established()
    with pytest.raises(LocalProtocolError):
        server.reply(Reply.of(250, None, "Ok"))


def test_a_hello_that_is_refused_leaves_the_client_outside() -> None:
    server = ServerConnection(settings())
    server.greet()
    server.receive_data(b"EHLO c\r\n" + MAIL)
    server.next_event()
    server.reply(Reply.of(550, "5.7.1", "Not you"))
    assert isinstance(server.next_event(), CommandRefused)
    assert server.data_to_send().count(b"503 5.5.1 Say EHLO") == 1


def test_a_greeting_may_turn_away() -> None:
    server = ServerConnection(settings())
    server.receive_data(b"EHLO c\r\n")
    assert server.early_talker
    server.greet(Reply.of(554, "5.7.1", "No service for you"))
    assert isinstance(server.next_event(), CommandRefused)
    server.receive_data(b"QUIT\r\n")
    assert isinstance(server.next_event(), Quit)
    assert [line[:3] for line in server.data_to_send().splitlines()] == [b"554", b"503", b"221"]
    busy = ServerConnection(settings())
    busy.greet(Reply.of(421, "4.3.2", "Busy"))
    assert busy.closed


def test_ehlo_in_a_transaction_resets_it() -> None:
    owner = ready()
    owner.feed(MAIL + b"EHLO c\r\n")
    assert [type(event) for event in owner.events] == [MailFrom, Reset, Hello]
    assert owner.server.envelope is None
    assert owner.server.between_transactions


def test_421_closes_and_says_no_more() -> None:
    server = ServerConnection(settings())
    server.greet()
    server.receive_data(b"EHLO c\r\nNOOP\r\n")
    server.next_event()
    server.reply(Reply.of(421, "4.7.0", "Go away"))
    assert server.closed
    assert server.next_event() is NEED_DATA
    assert server.data_to_send().endswith(b"421 4.7.0 Go away\r\n")
    other = ServerConnection(settings())
    other.greet()
    other.close(Reply.of(421, "4.3.2", "Shutting down"))
    other.close(Reply.of(421, "4.3.2", "Shutting down"))
    assert other.data_to_send().count(b"421") == 1
    other.receive_data(b"NOOP\r\n")
    assert other.next_event() is NEED_DATA


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"POST /x HTTP/1.1", b"Host: mx.example.org", b"CONNECT mx:25"])
def test_http_is_cut_off_at_once(line: bytes) -> None:
    owner = Owner(settings())
    owner.feed(line + b"\r\nEHLO c\r\n")
    assert owner.codes() == [220, 421]
    assert isinstance(owner.events[-1], ConnectionBroken)


def test_limits() -> None:
    owner = ready(settings(limits_=limits(errors=2)))
    assert owner.feed(b"X\r\n" * 4).count(b"421 4.7.0 Too many errors") == 1
    owner = ready(settings(limits_=limits(commands=3)))
    assert owner.feed(b"NOOP\r\n" * 4).endswith(b"421 4.7.0 Too many commands; closing\r\n")
    owner = ready(settings(limits_=limits(messages=1)))
    assert b"421 4.7.0 Too many messages" in owner.feed((MAIL + b"RSET\r\n") * 2)
    owner = ready(settings(limits_=limits(recipients=2, errors=0)))
    sent = owner.feed(MAIL + b"RCPT TO:<a@b>\r\n" * 4)
    assert sent.count(b"250 2.1.5") == 2
    assert sent.count(b"452 4.5.3") == 2, "and that is no error of the client"


@pytest.mark.parametrize(
    ("start", "increment"), [(b"NOOP ", 0), (b"MAIL FROM:<a@b> ENVID=", 171), (b"RCPT TO:<a@b> ORCPT=rfc822;", 500)]
)
def test_the_length_of_a_line_counts_its_crlf_and_its_extensions(start: bytes, increment: int) -> None:
    for length, long in ((512 + increment, False), (513 + increment, True)):
        owner = ready()
        sent = owner.feed(start + b"x" * (length - 2 - len(start)) + b"\r\n")
        assert sent.startswith(b"500 5.5.2 Line too long") is long
        assert owner.feed(b"RSET\r\n").startswith(b"250")


def test_a_line_without_end_is_not_read_for_ever() -> None:
    owner = ready()
    owner.feed(b"x" * 2000, *[b"y" * 10_000] * 10)
    assert owner.server.closed
    assert owner.sent.endswith(b"421 4.7.0 A line without end; closing\r\n")
    assert owner.sent.count(b"500 5.5.2") == 1


def test_the_owner_is_told_when_to_stop_reading() -> None:
    server = ServerConnection(settings())
    server.greet()
    server.receive_data(b"EHLO c\r\n")
    server.next_event()
    assert server.wants_data
    server.receive_data(b"NOOP\r\n" * 50_000)
    assert not server.wants_data
