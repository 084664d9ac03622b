"""Mailboxes, local-parts, literals: RFC 5321 §4.1.2, §4.1.3 and RFC 6531 §3.3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import (
    AddressLiteral,
    AddressLiteralError,
    Domain,
    DomainError,
    Localpart,
    LocalpartError,
    Mailbox,
    MailboxError,
)


@pytest.mark.parametrize(
    ("text", "content", "written"),
    [
        ("joe", "joe", "joe"),
        ('"joe"', "joe", "joe"),
        (r'"j\oe"', "joe", "joe"),
        ('"a b"', "a b", '"a b"'),
        (r'"a\"b"', 'a"b', r'"a\"b"'),
        (r'"a\\b"', "a\\b", r'"a\\b"'),
        ('"a..b"', "a..b", '"a..b"'),
        ('"a@b"', "a@b", '"a@b"'),
        ("a.b+c{d}", "a.b+c{d}", "a.b+c{d}"),
        ("jürgen", "jürgen", "jürgen"),
        ("用户", "用户", "用户"),
        ('"x y ü"', "x y ü", '"x y ü"'),
    ],
)
def test_a_local_part_is_its_content(text: str, content: str, written: str) -> None:
    localpart = Localpart.from_text(text)
    assert localpart.content == content
    assert localpart.to_text() == str(localpart) == written
    assert Localpart.from_text(written) == localpart


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".a",
        "a.",
        "a..b",
        "a b",
        '"',
        '"a',
        'a"b"',
        '""',
        '"a\rb"',
        '"a\nb"',
        '"a\\',
        "a\x00b",
        "a\u2028b",
        "a\x85b",
        "a" * 65,
        "ü" * 33,
        '"' + "a" * 63 + '"',
        "\ud800",
        "a,b",
        "a;b",
        "a(b)",
        "<a>",
        "a[b]",
        "a:b",
    ],
)
def test_no_local_part(text: str) -> None:
    with pytest.raises(LocalpartError):
        Localpart.from_text(text)


def test_a_local_part_may_have_64_octets() -> None:
    assert Mailbox.from_text("a" * 64 + "@b.example").localpart.content == "a" * 64
    with pytest.raises(MailboxError):
        Mailbox.from_text("a" * 65 + "@b.example")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("[192.0.2.1]", "192.0.2.1"),
        ("[255.255.255.255]", "255.255.255.255"),
        ("[IPv6:2001:DB8::1]", "2001:db8::1"),
        ("[ipv6:::1]", "::1"),
        ("[IPv6:::ffff:192.0.2.1]", "::ffff:c000:201"),
    ],
)
def test_address_literals(text: str, address: str) -> None:
    literal = AddressLiteral.from_text(text)
    assert literal.version == (6 if "v6" in text else 4)
    assert AddressLiteral.from_text(literal.to_text()) == literal
    assert str(literal) == literal.to_text()
    assert literal.address in (address, "::ffff:192.0.2.1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[192.0.2.1",
        "192.0.2.1",
        "[192.0.2.256]",
        "[192.0.2.01]",
        "[192.0.2]",
        "[2001:db8::1]",
        "[IPv6:]",
        "[IPv6:fe80::1%eth0]",
        "[IPv6:1::2::3]",
        "[tag:content]",
        "[IPv6:" + "0" * 80 + "]",
        "[192.0.2.1 ]",
    ],
)
def test_no_address_literal(text: str) -> None:
    with pytest.raises(AddressLiteralError):
        AddressLiteral.from_text(text)


def test_the_domain_of_a_mailbox_is_held_as_a_labels() -> None:
    mailbox = Mailbox.from_text("jürgen@BÜCHER.example")
    assert mailbox.domain == Domain.from_text("xn--bcher-kva.example")
    assert mailbox.to_text() == str(mailbox) == "jürgen@xn--bcher-kva.example"
    assert not mailbox.is_ascii
    assert Mailbox.from_text("a@BÜCHER.example").is_ascii


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "a@",
        "@b",
        "a",
        "a@b.",
        "a@b。",
        "a@.b",
        "a@b..c",
        "a@-b",
        "a@b-",
        "a@b@c",
        "a @b",
        "a@ b",
        "a@b ",
        "<a@b>",
        "a(c)@b",
        "a@b\n",
        "a@b\r\n",
        "a@[1.2.3]",
        "a@b/c",
        "a@" + "b" * 64,
        "a@" + "b." * 127 + "b",
        "a@b\x00",
    ],
)
def test_no_mailbox(text: str) -> None:
    with pytest.raises(MailboxError) as caught:
        Mailbox.from_text(text)
    assert caught.value.reason


def test_a_mailbox_has_at_most_254_octets() -> None:
    label = "b" * 61 + "."
    host = label * 3 + "example"
    fits = "a" * (254 - len(host) - 1) + "@" + host
    assert len(fits) == 254
    assert Mailbox.from_text(fits).to_text() == fits
    for longer in ("a" + fits, "ü" + fits[1:], fits + "x" * 400):
        with pytest.raises(MailboxError):
            Mailbox.from_text(longer)


def test_a_domain_error_is_told_in_the_words_of_the_mailbox() -> None:
    with pytest.raises(MailboxError, match="label"):
        Mailbox.from_text("a@b..c")


def test_domains_beyond_253_octets_are_refused_before_idna_sees_them() -> None:
    with pytest.raises(DomainError):
        Domain.from_text("ü" * 5000)


@given(st.text(max_size=80))
def test_any_text_is_a_mailbox_or_a_mailbox_error(text: str) -> None:
    try:
        mailbox = Mailbox.from_text(text)
    except MailboxError:
        return
    assert Mailbox.from_text(mailbox.to_text()) == mailbox
    assert not set("\r\n\0") & set(mailbox.to_text())


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=30))
def test_every_printable_content_can_be_written_and_read(content: str) -> None:
    localpart = Localpart(content)
    assert Localpart.from_text(localpart.to_text()) == localpart


@given(st.from_regex(r"[a-zA-Z0-9!.\"\\ ]{1,12}@[a-z.\-]{1,12}", fullmatch=True))
def test_both_ways_through_the_parser_agree(text: str) -> None:
    """The one-scan branch and the full grammar must give the same verdict."""
    try:
        quick: Mailbox | None = Mailbox.from_text(text)
    except MailboxError:
        quick = None
    local, _, host = text.rpartition("@")
    try:
        slow: Mailbox | None = Mailbox(Localpart.from_text(local), Domain.from_text(host))
        if host.endswith("."):
            slow = None
    except (LocalpartError, DomainError):
        slow = None
    assert quick == slow
