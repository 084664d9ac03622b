"""The tree of parts: how real, strange and hostile messages are divided, and what is said about them."""

from __future__ import annotations

import io
import mmap
import tempfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from danelaw.message import Defect, FileOctets, Limits, MessageLimit, Part, header_defects, scan
from fuzz.message_parts import test_one_input as one_input

D = Defect


def multipart(boundary: bytes, *parts: bytes, subtype: bytes = b"mixed", close: bool = True) -> bytes:
    """An entity, or a message."""
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    end = b"--" + boundary + b"--\r\n" if close else b""
    return b'Content-Type: multipart/%s; boundary="%s"\r\n\r\n' % (subtype, boundary) + body + end


def text(words: bytes) -> bytes:
    return b"Content-Type: text/plain\r\n\r\n" + words


def shape(message: bytes, limits: Limits | None = None) -> list[str]:
    part = Part.from_octets(message, limits=limits or Limits())
    return [f"{one.number} {one.content_type.value}" for one in part.walk()]


def test_a_tree_is_numbered_level_by_level() -> None:
    message = multipart(
        b"out", multipart(b"in", text(b"a"), text(b"b")), b"Content-Type: message/rfc822\r\n\r\n" + text(b"c")
    )
    assert shape(message) == [
        " multipart/mixed",
        "1 multipart/mixed",
        "1.1 text/plain",
        "1.2 text/plain",
        "2 message/rfc822",
        "2.1 text/plain",
    ]


def test_the_line_end_before_a_delimiter_is_not_the_parts() -> None:
    message = Part.from_octets(multipart(b"b", text(b"one\r\n"), text(b""), text(b"three")))
    assert [part.content() for part in message.parts] == [b"one\r\n", b"", b"three"]


def test_preamble_and_epilogue_are_spans() -> None:
    octets = multipart(b"b", text(b"x")).replace(b"\r\n\r\n--b\r\n", b"\r\n\r\nbefore\r\n--b \t\r\n", 1) + b"behind\r\n"
    message = Part.from_octets(octets)
    division = message.division
    assert division is not None
    assert octets[slice(*division.preamble)] == b"before"
    assert octets[slice(*division.epilogue)] == b"behind\r\n"
    assert [part.content() for part in message.parts] == [b"x"]
    assert message.defects == ()


def test_a_boundary_that_begins_another_is_not_taken_for_it() -> None:
    message = multipart(b"b", multipart(b"b1", text(b"x"), text(b"y")), text(b"z"))
    assert len(shape(message)) == 5
    root = Part.from_octets(message)
    assert root.defects == (D.TEXT_AFTER_BOUNDARY,)


def test_an_outer_boundary_ends_an_inner_part_that_is_not_closed() -> None:
    message = multipart(b"o", multipart(b"i", text(b"x"), close=False), text(b"z"))
    parts = list(Part.from_octets(message).walk())
    assert [part.content() for part in parts if not part.is_multipart] == [b"x\r\n", b"z"]
    assert parts[1].defects == (D.NO_CLOSE_DELIMITER,)


@pytest.mark.parametrize(
    ("message", "expected", "defects"),
    [
        (b"Content-Type: multipart/mixed\r\n\r\nx", [" multipart/mixed"], {D.NO_BOUNDARY}),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\nno", [" multipart/mixed"], {D.NO_DELIMITER}),
        (b"Content-Type: multipart; boundary=x\r\n\r\n--x\r\n\r\n--x--", [" multipart/mixed", "1 text/plain"],
         {D.BAD_CONTENT_TYPE}),
        (multipart(b"x" * 71, text(b"a")), [" multipart/mixed", "1 text/plain"], {D.BAD_BOUNDARY}),
        (multipart(b"x", text(b"a"), close=False), [" multipart/mixed", "1 text/plain"], {D.NO_CLOSE_DELIMITER}),
        (multipart(b"x", b"\r\na", subtype=b"digest"), [" multipart/digest", "1 message/rfc822", "1.1 text/plain"],
         set()),
        (b"Content-Transfer-Encoding: base64\r\n" + multipart(b"x", text(b"a")), [" multipart/mixed", "1 text/plain"],
         {D.ENCODED_COMPOSITE}),
        (b"Content-Transfer-Encoding: base64\r\nContent-Type: message/rfc822\r\n\r\nQTogYg==", [" message/rfc822"],
         {D.ENCODED_COMPOSITE}),
        (b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n", [" text/plain"], {D.REPEATED_FIELD}),
        (b"Content-Type: plain\r\n\r\n", [" text/plain"], {D.BAD_CONTENT_TYPE}),
        (b"Content-Transfer-Encoding: rot13\r\n\r\n", [" text/plain"], {D.UNKNOWN_ENCODING}),
        (b"From a@b Thu\r\nA: b\r\nwrong\r\nC : d\r\n\r\n", [" text/plain"],
         {D.MBOX_LINE, D.FIELD_WITHOUT_COLON, D.SPACE_BEFORE_COLON}),
        (b"A: b\nC: \xc3\xbc\n\n", [" text/plain"], {D.BARE_LF, D.UTF8_IN_HEADER}),
        (b"A: b\r\nC: \xff\0" + b"x" * 1000 + b"\r\r\nHello\r\n", [" text/plain"],
         {D.NOT_UTF8, D.NUL, D.BARE_CR, D.LONG_LINE, D.NO_EMPTY_LINE}),
    ],
)  # fmt: skip
def test_oddities_are_named_and_read_over(message: bytes, expected: list[str], defects: set[Defect]) -> None:
    assert shape(message) == expected
    assert set(Part.from_octets(message).defects) == defects


def test_the_octets_of_a_header_alone_are_enough() -> None:
    # What `danelaw.inbound.arrival.Content.header` holds: the fields without the empty line.
    header = scan(b"From: a@x.example\r\nSubject: x\r\n")
    assert [field.name for field in header] == [b"From", b"Subject"]
    assert header_defects(header) == ()


def test_lines_of_a_body_are_looked_through_when_asked() -> None:
    assert Part.from_octets(b"A: b\r\n\r\nx\r\ny\r\n").line_defects() == ()
    odd = b"A: b\r\n\r\n" + b"x" * 70_000 + b"\r\n\0\ny\rz\r"
    assert set(Part.from_octets(odd).line_defects()) == {D.LONG_LINE, D.NUL, D.BARE_LF, D.BARE_CR}
    exact = b"A: b\r\n\r\n" + b"x" * 998 + b"\r\n" + b"y" * 998
    assert Part.from_octets(exact).line_defects() == ()
    assert Part.from_octets(exact.replace(b"yyy", b"yyyy", 1)).line_defects() == (D.LONG_LINE,)


def test_a_boundary_is_octets() -> None:
    message = b'Content-Type: multipart/mixed; boundary="\xff"\r\n\r\n--\xff\r\n\r\nx\r\n--\xff--\r\n'
    assert shape(message) == [" multipart/mixed", "1 text/plain"]
    extended = b"Content-Type: multipart/mixed; boundary*0=b; boundary*1=c\r\n\r\n--bc\r\n\r\nx\r\n--bc--\r\n"
    assert shape(extended) == [" multipart/mixed", "1 text/plain"]
    assert Part.from_octets(extended).defects == ()


def test_depth_is_limited_without_recursion() -> None:
    message = text(b"x")
    for level in range(3000):
        message = multipart(b"b%d" % level, message)
    parts = list(Part.from_octets(message).walk())
    assert len(parts) == 101
    assert D.TOO_DEEP in parts[-1].defects
    rfc822 = b"Content-Type: message/rfc822\r\n\r\n" * 5000
    parts = list(Part.from_octets(rfc822).walk())
    assert len(parts) == 101
    assert D.TOO_DEEP in parts[-1].defects


def test_the_number_of_parts_is_limited_for_the_whole_message() -> None:
    message = multipart(b"b", *[text(b"x")] * 20_000)
    parts = list(Part.from_octets(message).walk())
    assert len(parts) == 10_001
    assert D.TOO_MANY_PARTS in parts[0].defects
    nested = multipart(b"o", *[multipart(b"i", text(b"x"), text(b"y"))] * 10)
    root = Part.from_octets(nested, limits=Limits(parts=14))
    assert len(list(root.walk())) == 15


def test_a_megabyte_of_boundaries_is_bounded() -> None:
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    for line in (b"--b\r\n", b"--b x\r\n", b"--b" + b" " * 2000 + b"\n"):
        root = Part.from_octets(head + line * (1_000_000 // len(line)))
        assert len(root.parts) <= 10_000
        assert root.defects


def test_a_hundred_thousand_fields_are_bounded() -> None:
    root = Part.from_octets(b"A: b\r\n" * 100_000 + b"\r\nbody")
    assert len(root.header.fields) == 10_000
    assert D.TOO_MANY_FIELDS in root.defects
    assert root.content() == b"body"
    long = Part.from_octets(b"A: " + b"b" * 2_000_000 + b"\r\n\r\nbody")
    assert D.HEADER_TOO_LONG in long.defects
    assert len(long.header.raw) == 1 << 20


def test_decoding_stops_at_its_limit() -> None:
    message = Part.from_octets(b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUFB\r\n" * 1000)
    assert message.content(max_octets=3000) == b"A" * 3000
    with pytest.raises(MessageLimit):
        message.content(max_octets=2999)


def test_text_is_decoded_by_its_charset_and_a_wrong_one_is_named() -> None:
    head = b"Content-Type: text/plain; charset=%s\r\n\r\n"
    assert Part.from_octets(head % b"iso-8859-1" + b"Gr\xfc\xdfe").text() == "Grüße"
    wrong = Part.from_octets(head % b"us-ascii" + "Grüße".encode())
    assert wrong.text() == "Grüße"
    assert D.UNKNOWN_CHARSET in wrong.defects
    assert Part.from_octets(head % b"x-nothing" + b"Gr\xfc\xdfe").text() == "Grüße"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (b'Content-Disposition: attachment; filename="a b.pdf"', "a b.pdf"),
        (b"Content-Disposition: attachment; filename=a b.pdf", "a b.pdf"),
        (b'Content-Disposition: attachment; filename="=?utf-8?q?gr=C3=BCn.pdf?="', "grün.pdf"),
        (b"Content-Disposition: attachment; filename*=utf-8''gr%C3%BCn.pdf; filename=x", "grün.pdf"),
        (b"Content-Type: image/png; name*1=.png; name*0*=iso-8859-1'de'gr%FCn", "grün.png"),
        (b"Content-Type: image/png; name=x.png\r\nContent-Disposition: inline", "x.png"),
        (b'Content-Disposition: attachment; filename="gr\xfcn.pdf"', "grün.pdf"),
        (b"Content-Disposition: attachment", None),
    ],
)
def test_files_have_the_names_their_senders_meant(fields: bytes, name: str | None) -> None:
    part = Part.from_octets(fields + b"\r\n\r\n")
    assert part.filename == name
    assert part.is_attachment or name is None or b"inline" in fields or b"attachment" not in fields


def test_a_map_and_a_file_give_the_same_as_memory() -> None:
    line = b"The quick brown fox\r\n"
    message = multipart(b"b", text(line * 9000), multipart(b"c", text(line * 5000), text(b"--c not\r\n" * 4000)))
    message = b"X: " + b"y" * 40_000 + b"\r\n" + message
    expected = [(one.start, one.body_start, one.end) for one in Part.from_octets(message).walk()]
    assert len(expected) == 5
    source = FileOctets(io.BytesIO(message))
    assert [(one.start, one.body_start, one.end) for one in Part.from_octets(source).walk()] == expected
    with tempfile.TemporaryFile() as file:
        file.write(message)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert [(one.start, one.body_start, one.end) for one in Part.from_octets(mapped).walk()] == expected


@pytest.mark.parametrize("shift", range(-8, 8))
def test_delimiters_across_windows_are_found(shift: int) -> None:
    head = b"Content-Type: multipart/mixed; boundary=bound\r\n\r\n--bound\r\n\r\n"
    message = head + b"x" * (65536 + shift - len(head)) + b"\r\n--bound\r\n\r\ny\r\n--bound--\r\n"
    parts = Part.from_octets(FileOctets(io.BytesIO(message))).parts
    assert [part.content()[-1:] for part in parts] == [b"x", b"y"]


PIECES = [
    b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: message/rfc822\r\n", b"\r\n", b"\n", b"--b\r\n",
    b"--b--\r\n", b"--b", b"--bx\r\n", b"Content-Transfer-Encoding: base64\r\n", b"QUJD=", b"=C3=BC =\r\n", b"A: b\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n", b"junk\r\n", b" fold\r\n", b"From x\r\n", b"\r", b"\0", b"\xff",
    b"Content-Type: text/html; charset=utf-8; name*0*=utf-8''%C3; name*1*=%BC\r\n", b"\r\n--b\r\n", b"text",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join))
@example(b"junk")
@example(b" fold\r\nA: b")
def test_any_mixture_is_read_and_changed(message: bytes) -> None:
    one_input(message)


@given(st.binary(max_size=300))
def test_any_octets(message: bytes) -> None:
    one_input(message)
