"""Exchanges: the examples of the RFCs, what must fail, and that any octets give a step."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.sasl import (
    MECHANISMS,
    Challenge,
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
        b"p=tls-exporter,,n=user,r=abc",
        b"n,a=other,n=user,r=abc",
        b"n,,n=user,r=" + b"x" * 513,
    ],
)
def test_scram_refuses_first_messages_that_are_none(first: bytes) -> None:
    step = begin("SCRAM-SHA-256", nonce=NONCE).start(first)
    assert isinstance(step, Failed)
    assert step.malformed


def test_an_empty_identity_to_act_as_is_none() -> None:
    assert begin("SCRAM-SHA-256", nonce=NONCE).start(b"n,a=,n=user,r=x") == Claimed("user", None)


def test_scram_names_may_hold_commas_and_equals_signs() -> None:
    assert begin("SCRAM-SHA-256", nonce=NONCE).start(b"n,,n=a=2Cb=3Dc,r=x") == Claimed("a,b=c", None)


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
