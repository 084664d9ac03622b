"""Who is told (RFC 3461 §5.2), and the encodings of DSN parameters (RFC 3461 §4, RFC 6533 §3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.dsn import (
    Action,
    DSNError,
    Told,
    decode_unitext,
    decode_xtext,
    encode_unitext,
    encode_xtext,
    relayed_notice,
    told,
)


@pytest.mark.parametrize(
    ("action", "notify", "expected"),
    [
        (Action.FAILED, None, Told.SENDER),
        (Action.FAILED, "FAILURE", Told.SENDER),
        (Action.FAILED, "SUCCESS,failure", Told.SENDER),
        (Action.FAILED, "SUCCESS", Told.NOBODY),
        (Action.FAILED, "DELAY", Told.NOBODY),
        (Action.FAILED, "NEVER", Told.NOBODY),
        (Action.DELAYED, None, Told.SENDER),
        (Action.DELAYED, "DELAY,FAILURE", Told.SENDER),
        (Action.DELAYED, "FAILURE", Told.NOBODY),
        (Action.DELAYED, "NEVER", Told.NOBODY),
        (Action.DELIVERED, None, Told.NOBODY),
        (Action.DELIVERED, "SUCCESS", Told.SENDER),
        (Action.RELAYED, "SUCCESS", Told.SENDER),
        (Action.RELAYED, "FAILURE", Told.NOBODY),
        (Action.EXPANDED, "SUCCESS", Told.SENDER),
    ],
)
def test_notify_decides(action: Action, notify: str | None, expected: Told) -> None:
    assert told(action, notify, null_reverse_path=False) is expected


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("notify", [None, "SUCCESS,FAILURE,DELAY", "NEVER"])
def test_nobody_is_told_about_a_notice(action: Action, notify: str | None) -> None:
    expected = Told.POSTMASTER if action is Action.FAILED else Told.NOBODY
    assert told(action, notify, null_reverse_path=True) is expected


def test_relayed_is_told_only_when_the_next_hop_will_not() -> None:
    assert relayed_notice("SUCCESS", next_hop_offers_dsn=False, null_reverse_path=False)
    assert not relayed_notice("SUCCESS", next_hop_offers_dsn=True, null_reverse_path=False)
    assert not relayed_notice(None, next_hop_offers_dsn=False, null_reverse_path=False)
    assert not relayed_notice("SUCCESS", next_hop_offers_dsn=False, null_reverse_path=True)


@given(st.binary(max_size=60))
def test_xtext_round_trip(octets: bytes) -> None:
    text = encode_xtext(octets)
    assert text.isascii()
    assert not set(text) & set("= \r\n")
    assert decode_xtext(text) == octets


@pytest.mark.parametrize("text", ["a+b", "a=b", "a b", "a+2b", "é", "+4"])
def test_not_xtext(text: str) -> None:
    with pytest.raises(DSNError):
        decode_xtext(text)


@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=40))
def test_unitext_round_trip(address: str) -> None:
    text = encode_unitext(address)
    assert text.isascii()
    assert not set(text) & set("+= ")
    assert decode_unitext(text) == address


def test_unitext_that_is_no_character_stays() -> None:
    assert decode_unitext("\\x{D800}\\x{110000}\\x{E9}") == "\\x{D800}\\x{110000}é"
