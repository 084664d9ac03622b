"""Tokens of links, and the few requests the web server reads: forged, changed, old, and any octets at all."""

from __future__ import annotations

import contextlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.quarantine.request import MOST_BODY, Request, RequestError, form
from danelaw.quarantine.tokens import Action, Key, Token, TokenError

NOW = 1_795_000_000.0
KEY = Key(3, bytes(range(32)))
KEYS = {3: KEY, 4: Key(4, b"x" * 32)}
tokens = st.builds(
    Token,
    st.sampled_from(Action),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(int(NOW) + 1, 2**64 - 1),
    st.binary(min_size=12, max_size=12),
)


@given(tokens)
def test_a_token_opens_to_what_was_sealed(token: Token) -> None:
    text = token.sealed(KEY)
    assert Token.opened(text, KEYS, NOW) == token
    assert text.replace("-", "").replace("_", "").isalnum()


@given(tokens, st.integers(0, 10_000), st.integers(1, 255))
def test_any_changed_octet_makes_it_worthless(token: Token, place: int, change: int) -> None:
    text = token.sealed(KEY)
    octets = bytearray(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    octets[place % len(octets)] ^= change
    with pytest.raises(TokenError):
        Token.opened(urlsafe_b64encode(bytes(octets)).rstrip(b"=").decode(), KEYS, NOW)


@given(tokens, st.integers(0, 10_000), st.characters(max_codepoint=0x2FF))
def test_any_other_text_of_the_same_octets_is_worthless_too(token: Token, place: int, character: str) -> None:
    text = token.sealed(KEY)
    place %= len(text)
    changed = text[:place] + character + text[place + 1 :]
    if changed != text:
        with pytest.raises(TokenError):
            Token.opened(changed, KEYS, NOW)


def test_a_token_of_another_key_another_recipient_or_another_time_is_worthless() -> None:
    token = Token(Action.RELEASE, 77, 1, int(NOW) + 60, b"n" * 12)
    text = token.sealed(KEY)
    for keys in ({}, {4: KEYS[4]}, {3: Key(3, b"y" * 32)}):
        with pytest.raises(TokenError):
            Token.opened(text, keys, NOW)
    with pytest.raises(TokenError) as old:
        Token.opened(text, KEYS, NOW + 60.0)
    assert old.value.advice
    other = replace(token, recipient=0).sealed(KEY)
    payload, mac = text[:50], other[50:]
    with pytest.raises(TokenError):
        Token.opened(payload + mac, KEYS, NOW)


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{83}", fullmatch=True))
def test_no_text_opens_by_chance_or_breaks_anything(text: str) -> None:
    with pytest.raises(TokenError):
        Token.opened(text, KEYS, NOW)


def head(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("GET /quarantine/abc?utm=1 HTTP/1.1", "Host: x"), Request("GET", "/quarantine/abc", 0)),
        (("HEAD /abc HTTP/1.0",), Request("HEAD", "/abc", 0)),
        (("POST /q/ HTTP/1.1", "Content-Length: 12", FORM), Request("POST", "/q/", 12)),
        (("POST / HTTP/1.1", "content-length:12", f"{FORM}; charset=utf-8"), Request("POST", "/", 12)),
        (("GET /abc",), 400),
        (("GET abc HTTP/1.1",), 400),
        (("GET /\x01 HTTP/1.1",), 400),
        (("PUT / HTTP/1.1",), 405),
        (("POST / HTTP/1.1", FORM), 411),
        (("POST / HTTP/1.1", FORM, "Transfer-Encoding: chunked"), 411),
        (("POST / HTTP/1.1", FORM, "Content-Length: 1", "Content-Length: 2"), 400),
        (("POST / HTTP/1.1", FORM, "Content-Length: +1"), 400),
        (("POST / HTTP/1.1", FORM, f"Content-Length: {MOST_BODY + 1}"), 413),
        (("POST / HTTP/1.1", "Content-Type: application/json", "Content-Length: 1"), 415),
        (("GET / HTTP/1.1", " folded: x"), 400),
        (("GET / HTTP/1.1", "Bad field: x"), 400),
    ],
)
def test_requests_are_read_or_refused(lines: tuple[str, ...], expected: Request | int) -> None:
    if isinstance(expected, Request):
        assert Request.from_head(head(*lines)) == expected
        return
    with pytest.raises(RequestError) as refused:
        Request.from_head(head(*lines))
    assert refused.value.status == expected


def test_a_form_is_read_or_refused() -> None:
    assert form(b"token=abc%2D&x=1+2") == {"token": "abc-", "x": "1 2"}
    for body in (b"a=1&a=2", b"a=%ff", "a=ü".encode(), b"&".join(b"%d=1" % n for n in range(20)), b"a" * 5000):
        with pytest.raises(RequestError):
            form(body)


@given(st.binary(max_size=400))
def test_any_octets_are_a_request_and_a_form_or_refused(octets: bytes) -> None:
    for parse in (Request.from_head, form):
        with contextlib.suppress(RequestError):
            parse(octets)
