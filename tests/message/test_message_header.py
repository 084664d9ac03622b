"""Headers are split without changing an octet."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.message import Header, HeaderTooLarge, boundary, count_received, prepend

MESSAGE = (
    b"Received: from a.example by b.example;\r\n\tMon, 23 Nov 2026 10:00:00 +0000\r\n"
    b"RECEIVED : from c.example by a.example; Mon, 23 Nov 2026 09:00:00 +0000\r\n"
    b"Subject: one\r\n two  \r\n"
    b"X-Empty:\r\n"
    b"Message-Id:\r\n <id@example.org>\r\n"
    b"Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n"
    b"\r\n"
    b"Received: not a field\r\n"
)


def test_fields_keep_their_octets_and_offsets() -> None:
    header = Header.from_bytes(MESSAGE)
    assert b"".join(field.raw for field in header) == header.raw
    assert all(MESSAGE[field.offset :].startswith(field.raw) for field in header)
    assert MESSAGE[header.body_offset :] == b"Received: not a field\r\n"
    assert header.defect is None


def test_names_compare_without_case_and_values_unfold() -> None:
    header = Header.from_bytes(MESSAGE)
    subject, empty = header.first("subject"), header.first("X-EMPTY")
    assert subject is not None
    assert subject.value == b"one two"
    assert subject.body == b" one\r\n two  "
    assert empty is not None
    assert empty.value == b""
    assert header.first("absent") is None


def test_what_a_relay_reads() -> None:
    header = Header.from_bytes(MESSAGE)
    assert header.received_count == 2
    assert count_received(header.raw) == 2
    assert header.message_id == "<id@example.org>"
    assert header.date == "Mon, 23 Nov 2026 09:00:00 +0000"
    assert header.subject == "one two"


@pytest.mark.parametrize(
    ("message", "end", "body"),
    [
        (b"", 0, 0),
        (b"\r\nbody", 0, 2),
        (b"\nbody", 0, 1),
        (b"A: b\r\n\r\nbody", 6, 8),
        (b"A: b\n\nbody", 5, 6),
        (b"A: b\r\n\nbody", 6, 7),
        (b"A: b\r\n", 6, 6),
        (b"A: b\r\r\nC: d\r\n\r\n", 13, 15),
    ],
)
def test_the_first_empty_line_ends_the_header(message: bytes, end: int, body: int) -> None:
    assert boundary(message) == (end, body)


@pytest.mark.parametrize(
    ("message", "names", "body"),
    [
        (b"A: 1\r\nno field here\r\nB: 2\r\n\r\n", [b"A"], b"no field here\r\nB: 2\r\n\r\n"),
        (b" continuation of nothing\r\nA: 1\r\n\r\n", [], b" continuation of nothing\r\nA: 1\r\n\r\n"),
        (b"From x@example.org Mon Nov 23\r\nA: 1\r\n\r\n", [], b"From x@example.org Mon Nov 23\r\nA: 1\r\n\r\n"),
    ],
)
def test_a_line_that_is_no_field_ends_the_header_before_it(message: bytes, names: list[bytes], body: bytes) -> None:
    header = Header.from_bytes(message)
    assert [field.name for field in header] == names
    assert message[header.body_offset :] == body
    assert header.defect is not None


def test_limits_are_kept() -> None:
    with pytest.raises(HeaderTooLarge):
        Header.from_bytes(b"A: " + b"x" * 100 + b"\r\n\r\n", max_octets=50)
    with pytest.raises(HeaderTooLarge):
        Header.from_bytes(b"A: 1\r\n" * 11 + b"\r\n", max_fields=10)
    assert len(Header.from_bytes(b"A: 1\r\n" * 10 + b"\r\n", max_fields=10).fields) == 10
    exact = b"A: 1\r\n" + b"\r\n"
    assert Header.from_bytes(exact, max_octets=6).body_offset == 8


def test_prepended_fields_leave_the_rest_alone() -> None:
    assert prepend(MESSAGE, [b"A: 1\r\n", b"B: 2\r\n"]) == b"A: 1\r\nB: 2\r\n" + MESSAGE


def check_preserved(message: bytes) -> None:
    """Fields, what stands between them and the body, and the body make up the message again."""
    header = Header.from_bytes(message, max_octets=max(len(message), 1), max_fields=len(message) + 1)
    fields = b"".join(field.raw for field in header)
    assert fields == header.raw
    assert message[len(fields) : header.body_offset] in (b"", b"\r\n", b"\n")
    assert message[: len(fields)] == fields
    assert header.received_count <= count_received(header.raw) + header.raw.count(b"\n ")
    header.message_id, header.date, header.subject  # noqa: B018 - must not raise


@given(st.binary(max_size=300))
def test_any_octets_are_preserved(message: bytes) -> None:
    check_preserved(message)


@given(st.lists(st.sampled_from([b"A: b", b" fold", b"\r\n", b"\n", b"\r", b":", b"Received:", b"\xff", b"<a@b>"])))
def test_any_lines_are_preserved(pieces: list[bytes]) -> None:
    check_preserved(b"".join(pieces))


@pytest.mark.corpus
def test_published_messages_are_preserved(corpus: Callable[[str], Path]) -> None:
    files = sorted(path for path in corpus("mime").rglob("*") if path.is_file())
    with_fields = 0
    for path in files:
        message = path.read_bytes()
        check_preserved(message)
        with_fields += bool(Header.from_bytes(message, max_octets=len(message) + 1, max_fields=10**6).fields)
    assert with_fields > len(files) // 2


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a: b", b"x"]), max_size=12).map(b"".join), st.integers(1, 20))
def test_the_end_of_a_header_is_the_first_empty_line_whatever_its_line_ends(octets: bytes, most: int) -> None:
    match = re.search(rb"(?:\A|\n)(\r?\n)", octets[: most + 4])
    if match is not None and match.start(1) <= most:
        assert boundary(octets, most) == (match.start(1), match.end())
    elif len(octets) > most:
        with pytest.raises(HeaderTooLarge):
            boundary(octets, most)
    else:
        assert boundary(octets, most) == (len(octets), len(octets))
