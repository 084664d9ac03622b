"""Complaints, delivery reports and signed return paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.feedback.feedback_samples import ARF, DSN

from danelaw.feedback import VERP, FeedbackError, read_complaint, read_notice
from danelaw.feedback.parts import LONGEST, MOST_OCTETS
from fuzz import feedback_read

KEY = "a key of more than sixteen octets"


def test_the_complaint_of_the_standard_is_read() -> None:
    found = read_complaint(ARF)
    assert found is not None
    assert (found.kind, found.source_ip, found.mail_from) == ("abuse", "192.0.2.1", "somespammer@example.net")
    assert found.recipients == ("user@example.com",)
    assert found.domains == ("example.net",)
    assert found.reporter == "<abusedesk@example.com>"
    assert found.message_id == "8787KJKJ3K4J3K4J3K4J3.mail@example.net"
    assert found.list_unsubscribe == "<https://example.net/u/1>"
    assert found.incidents == 1
    assert read_notice(ARF) is None


def test_a_delivery_report_is_read_recipient_by_recipient() -> None:
    found = read_notice(DSN)
    assert found is not None
    assert (found.reporting_mta, found.envelope_id, found.message_id) == ("cs.utk.edu", "QQ314159", "<2@cs.utk.edu>")
    assert found.list_id == "<news.example.org>"
    first, second = found.recipients
    assert (first.action, first.status, first.is_permanent) == ("failed", "4.0.0", False)
    assert (second.address, second.original) == ("anna@moved.example", "anna@example.org")
    assert (second.status, second.remote_mta, second.is_permanent) == ("5.1.1", "mx.moved.example", True)
    assert second.diagnostic == "550 5.1.1 no such user"
    assert read_complaint(DSN) is None


def test_one_group_for_all_is_read_too() -> None:
    found = read_notice(DSN.replace(b"Original-Envelope-Id: QQ314159\r\n\r\n", b""))
    assert found is not None
    assert [one.status for one in found.recipients] == ["4.0.0", "5.1.1"]


def test_a_mail_that_is_neither_is_none() -> None:
    assert read_complaint(b"Subject: hello\r\n\r\nhi\r\n") is None
    assert read_notice(b"Subject: hello\r\n\r\nhi\r\n") is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"Feedback-Type: abuse", b"X: abuse", "does not say what"),
        (b"Feedback-Type: abuse", b"Feedback-Type: auth-failure", "about authentication"),
        (b"Version: 1\r\n", b"X: " + b"y" * MOST_OCTETS + b"\r\n", "more than"),
        (b"Version: 1\r\n", b"X: y\r\n" * 501, "501|fields|500"),
    ],
)
def test_what_cannot_be_used_is_said(old: bytes, new: bytes, words: str) -> None:
    with pytest.raises(FeedbackError, match=words):
        read_complaint(ARF.replace(old, new, 1))


def test_values_are_cut_and_harmless() -> None:
    long = ARF.replace(b"SomeGenerator/1.0", b"x\x1b[31m" + b"y" * 2000)
    found = read_complaint(long)
    assert found is not None
    assert len(found.user_agent) == LONGEST
    assert found.user_agent.isprintable()


@given(st.binary(max_size=2000), st.integers(0, len(DSN)))
def test_whatever_comes_is_read_or_refused_in_words(noise: bytes, at: int) -> None:
    for sample in (b"", ARF, DSN):
        feedback_read.test_one_input(sample[:at] + noise + sample[at:])


def test_a_return_path_says_whom_it_is_about_and_nobody_else_can_make_one() -> None:
    verp = VERP("bounces@lists.example.org", KEY)
    path = verp.reverse_path("anna@example.org")
    assert path.startswith("bounces+anna=example.org=")
    assert path.endswith("@lists.example.org")
    assert verp.recipient(path) == "anna@example.org"
    assert verp.recipient(path.replace("anna", "bert")) is None
    assert verp.recipient("bounces@lists.example.org") is None
    assert verp.recipient(path.replace("lists", "other")) is None
    assert VERP("bounces@lists.example.org", KEY + "!").recipient(path) is None


@given(
    st.from_regex(r"[a-z0-9.+=_-]{1,20}", fullmatch=True), st.from_regex(r"[a-z]{1,8}\.(test|example)", fullmatch=True)
)
def test_what_was_written_is_read_again_also_in_capitals(local: str, domain: str) -> None:
    verp = VERP("b@lists.example.org", KEY)
    try:
        path = verp.reverse_path(f"{local}@{domain}")
    except FeedbackError:
        return
    assert verp.recipient(path) == f"{local}@{domain}"
    loud = verp.recipient(path.upper())
    assert loud is not None
    assert loud.lower() == f"{local}@{domain}"


@given(st.text(max_size=100))
def test_no_other_address_is_taken_for_one_of_ours(text: str) -> None:
    assert VERP("b@lists.example.org", KEY).recipient(text + "@lists.example.org") is None


def test_an_address_that_does_not_fit_and_a_short_key_are_refused() -> None:
    with pytest.raises(FeedbackError, match="does not fit"):
        VERP("bounces@lists.example.org", KEY).reverse_path("x" * 40 + "@example.org")
    with pytest.raises(FeedbackError, match="less than 16"):
        VERP("bounces@lists.example.org", "short")
    with pytest.raises(FeedbackError, match="not a mailbox"):
        VERP("nobody", KEY)
