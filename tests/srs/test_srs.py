"""Rewritten senders: there and back, and nobody else's way."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from danelaw.address import Domain, Mailbox
from danelaw.srs import Rewriter, SRSError
from fuzz import srs_reverse

KEY, OLD = b"k" * 24, b"o" * 24
OURS, OTHER = Domain("srs.ours.test"), Domain("srs.other.test")
DAY = 20_700
ANNA = Mailbox.from_text("Anna.B=x@example.org")


def rewriter(domain: Domain = OURS, *keys: bytes, max_age: int = 21) -> Rewriter:
    return Rewriter(domain, keys or (KEY,), max_age=max_age)


def test_there_and_back_with_case_kept() -> None:
    there = rewriter().forward(ANNA, DAY)
    assert there.domain == OURS
    assert there.localpart.content.startswith("SRS0=")
    assert there.localpart.content.endswith("=example.org=Anna.B=x")
    assert rewriter().reverse(there, DAY + 21) == ANNA


def test_it_leads_back_though_case_was_folded_on_the_way() -> None:
    folded = Mailbox.from_text(rewriter().forward(ANNA, DAY).to_text().lower())
    assert rewriter().reverse(folded, DAY).to_text() == "anna.b=x@example.org"


def test_it_ends_after_its_time_and_across_the_turn_of_the_count() -> None:
    for day in (DAY, 1023, 1020):
        there = rewriter().forward(ANNA, day)
        assert rewriter().reverse(there, day + 21) == ANNA
        with pytest.raises(SRSError, match="expired"):
            rewriter().reverse(there, day + 22)
    with pytest.raises(SRSError, match="expired"):
        rewriter().reverse(rewriter().forward(ANNA, DAY + 1), DAY)


def test_a_second_forwarder_shortens_the_way_and_a_third_keeps_it_short() -> None:
    first, second, third = rewriter(OTHER, OLD), rewriter(), rewriter(Domain("srs.third.test"), b"t" * 16)
    one = first.forward(Mailbox.from_text("a@b.test"), DAY)
    two = second.forward(one, DAY)
    assert two.localpart.content.startswith("SRS1=")
    assert "=srs.other.test==" in two.localpart.content
    three = third.forward(two, DAY)
    assert third.reverse(three, DAY) == one == second.reverse(two, DAY)
    assert first.reverse(one, DAY) == Mailbox.from_text("a@b.test")


def test_our_own_address_stays() -> None:
    there = rewriter().forward(ANNA, DAY)
    assert rewriter().forward(there, DAY) == there


def test_keys_rotate() -> None:
    old = rewriter(OURS, OLD).forward(ANNA, DAY)
    assert rewriter(OURS, KEY, OLD).reverse(old, DAY) == ANNA
    with pytest.raises(SRSError, match="not ours"):
        rewriter(OURS, KEY).reverse(old, DAY)
    new = rewriter(OURS, KEY, OLD).forward(ANNA, DAY)
    assert rewriter(OURS, KEY).reverse(new, DAY) == ANNA


@pytest.mark.parametrize(
    "local",
    ["SRS0=aaaaaa=BD=example.org=anna", "SRS0=x", "SRS0==BD==", "SRS1=aaaaaa=b.test==x", "SRS1=x", "SRS2=a=b", "anna"],
)
def test_what_we_did_not_sign_leads_nowhere(local: str) -> None:
    with pytest.raises(SRSError):
        rewriter().reverse(Mailbox.from_text(f"{local}@srs.ours.test"), DAY)


def test_what_does_not_fit_is_not_rewritten() -> None:
    with pytest.raises(SRSError, match="64 octets"):
        rewriter().forward(Mailbox.from_text("a" * 40 + "@long.example.org"), DAY)
    with pytest.raises(SRSError, match="literal"):
        rewriter().forward(Mailbox.from_text("a@[192.0.2.1]"), DAY)


def test_short_or_missing_keys_are_refused() -> None:
    for keys in ([], [b"short"]):
        with pytest.raises(SRSError, match="16 octets"):
            Rewriter(OURS, keys)


locals_ = st.from_regex(r"[a-zA-Z0-9=+\-_.]{1,24}", fullmatch=True)


@given(locals_, st.integers(0, 5000), st.integers(0, 21))
def test_every_sender_that_fits_comes_back(local: str, day: int, later: int) -> None:
    assume(not local.startswith(".") and not local.endswith(".") and ".." not in local)
    assume(not local.upper().startswith("SRS"))
    sender = Mailbox.from_text(f"{local}@sender.test")
    assert rewriter().reverse(rewriter().forward(sender, day), day + later) == sender


@given(st.integers(5, 40), st.sampled_from("abcxyz279"))
def test_a_changed_letter_breaks_the_signature(at: int, letter: str) -> None:
    there = rewriter().forward(Mailbox.from_text("carl@sender.test"), DAY).localpart.content
    assume(at < len(there) and there[at].lower() != letter)
    with pytest.raises(SRSError):
        rewriter().reverse(Mailbox.from_text(f"{there[:at]}{letter}{there[at + 1 :]}@srs.ours.test"), DAY)


@given(st.binary(max_size=100))
def test_the_fuzz_target_holds(data: bytes) -> None:
    srs_reverse.test_one_input(data)
    srs_reverse.test_one_input(b"SRS0=" + data)
    srs_reverse.test_one_input(b"SRS1=" + data)
