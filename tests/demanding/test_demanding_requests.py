"""Requests for protection in fields and addresses: what they mean, what is refused, and how they are taken out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Domain, Mailbox
from danelaw.demanding import (
    ADDRESS_FIELDS,
    FIELD_WORDS,
    TAG_WORDS,
    DemandError,
    TagDomain,
    demand_in_field,
    signed_fields,
    touched,
    without_requests,
)
from danelaw.tlspolicy import SenderDemand
from fuzz.demanding_request import test_one_input as one_input

TAGS = TagDomain(Domain("tls.shop.example"))


@pytest.mark.parametrize("word", FIELD_WORDS)
@pytest.mark.parametrize("form", [" {}\r\n", "{}", "\r\n {}", "\t{} "])
def test_every_word_in_every_form(word: str, form: str) -> None:
    for spelled in (word, word.upper(), word.capitalize()):
        assert demand_in_field([form.format(spelled).encode()]) is SenderDemand.from_word(word)


def test_without_a_field_nothing_is_asked() -> None:
    assert demand_in_field([]) is SenderDemand.NONE


@pytest.mark.parametrize(
    "value",
    [
        b"", b" ", b"dnae", b"dane,verified", b"dane verified", b"dane; q=1", b"no", b"none", b"may",
        b"tls-required-no", b"d\xc3\xa4ne", b"da\r\n ne", b"dane\x00", b"dane+requiretls", b"\xff", b"*", b"x" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_word_is_refused_with_the_words_there_are(value: bytes) -> None:
    with pytest.raises(DemandError) as caught:
        demand_in_field([value])
    assert "encrypted, verified, dane, requiretls, requiretls+dane" in caught.value.reason
    assert caught.value.reason.isascii()
    assert caught.value.reason.isprintable()
    assert len(caught.value.reason) < 200, "it stands in one reply"


def test_two_fields_are_refused_even_when_they_agree() -> None:
    with pytest.raises(DemandError, match="2 fields"):
        demand_in_field([b"dane", b"dane"])


@pytest.mark.parametrize("word", TAG_WORDS)
def test_a_tag_is_read_in_any_case(word: str) -> None:
    for spelled in (word, word.upper()):
        tagged = Mailbox.from_text(f"Anna.X@example.org.{spelled}.TLS.Shop.example")
        assert TAGS.claims(tagged)
        assert TAGS.untagged(tagged) == (Mailbox.from_text("Anna.X@example.org"), SenderDemand.from_word(word))


@pytest.mark.parametrize(
    "address",
    [
        "anna@example.org", "anna+dane@example.org", "anna@dane.example.org", "dane.tls.shop.example@example.org",
        "anna@tls.shop.example.org", "anna@xtls.shop.example", "anna@shop.example", "anna@[192.0.2.1]",
        '"a@b.dane.tls.shop.example"@example.org', "anna@example.dane",
    ],
)  # fmt: skip
def test_real_addresses_are_nobodys_requests(address: str) -> None:
    mailbox = Mailbox.from_text(address)
    assert TAGS.untagged(mailbox) == (mailbox, SenderDemand.NONE)
    written = f"To: <{address}>\r\n".encode()
    assert without_requests(written, TAGS) == written or "@b.dane" in address


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("anna@tls.shop.example", "a recipient is missing"),
        ("anna@dane.tls.shop.example", "write anna@example.org.dane.tls.shop.example"),
        ("anna@example.org.tls.shop.example", "'org' is no protection"),
        ("anna@example.org.dnae.tls.shop.example", "'dnae' is no protection; write one of: encrypted, verified, dane"),
        ("anna@example.org.dane.tls.shop.example.dane.tls.shop.example", "two tags"),
        ("anna@example.org.dane.tls.shop.example.tls.shop.example", "'example' is no protection"),
    ],
)
def test_tags_that_cannot_be_read_are_refused(address: str, words: str) -> None:
    with pytest.raises(DemandError) as caught:
        TAGS.untagged(Mailbox.from_text(address))
    assert words in caught.value.reason


HEADER = (
    b"Received: by a; x\r\nTo: Bob <bob@b.example.dane.tls.shop.example>,\r\n"
    b' "bob@b.example.verified.tls.shop.example" <c@d.example>\r\n'
    b"DANELAW-REQUIRE :\r\n dane\r\nSubject: bob@b.example.dane.tls.shop.example\r\n"
    b"X-Danelaw-Require: dane\r\nCC: x@\xc3\xa4.example.encrypted.tls.shop.example;y@tls.shop.example\r\n"
    b"danelaw-require: other\r\n"
)


def test_fields_and_tags_are_taken_out_and_nothing_else_is_touched() -> None:
    assert without_requests(HEADER, TAGS) == (
        b'Received: by a; x\r\nTo: Bob <bob@b.example>,\r\n "bob@b.example" <c@d.example>\r\n'
        b"Subject: bob@b.example.dane.tls.shop.example\r\n"
        b"X-Danelaw-Require: dane\r\nCC: x@\xc3\xa4.example;y@tls.shop.example\r\n"
    )
    assert touched(HEADER, TAGS) == {b"to", b"cc", b"danelaw-require"}
    assert touched(HEADER, None) == {b"danelaw-require"}
    for name in ADDRESS_FIELDS:
        field = name + b": bob@b.example.dane.tls.shop.example\r\n"
        assert without_requests(field, TAGS) == name + b": bob@b.example\r\n"


def test_a_field_behind_a_broken_line_is_found_too() -> None:
    header = b"From: a@b.example\r\nno field\r\nDanelaw-Require: dane\r\n"
    assert without_requests(header) == b"From: a@b.example\r\nno field\r\n"


def test_what_signatures_cover() -> None:
    header = (
        b"DKIM-Signature: v=1; h=From:to :\r\n Danelaw-Require; b=x\r\n"
        b"ARC-Message-Signature: i=1; h=cc; b=x\r\nDKIM-Signature: nonsense\r\nX: h=subject\r\n"
    )
    assert signed_fields(header) == {b"from", b"to", b"danelaw-require", b"cc"}
    assert signed_fields(b"From: a@b.example\r\n") == frozenset()


@given(st.binary(max_size=400))
def test_any_octets(data: bytes) -> None:
    one_input(data)
