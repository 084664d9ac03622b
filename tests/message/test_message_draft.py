"""Changing a message: only what was asked for changes, and it can be taken back."""

from __future__ import annotations

import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.message import (
    Draft,
    FieldError,
    FileOctets,
    Header,
    MessageError,
    MessageLimit,
    Part,
    append_text,
    attachment,
    text_entity,
    text_field,
)

HEADER = b"Received: a\r\n\tb\r\nSubject: x\r\nTo: t\r\n"
FILE = attachment(b"\0\1\2" * 50, "grün.bin")
MESSAGE = (
    HEADER
    + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\nbefore\r\n'
    + b"--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\n"
    + FILE
    + b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner\r\n--b--\r\nbehind"
)


def draft(octets: bytes = MESSAGE) -> Draft:
    return Draft(Part.from_octets(octets))


def test_nothing_asked_nothing_changed() -> None:
    one = draft()
    assert one.to_bytes() == MESSAGE
    assert not one.is_changed
    assert one.size == len(MESSAGE)


def test_fields_are_added_removed_and_replaced_by_position() -> None:
    one = draft(HEADER + b"\r\nbody")
    one.add_field(b"Top: 1\r\n")
    one.add_field(b"End: 1\r\n", len(one.fields))
    at = one.position("subject")
    assert at == 2
    one.replace_field(at, b"Subject: new\r\n")
    one.add_field(b"Before-To: 1\r\n", one.position("To") or 0)
    one.remove_field(1)
    assert one.to_bytes() == b"Top: 1\r\nSubject: new\r\nBefore-To: 1\r\nTo: t\r\nEnd: 1\r\n\r\nbody"
    assert one.size == len(one.to_bytes())
    assert [field.name for field in one.fields] == [b"Top", b"Subject", b"Before-To", b"To", b"End"]
    assert one.position("absent") is None


def test_fields_of_one_name_are_counted() -> None:
    one = draft(b"A: 1\r\nB: 2\r\na: 3\r\n\r\n")
    assert [one.position("A", 0), one.position("A", 1), one.position("A", 2), one.position("A", -1)] == [0, 2, None, 2]


@pytest.mark.parametrize(
    "raw",
    [
        b"A: b",
        b"A: b\n",
        b"A: b\r\n\r\n",
        b"A: b\r\nB: c\r\n",
        b"no colon\r\n",
        b"A: \0\r\n",
        b" A: b\r\n",
        b"",
        b"A: \r\r\n",
    ],
)
def test_only_one_whole_field_is_taken(raw: bytes) -> None:
    one = draft()
    with pytest.raises(FieldError):
        one.add_field(raw)
    with pytest.raises(FieldError):
        one.replace_field(0, raw)
    with pytest.raises(FieldError):
        one.set_field(one.message.parts[0], raw)
    assert not one.is_changed


def test_a_snapshot_brings_everything_back() -> None:
    one = draft()
    one.add_field(b"A: 1\r\n")
    between = one.snapshot()
    expected = one.to_bytes()
    one.remove_field(0)
    one.remove_part(one.message.parts[1])
    append_text(one, one.message.parts[0], "footer")
    assert one.to_bytes() != expected
    one.restore(between)
    assert one.to_bytes() == expected


def test_an_attachment_is_taken_out_with_its_delimiter() -> None:
    one = draft()
    one.remove_part(one.message.parts[1])
    assert one.to_bytes() == MESSAGE.replace(b"\r\n--b\r\n" + FILE, b"")
    kept = Part.from_octets(one.to_bytes())
    assert [part.content_type.value for part in kept.parts] == ["text/plain", "message/rfc822"]
    assert kept.defects == ()


def test_an_attachment_is_replaced_by_words() -> None:
    one = draft()
    part = one.message.parts[1]
    one.replace_part(part, text_entity(f"{part.filename} was taken out.\n"))
    found = Part.from_octets(one.to_bytes()).parts[1]
    assert found.text() == "grün.bin was taken out.\r\n"
    assert one.to_bytes().endswith(MESSAGE[part.end :])


def test_a_part_is_added_behind_the_last() -> None:
    one = draft()
    one.add_part(one.message, attachment(b"x", "a.bin"))
    found = Part.from_octets(one.to_bytes())
    assert [part.filename for part in found.parts] == [None, "grün.bin", None, "a.bin"]
    assert found.defects == ()
    with pytest.raises(MessageError):
        one.add_part(one.message, b"\r\n--b--")
    with pytest.raises(MessageError):
        one.add_part(one.message.parts[0], b"\r\nx")


def test_a_multipart_that_is_not_closed_is_closed_when_a_part_is_added() -> None:
    one = draft(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx")
    one.add_part(one.message, b"\r\ny")
    found = Part.from_octets(one.to_bytes())
    assert [part.content() for part in found.parts] == [b"x", b"y"]
    assert found.defects == ()


def test_a_message_is_wrapped_to_hold_another_part() -> None:
    octets = b"Subject: x\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>\xc3\xbc</p>"
    one = draft(octets)
    one.wrap(b"outer", text_entity("footer"))
    found = Part.from_octets(one.to_bytes())
    assert [part.content_type.value for part in found.walk()] == ["multipart/mixed", "text/html", "text/plain"]
    assert found.parts[0].content() == b"<p>\xc3\xbc</p>"
    assert [field.name for field in found.header] == [b"Subject", b"MIME-Version", b"Content-Type"]
    with pytest.raises(MessageError):
        one.wrap(b"a", b"\r\n--a")


def test_a_field_of_a_part_is_set() -> None:
    one = draft()
    text, _, inner = one.message.parts
    one.set_field(text, b"Content-Type: text/html\r\n")
    one.set_field(text, b"X-New: 1\r\n")
    one.set_field(inner.parts[0], b"Subject: other\r\n")
    one.set_field(one.message, b"Subject: outer\r\n")
    expected = (
        MESSAGE.replace(b"Subject: x", b"Subject: outer")
        .replace(b"text/plain\r\n", b"text/html\r\nX-New: 1\r\n")
        .replace(b"Subject: inner", b"Subject: other")
    )
    assert one.to_bytes() == expected


def test_what_was_replaced_is_not_changed_within() -> None:
    one = draft()
    part = one.message.parts[2]
    one.replace_part(part, b"\r\nx")
    with pytest.raises(MessageError):
        one.set_field(part.parts[0], b"Subject: y\r\n")
    with pytest.raises(MessageError):
        one.replace(0, 3, b"")
    with pytest.raises(MessageError):
        one.replace_part(one.message, b"")
    with pytest.raises(MessageError):
        one.remove_part(part.parts[0])
    with pytest.raises(MessageError):
        Draft(part)
    one.replace_part(part, b"\r\nagain")
    one.replace_body(b"all new")
    assert one.to_bytes() == one.message.header.raw + b"\r\nall new"


def test_words_behind_a_part_stand_before_a_part_added_behind_it() -> None:
    octets = multipart(b"\r\none", b"\r\ntwo")
    one = draft(octets)
    one.add_part(one.message, b"\r\nthree")
    append_text(one, one.message.parts[1], "words")
    append_text(one, one.message.parts[1], " more")
    found = Part.from_octets(one.to_bytes())
    assert [part.content() for part in found.parts] == [b"one", b"two\r\nwords\r\n more", b"three"]
    one.remove_part(one.message.parts[1])
    found = Part.from_octets(one.to_bytes())
    assert [part.content() for part in found.parts] == [b"one", b"three"]
    with pytest.raises(MessageError):
        append_text(one, one.message.parts[1], "lost")


def multipart(*parts: bytes) -> bytes:
    inner = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + inner + b"--b--\r\n"


def test_a_wrapped_message_keeps_what_was_put_into_it() -> None:
    one = draft(b"Subject: x\r\n\r\nHi")
    append_text(one, one.message, "footer")
    one.wrap(b"w", b"\r\nsecond")
    found = Part.from_octets(one.to_bytes())
    assert [part.content() for part in found.parts] == [b"Hi\r\nfooter", b"second"]
    one.replace_body(b"other")
    found = Part.from_octets(one.to_bytes())
    assert [part.content() for part in found.parts] == [b"other", b"second"]
    with pytest.raises(MessageError):
        one.wrap(b"again", b"\r\nthird")
    with pytest.raises(MessageError):
        draft(b"A: b\r\n\r\n").wrap(b'a"\r\nBcc: x@example.org', b"\r\nx")


@pytest.mark.parametrize("body", [b"Hello", b" indented\r\n", b": b\r\n", b"x"])
def test_an_empty_line_is_put_in_where_a_changed_header_needs_it(body: bytes) -> None:
    one = draft(b"A: 1\r\nwrong\r\n" + body)
    start = one.message.body_start
    rest = (b"A: 1\r\nwrong\r\n" + body)[start:]
    one.add_field(b"B: 2\r\n")
    changed = one.to_bytes()
    assert Header.from_bytes(changed).first("B") is not None
    assert rest.startswith(b"wrong")
    assert changed == b"B: 2\r\nA: 1\r\n\r\n" + rest


def test_a_header_without_line_end_is_ended() -> None:
    one = draft(b"A: 1")
    one.add_field(b"B: 2\r\n", 1)
    assert one.to_bytes() == b"A: 1\r\nB: 2\r\n"


def text_message(charset: bytes, encoding: bytes, body: bytes, subtype: bytes = b"plain") -> bytes:
    head = b"Content-Type: text/%s; charset=%s; x=y\r\nContent-Transfer-Encoding: %s\r\n\r\n"
    return head % (subtype, charset, encoding) + body


@pytest.mark.parametrize(
    ("octets", "text", "expected", "untouched"),
    [
        (text_message(b"us-ascii", b"7bit", b"Hi"), "footer", "Hi\r\nfooter", True),
        (text_message(b"us-ascii", b"7bit", b"Hi\r\n"), "Fuß", "Hi\r\nFuß", False),
        (text_message(b"utf-8", b"8bit", "Grüße\r\n".encode()), "Fuß\n", "Grüße\r\nFuß\r\n", True),
        (text_message(b"utf-8", b"base64", b"SGk="), "Fuß", "Hi\r\nFuß", False),
        (text_message(b"utf-8", b"quoted-printable", b"Gr=C3=BC=\r\n=C3=9Fe"), "Fuß", "Grüße\r\nFuß", False),
        (text_message(b"iso-8859-1", b"8bit", b"Gr\xfc\xdfe"), "Fuß", "Grüße\r\nFuß", True),
        (text_message(b"iso-8859-1", b"8bit", b"Gr\xfc\xdfe"), "Żur", "Grüße\r\nŻur", False),
        (text_message(b"utf-16", b"base64", b"//5IAGkA"), "x", "Hi\r\nx", False),
        (text_message(b"us-ascii", b"7bit", b"<body>a</BODY>", b"html"), "<p>f</p>", "<body>a<p>f</p></BODY>", False),
        (b"Subject: x\r\n\r\nHi\r\n", "footer", "Hi\r\nfooter", True),
        (b"Subject: x\r\n\r\n", "Fuß", "Fuß", False),
    ],
)
def test_a_footer_is_read_where_it_was_put(octets: bytes, text: str, expected: str, untouched: bool) -> None:
    one = draft(octets)
    append_text(one, one.message, text)
    changed = one.to_bytes()
    found = Part.from_octets(changed)
    assert found.text() == expected
    assert not found.defects
    assert changed.startswith(octets) == untouched
    assert found.content_type.parameters.get("x") == ("y" if b"x=y" in octets else None)


@pytest.mark.parametrize(
    "octets",
    [
        b"Content-Type: image/png\r\n\r\nx",
        text_message(b"x-none", b"7bit", b"Hi"),
        text_message(b"us-ascii", b"rot13", b"Hi"),
        text_message(b"us-ascii", b"7bit", b"H\xff"),
    ],
)
def test_what_cannot_be_decoded_gets_no_footer(octets: bytes) -> None:
    one = draft(octets)
    with pytest.raises(MessageError):
        append_text(one, one.message, "Fuß")
    assert not one.is_changed


def test_a_text_too_large_for_a_footer_is_refused() -> None:
    one = draft(b"A: b\r\n\r\n" + b"x" * 100)
    with pytest.raises(MessageLimit):
        append_text(one, one.message, "f", max_octets=99)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=300))
def test_a_text_field_reads_as_it_was_meant(text: str) -> None:
    raw = text_field("Subject", text)
    one = draft(b"\r\nbody")
    one.add_field(raw)
    found = Header.from_bytes(one.to_bytes()).first("Subject")
    assert found is not None
    assert found.decoded.split() == text.split()
    if text == text.strip():
        assert found.decoded == text
    assert raw.isascii()


def test_control_characters_make_no_field() -> None:
    with pytest.raises(FieldError):
        text_field("Subject", "a\r\nBcc: x@example.org")
    for name in ("", "A:b", "A b", "Ü", "A\r\n"):
        with pytest.raises(FieldError):
            text_field(name, "x")


@pytest.mark.parametrize("wrong", ["a/b\r\nBcc: x", "ü/b", "", "a/b; c"])
def test_only_a_type_makes_a_content_type(wrong: str) -> None:
    with pytest.raises(FieldError):
        attachment(b"", "a", wrong)
    with pytest.raises(FieldError):
        text_entity("", wrong)
    with pytest.raises(FieldError):
        text_entity("", disposition=wrong or "/")


def test_a_large_message_is_not_copied() -> None:
    line = b"x" * 76 + b"\r\n"
    source = FileOctets(io.BytesIO(HEADER + b"\r\n" + line * (25_000_000 // len(line))))
    tracemalloc.start()
    one = Draft(Part.from_octets(source))
    one.replace_field(1, b"Subject: new\r\n")
    given_out = sum(map(len, one.chunks()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert given_out == one.size == len(source) + 2
    assert peak < 1_000_000


_CHANGES = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "replace", "part", "footer", "body", "set"]), st.integers(0, 5)),
    max_size=8,
)


@given(_CHANGES)
def test_any_changes_leave_a_message_whose_size_is_known(changes: list[tuple[str, int]]) -> None:
    one = draft()
    parts = list(one.message.walk())
    before = one.snapshot()
    for change, number in changes:
        part = parts[number % len(parts)]
        try:
            if change == "add":
                one.add_field(b"X-%d: y\r\n" % number, number)
            elif change == "remove":
                one.remove_field(number)
            elif change == "replace":
                one.replace_field(number, b"Y: z\r\n")
            elif change == "part":
                one.remove_part(part)
            elif change == "footer":
                append_text(one, part, "footer")
            elif change == "set":
                one.set_field(part, b"Z: z\r\n")
            else:
                one.replace_body(b"body", part)
        except (MessageError, IndexError):
            continue
        octets = one.to_bytes()
        assert len(octets) == one.size
        header = Part.from_octets(octets).header
        assert [field.raw for field in header] == [field.raw for field in one.fields]
    one.restore(before)
    assert one.to_bytes() == MESSAGE
