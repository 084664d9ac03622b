"""Records and macros by the grammar of RFC 7208 §4.5, §4.6, §5, §6 and §7.1."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.spf import (
    IP4,
    IP6,
    MAX_RECORD_SIZE,
    MX,
    PTR,
    A,
    All,
    Directive,
    Exists,
    Explanation,
    Include,
    MacroString,
    Qualifier,
    Record,
    RecordError,
    Redirect,
    UnknownModifier,
    select,
)
from danelaw.spf.macro import Macro, fit
from danelaw.spf.record import Networks, parse

_ORG = MacroString.domain_spec("example.org")


def _plus(mechanism: object) -> Directive:
    return Directive(Qualifier.PASS, mechanism)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("term", "parsed"),
    [
        ("all", _plus(All())),
        ("-ALL", Directive(Qualifier.FAIL, All())),
        ("~all", Directive(Qualifier.SOFTFAIL, All())),
        ("?all", Directive(Qualifier.NEUTRAL, All())),
        ("+all", _plus(All())),
        ("include:example.org", _plus(Include(_ORG))),
        ("a", _plus(A())),
        ("a/24", _plus(A(None, 24))),
        ("a//64", _plus(A(None, 32, 64))),
        ("a/24//64", _plus(A(None, 24, 64))),
        ("a/0//0", _plus(A(None, 0, 0))),
        ("a:example.org/24//64", _plus(A(_ORG, 24, 64))),
        ("mx:example.org//64", _plus(MX(_ORG, 32, 64))),
        ("MX", _plus(MX())),
        ("a:x%%", _plus(A(MacroString.domain_spec("x%%")))),
        ("ptr", _plus(PTR())),
        ("ptr:example.org", _plus(PTR(_ORG))),
        ("ip4:192.0.2.1", _plus(IP4(IPv4Address("192.0.2.1")))),
        ("ip4:192.0.2.1/24", _plus(IP4(IPv4Address("192.0.2.1"), 24))),
        ("ip6:2001:DB8::1/32", _plus(IP6(IPv6Address("2001:db8::1"), 32))),
        ("ip6:::ffff:192.0.2.1", _plus(IP6(IPv6Address("::ffff:192.0.2.1")))),
        ("exists:example.org", _plus(Exists(_ORG))),
        ("redirect=example.org", Redirect(_ORG)),
        ("EXP=example.org", Explanation(_ORG)),
        ("ip4=192.0.2.1", UnknownModifier("ip4", MacroString.from_text("192.0.2.1"))),
        ("x.y-z_1=%{c}", UnknownModifier("x.y-z_1", MacroString.from_text("%{c}"))),
        ("foo=", UnknownModifier("foo", MacroString.from_text(""))),
    ],
)
def test_terms_that_are_good(term: str, parsed: object) -> None:
    record = Record.from_text(f"v=spf1  {term} ")
    assert record.terms == (parsed,)
    assert Record.from_text(record.to_text()) == record


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("moo", "neither a mechanism nor a modifier"),
        ("all.", "neither"),
        ("=x", "neither"),
        ("1=x", "neither"),
        ("--all", "neither"),
        ("-redirect=example.org", "neither"),
        ("redirect:example.org", "neither"),
        ("a\tmx", "neither"),
        ("all:example.org", "nothing can follow all"),
        ("all/24", "nothing can follow all"),
        ("include", "lacks a domain"),
        ("include:", "lacks a domain"),
        ("include/24", "lacks a domain"),
        ("exists", "lacks a domain"),
        ("a:", "lacks a domain"),
        ("a:/24", "lacks a domain"),
        ("a/33", "out of range"),
        ("a//129", "out of range"),
        ("a/024", "lacks a domain"),
        ("a/24/64", "out of range"),
        ("a:192.0.2.1", "ip4 takes addresses"),
        ("mx:192.0.2.1/24", "ip4 takes addresses"),
        ("a:museum", "no domain"),
        ("a:example.123", "no domain"),
        ("a:example.-org", "no domain"),
        ("a:example.org-", "no domain"),
        ("a:example.org:80", "no domain"),
        ("a:%{d}.", "no domain"),
        ("include:example.org/24", "no domain"),
        ("exp=", "no domain"),
        ("ip4", "not an address"),
        ("ip4:", "no IPv4 address"),
        ("ip4:192.0.2", "no IPv4 address"),
        ("ip4:192.0.2.01", "no IPv4 address"),
        ("ip4:192.0.2.256", "no IPv4 address"),
        ("ip4:192.0.2.1:25", "no IPv4 address"),
        ("ip4:192.0.2.1/33", "above 32"),
        ("ip4:192.0.2.1/", "not an address"),
        ("ip4:192.0.2.1/032", "not an address"),
        ("ip4:192.0.2.1//24", "not an address"),
        ("ip6:192.0.2.1", "no IPv6 address"),
        ("ip6:fe80::1%eth0", "no IPv6 address"),
        ("ip6:2001:db8::/129", "above 128"),
        ("a:%{x}.example.org", "no macro 'x'"),
        ("a:%{c}.example.org", "no macro 'c'"),
        ("exp=%{r}.example.org", "no macro 'r'"),
        ("a:%{d0}", "cannot be zero"),
        ("a:%{d000r-}", "cannot be zero"),
        ("a:%{d", "neither a macro"),
        ("a:%(d).example.org", "neither a macro"),
        ("a:50%.example.org", "neither a macro"),
        ("foo=%x", "neither a macro"),
        ("redirect=a.example redirect=b.example", "more than once"),
        ("exp=a.example exp=a.example", "more than once"),
    ],
)
def test_terms_that_are_not(term: str, words: str) -> None:
    text = f"v=spf1 ip4:192.0.2.1 {term} -all"
    with pytest.raises(RecordError) as raised:
        Record.from_text(text)
    assert words in raised.value.reason
    assert len(raised.value.reason) < 250


@pytest.mark.parametrize("text", ["", "v=spf10", "v=spf1-all", " v=spf1", "v=spf", "v=spf1\t-all", "spf2.0/pra -all"])
def test_what_is_no_record_at_all(text: str) -> None:
    assert select([text]) is None
    with pytest.raises(RecordError, match="does not begin"):
        Record.from_text(text)


def test_octets_beyond_ascii_spoil_a_record_and_only_a_record() -> None:
    with pytest.raises(RecordError, match="US-ASCII"):
        Record.from_text("v=spf1 a:é.example.org -all")
    assert select(["é", "v=spf1 -all"]) == "v=spf1 -all"


def test_one_record_among_others_is_chosen_and_two_are_an_error() -> None:
    assert select(["v=spf10", "V=SPF1", "hello"]) == "V=SPF1"
    with pytest.raises(RecordError, match="2 SPF records"):
        select(["v=spf1 -all", "v=spf1"])


def test_a_record_has_a_size() -> None:
    text = "v=spf1 " + "a " * ((MAX_RECORD_SIZE - 7) // 2)
    assert len(Record.from_text(text).terms) == (MAX_RECORD_SIZE - 7) // 2
    assert isinstance(parse(text + "a a"), RecordError)


def test_redirect_is_ignored_beside_all_and_nothing_is_evaluated_behind_it() -> None:
    record = Record.from_text("v=spf1 redirect=a.example ip4:192.0.2.1 ip6:::1 -ip4:192.0.2.2 all a mx")
    assert record.redirect is None
    run, last = record.steps
    assert isinstance(run, Networks)
    assert (len(run.v4), len(run.v6)) == (2, 1)
    assert last == _plus(All())
    assert run.find(int(IPv4Address("192.0.2.2")), 4) == record.terms[3]
    assert run.find(int(IPv4Address("192.0.2.3")), 4) is None


def test_a_long_run_of_macros_is_read_in_one_pass() -> None:
    """No input makes the parser slow: 8 KiB of near misses."""
    for piece in ("%{d}", "/", "//", "a.", "-", "%%", "1"):
        parse("v=spf1 a:" + piece * (8_000 // len(piece)))
    assert isinstance(parse("v=spf1 a:%{d" + "9" * 8_000 + "}"), Record)


# Macros

_SENDER = {
    "s": "strong-bad@email.example.com",
    "l": "strong-bad",
    "o": "email.example.com",
    "d": "email.example.com",
    "i": "192.0.2.3",
    "v": "in-addr",
    "h": "mx.example.org",
    "p": "mx.example.org",
}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%{S}", "strong-bad%40email.example.com"),
        ("a%%b%_c%-d", "a%b c%20d"),
        ("%{s1@}", None),
        ("%{d127}", "email.example.com"),
        ("%{d99999999999999999999}", "email.example.com"),
    ],
)
def test_the_expansions_of_the_rfc(text: str, expanded: str | None) -> None:
    """RFC 7208 §7.4, and the rules of §7.3."""
    if expanded is None:
        with pytest.raises(RecordError):
            MacroString.from_text(text)
    else:
        assert MacroString.from_text(text).expand(_SENDER) == expanded


def test_parts_may_be_empty() -> None:
    """RFC 7208 §7.3: no special treatment of leading, trailing or consecutive delimiters."""
    assert Macro("l", delimiters="-").transform("-a--b-") == ".a..b."
    assert Macro("l", parts=2, delimiters="+-").transform("a+b-c") == "b.c"


def test_a_long_name_loses_labels_on_its_left() -> None:
    """RFC 7208 §7.3."""
    name = ".".join(["a" * 30] * 9) + ".example.org"
    assert fit(name) == ".".join(["a" * 30] * 7) + ".example.org"
    assert fit("a" * 300) == "a" * 300
    assert len(fit("a." * 2_000_000)) <= 253


_TERMS = st.sampled_from(
    [
        "a",
        "mx/24",
        "all",
        "-all",
        "ip4:192.0.2.0/24",
        "ip6:::/0",
        "include:%{d}",
        "exists:%{ir}.x.org",
        "ptr",
        "foo=bar",
    ]
) | st.text(alphabet="amxip46:/.%{dlr}=-~?1", max_size=12)


@given(st.lists(_TERMS, max_size=6).map(lambda terms: "v=spf1 " + " ".join(terms)) | st.text(max_size=40))
def test_records_of_strangers(text: str) -> None:
    record = parse(text)
    if isinstance(record, RecordError):
        assert record.reason
        return
    assert Record.from_text(record.to_text()) == record


@given(st.text(alphabet="%{}slodiphvcrt0123rR.-+,/_=ab", max_size=40), st.text(max_size=20))
def test_macros_of_strangers(text: str, value: str) -> None:
    try:
        macro = MacroString.explanation(text)
    except RecordError:
        return
    expanded = macro.expand(dict.fromkeys("slodiphvcrt", value))
    if macro.constant:
        meant = {"%%": "%", "%_": " ", "%-": "%20"}
        assert expanded == re.sub(r"%[%_-]", lambda match: meant[match[0]], text)
