"""The client: envelopes, attribution, STARTTLS, broken servers, and what it never sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Domain, ForwardPath, Localpart, Mailbox, ReversePath
from danelaw.smtp import (
    NEED_DATA,
    USUAL_CLIENT_LIMITS,
    BareNewline,
    BodyDue,
    Clearance,
    ClearanceRefused,
    ClientConnection,
    ClientLimits,
    Command,
    ConnectionClosed,
    EnhancedStatusCode,
    Envelope,
    GreetingReceived,
    HandshakeDue,
    HelloReceived,
    LocalProtocolError,
    MalformedReply,
    MessageAnswered,
    NextHopLacks,
    Notify,
    OriginalRecipient,
    Recipient,
    RemoteProtocolError,
    ReplyReceived,
    ReplyTooLong,
    Ret,
    ServiceClosing,
    StartTLSInjection,
    TransactionRefused,
    UnexpectedReply,
    Verb,
)
from danelaw.smtp.clearance import grant

EHLO = (
    b"250-mx.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250-SIZE 1000\r\n250 ENHANCEDSTATUSCODES\r\n"
)
BURST = b"MAIL FROM:<a@b>\r\nRCPT TO:<x@y>\r\nRCPT TO:<z@y>\r\nDATA\r\n"


def recipients(*texts: str) -> tuple[Recipient, ...]:
    return tuple(Recipient(ForwardPath.from_text(text)) for text in texts)


ENVELOPE = Envelope(ReversePath.from_text("<a@b>"), recipients("<x@y>", "<z@y>"))


def drain(client: ClientConnection) -> list[object]:
    events: list[object] = []
    while (event := client.next_event()) is not NEED_DATA:
        events.append(event)
    return events


def feed(client: ClientConnection, data: bytes) -> list[object]:
    client.receive_data(data)
    return drain(client)


def ready(ehlo: bytes = EHLO, *, limits: ClientLimits = USUAL_CLIENT_LIMITS, tls: bool = False) -> ClientConnection:
    client = ClientConnection(1, limits, tls=tls)
    feed(client, b"220 mx ESMTP\r\n")
    client.ehlo("me.example")
    assert client.data_to_send() == b"EHLO me.example\r\n"
    feed(client, ehlo)
    assert client.idle
    return client


def clear(client: ClientConnection, *, requiretls: bool = False) -> Clearance:
    return grant(client.connection_id, grounds="test", tls=client.tls, requiretls=requiretls)


def begin(client: ClientConnection, envelope: Envelope = ENVELOPE, **options: object) -> bytes:
    client.mail(clear(client), envelope, eight_bit=False, **options)  # type: ignore[arg-type]
    return client.data_to_send()


def in_body(client: ClientConnection, **options: object) -> None:
    begin(client, **options)
    feed(client, b"250 ok\r\n250 ok\r\n250 ok\r\n" + (b"" if options.get("chunking") else b"354 go\r\n"))
    assert client.body_wanted


def test_a_message_in_two_round_trips() -> None:
    client = ready()
    assert begin(client) == BURST
    events = feed(client, b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n550 5.1.1 no such user\r\n354 go\r\n")
    assert [type(event) for event in events] == [ReplyReceived, BodyDue]
    refused = events[0]
    assert isinstance(refused, ReplyReceived)
    assert refused.command == Command(Verb.RCPT, ENVELOPE.recipients[1])
    assert refused.reply.enhanced == EnhancedStatusCode(5, 1, 1)
    assert refused.reply.text == "no such user"
    due = events[-1]
    assert isinstance(due, BodyDue)
    assert due.recipients == ENVELOPE.recipients[:1]
    client.send_message(b".a\r\nb\r\n..\r\nc")
    assert client.data_to_send() == b"..a\r\nb\r\n...\r\nc\r\n.\r\n"
    (answered,) = feed(client, b"250-2.0.0 queued\r\n250 2.0.0 as 1\r\n")
    assert isinstance(answered, MessageAnswered)
    assert answered.recipients == due.recipients
    assert answered.reply.lines == ("queued", "as 1")
    assert client.idle
    client.quit()
    assert client.data_to_send() == b"QUIT\r\n"
    feed(client, b"221 bye\r\n")
    assert client.closed


def test_step_by_step_without_pipelining() -> None:
    client = ready(b"250 mx\r\n")
    assert begin(client) == b"MAIL FROM:<a@b>\r\n"
    for reply, command in ((b"250", b"RCPT TO:<x@y>\r\n"), (b"450", b"RCPT TO:<z@y>\r\n"), (b"250", b"DATA\r\n")):
        feed(client, reply + b" x\r\n")
        assert client.data_to_send() == command
    assert isinstance(feed(client, b"354 go\r\n")[-1], BodyDue)


@pytest.mark.parametrize(
    ("ehlo", "replies", "reason", "reset"),
    [
        (EHLO, b"550 no\r\n503 x\r\n503 x\r\n503 x\r\n", 550, False),
        (EHLO, b"250 ok\r\n550 a\r\n451 b\r\n554 none\r\n", 451, True),
        (EHLO, b"250 ok\r\n250 a\r\n451 b\r\n452 full\r\n", 452, True),
        (b"250 mx\r\n", b"550 no\r\n", 550, False),
        (b"250 mx\r\n", b"250 ok\r\n550 a\r\n551 b\r\n", 551, True),
    ],
)
def test_refused_transactions(ehlo: bytes, replies: bytes, reason: int, reset: bool) -> None:
    client = ready(ehlo)
    begin(client)
    event = feed(client, replies)[-1]
    assert isinstance(event, TransactionRefused)
    assert event.reply.code == reason
    assert client.idle
    client.data_to_send()
    assert begin(client).startswith(b"RSET\r\n") is reset


def test_354_without_recipients_is_answered_with_an_empty_message() -> None:
    client = ready()
    begin(client)
    events = feed(client, b"250 ok\r\n550 a\r\n550 b\r\n354 go\r\n")
    assert not any(isinstance(event, BodyDue) for event in events)
    assert client.data_to_send() == b".\r\n"
    (event,) = feed(client, b"554 no recipients\r\n")
    assert isinstance(event, TransactionRefused)
    assert event.reply.code == 550
    assert begin(client) == BURST


def test_parameters_only_where_they_are_offered() -> None:
    envelope = Envelope(
        ReversePath(None),
        (Recipient(ForwardPath.from_text("<x@y>"), Notify.NEVER, OriginalRecipient("rfc822", "a+b@c")),),
        ret=Ret.HDRS,
        envid="e=1",
    )
    client = ready()
    client.mail(clear(client), envelope, size=10, eight_bit=True)
    assert client.data_to_send() == (
        b"MAIL FROM:<> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=e+3D1\r\n"
        b"RCPT TO:<x@y> NOTIFY=NEVER ORCPT=rfc822;a+2Bb@c\r\nDATA\r\n"
    )
    bare = ready(b"250-mx\r\n250 PIPELINING\r\n")
    bare.mail(clear(bare), envelope, size=10, eight_bit=False)
    assert bare.data_to_send() == b"MAIL FROM:<>\r\nRCPT TO:<x@y>\r\nDATA\r\n"


def test_what_the_next_hop_lacks_stops_the_envelope() -> None:
    client = ready(b"250 mx\r\n")
    for envelope, eight_bit, status in (
        (Envelope(ENVELOPE.reverse_path, ENVELOPE.recipients, smtputf8=True), False, "5.6.7"),
        (ENVELOPE, True, "5.6.3"),
    ):
        with pytest.raises(NextHopLacks) as caught:
            client.mail(clear(client), envelope, eight_bit=eight_bit)
        assert str(caught.value.reply.enhanced) == status
    sized = ready()
    with pytest.raises(NextHopLacks):
        sized.mail(clear(sized), ENVELOPE, size=1001)
    assert client.data_to_send() == b""
    assert client.idle


def test_no_envelope_without_a_clearance_for_this_connection() -> None:
    client = ready()
    inside = grant(1, grounds="DANE", tls=True)
    for wrong in (None, object(), grant(2, grounds="other", tls=False), inside):
        with pytest.raises(ClearanceRefused):
            client.mail(wrong, ENVELOPE)  # type: ignore[arg-type]
    assert client.data_to_send() == b""
    assert client.idle


def test_requiretls() -> None:
    wanted = Envelope(ENVELOPE.reverse_path, ENVELOPE.recipients, requiretls=True)
    notice = Envelope(ReversePath(None), ENVELOPE.recipients, requiretls=True)
    offers = ready(EHLO.replace(b"DSN", b"REQUIRETLS"), tls=True)
    with pytest.raises(ClearanceRefused):
        offers.mail(clear(offers), wanted)
    offers.mail(clear(offers, requiretls=True), wanted)
    assert offers.data_to_send().startswith(b"MAIL FROM:<a@b> BODY=8BITMIME REQUIRETLS\r\n")
    lacks = ready(tls=True)
    with pytest.raises(NextHopLacks, match="REQUIRETLS") as caught:
        lacks.mail(clear(lacks, requiretls=True), wanted)
    assert str(caught.value.reply.enhanced) == "5.7.30"
    lacks.mail(clear(lacks), notice, eight_bit=False)
    assert lacks.data_to_send().startswith(b"MAIL FROM:<>\r\n"), "a notice is never dropped for it"


def test_starttls_forgets_the_extensions() -> None:
    client = ready(b"250-mx\r\n250-DSN\r\n250 STARTTLS\r\n")
    client.starttls()
    assert client.data_to_send() == b"STARTTLS\r\n"
    (event,) = feed(client, b"220 go\r\n")
    assert isinstance(event, HandshakeDue)
    with pytest.raises(LocalProtocolError):
        client.ehlo("me")
    client.tls_established()
    assert client.tls
    assert not client.extensions.dsn
    with pytest.raises(LocalProtocolError):
        begin(client)
    client.ehlo("me")
    (hello,) = feed(client, b"250-mx\r\n250 STARTTLS\r\n")
    assert isinstance(hello, HelloReceived)
    with pytest.raises(LocalProtocolError):
        client.starttls()


def test_starttls_refused_or_not_offered() -> None:
    client = ready(b"250-mx\r\n250 STARTTLS\r\n")
    client.starttls()
    (event,) = feed(client, b"454 not now\r\n")
    assert isinstance(event, ReplyReceived)
    assert client.idle
    with pytest.raises(LocalProtocolError):
        ready().starttls()


def handshake_due(octets: bytes = b"220 go\r\n") -> ClientConnection:
    client = ready(b"250-mx\r\n250 STARTTLS\r\n")
    client.starttls()
    client.receive_data(octets)
    return client


def test_clear_text_in_the_same_read_as_the_220_is_an_attack() -> None:
    client = handshake_due(b"220 go\r\n250")
    with pytest.raises(StartTLSInjection):
        client.next_event()
    assert client.closed


@pytest.mark.parametrize("look_first", [False, True])
def test_clear_text_between_the_220_and_the_handshake_is_an_attack(look_first: bool) -> None:
    client = handshake_due()
    assert isinstance(client.next_event(), HandshakeDue)
    client.receive_data(b"250-mx\r\n250 x\r\n")
    with pytest.raises(StartTLSInjection):
        client.next_event() if look_first else client.tls_established()
    assert client.closed
    assert not client.tls


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        (b"220-a\r\n221 b\r\n", MalformedReply),
        (b"hello\r\n", MalformedReply),
        (b"\r\n", MalformedReply),
        (b"22\r\n", MalformedReply),
        (b"2200 x\r\n", MalformedReply),
        (b"620 x\r\n", MalformedReply),
        (b"150 x\r\n", MalformedReply),
        (b"220 x\n", MalformedReply),
        (b"220 a\rb\r\n", MalformedReply),
        (b"\xb2\xb220 x\r\n", MalformedReply),
        (b"220 " + b"x" * 3000, ReplyTooLong),
        (b"220 " + b"x" * 3000 + b"\r\n", ReplyTooLong),
        (b"220-x\r\n" * 200, ReplyTooLong),
        (b"350 x\r\n", UnexpectedReply),
    ],
)
def test_broken_replies(octets: bytes, error: type[RemoteProtocolError]) -> None:
    client = ClientConnection(1, USUAL_CLIENT_LIMITS)
    client.receive_data(octets)
    with pytest.raises(error) as caught:
        drain(client)
    assert caught.value.reason
    assert caught.value.reply.is_temporary
    assert client.closed
    assert drain(client) == []


def test_odd_text_is_shown_or_refused() -> None:
    (event,) = feed(ClientConnection(1, USUAL_CLIENT_LIMITS), b"220 gr\xfc\xdf\x1b\tdich\r\n")
    assert isinstance(event, GreetingReceived)
    assert event.reply.text == "gr\\xfc\\xdf? dich"
    strict = ClientConnection(1, ClientLimits(reply_line=512, reply_lines=10, strict_text=True))
    with pytest.raises(MalformedReply):
        feed(strict, b"220 gr\xfc\xdf\r\n")


def test_a_foreign_enhanced_code_is_only_text() -> None:
    client = ready()
    begin(client)
    event = feed(client, b"550 4.7.1 odd\r\n")[0]
    assert isinstance(event, ReplyReceived)
    assert event.reply.enhanced is None
    assert event.reply.text == "4.7.1 odd"


def test_events_before_a_broken_reply_are_still_told() -> None:
    client = ready()
    begin(client)
    client.receive_data(b"550 no\r\nnonsense\r\n")
    assert isinstance(client.next_event(), ReplyReceived)
    with pytest.raises(MalformedReply):
        client.next_event()


def test_a_reply_nobody_asked_for() -> None:
    client = ready()
    with pytest.raises(UnexpectedReply):
        feed(client, b"250 surprise\r\n")
    other = ready()
    begin(other)
    with pytest.raises(UnexpectedReply):
        feed(other, b"550 no\r\n250 yes\r\n250 yes\r\n354 go\r\n")
    third = ready()
    begin(third)
    with pytest.raises(UnexpectedReply):
        feed(third, b"250 ok\r\n250 ok\r\n250 ok\r\n250 go\r\n")


def test_421_at_any_time() -> None:
    idle = ready()
    (event,) = feed(idle, b"421 4.3.2 bye\r\n")
    assert isinstance(event, ServiceClosing)
    assert event.unanswered == ()
    client = ready()
    begin(client)
    last = feed(client, b"250 ok\r\n421 4.3.2 bye\r\n250 never read\r\n")[-1]
    assert isinstance(last, ServiceClosing)
    assert [command.verb for command in last.unanswered] == [Verb.RCPT, Verb.RCPT, Verb.DATA]
    assert client.closed


def test_the_end_of_the_connection_names_what_is_unanswered() -> None:
    client = ready()
    in_body(client)
    client.send_message(b"x\r\n")
    client.receive_eof()
    (event,) = drain(client)
    assert isinstance(event, ConnectionClosed)
    assert event.unanswered == (Command(Verb.MESSAGE),)
    done = ready()
    done.receive_data(b"421 bye\r\n")
    done.receive_eof()
    assert [type(event) for event in drain(done)] == [ServiceClosing]


@pytest.mark.parametrize("body", [b"a\nb", b"a\rb\r\n", b"a\r", b"\n", b"a\r\n\r"])
@pytest.mark.parametrize("chunking", [False, True])
def test_bare_newlines_are_never_sent(body: bytes, chunking: bool) -> None:
    client = ready(EHLO.replace(b"DSN", b"CHUNKING"))
    in_body(client, chunking=chunking)
    with pytest.raises(BareNewline):
        client.send_message(body)
    assert client.data_to_send() == b""
    with pytest.raises(BareNewline):
        send_octet_by_octet(client, body)
    assert client.closed


def send_octet_by_octet(client: ClientConnection, body: bytes) -> None:
    for index in range(len(body)):
        client.send_chunk(body[index : index + 1])
    client.finish_message()


def test_addresses_cannot_carry_commands() -> None:
    client = ready()
    evil = Mailbox(Localpart("a\r\nRSET"), Domain.from_text("b"))
    with pytest.raises(LocalProtocolError):
        begin(client, Envelope(ReversePath(evil), ENVELOPE.recipients))
    foreign = Mailbox(Localpart("ü"), Domain.from_text("b"))
    with pytest.raises(LocalProtocolError):
        begin(client, Envelope(ReversePath(foreign), ENVELOPE.recipients))
    with pytest.raises(LocalProtocolError):
        begin(client, Envelope(ReversePath(None), ()))
    assert client.data_to_send() == b""
    with pytest.raises(LocalProtocolError):
        client.ehlo("a\r\nQUIT")


def test_chunks() -> None:
    client = ready(EHLO.replace(b"DSN", b"CHUNKING"))
    in_body(client, chunking=True)
    client.send_message(b".x\r\ny")
    assert client.data_to_send() == b"BDAT 5 LAST\r\n.x\r\ny"
    assert isinstance(feed(client, b"250 ok\r\n")[-1], MessageAnswered)
    in_body(client, chunking=True)
    client.send_chunk(b"a\r")
    client.send_chunk(b"\nb")
    client.finish_message()
    assert client.data_to_send() == b"BDAT 1\r\naBDAT 3\r\n\r\nbBDAT 0 LAST\r\n"
    events = feed(client, b"250 ok\r\n250 ok\r\n250 ok\r\n")
    assert [type(event) for event in events] == [MessageAnswered]


@pytest.mark.parametrize("finished", [False, True])
def test_a_refused_chunk_ends_the_message(finished: bool) -> None:
    client = ready(EHLO.replace(b"DSN", b"CHUNKING"))
    in_body(client, chunking=True)
    client.send_chunk(b"a\r\n")
    client.send_chunk(b"b\r\n")
    if finished:
        client.finish_message()
    client.data_to_send()
    events = feed(client, b"452 4.3.1 full\r\n")
    answered = events[-1]
    assert isinstance(answered, MessageAnswered)
    assert answered.reply.code == 452
    assert not client.body_wanted
    with pytest.raises(LocalProtocolError):
        client.send_chunk(b"c")
    feed(client, b"503 x\r\n" * (2 if finished else 1))
    assert client.idle
    assert begin(client).startswith(b"RSET\r\nMAIL")


def test_commands_out_of_turn_are_errors() -> None:
    fresh = ClientConnection(1, USUAL_CLIENT_LIMITS)
    with pytest.raises(LocalProtocolError):
        fresh.ehlo("me")
    client = ready()
    with pytest.raises(LocalProtocolError):
        client.send_message(b"x")
    begin(client)
    for verb in (client.quit, client.noop, client.rset, client.starttls, client.tls_established):
        with pytest.raises(LocalProtocolError):
            verb()


def test_housekeeping_and_helo() -> None:
    client = ClientConnection(1, USUAL_CLIENT_LIMITS)
    feed(client, b"220 mx\r\n")
    client.ehlo("me")
    (refused,) = feed(client, b"502 what\r\n")
    assert isinstance(refused, HelloReceived)
    client.helo("me")
    feed(client, b"250 mx\r\n")
    client.noop()
    assert isinstance(feed(client, b"250 ok\r\n")[0], ReplyReceived)
    client.rset()
    assert isinstance(feed(client, b"250 ok\r\n")[0], ReplyReceived)
    assert client.data_to_send() == b"EHLO me\r\nHELO me\r\nNOOP\r\nRSET\r\n"
    away = ClientConnection(2, USUAL_CLIENT_LIMITS)
    feed(away, b"554 no\r\n")
    with pytest.raises(LocalProtocolError):
        away.ehlo("me")
    away.quit()


REPLIES = (
    b"250-2.1.0 ok\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n550 5.1.1 no\r\n354 go\r\n",
    b"250 ok\r\n550 no\r\n550 no\r\n554 no\r\n",
    b"250 ok\r\n421 bye\r\n",
    b"250 ok\r\nbroken\r\n",
    b"250-a\r\n251 b\r\n",
)


def outcome(chunks: list[bytes]) -> list[object]:
    client = ready()
    begin(client)
    events: list[object] = []
    try:
        for chunk in chunks:
            client.receive_data(chunk)
            while (event := client.next_event()) is not NEED_DATA:
                events.append(event)
        client.receive_eof()
        events += drain(client)
    except RemoteProtocolError as error:
        events.append(repr(error))
    return [*events, client.data_to_send()]


@pytest.mark.parametrize("octets", REPLIES)
def test_every_cut_gives_the_same_events(octets: bytes) -> None:
    whole = outcome([octets])
    assert outcome([octets[i : i + 1] for i in range(len(octets))]) == whole
    for cut in range(len(octets)):
        assert outcome([octets[:cut], octets[cut:]]) == whole


@given(
    st.lists(st.sampled_from([b"2", b"5", b"50", b"250", b"354", b"421", b" ", b"-", b"\r\n", b"\n", b"\xff", b"x"]))
)
def test_any_octets_give_events_or_a_typed_error(pieces: list[bytes]) -> None:
    assert outcome(pieces) == outcome([b"".join(pieces)])
