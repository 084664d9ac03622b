"""Requests, tokens and rates: what is read, what is refused."""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.queue.rates import Rate
from danelaw.safety import Enquiry, EnquiryError, Subject, TokenFileError, Tokens, line_of, within
from danelaw.safety.allowance import Allowance, caller_of
from danelaw.safety.http import RequestError, request_of, response
from fuzz.safety_http import test_one_input as fuzz_http
from fuzz.safety_json import test_one_input as fuzz_json

BODY = 1000


def head(*lines: str, first: str = "GET /v1/safety?domain=a.example HTTP/1.1") -> bytes:
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1")


def test_a_request() -> None:
    request = request_of(head("Host: x", "AUTHORIZATION: bearer  abc "), BODY)
    assert (request.method, request.path, request.query) == ("GET", "/v1/safety", "domain=a.example")
    assert (request.bearer, request.length, request.keep) == (b"abc", 0, True)
    assert not request_of(head("Host: x", "Connection: Close"), BODY).keep
    assert not request_of(head(first="GET / HTTP/1.0"), BODY).keep


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (head(), HTTPStatus.BAD_REQUEST),  # no Host
        (head("Host: x", "Host: y"), HTTPStatus.BAD_REQUEST),
        (head("Host: x", "Content-Length: 1", "Content-Length: 1"), HTTPStatus.BAD_REQUEST),
        (head("Host: x", "Content-Length: +1"), HTTPStatus.BAD_REQUEST),
        (head("Host: x", "Content-Length: 1001"), HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        (head("Host: x", "Transfer-Encoding: chunked"), HTTPStatus.LENGTH_REQUIRED),
        (head("Host: x", "Transfer-Encoding : chunked"), HTTPStatus.BAD_REQUEST),
        (head("Host: x", " folded: y"), HTTPStatus.BAD_REQUEST),
        (head("Host: x", "A: b\0"), HTTPStatus.BAD_REQUEST),
        (head("Host: x", *["A: b"] * 70), HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
        (head("Host: x", first="GET  / HTTP/1.1"), HTTPStatus.BAD_REQUEST),
        (head("Host: x", first="GET http://x/ HTTP/1.1"), HTTPStatus.BAD_REQUEST),
        (head("Host: x", first="GET / HTTP/2.0"), HTTPStatus.BAD_REQUEST),
        (head("Host: x", first="get / HTTP/1.1"), HTTPStatus.BAD_REQUEST),
    ],
)
def test_what_is_refused(octets: bytes, status: HTTPStatus) -> None:
    with pytest.raises(RequestError) as raised:
        request_of(octets, BODY)
    assert raised.value.status is status


def test_a_response() -> None:
    octets = response(HTTPStatus.OK, {"a": "ä"}, keep=True, fields={"X": "y"})
    start, _, body = octets.partition(b"\r\n\r\n")
    assert body == '{"a":"ä"}'.encode()
    assert f"Content-Length: {len(body)}".encode() in start
    assert start.endswith(b"X: y\r\nConnection: keep-alive")
    assert response(HTTPStatus.OK, {}, keep=False, without_body=True).endswith(b"Connection: close\r\n\r\n")


def test_an_address_or_a_domain() -> None:
    one = Enquiry.from_query("address=anna+x@example.org&deadline=500ms")
    assert (one.texts, one.deadline, one.single) == (("anna+x@example.org",), 0.5, True)
    assert Enquiry.from_query("address=anna%2Bx%40example.org").texts == ("anna+x@example.org",)
    assert Enquiry.from_query("domain=example.org&deadline=2").deadline == 2
    many = Enquiry.from_json(b'{"subjects": ["a@b.example", "c.example"], "deadline": "1.5s"}', 2)
    assert (many.texts, many.deadline, many.single) == (("a@b.example", "c.example"), 1.5, False)
    assert Enquiry.from_json(b'["[[[[{{{{ \\" [[["]', 2).texts == ('[[[[{{{{ " [[[',)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "address=",
        "address=a.example",
        "domain=a@b.example",
        "domain=a.example&address=a@b.example",
        "domain=a&domain=b",
        "domain=a&callback=x",
        "domain=%ff",
        "domain=a&deadline=",
        "domain=a&deadline=-1",
        "domain=a&deadline=1e9",
        "domain=a&deadline=1.2.3",
        "&" * 20,
    ],
)
def test_queries_that_ask_for_nothing(query: str) -> None:
    with pytest.raises(EnquiryError):
        Enquiry.from_query(query)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'["a","b","c"]',
        b"[1]",
        b'"a"',
        b"{}",
        b'{"subjects": "a"}',
        b'{"subjects": ["a"], "x": 1}',
        b'{"subjects": ["a"], "deadline": 2}',
        b"[" * 100_000,
        b'["a"]]',
        b"\xff",
        b"[[[[[1]]]]]",
    ],
    ids=range(13),
)
def test_bodies_that_ask_for_nothing(body: bytes) -> None:
    with pytest.raises(EnquiryError):
        Enquiry.from_json(body, 2)


@pytest.mark.parametrize("text", ["", "a@", "@b.example", "a b@c.example", "a@[192.0.2.1]", "..", "a" * 600, "a\0@b.c"])
def test_subjects_that_are_none(text: str) -> None:
    with pytest.raises(EnquiryError):
        Subject.from_text(text)


def test_subjects_are_read_as_mail_reads_them() -> None:
    assert Subject.from_text("bücher.example") == Subject.from_text("XN--BCHER-KVA.example")
    assert Subject.from_text("Anna@EXAMPLE.org").domain.ascii == "example.org"


def test_tokens() -> None:
    tokens = Tokens.from_text(f"# staff\n\n{line_of('webmail', 'secret')}\n  {line_of('b.2', 'other')}  \n")
    assert (tokens.name_of(b"secret"), tokens.name_of(b"other"), tokens.name_of(b"")) == ("webmail", "b.2", None)
    assert Tokens().name_of(b"x") is None


@pytest.mark.parametrize(
    "text",
    [
        "webmail",
        "webmail secret",
        f"a b {'0' * 64}",
        f"a sha256:{'0' * 63}",
        f"-a sha256:{'0' * 64}",
        f"{line_of('a', 'x')}\n{line_of('a', 'y')}",
    ],
)
def test_files_that_hold_no_tokens(text: str) -> None:
    with pytest.raises(TokenFileError):
        Tokens.from_text(text)


def test_names_that_cannot_stand_in_the_file() -> None:
    for name in ("", "a b", "ä", "#x", "a" * 41, "a\nb"):
        with pytest.raises(TokenFileError):
            line_of(name, "x")


def test_networks() -> None:
    networks = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1", "2001:db8::1%eth0"):
        assert within(address, networks)
    for address in ("11.1.2.3", "::1", "", "x", "::ffff:11.0.0.1"):
        assert not within(address, networks)


def test_rates() -> None:
    allowance = Allowance(Rate(60, 60))  # one a second, ten at once
    assert [allowance.take("a", 1, 0.0) for _ in range(10)] == [0.0] * 10
    assert allowance.take("a", 1, 0.0) == pytest.approx(1.0)
    assert allowance.take("b", 10, 0.0) == 0.0
    assert allowance.take("a", 1, 1.0) == 0.0
    assert allowance.take("a", 2, 2.0) == pytest.approx(1.0)
    assert allowance.take("a", 1, 2.0) == 0.0  # what was refused took nothing
    assert allowance.take("c", 100, 0.0) > 0  # more than there ever is


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 4)), max_size=60))
def test_no_caller_gets_more_than_the_rate_and_a_burst(takes: list[tuple[float, int]]) -> None:
    allowance, now, taken = Allowance(Rate(30, 60)), 0.0, []
    for pause, count in takes:
        now += pause
        if not allowance.take("a", count, now):
            taken.append((now, count))
    for start, _ in taken:
        within_a_minute = sum(count for when, count in taken if start <= when < start + 60)
        assert within_a_minute <= 30 + 5


def test_callers() -> None:
    assert caller_of("192.0.2.1") == "192.0.2.1" == caller_of("::ffff:192.0.2.1")
    assert caller_of("2001:db8:0:1::5") == caller_of("2001:db8:0:1:9::") != caller_of("2001:db8:0:2::5")
    assert caller_of("") == ""


def test_memory_of_callers_is_bounded() -> None:
    allowance = Allowance(Rate(1, 60))
    for number in range(10_050):
        allowance.take(str(number), 1, 0.0)
    assert len(allowance._buckets) == 10_000


@given(st.binary(max_size=200))
def test_any_head(octets: bytes) -> None:
    fuzz_http(octets)
    fuzz_json(octets)


@given(
    st.text("ad=&domainress%+@.xé\0 ", max_size=60),
    st.lists(st.text("A:b \tontenT-Length0\0", max_size=20), max_size=4),
)
def test_any_query_and_fields(query: str, lines: list[str]) -> None:
    octets = "\r\n".join([f"GET /v1/safety?{query} HTTP/1.1", "Host: x", *lines, "", ""]).encode()
    fuzz_http(octets)


@given(st.text('[]{}",:subjectdeadline 12s\\', max_size=80))
def test_any_json(text: str) -> None:
    fuzz_json(text.encode())
