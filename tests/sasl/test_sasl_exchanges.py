"""Exchanges: the examples of the RFCs, what must fail, and that any octets give a step."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.sasl import (
    MECHANISMS,
    Challenge,
    ChannelBindings,
    Claimed,
    Failed,
    Proved,
    SCRAMKeys,
    Secret,
    begin,
    plain_response,
)
from danelaw.sasl.exchange import MOST_RESPONSE
from fuzz.sasl_exchange import test_one_input as fuzz_one

NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
PENCIL = SCRAMKeys.of("pencil", SALT, iterations=4096)
FINAL = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="


def final(first: bytes, server_first: bytes, bound: bytes, password: str) -> bytes:
    """What a client answers that knows a password, written from RFC 5802 §3 apart from the code under test."""
    header, bare = first[: -len(first.split(b",", 2)[2])], first.split(b",", 2)[2]
    fields = dict(part.split(b"=", 1) for part in server_first.split(b","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields[b"s"]), int(fields[b"i"]))
    client_key = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    without = b"c=" + base64.b64encode(header + bound) + b",r=" + fields[b"r"]
    signature = hmac.new(
        hashlib.sha256(client_key).digest(), b",".join((bare, server_first, without)), hashlib.sha256
    ).digest()
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    return without + b",p=" + base64.b64encode(proof)


def test_plain_takes_the_examples_of_rfc_4616() -> None:
    # RFC 4616 §4
    assert begin("PLAIN", nonce=NONCE).start(b"\0tim\0tanstaaftanstaaf") == Claimed("tim", Secret("tanstaaftanstaaf"))
    step = begin("PLAIN", nonce=NONCE).start(b"Ursel\0Kurt\0xipj3plmq")
    assert isinstance(step, Failed)


def test_plain_without_an_initial_response_is_asked_for_it() -> None:
    exchange = begin("PLAIN", nonce=NONCE)
    assert exchange.start(None) == Challenge(b"")
    assert exchange.respond(b"tim\0tim\0x") == Claimed("tim", Secret("x"))


@pytest.mark.parametrize(
    "response",
    [b"", b"tim", b"\0tim", b"\0\0x", b"\0tim\0", b"\0tim\0a\0b", b"\0\xff\0x", b"\0" + b"t" * 256 + b"\0x"],
)
def test_plain_refuses_what_is_no_response_of_it(response: bytes) -> None:
    step = begin("PLAIN", nonce=NONCE).start(response)
    assert isinstance(step, Failed)
    assert step.malformed


def test_login_asks_twice_or_takes_the_name_at_once() -> None:
    exchange = begin("LOGIN", nonce=NONCE)
    assert exchange.start(None) == Challenge(b"Username:")
    assert exchange.respond(b"tim") == Challenge(b"Password:")
    assert exchange.respond(b"secret") == Claimed("tim", Secret("secret"))
    exchange = begin("LOGIN", nonce=NONCE)
    assert exchange.start(b"tim") == Challenge(b"Password:")


def test_a_password_shows_itself_nowhere() -> None:
    step = begin("PLAIN", nonce=NONCE).start(b"\0tim\0tanstaaf")
    assert "tanstaaf" not in repr(step)
    assert isinstance(step, Claimed)
    assert "tanstaaf" not in f"{step.password} {step.password!r}"


def test_names_and_passwords_that_look_the_same_are_the_same() -> None:
    # RFC 4013 §3: soft hyphen goes, NFKC makes one of the ligature
    step = begin("PLAIN", nonce=NONCE).start("\0I\u00adX\0\ufb01sh\u00a0".encode())
    assert step == Claimed("IX", Secret("fish "))


def test_scram_gives_the_example_of_rfc_7677() -> None:
    # RFC 7677 §3
    exchange = begin("SCRAM-SHA-256", nonce=NONCE)
    assert exchange.start(FIRST) == Claimed("user", None)
    assert exchange.keys(PENCIL) == Challenge(
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert exchange.respond(FINAL) == Challenge(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    assert exchange.respond(b"") == Proved("user")


def test_scram_is_not_done_before_our_proof_was_taken() -> None:
    exchange = begin("SCRAM-SHA-256", nonce=NONCE)
    exchange.start(FIRST)
    exchange.keys(PENCIL)
    exchange.respond(FINAL)
    assert isinstance(exchange.respond(b"x"), Failed)


def test_scram_with_a_wrong_password_a_decoy_or_another_nonce_fails() -> None:
    for keys, response in (
        (SCRAMKeys.of("pen", SALT, iterations=4096), FINAL),
        (PENCIL.decoy(bytes(range(64))), FINAL),
        (PENCIL, FINAL.replace(b"fuxF", b"fuxG")),
        (PENCIL, FINAL.replace(b"c=biws", b"c=eSws")),
        (PENCIL, FINAL.replace(b"dHzb", b"dHzc")),
        (PENCIL, FINAL[:-8]),
        (PENCIL, b""),
    ):
        exchange = begin("SCRAM-SHA-256", nonce=NONCE)
        exchange.start(FIRST)
        exchange.keys(keys)
        assert isinstance(exchange.respond(response), Failed), response


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"n,,",
        b"n,,n=user",
        b"n,,r=x,n=user",
        b"x,,n=user,r=abc",
        b"n,,m=x,n=user,r=abc",
        b"n,,n=us=er,r=abc",
        b"n,,n=user,r=a b",
        b"p=tls-unique,,n=user,r=abc",
        b"n,a=other,n=user,r=abc",
        b"n,,n=user,r=" + b"x" * 513,
    ],
)
def test_scram_refuses_first_messages_that_are_none(first: bytes) -> None:
    step = begin("SCRAM-SHA-256", nonce=NONCE).start(first)
    assert isinstance(step, Failed)
    assert step.malformed


def test_scram_names_may_hold_commas_and_equals_signs() -> None:
    assert begin("SCRAM-SHA-256", nonce=NONCE).start(b"n,,n=a=2Cb=3Dc,r=x") == Claimed("a,b=c", None)


def test_scram_plus_binds_to_the_channel() -> None:
    first = b"p=tls-server-end-point,,n=user,r=abc"
    bindings = ChannelBindings({"tls-server-end-point": b"\1" * 32}, offered=True)
    for bound, good in ((b"\1" * 32, True), (b"\2" * 32, False), (b"", False)):
        exchange = begin("SCRAM-SHA-256-PLUS", nonce=NONCE, bindings=bindings)
        assert exchange.start(first) == Claimed("user", None)
        challenge = exchange.keys(PENCIL)
        assert isinstance(challenge, Challenge)
        step = exchange.respond(final(first, challenge.data, bound, "pencil"))
        assert isinstance(step, Challenge if good else Failed)


@pytest.mark.parametrize(
    ("mechanism", "first", "offered"),
    [
        ("SCRAM-SHA-256-PLUS", b"n,,n=user,r=abc", True),
        ("SCRAM-SHA-256-PLUS", b"p=tls-exporter,,n=user,r=abc", True),
        ("SCRAM-SHA-256", b"y,,n=user,r=abc", True),
    ],
)
def test_scram_finds_out_who_takes_channel_binding_away(mechanism: str, first: bytes, offered: bool) -> None:
    bindings = ChannelBindings({"tls-server-end-point": b"\1" * 32}, offered=offered)
    assert isinstance(begin(mechanism, nonce=NONCE, bindings=bindings).start(first), Failed)


def test_a_client_that_would_bind_may_log_in_where_binding_is_not_offered() -> None:
    assert begin("SCRAM-SHA-256", nonce=NONCE).start(b"y,,n=user,r=abc") == Claimed("user", None)


def test_the_clients_side_of_plain_is_understood_by_ours() -> None:
    response = plain_response("änne", "geheim, geheim")
    assert begin("PLAIN", nonce=NONCE).start(response) == Claimed("änne", Secret("geheim, geheim"))


def test_a_response_has_a_largest_size() -> None:
    step = begin("PLAIN", nonce=NONCE).start(b"\0" + b"a" * MOST_RESPONSE)
    assert isinstance(step, Failed)


@given(st.sampled_from(MECHANISMS), st.lists(st.binary(max_size=200), max_size=4))
def test_any_octets_give_a_step_and_never_a_proof(mechanism: str, responses: list[bytes]) -> None:
    exchange = begin(mechanism, nonce=NONCE)
    step = exchange.start(None)
    for response in responses:
        if not isinstance(step, Challenge):
            break
        step = exchange.respond(response)
        if isinstance(step, Claimed) and step.password is None:
            step = exchange.keys(PENCIL)
    assert not isinstance(step, Proved)


@given(st.binary(max_size=400))
def test_the_fuzz_target_holds(data: bytes) -> None:
    fuzz_one(data)
