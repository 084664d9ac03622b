"""The milter conversation: options, steps, macros, answers, edits, and what a filter may not do."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.milter import (
    NEED_DATA,
    Action,
    AddHeader,
    AddRecipient,
    Answer,
    ChangeHeader,
    ChangeSender,
    Command,
    DeleteRecipient,
    Disposition,
    InsertHeader,
    MacroStage,
    MilterConnection,
    MilterError,
    Negotiated,
    Progress,
    ProtocolStep,
    Quarantine,
    ReplaceBody,
)
from fuzz.milter_connection import test_one_input

ALL_ACTIONS = 0x1FF


def packet(code: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data) + 1) + code + data


def options(version: int = 6, actions: int = ALL_ACTIONS, steps: int = 0, more: bytes = b"") -> bytes:
    return packet(b"O", struct.pack(">III", version, actions, steps) + more)


def opened(reply: bytes | None = None, **settings: int) -> MilterConnection:
    connection = MilterConnection(**({"largest_packet": 1 << 20, "largest_total": 1 << 22} | settings))
    connection.open()
    assert connection.data_to_send() == packet(b"O", struct.pack(">III", 6, 0x1FF, 0x301FFFFF))
    connection.receive_data(options() if reply is None else reply)
    assert isinstance(connection.next_event(), Negotiated)
    return connection


def answered(connection: MilterConnection, *packets: bytes) -> list[object]:
    connection.data_to_send()
    connection.receive_data(b"".join(packets))
    events: list[object] = []
    while (event := connection.next_event()) is not NEED_DATA:
        events.append(event)
    return events


def test_a_session_is_told_step_by_step() -> None:
    connection = opened()
    go_on = packet(b"c")
    steps: Iterable[tuple[bool, bytes]] = (
        (connection.connect("mx.example", "192.0.2.1", 2525), packet(b"C", b"mx.example\x004\x09\xdd192.0.2.1\x00")),
    )
    for due, wire in steps:
        assert due
        assert connection.data_to_send() == wire
        assert answered(connection, go_on) == [Answer(Disposition.CONTINUE)]
    assert connection.helo("mx.example")
    assert connection.data_to_send() == packet(b"H", b"mx.example\0")
    answered(connection, go_on)
    assert connection.mail(b"<a@b.example>", [b"BODY=8BITMIME", b"SIZE=10"])
    assert connection.data_to_send() == packet(b"M", b"<a@b.example>\0BODY=8BITMIME\0SIZE=10\0")
    answered(connection, go_on)
    assert connection.rcpt(b"<c@d.example>")
    assert connection.data_to_send() == packet(b"R", b"<c@d.example>\0")
    answered(connection, go_on)
    for told, wire in (
        (connection.data, packet(b"T")),
        (lambda: connection.header(b"Subject", b" x"), packet(b"L", b"Subject\0 x\0")),
        (connection.end_of_header, packet(b"N")),
        (lambda: connection.body(b"text\r\n"), packet(b"B", b"text\r\n")),
        (connection.end_of_message, packet(b"E")),
        (lambda: connection.unknown("XYZZY 1"), packet(b"U", b"XYZZY 1\0")),
    ):
        assert told()
        assert connection.data_to_send() == wire
        answered(connection, go_on)
    connection.quit()
    assert connection.data_to_send() == packet(b"Q")


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("2001:db8::1", b"x\x006\x00\x19IPv6:2001:db8::1\x00"),
        ("fe80::1%eth0", b"x\x006\x00\x19IPv6:fe80::1\x00"),
        ("nonsense", b"x\x00U"),
    ],
)
def test_the_family_of_an_address_is_told(address: str, wire: bytes) -> None:
    connection = opened()
    assert connection.connect("x", address, 25)
    assert connection.data_to_send() == packet(b"C", wire)


@pytest.mark.parametrize(
    ("step", "tell"),
    [
        (ProtocolStep.NOCONNECT, lambda c: c.connect("x", "192.0.2.1", 25)),
        (ProtocolStep.NOHELO, lambda c: c.helo("x")),
        (ProtocolStep.NOMAIL, lambda c: c.mail(b"<>")),
        (ProtocolStep.NORCPT, lambda c: c.rcpt(b"<x@y>")),
        (ProtocolStep.NODATA, lambda c: c.data()),
        (ProtocolStep.NOHDRS, lambda c: c.header(b"A", b"b")),
        (ProtocolStep.NOEOH, lambda c: c.end_of_header()),
        (ProtocolStep.NOBODY, lambda c: c.body(b"x")),
        (ProtocolStep.NOUNKNOWN, lambda c: c.unknown("x")),
    ],
)
def test_a_step_that_is_not_wanted_is_not_told(step: ProtocolStep, tell: object) -> None:
    connection = opened(options(steps=step))
    assert tell(connection) is False  # type: ignore[operator]
    assert connection.data_to_send() == b""


@pytest.mark.parametrize(
    ("step", "tell"),
    [
        (ProtocolStep.NR_CONN, lambda c: c.connect("x", "192.0.2.1", 25)),
        (ProtocolStep.NR_HELO, lambda c: c.helo("x")),
        (ProtocolStep.NR_MAIL, lambda c: c.mail(b"<>")),
        (ProtocolStep.NR_RCPT, lambda c: c.rcpt(b"<x@y>")),
        (ProtocolStep.NR_DATA, lambda c: c.data()),
        (ProtocolStep.NR_HDR, lambda c: c.header(b"A", b"b")),
        (ProtocolStep.NR_EOH, lambda c: c.end_of_header()),
        (ProtocolStep.NR_BODY, lambda c: c.body(b"x")),
        (ProtocolStep.NR_UNKN, lambda c: c.unknown("x")),
    ],
)
def test_a_step_may_be_told_without_an_answer(step: ProtocolStep, tell: object) -> None:
    connection = opened(options(steps=step))
    assert tell(connection) is False  # type: ignore[operator]
    assert connection.data_to_send()
    assert connection.end_of_message()


@pytest.mark.parametrize(("version", "data", "unknown"), [(2, False, False), (3, False, True), (4, True, True)])
def test_an_old_filter_is_not_told_what_it_does_not_know(version: int, data: bool, unknown: bool) -> None:
    connection = opened(options(version, 0x3F, 0))
    assert connection.data() is data
    if data:
        answered(connection, packet(b"c"))
    assert connection.unknown("x") is unknown
    connection = opened(options(version, 0x3F, ProtocolStep.HDR_LEADSPC))
    assert not connection.leading_space
    assert not connection.next_client()


def test_macros_are_those_of_the_stage_unless_the_filter_names_others() -> None:
    known = {"i": "ID", "j": "mail.example", "{mail_addr}": "a@b\0c", "{odd}": "1"}
    connection = opened()
    connection.mail(b"<>", macros=known)
    assert connection.data_to_send() == packet(b"D", b"Mi\0ID\0{mail_addr}\0a@b?c\0") + packet(b"M", b"<>\0")
    lists = struct.pack(">I", MacroStage.ENVFROM) + b"j, odd {i}\0" + struct.pack(">I", MacroStage.HELO) + b"\0"
    connection = opened(options(more=lists))
    connection.helo("x", macros=known)
    assert connection.data_to_send() == packet(b"H", b"x\0")
    answered(connection, packet(b"c"))
    connection.mail(b"<>", macros=known)
    assert connection.data_to_send() == packet(b"D", b"Mj\0mail.example\0{odd}\x001\0i\0ID\0") + packet(b"M", b"<>\0")


@pytest.mark.parametrize("reply", [b"a", b"r", b"t", b"d", b"4", b"f", b"y550 5.7.1 no\0"])
def test_a_last_word_on_a_message_ends_its_telling(reply: bytes) -> None:
    connection = opened()
    connection.mail(b"<a@b>")
    (answer,) = answered(connection, packet(reply[:1], reply[1:]))
    assert connection.ruling == answer
    assert not connection.rcpt(b"<c@d>")
    assert not connection.data()
    connection.abort()
    assert connection.data_to_send() == packet(b"A")
    assert connection.mail(b"<a@b>") is (reply not in (b"4", b"f"))


@pytest.mark.parametrize("reply", [b"r", b"t", b"y450 later\0"])
def test_a_refused_recipient_is_refused_alone(reply: bytes) -> None:
    connection = opened()
    connection.mail(b"<a@b>")
    answered(connection, packet(b"c"))
    connection.rcpt(b"<c@d>")
    (answer,) = answered(connection, packet(reply[:1], reply[1:]))
    assert isinstance(answer, Answer)
    assert answer.refuses
    assert connection.ruling is None
    assert connection.rcpt(b"<e@f>")


@pytest.mark.parametrize("reply", [b"a", b"r", b"t"])
def test_a_last_word_at_connect_holds_for_every_message(reply: bytes) -> None:
    connection = opened()
    connection.connect("x", "192.0.2.1", 25)
    answered(connection, packet(reply))
    assert not connection.mail(b"<a@b>")
    assert connection.next_client()
    assert connection.connect("y", "192.0.2.2", 25)


def test_skip_leaves_out_the_rest_of_the_body_of_this_message_only() -> None:
    connection = opened()
    for _ in range(2):
        connection.mail(b"<>")
        answered(connection, packet(b"c"))
        assert connection.body(b"1")
        answered(connection, packet(b"s"))
        assert not connection.body(b"2")
        assert connection.end_of_message()
        answered(connection, packet(b"c"))


def test_every_edit_is_told_before_the_last_answer() -> None:
    connection = opened()
    connection.end_of_message()
    index = struct.pack(">I", 2)
    assert answered(
        connection,
        packet(b"p"),
        packet(b"h", b"X-A\0one\0"),
        packet(b"i", index + b"X-B\0two\n\tlines\0"),
        packet(b"m", index + b"Subject\0\0"),
        packet(b"e", b"<new@b.example>\0SIZE=1\0"),
        packet(b"+", b"<c@d.example>\0"),
        packet(b"2", b"<e@f.example>\0NOTIFY=NEVER\0"),
        packet(b"-", b"<g@h.example>\0"),
        packet(b"b", b"one\0"),
        packet(b"b", b""),
        packet(b"q", b"odd\0"),
        packet(b"a"),
    ) == [
        Progress(),
        AddHeader(b"X-A", b"one"),
        InsertHeader(2, b"X-B", b"two\n\tlines"),
        ChangeHeader(2, b"Subject", b""),
        ChangeSender("<new@b.example>", "SIZE=1"),
        AddRecipient("<c@d.example>"),
        AddRecipient("<e@f.example>", "NOTIFY=NEVER"),
        DeleteRecipient("<g@h.example>"),
        ReplaceBody(b"one\0"),
        ReplaceBody(b""),
        Quarantine("odd"),
        Answer(Disposition.ACCEPT),
    ]


def test_a_filter_s_own_reply_may_have_several_lines() -> None:
    connection = opened()
    connection.end_of_message()
    (answer,) = answered(connection, packet(b"y", b"554-5.7.1 100%% spam\r\n554 5.7.1 go away\0"))
    assert answer == Answer(Disposition.REPLYCODE, 554, "5.7.1", ("100% spam", "go away"))


@pytest.mark.parametrize(
    ("packets", "reason"),
    [
        ([packet(b"y", b"250 fine\0")], "no 4yz or 5yz"),
        ([packet(b"y", b"554-one\r\n450 two\0")], "no 4yz or 5yz"),
        ([packet(b"?")], "nothing the protocol knows"),
        ([struct.pack(">I", 0)], "packet of 0 octets"),
        ([struct.pack(">I", (1 << 20) + 1)], "1048576 are allowed"),
        ([packet(b"c"), packet(b"c")], "without being asked"),
        ([packet(b"h", b"X A\0b\0")], "no field name"),
        ([packet(b"h", b"X-A")], "is no field"),
        ([packet(b"h", b"X-A\0one\0two\0")], "is no field"),
        ([packet(b"i", b"\0\0")], "lacks its index"),
        ([packet(b"e", b"a\0b\0c\0")], "3 strings"),
    ],
)
def test_a_filter_that_breaks_the_protocol_is_found_out(packets: list[bytes], reason: str) -> None:
    connection = opened()
    connection.end_of_message()
    with pytest.raises(MilterError, match=reason):
        answered(connection, *packets)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (packet(b"c"), "does not begin by agreeing"),
        (packet(b"O", b"\0" * 11), "does not begin by agreeing"),
        (options(1), "version 1"),
        (options(7), "version 7"),
        (options(actions=0x200), "rights nobody offered"),
        (options(steps=0x400000), "steps nobody offered"),
        (options(more=b"\0\0\0\0i"), "ends early"),
        (options(more=b"\0\0"), "ends early"),
        (options() + packet(b"c"), "without being asked"),
    ],
)
def test_options_that_were_not_offered_are_no_agreement(reply: bytes, reason: str) -> None:
    with pytest.raises(MilterError, match=reason):
        opened(reply)


def test_edits_need_a_right_and_belong_to_the_end() -> None:
    connection = opened(options(actions=Action.ADDHDRS))
    connection.body(b"x")
    with pytest.raises(MilterError, match="before its end"):
        answered(connection, packet(b"h", b"X-A\0b\0"))
    connection = opened(options(actions=Action.ADDHDRS))
    connection.end_of_message()
    with pytest.raises(MilterError, match="did not ask to change"):
        answered(connection, packet(b"b", b"x"))


def test_what_a_filter_says_about_one_message_is_limited() -> None:
    connection = opened(largest_total=4000, most_edits=3)
    connection.end_of_message()
    with pytest.raises(MilterError, match="3 edits"):
        answered(connection, *[packet(b"h", b"X\0y\0")] * 4)
    connection = opened(largest_total=4000)
    connection.end_of_message()
    with pytest.raises(MilterError, match="4000 octets"):
        answered(connection, packet(b"p") * 1000)


@pytest.mark.parametrize(
    ("steps", "size"), [(0, 65535), (ProtocolStep.MDS_256K, 262143), (ProtocolStep.MDS_1M, 1048575)]
)
def test_the_size_of_pieces_is_agreed(steps: int, size: int) -> None:
    assert opened(options(steps=steps)).largest_chunk == size


def test_nothing_of_the_caller_breaks_out_of_its_string() -> None:
    connection = opened()
    connection.mail(b"<a\0b>", [b"X\0Y"])
    assert connection.data_to_send() == packet(b"M", b"<a?b>\0X?Y\0")


@given(st.binary(max_size=600))
def test_any_octets_in_any_pieces_give_the_same_events_or_an_error(data: bytes) -> None:
    test_one_input(data)


def test_commands_are_wanted_only_before_the_last_word() -> None:
    connection = opened()
    assert connection.wants(Command.BODY)
    connection.mail(b"<>")
    answered(connection, packet(b"d"))
    assert not connection.wants(Command.BODY)
