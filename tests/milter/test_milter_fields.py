"""Fields as filters see them, and their edits to a header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.message import Header
from danelaw.milter import AddHeader, ChangeHeader, InsertHeader, edited_header, field_octets, fields_of
from danelaw.milter.macros import names

HEADER = b"Received: one\r\nSubject:  two\r\n\tlines\r\nreceived:three\r\nX: \xff\r\n"


def test_fields_are_told_with_their_white_space_where_that_was_agreed() -> None:
    assert list(fields_of(HEADER, leading_space=True)) == [
        (b"Received", b" one"), (b"Subject", b"  two\n\tlines"), (b"received", b"three"), (b"X", b" \xff"),
    ]  # fmt: skip
    assert [value for _, value in fields_of(HEADER, leading_space=False)] == [
        b"one", b" two\n\tlines", b"three", b"\xff",
    ]  # fmt: skip


def test_what_is_told_with_white_space_can_be_put_back_as_it_was() -> None:
    told = fields_of(HEADER, leading_space=True)
    assert b"".join(field_octets(name, value, leading_space=True) for name, value in told) == HEADER


@pytest.mark.parametrize(
    ("edit", "header"),
    [
        (AddHeader(b"X-New", b"1"), HEADER + b"X-New: 1\r\n"),
        (InsertHeader(0, b"X-New", b"1"), b"X-New: 1\r\n" + HEADER),
        (InsertHeader(1, b"X-New", b"1"), HEADER.replace(b"Subject", b"X-New: 1\r\nSubject")),
        (InsertHeader(99, b"X-New", b"1\n\t2"), HEADER + b"X-New: 1\r\n\t2\r\n"),
        (ChangeHeader(1, b"SUBJECT", b"new"), HEADER.replace(b"Subject:  two\r\n\tlines", b"SUBJECT: new")),
        (ChangeHeader(2, b"Received", b"new"), HEADER.replace(b"received:three", b"Received: new")),
        (ChangeHeader(2, b"Received", b""), HEADER.replace(b"received:three\r\n", b"")),
        (ChangeHeader(3, b"Received", b""), HEADER),
        (ChangeHeader(3, b"Received", b"x"), HEADER + b"Received: x\r\n"),
        (ChangeHeader(0, b"x", b""), HEADER.replace(b"X: \xff\r\n", b"")),
    ],
)
def test_edits_touch_nothing_but_their_field(edit: AddHeader, header: bytes) -> None:
    assert edited_header(HEADER, [edit]) == header


def test_later_edits_see_earlier_ones() -> None:
    edits = [ChangeHeader(1, b"received", b""), ChangeHeader(1, b"received", b"x"), AddHeader(b"X", b"2")]
    assert edited_header(HEADER, edits) == b"Subject:  two\r\n\tlines\r\nreceived: x\r\nX: \xff\r\nX: 2\r\n"


@given(st.binary(max_size=200), st.booleans())
def test_no_value_makes_a_second_field(value: bytes, leading_space: bool) -> None:
    octets = field_octets(b"X-Name", value, leading_space=leading_space)
    header = Header.from_bytes(octets + b"\r\n")
    assert len(header.fields) == 1
    assert header.fields[0].raw == octets
    assert header.defect is None


@given(st.binary(max_size=300))
def test_a_header_without_edits_stays_as_it_is(header: bytes) -> None:
    assert edited_header(header, []) == header


def test_names_of_macros_have_one_form() -> None:
    assert names(" i, {j} client_addr {rcpt_addr} {i} ä ") == ("i", "j", "{client_addr}", "{rcpt_addr}")
