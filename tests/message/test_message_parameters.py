"""Parameters and encoded words: as the RFCs have them and as they are met; what is written reads again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.message import Defect, decode_field, decode_words, encode_words, write_parameter
from danelaw.message.charsets import codec_of, decode
from danelaw.message.contenttype import ContentType, Disposition
from danelaw.message.defects import Defects

D = Defect


def read(value: bytes) -> tuple[dict[str, str], set[Defect]]:
    defects = Defects()
    found = Disposition.from_value(b"attachment;" + value, defects)
    assert found.type == "attachment"
    return dict(found.parameters), set(defects)


@pytest.mark.parametrize(
    ("value", "expected", "defects"),
    [
        (b' a=b; C="d; e"', {"a": "b", "c": "d; e"}, set()),
        (b' a="q\\"p\\\\" (comment; x=y) ; b=c', {"a": 'q"p\\', "b": "c"}, set()),
        (b"\r\n a=b;\r\n\tc=d;", {"a": "b", "c": "d"}, set()),
        (b" (c) a (c) =b", {}, {D.BAD_PARAMETER}),
        (b" a = b", {"a": "b"}, set()),
        (b" a=b;; c=d", {"a": "b", "c": "d"}, {D.EMPTY_PARAMETER}),
        (b" filename=my file (1).pdf; size=3", {"filename": "my file (1).pdf", "size": "3"}, {D.SPACE_IN_PARAMETER}),
        (b" charset=utf-8 format=flowed", {"charset": "utf-8", "format": "flowed"}, {D.NO_SEMICOLON}),
        (b' name="a" filename="b"', {"name": "a", "filename": "b"}, {D.NO_SEMICOLON}),
        (b' name="a" b; c=d', {"name": "a", "c": "d"}, {D.BAD_PARAMETER}),
        (b" boundary=----=_Part_1; a=b", {"boundary": "----=_Part_1", "a": "b"}, {D.SPACE_IN_PARAMETER}),
        (b" a=b; A=c", {"a": "b"}, {D.REPEATED_PARAMETER}),
        (b' a="b; c=d', {"a": "b; c=d"}, {D.QUOTE_NOT_CLOSED}),
        (b" a; b=c", {"b": "c"}, {D.BAD_PARAMETER}),
        (b" a=", {"a": ""}, {D.SPACE_IN_PARAMETER}),
        # RFC 2231 §3, §4, §4.1: the examples of the RFC, then what is met
        (
            b' URL*0="ftp://";\r\n URL*1="cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar"',
            {"url": "ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar"},
            set(),
        ),
        (
            b" title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
            {"title": "This is ***fun***"},
            set(),
        ),
        (
            b" title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20;"
            b' title*2="isn\'t it!"',
            {"title": "This is even more ***fun*** isn't it!"},
            set(),
        ),
        (b" a*1*=%BC; a*0*=utf-8''%C3", {"a": "ü"}, set()),
        (b" a*0=x; a*2=y", {"a": "x"}, {D.MISSING_SECTION}),
        (b" a*1=x", {}, {D.MISSING_SECTION}),
        (b" a*=no-quotes", {"a": "no-quotes"}, {D.BAD_EXTENDED_VALUE}),
        (b" a*=utf-8''%C3%zz", {"a": "Ã%zz"}, {D.BAD_EXTENDED_VALUE, D.UNKNOWN_CHARSET}),
        (b" a*=x-none''%FC", {"a": "ü"}, {D.UNKNOWN_CHARSET}),
        (b" a=plain; a*=utf-8''ext", {"a": "ext"}, {D.REPEATED_PARAMETER}),
        (b' filename="=?utf-8?b?w7w=?= =?utf-8?b?w7w=?="', {"filename": "üü"}, {D.ENCODED_WORD_IN_PARAMETER}),
        (b' charset="=?x?q?y?="', {"charset": "=?x?q?y?="}, set()),
        (b' filename="\xfc"', {"filename": "ü"}, {D.NOT_UTF8}),
        (b' filename="\xc3\xbc"', {"filename": "ü"}, set()),
    ],
)
def test_parameters_are_read(value: bytes, expected: dict[str, str], defects: set[Defect]) -> None:
    found, noted = read(value)
    assert (found, noted) == (expected, defects)


@pytest.mark.parametrize(
    ("value", "expected", "stated"),
    [
        (b" Text/HTML; charset=x", "text/html", True),
        (b" text / plain", "text/plain", True),
        (b" text", "text/plain", False),
        (b" multipart; boundary=x", "multipart/mixed", True),
        (b"", "text/plain", False),
        (b" application/vnd.x+json (c); a=b", "application/vnd.x+json", True),
        (b" /plain; a=b", "text/plain", False),
    ],
)
def test_content_types_are_read(value: bytes, expected: str, stated: bool) -> None:
    found = ContentType.from_value(value, Defects())
    assert (found.value, found.stated) == (expected, stated)


@pytest.mark.parametrize("piece", [b"a", b";", b'"', b"(", b"a=b;", b"a*1=b;", b"=", b"\\", b' "a" ', b"%", b"'"])
def test_any_pattern_repeated_takes_bounded_work(piece: bytes) -> None:
    # The test's own time limit is what would fail.
    value = (piece * 500_000)[:500_000]
    found, _ = read(value)
    assert len(found) <= 1000
    read(b' x="' + value)
    read(b" x*=" + value)


def test_more_parameters_than_are_read_are_told() -> None:
    found, defects = read(b"; ".join(b"a%d=b" % number for number in range(1001)))
    assert len(found) == 1000
    assert defects == {D.TOO_MANY_PARAMETERS}


@given(st.text(max_size=200))
def test_a_written_parameter_is_read(value: str) -> None:
    value = value.encode("utf-8", "replace").decode()
    written = write_parameter("filename", value)
    assert written.isascii()
    assert max(map(len, written.split("\r\n"))) <= 78
    found, defects = read(written.encode()[1:])
    if "=?" not in value:
        assert (found, defects) == ({"filename": value}, set())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # RFC 2047 §8
        ("=?ISO-8859-1?Q?a?=", "a"),
        ("=?ISO-8859-1?Q?a?= b", "a b"),
        ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        ("=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?=", "ab"),
        ("=?ISO-8859-1?Q?a_b?=", "a b"),
        ("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        ("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\t=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
         "If you can read this you understand the example."),
        # what is met
        ("=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        ("=?utf-8?q?=C3?=x=?utf-8?q?=BC?=", "Ãx¼"),
        ("=?utf-8*en?q?a?=", "a"),
        ("=?utf-8?b?w7w?=", "ü"),
        ("=?utf-8?b?w7w=?", "=?utf-8?b?w7w=?"),
        ("=?utf-8?q?two words?=", "two words"),
        ("=?x-none?q?=FC?=", "ü"),
        ("=?gb2312?b?16LS4g==?=", "注意"),
        ("=?iso-2022-jp?b?GyRCJDMbKEI=?= =?iso-2022-jp?b?GyRCJHMbKEI=?=", "こん"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?utf-8?q??=", ""),
        ("=?utf-8?b?====?=", ""),
        ("=?utf-8?b?!?=", "=?utf-8?b?!?="),
        ("x=?utf-8?q?a?=y", "xay"),
        ("=?utf-8?q?=zz?=", "=zz"),
        ("=?iso-8859-1?q?=80?=", "€"),
    ],
)  # fmt: skip
def test_encoded_words_are_decoded(text: str, expected: str) -> None:
    assert decode_words(text) == expected


def test_a_field_is_utf8_or_what_else_it_may_be() -> None:
    assert decode_field("Grüße =?utf-8?q?a?=".encode()) == "Grüße a"
    assert decode_field(b"Gr\xfc\xdfe") == "Grüße"


@given(st.text(max_size=300), st.integers(-5, 80))
def test_what_is_encoded_decodes(text: str, room: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    written = encode_words(text, first_room=room)
    assert written.isascii()
    assert decode_words(written.replace("\r\n", "")) == text
    if "=?" in written:
        assert all(len(word) <= 75 and word.startswith("=?") for word in written.split("\r\n "))


@given(
    st.binary(max_size=60), st.sampled_from(["utf-8", "utf-7", "iso-2022-jp", "hz", "big5", "gb2312", "x", "us-ascii"])
)
def test_any_octets_are_some_text(octets: bytes, charset: str) -> None:
    text, known = decode(octets, charset)
    text.encode()
    assert known <= (codec_of(charset) is not None)


@pytest.mark.parametrize(
    "name", ["base64", "rot13", "zlib", "idna", "unicode_escape", "punycode", "os", "../x", "", "a" * 99]
)
def test_what_is_no_charset_is_not_looked_up(name: str) -> None:
    assert codec_of(name) is None


@pytest.mark.parametrize("piece", ["=?", "=?a?q?", "=?a?q?x?= ", "?=", "=?a?b?", "=?a?q?=41?=", "=?utf-8?q?=C3?= "])
def test_any_words_repeated_take_bounded_work(piece: str) -> None:
    assert len(decode_words(piece * 50_000)) <= len(piece) * 50_000
