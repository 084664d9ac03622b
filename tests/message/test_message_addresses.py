"""Fields of addresses: what is read, what is noted, and that no address is invented."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from danelaw.message import Defect, NamedMailbox, author_addresses, mailboxes
from danelaw.message.addresses import _Reader
from danelaw.message.defects import Defects
from danelaw.message.tokens import tokens
from fuzz.message_addresses import test_one_input as one_input

D = Defect

# (value, "name|address" of each mailbox, defects)
CASES: list[tuple[bytes, list[str], set[Defect]]] = [
    (b" Anna Berg <anna@example.org>\r\n", ["Anna Berg|anna@example.org"], set()),
    (b" anna@example.org", ["|anna@example.org"], set()),
    (b' "Berg, Anna" <anna@example.org>', ["Berg, Anna|anna@example.org"], set()),
    (b"anna@example.org (Anna Berg)", ["Anna Berg|anna@example.org"], set()),
    (b"Anna\r\n Berg\r\n\t<anna@example.org>\r\n", ["Anna Berg|anna@example.org"], set()),
    (b"a@x.example,\r\n b@y.example", ["|a@x.example", "|b@y.example"], set()),
    (b"friends: a@x.example, B <b@y.example>;", ["|a@x.example", "B|b@y.example"], set()),
    (b"undisclosed-recipients:;", [], {D.EMPTY_GROUP}),
    (b"g: a@x.example;, b@y.example", ["|a@x.example", "|b@y.example"], set()),
    (b"=?utf-8?q?M=C3=BCller?= <m@example.org>", ["Müller|m@example.org"], set()),
    (b"=?utf-8?q?a?= =?utf-8?q?b?= c <m@example.org>", ["ab c|m@example.org"], set()),
    (b"M\xc3\xbcller <m@example.org>", ["Müller|m@example.org"], set()),
    (b"M\xfcller <m@example.org>", ["Müller|m@example.org"], {D.NOT_UTF8}),
    (b"m@b\xc3\xbccher.example", ["|m@bücher.example"], set()),
    (b'"anna berg"@example.org', ['|"anna berg"@example.org'], set()),
    (b"anna@[192.0.2.1]", ["|anna@[192.0.2.1]"], set()),
    (b"anna(a)@(b)example.org", ["b|anna@example.org"], set()),
    # what others write for good, and what RFC 5322 §4 asks to accept
    (b"<@r.example,@s.example:anna@example.org>", ["|anna@example.org"], {D.ROUTE}),
    (b"anna . b @ example . org", ["|anna.b@example.org"], {D.SPACE_IN_ADDRESS}),
    (b"anna@example. (c) org", ["c|anna@example.org"], {D.SPACE_IN_ADDRESS}),
    (b'"a"."b".c@example.org', ["|a.b.c@example.org"], {D.WORDS_IN_LOCALPART}),
    (b'"a\x07b" <j@example.org>', ["a\x07b|j@example.org"], {D.CONTROL_IN_TEXT}),
    (b"John Q. Public <j@example.org>", ["John Q. Public|j@example.org"], {D.DOT_IN_PHRASE}),
    (b",, a@x.example,,", ["|a@x.example"], {D.EMPTY_ELEMENT}),
    (b"a@x.example; b@y.example", ["|a@x.example", "|b@y.example"], {D.SEMICOLON_AS_COMMA}),
    (b"a..b.@docomo.example", ['|"a..b."@docomo.example'], {D.DOTS_IN_LOCALPART}),
    (b"a@example.org.", ["|a@example.org"], {D.DOT_AFTER_DOMAIN}),
    (b"=?utf-8?q?Berg,_Anna?= <a@example.org>", ["Berg, Anna|a@example.org"], {D.ENCODED_SPECIALS}),
    (b'"=?utf-8?q?Anna?=" <a@example.org>', ["Anna|a@example.org"], {D.ENCODED_WORD_IN_QUOTES}),
    (b'"Anna <a@example.org>', ['"Anna|a@example.org'], {D.QUOTE_NOT_CLOSED, D.SPECIALS_IN_PHRASE}),
    (b"Anna <a@example.org", ["Anna|a@example.org"], {D.ANGLE_NOT_CLOSED}),
    (b"<<a@example.org>>", ["|a@example.org"], {D.ANGLE_TWICE}),
    (b"g: a@example.org", ["|a@example.org"], {D.GROUP_NOT_CLOSED}),
    # tricks: where a second address might be seen
    (b'"ceo@bank.example" <x@evil.example>', ["ceo@bank.example|x@evil.example"], set()),
    (b"ceo@bank.example <x@evil.example>", ["ceo@bank.example|x@evil.example"], {D.ADDRESS_IN_PHRASE, D.DOT_IN_PHRASE}),
    (b"<x@evil.example> <ceo@bank.example>", ["|x@evil.example", "|ceo@bank.example"], {D.ADDRESSES_WITHOUT_COMMA}),
    (b"<x@evil.example> ceo@bank.example", ["|x@evil.example"], {D.TEXT_AFTER_ADDRESS}),
    (b"x@evil.example (<ceo@bank.example>)", ["<ceo@bank.example>|x@evil.example"], set()),
    (b"<ceo@bank.example(x@evil.example)>", ["|ceo@bank.example"], set()),
    (b"<@bank.example:x@evil.example>", ["|x@evil.example"], {D.ROUTE}),
    (b"ceo@bank.example@evil.example", [], {D.NO_ADDRESS}),
    (b"<ceo@bank.example,x@evil.example>", ["|ceo@bank.example", "|x@evil.example"], {D.ANGLE_NOT_CLOSED}),
    (b"=?utf-8?q?ceo=40bank.example?=", [], {D.NO_DOMAIN}),
    (b"=?utf-8?b?PGNlb0BiYW5rLmV4YW1wbGU+?= <x@evil.example>", ["<ceo@bank.example>|x@evil.example"], set()),
    (
        b"ceo@bank.example\x00 <x@evil.example>",
        ["ceo@bank.example\x00|x@evil.example"],
        {D.ADDRESS_IN_PHRASE, D.CONTROL},
    ),
    (b"ceo@bank.example\x00.evil.example", [], {D.NO_ADDRESS, D.CONTROL}),
    (b"ceo@bank.example\r <x@evil.example>", ["ceo@bank.example|x@evil.example"], {D.LINE_END_IN_FIELD}),
    (b"x@evil.example (ceo@bank.example", [], {D.COMMENT_NOT_CLOSED, D.NO_ADDRESS}),
    (b"ceo@bank.example: x@evil.example;", [], {D.NO_ADDRESS}),
    # what RFC 7103 §7.1.2 to §7.1.6 advises
    (b"<<<anna@example.org>>>", ["|anna@example.org"], {D.ANGLE_TWICE}),
    (b"anna@example.org>", ["|anna@example.org"], {D.ANGLE_TWICE}),
    (b"(Testing <fran@example.com>", ["(Testing|fran@example.com"], {D.COMMENT_NOT_CLOSED}),
    (b"Testing) <sam@example.com>", ["Testing)|sam@example.com"], {D.SPECIALS_IN_PHRASE}),
    (b"<third@example.net, fourth@example.net>", ["|third@example.net", "|fourth@example.net"], {D.ANGLE_NOT_CLOSED}),
    # nothing that could be an address
    (b"", [], {D.EMPTY_FIELD}),
    (b" (nobody) ", [], {D.EMPTY_FIELD}),
    (b"root", [], {D.NO_DOMAIN}),
    (b"<>", [], {D.NO_DOMAIN}),
    (b"Anna Berg anna@example.org", [], {D.NO_ADDRESS}),
    (b"anna@", [], {D.NO_ADDRESS}),
    (b"@example.org", [], {D.NO_ADDRESS}),
    (b"anna@example..org", [], {D.NO_ADDRESS}),
    (b'anna@"example.org"', [], {D.NO_ADDRESS}),
    (b"anna@ex\xffample.org", [], {D.NO_ADDRESS, D.NOT_UTF8}),
]


@pytest.mark.parametrize(("value", "expected", "defects"), CASES, ids=[repr(case[0])[:60] for case in CASES])
def test_a_field_is_read(value: bytes, expected: list[str], defects: set[Defect]) -> None:
    found = mailboxes(value)
    assert [f"{one.display_name}|{one.address}" for one in found.mailboxes] == expected
    assert defects <= set(found.defects)
    assert bool(found.defects) == bool(defects)


def test_a_mailbox_knows_its_group() -> None:
    found = mailboxes(b"a@x.example, =?utf-8?q?Gr=C3=BCn?=: b@y.example;, c@z.example")
    assert [one.group for one in found.mailboxes] == [None, "Grün", None]


def test_all_from_fields_count() -> None:
    fields = [(b"From", b"From: a@x.example\r\n"), (b"To", b"To: t@x.example\r\n"), (b"FROM", b"FROM: b@Y.example\r\n")]
    authors = author_addresses(fields)
    assert authors.domains == ("x.example", "y.example")
    assert authors.fields == 2
    assert authors.defects == (Defect.SEVERAL_FROM,)
    assert authors.ambiguous


def test_a_message_without_author_says_so() -> None:
    authors = author_addresses([(b"Sender", b"Sender: a@x.example\r\n")])
    assert (authors.mailboxes, authors.defects, authors.fields) == ((), (Defect.NO_FROM,), 0)


def test_two_authors_of_one_domain_give_one_domain() -> None:
    authors = author_addresses([(b"From", b"From : a@x.example, B <b@X.Example>\r\n")])
    assert authors.domains == ("x.example",)
    assert not authors.ambiguous


@pytest.mark.parametrize("value", [b"John Q. Public <j@example.org>", b"a..b@docomo.example", b"a@b.example."])
def test_harmless_oddities_are_not_ambiguous(value: bytes) -> None:
    authors = author_addresses([(b"From", b"From: " + value)])
    assert authors.defects
    assert not authors.ambiguous


def test_limits_are_kept_and_told() -> None:
    many = b",".join(b"a%d@x.example" % number for number in range(300))
    found = mailboxes(many, max_mailboxes=10)
    assert len(found.mailboxes) == 10
    assert Defect.TOO_MANY_ADDRESSES in found.defects
    authors = author_addresses([(b"From", b"From: " + many)] * 3)
    assert len(authors.mailboxes) == 100
    assert Defect.TOO_MANY_ADDRESSES in authors.defects
    assert Defect.FIELD_TOO_LONG in mailboxes(many, max_octets=100).defects


@pytest.mark.parametrize(
    "piece",
    [
        b"<",
        b">",
        b"<@,",
        b"(",
        b'"',
        b'"\\',
        b'\\"',
        b"[\\[",
        b"a@b:",
        b"<a@b>",
        b",",
        b";",
        b":",
        b".",
        b"=?a?q?",
        b"a ",
        b"@",
    ],
)
def test_every_pattern_repeated_takes_bounded_work(piece: bytes) -> None:
    # The test's own time limit is what would fail: quadratic work on 256 KB takes minutes.
    value = (piece * (1 << 18))[: 1 << 18]
    assert len(mailboxes(value).mailboxes) <= 10_000
    assert len(mailboxes(b"<" + value).mailboxes) <= 10_000


def _cases(folder: Path) -> Iterator[tuple[str, str]]:
    for name in ("tests.xml", "tests-original.xml"):
        for test in ElementTree.parse(folder / "isemail/test" / name).getroot().iter("test"):
            # Control characters stand as their symbols, U+2400 and on.
            address = test.findtext("address") or ""
            text = "".join(chr(ord(one) - 0x2400) if 0x2400 <= ord(one) <= 0x2421 else one for one in address)
            yield text, test.findtext("diagnosis") or ""


# Errors by isemail that are none here: host names are judged by `danelaw.address.Domain`, the last line end is the
# field's own, and RFC 6532 §3.2 lets UTF-8 follow a backslash.
_NO_ERROR = {"ISEMAIL_ERR_DOMAINHYPHENSTART", "ISEMAIL_ERR_DOMAINHYPHENEND", "ISEMAIL_ERR_EXPECTING_QPAIR"}
_FOLDED_PAIR = '"test\\\r\n blah"@iana.org'


@pytest.mark.corpus
def test_isemail_by_diagnosis(corpus: Callable[[str], Path]) -> None:
    wrong = []
    cases = list(_cases(corpus("address")))
    for text, diagnosis in cases:
        found = mailboxes(text.encode())
        ended = text.rstrip("\r\n ") + "\n"
        if diagnosis.startswith("ISEMAIL_ERR") and diagnosis not in _NO_ERROR and text != _FOLDED_PAIR:
            good = bool(found.defects) or (text.endswith("\n") and not mailboxes(ended.encode()).defects)
        else:
            strange = [one for one in found.defects if not one.obsolete and one is not Defect.LINE_END_IN_FIELD]
            good = len(found.mailboxes) == 1 and not strange
        if not good:
            wrong.append((text, diagnosis, found))
    assert not wrong
    assert len(cases) == 443


_WORDS = st.sampled_from(
    ["Anna", "B. C.", '"q, q"', "a@x.example", "<", ">", ",", ";", ":", "(c)", "@", "<b@y.example>"]
)


@given(st.lists(_WORDS, max_size=8).map(" ".join))
def test_the_short_way_gives_what_the_long_way_gives(text: str) -> None:
    defects = Defects()
    reader = _Reader(defects, 100)
    reader.read(tokens(text, defects))
    assert mailboxes(text.encode()) == (tuple(reader.mailboxes), defects.seen())


def test_the_octets_of_all_from_fields_are_limited() -> None:
    field = (b"From", b"From: " + b"x " * 20_000 + b"<a@b.example>\r\n")
    authors = author_addresses([field] * 3)
    assert len(authors.mailboxes) == 1
    assert Defect.FIELD_TOO_LONG in authors.defects


@given(st.text(st.characters(codec="utf-8"), max_size=60).map(lambda text: " ".join(text.split())))
def test_a_written_mailbox_is_read(name: str) -> None:
    one = NamedMailbox(name, "anna", "example.org")
    found = mailboxes(one.to_text().encode())
    assert found.mailboxes == (one,)
    assert not any(defect.ambiguous for defect in found.defects)


_LOCALPARTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=30
)


@given(_LOCALPARTS, _LOCALPARTS)
def test_what_is_written_is_read(localpart: str, name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    one = NamedMailbox("", localpart, "example.org")
    found = mailboxes(f'"{quoted}" <{one.address}>'.encode())
    assert [(mailbox.localpart, mailbox.domain) for mailbox in found.mailboxes] == [(localpart, "example.org")]


@given(st.binary(max_size=400))
@example(b'"\xff"@b <@x:"\\\r\n a"@[b\\]]>, =?utf-7?q?+2AA-?= <a@b>')
def test_any_octets(data: bytes) -> None:
    one_input(data)


_PIECES = [bytes([one]) for one in b'a@<>"\\()[],:;. \n\x00\xff'] + [b"\r\n ", b"\xc3\xbc", b"=?utf-8?q?b?="]


@given(st.lists(st.sampled_from(_PIECES), max_size=40))
def test_any_mixture_of_what_matters(pieces: list[bytes]) -> None:
    one_input(b"".join(pieces))
