"""Authentication-Results: the examples of RFC 8601, fields as large senders write them, hostile values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.authres import (
    MAX_FIELD_SIZE,
    AuthenticationResults,
    FieldTooLarge,
    MethodResult,
    Property,
    UnwritableField,
)
from danelaw.message import Header

# Reading


def _read(text: str) -> AuthenticationResults:
    return AuthenticationResults.from_bytes(text.encode())


def test_a_field_without_results() -> None:
    """RFC 8601 appendix B.2."""
    assert _read(" example.org 1; none") == AuthenticationResults("example.org", (), 1)


def test_one_method() -> None:
    """RFC 8601 appendix B.3."""
    found = _read(" example.com;\r\n          spf=pass smtp.mailfrom=example.net")
    spf = MethodResult("spf", "pass", properties=(Property("smtp", "mailfrom", "example.net"),))
    assert found == AuthenticationResults("example.com", (spf,))
    assert found.results[0].value("smtp", "mailfrom") == "example.net"
    assert found.results[0].value("smtp", "helo") is None


def test_several_methods_with_comments_and_folding() -> None:
    """RFC 8601 appendix B.4 and B.5."""
    found = _read(
        " example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n"
        " spf=pass smtp.mailfrom=example.net;\r\n sender-id=pass header.from=example.net"
    )
    assert [(item.method, item.result, item.comment) for item in found.results] == [
        ("auth", "pass", "cram-md5"),
        ("spf", "pass", ""),
        ("sender-id", "pass", ""),
    ]
    assert found.of("auth")[0].value("smtp", "auth") == "sender@example.net"
    assert found.defects == ()


def test_comments_wherever_the_grammar_allows_them() -> None:
    """RFC 8601 appendix B.7."""
    found = _read(
        ' foo.example.net (foobar) 1 (baz);\r\n    dkim (Because I like it) / 1 (One yay) = (wait for it) "fail"\r\n'
        "      policy (A dot can go here) . (like that) expired\r\n      (this surprised me)"
        " = (as I wasn't expecting it) 1362471462"
    )
    assert (found.authserv_id, found.version, found.defects) == ("foo.example.net", 1, ())
    (dkim,) = found.results
    assert (dkim.method, dkim.version, dkim.result) == ("dkim", 1, "fail")
    assert dkim.properties == (Property("policy", "expired", "1362471462"),)


def test_values_as_a_large_mailbox_provider_writes_them() -> None:
    found = _read(
        ' mx.google.com;\r\n       dkim=pass header.i=@example.org header.s=mail header.b="Qx/3=";\r\n'
        "       spf=pass (google.com: domain of anna@example.org designates 192.0.2.1 as permitted sender)"
        " smtp.mailfrom=anna@example.org;\r\n       dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=example.org"
    )
    assert [item.method for item in found.results] == ["dkim", "spf", "dmarc"]
    assert found.results[0].value("header", "b") == "Qx/3="
    assert found.results[2].comment == "p=NONE sp=NONE dis=NONE"
    assert found.defects == ()


def test_a_field_without_id_and_with_properties_without_type_is_read_and_named() -> None:
    found = _read(
        " spf=pass (sender IP is 192.0.2.1)\r\n smtp.mailfrom=example.org; dkim=none (message not signed)\r\n"
        " header.d=none;dmarc=pass action=none\r\n header.from=example.org;compauth=pass reason=100"
    )
    assert found.authserv_id == ""
    assert [(item.method, item.result) for item in found.results] == [
        ("spf", "pass"),
        ("dkim", "none"),
        ("dmarc", "pass"),
        ("compauth", "pass"),
    ]
    assert found.results[2].properties == (Property("", "action", "none"), Property("header", "from", "example.org"))
    assert found.results[3].reason == "100"
    assert found.defects == ("no authserv-id", "a property without its type")


@pytest.mark.parametrize(
    ("text", "defect"),
    [
        ("", "no authserv-id"),
        ("example.org", "neither results nor none"),
        ("example.org; spf", "a method without a result, or the reverse"),
        ("example.org; spf=", "a method without a result, or the reverse"),
        ("example.org; =pass", "a method without a result, or the reverse"),
        ("example.org; spf=pass (no end", "a comment has no end"),
        ('example.org; spf=pass reason="no end', "a quoted string has no end"),
        ("example.org; spf=pass stray smtp.mailfrom=a@b.example", "words that are no property"),
        ("example.org one two; spf=pass", "words behind the authserv-id"),
    ],
)
def test_what_is_malformed_is_named(text: str, defect: str) -> None:
    assert defect in _read(text).defects


def test_a_semicolon_in_quotes_or_comments_ends_nothing() -> None:
    found = _read('example.org; spf=pass (a; dkim=pass) reason="x; dmarc=pass" smtp.mailfrom="a;b"@example.org')
    assert [item.method for item in found.results] == ["spf"]
    assert found.results[0].reason == "x; dmarc=pass"
    assert found.results[0].value("smtp", "mailfrom") == '"a;b"@example.org'


def test_internationalised_values() -> None:
    """RFC 8616 §5."""
    found = _read("mx.bücher.example; spf=pass smtp.mailfrom=jörg@bücher.example")
    assert found.authserv_id == "mx.bücher.example"
    assert found.results[0].value("smtp", "mailfrom") == "jörg@bücher.example"


def test_sizes_have_an_end() -> None:
    with pytest.raises(FieldTooLarge, match="65536"):
        AuthenticationResults.from_bytes(b"x" * (MAX_FIELD_SIZE + 1))
    many = _read("example.org" + "; a=b" * 10_000)
    assert len(many.results) == 200
    assert "more results or properties than are read" in many.defects
    assert len(_read("example.org; a=b" + " c.d=e" * 9_000).results[0].properties) == 1_000
    assert _read("(" * 60_000).defects  # nesting costs no stack


# Writing


def test_a_field_is_folded_and_reads_back() -> None:
    spf = MethodResult("spf", "pass", "192.0.2.1 is allowed", (Property("smtp", "mailfrom", "anna@example.net"),))
    dkim = MethodResult("dkim", "fail", properties=(Property("header", "d", "example.net"),), comment="bad (key)")
    field = AuthenticationResults("mx.example.org", (spf, dkim)).to_bytes()
    assert field == (
        b"Authentication-Results: mx.example.org;\r\n"
        b'\tspf=pass reason="192.0.2.1 is allowed" smtp.mailfrom=anna@example.net;\r\n'
        b"\tdkim=fail (bad \\(key\\)) header.d=example.net\r\n"
    )
    assert AuthenticationResults.from_bytes(Header.from_bytes(field).fields[0].body).results == (spf, dkim)


def test_no_results_is_written_as_none() -> None:
    assert AuthenticationResults("example.org").to_bytes() == b"Authentication-Results: example.org; none\r\n"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("example.net", b"=example.net"),
        ("@example.net", b"=@example.net"),
        ("", b'=""'),
        ("a; dkim=pass", b'="a; dkim=pass"'),
        ('"a b"@example.net', b'="\\"a b\\"@example.net"'),
        ("x (comment)", b'="x (comment)"'),
        ("2001:db8::1", b'="2001:db8::1"'),
        ("back\\slash", b'="back\\\\slash"'),
        ('\\"; dkim=pass', b'="\\\\\\"; dkim=pass"'),
    ],
)
def test_values_of_strangers_are_quoted(value: str, written: bytes) -> None:
    result = MethodResult("spf", "pass", properties=(Property("smtp", "helo", value),))
    field = AuthenticationResults("mx.example.org", (result,)).to_bytes()
    assert field.endswith(b"smtp.helo" + written + b"\r\n")
    assert AuthenticationResults.from_bytes(field.partition(b":")[2]).results == (result,)


@pytest.mark.parametrize("said", ["a (b) c", ") dkim=pass (", "\\) dkim=pass (\\", '"', "\\\\"])
def test_comments_of_strangers_end_where_ours_ends(said: str) -> None:
    result = MethodResult("spf", "pass", comment=said)
    field = AuthenticationResults("mx.example.org", (result,)).to_bytes()
    assert AuthenticationResults.from_bytes(field.partition(b":")[2]).results == (result,)


@pytest.mark.parametrize(
    "result",
    [
        MethodResult("spf", "pass", properties=(Property("smtp", "helo", "a\r\nBcc: x"),)),
        MethodResult("spf", "pass", properties=(Property("smtp", "helo", "a\nb"),)),
        MethodResult("spf", "pass", properties=(Property("smtp", "helo", "a\0b"),)),
        MethodResult("spf", "pass", properties=(Property("smtp", "helo", "a\u2028b"),)),
        MethodResult("spf", "pass", properties=(Property("smtp", "helo", "\udc80"),)),
        MethodResult("spf", "pass", properties=(Property("smtp", "helo", "x" * 1_000),)),
        MethodResult("spf", "pass", properties=(Property("smtp; a", "helo", "x"),)),
        MethodResult("spf", "pass", properties=(Property("", "action", "x"),)),
        MethodResult("spf=x", "pass"),
        MethodResult("spf", "pass; dkim=pass"),
        MethodResult("spf", "pass", comment="\r\n"),
        MethodResult("spf", "pass", reason="\x7f"),
        MethodResult("spf", "pass", reason="\x85"),
        MethodResult("spf", "pass", reason="\u2029"),
    ],
)
def test_what_cannot_be_quoted_is_refused(result: MethodResult) -> None:
    with pytest.raises(UnwritableField):
        AuthenticationResults("mx.example.org", (result,)).to_bytes(utf8=True)


def test_beyond_ascii_only_where_the_message_may_have_it() -> None:
    result = MethodResult("spf", "pass", properties=(Property("smtp", "mailfrom", "jörg@xn--bcher-kva.example"),))
    field = AuthenticationResults("mx.example.org", (result,))
    with pytest.raises(UnwritableField, match="SMTPUTF8"):
        field.to_bytes()
    assert "jörg".encode() in field.to_bytes(utf8=True)


_WORDS = st.text(max_size=30)
_KEYWORDS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True).filter(lambda word: word != "reason")
_RESULTS = st.builds(
    MethodResult,
    _KEYWORDS,
    _KEYWORDS,
    _WORDS,
    st.lists(st.builds(Property, _KEYWORDS, _KEYWORDS, _WORDS), max_size=4).map(tuple),
    _WORDS.map(str.strip),
    st.none() | st.integers(0, 99),
)


@given(st.text(min_size=1, max_size=20), st.lists(_RESULTS, max_size=4).map(tuple), st.none() | st.integers(0, 9))
def test_what_is_written_is_one_field_and_says_the_same(
    identity: str, results: tuple[MethodResult, ...], version: int | None
) -> None:
    written = AuthenticationResults(identity, results, version)
    try:
        field = written.to_bytes(utf8=True)
    except UnwritableField:
        return
    header = Header.from_bytes(field + b"\r\n")
    assert [found.name for found in header] == [b"Authentication-Results"]
    assert header.defect is None
    assert all(len(line) <= 998 for line in field.split(b"\r\n"))
    assert AuthenticationResults.from_bytes(header.fields[0].body) == written


@given(st.binary(max_size=400) | st.text(alphabet='a=.;"()\\ \r\n/1', max_size=400).map(str.encode))
def test_fields_of_strangers(body: bytes) -> None:
    found = AuthenticationResults.from_bytes(body)
    assert all(item.method and item.result for item in found.results)
