"""Failure reports of others: what is ours reads back, real ones are read, and nothing grows or is believed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dmarcreport_samples import failure_mail
from hypothesis import given, settings
from hypothesis import strategies as st

from danelaw.dmarcreport import ReportError, read_failure_mail
from danelaw.dmarcreport.failure import MOST_HEADER
from danelaw.dmarcreport.failure_reading import LONGEST_VALUE, MOST_FIELDS, MOST_FIELDS_OCTETS
from fuzz import dmarcreport_failure

HEADER = (
    b"Subject: plan\r\nFrom: Anna <anna@example.com>\r\nTo: bob@ours.test\r\nDKIM-Signature: v=1; z=Subject:plan\r\n"
)
PIECES = [b"\r\n", b":", b",", b"@", b"\0", b"\xff", b"=?utf-8?q?x?=", b"--=--", b"Source-IP: ::1\r\n", b"none",
          b"Reported-Domain: x.test\r\n", b"--=\r\nContent-Type: message/rfc822\r\n\r\n",
          b"From: a@b.test\r\n"]  # fmt: skip


def test_a_report_reads_as_it_was_meant() -> None:
    report = read_failure_mail(failure_mail(HEADER))
    assert report is not None
    assert (report.reporter, report.domain, report.kind, report.source_ip) == (
        "reporter.test", "example.com", "dmarc", "192.0.2.9"
    )  # fmt: skip
    assert (report.failed, report.delivery, report.incidents) == (("dkim", "spf"), "reject", 3)
    assert (report.mail_from, report.recipients) == ("x@example.com", ("bob@ours.test",))
    assert (report.dkim_domain, report.dkim_selector, report.spf_dns) == (
        "example.com", "s1", ('txt : example.com : "v=spf1 -all"',)
    )  # fmt: skip
    assert report.header == HEADER
    assert not report.remarks


def test_persons_are_hidden_and_the_subject_goes() -> None:
    report = read_failure_mail(failure_mail(HEADER))
    assert report is not None
    hidden = report.without_persons()
    for private in ("anna", "bob", "x@", "plan"):
        assert private not in repr(hidden), private
    assert b"<***@example.com>" in hidden.header
    assert hidden.recipients == ("…@ours.test",)


@pytest.mark.parametrize(("old", "new", "words"), [
    ("auth-failure", "abuse", "it is a feedback report of type 'abuse', not about authentication"),
    ("Feedback-Type: auth-failure", "X: y", "it is a feedback report of type '', not about authentication"),
    ("Reported-Domain: example.com", "Reported-Domain: a..b", "it does not say which domain it is about"),
    ("User-Agent: x", "User-Agent: " + "x" * MOST_FIELDS_OCTETS, f"longer than {MOST_FIELDS_OCTETS} octets"),
    ("User-Agent: x", "A: b\r\n" * MOST_FIELDS + "User-Agent: x", f"more than {MOST_FIELDS} fields"),
])  # fmt: skip
def test_what_cannot_be_used_says_why(old: str, new: str, words: str) -> None:
    with pytest.raises(ReportError) as caught:
        read_failure_mail(failure_mail(b"Subject: no author\r\n", (old, new)))
    assert words in caught.value.reason


@pytest.mark.parametrize(("old", "new", "remark"), [
    ("Auth-Failure: dmarc", "Auth-Failure: bad mood", "Auth-Failure is 'bad mood'"),
    ("Delivery-Result: reject", "Delivery-Result: eaten", "Delivery-Result is 'eaten'"),
    ("Source-IP: 192.0.2.9", "Source-IP: somewhere", "Source-IP is no address"),
    ("Source-IP: 192.0.2.9", "X: y", "Source-IP is missing"),
    ("Incidents: 3", "Incidents: -7", "Incidents is '-7'"),
    ("Incidents: 3", "Incidents: 99999999999999999999", "Incidents is '99999999999999999999'"),
    ("Identity-Alignment: dkim, spf", "Identity-Alignment: dkim,magic", "Identity-Alignment names 'magic'"),
    ("Reported-Domain: example.com", "X: y", "Reported-Domain is missing"),
])  # fmt: skip
def test_odd_words_are_remarked_on_and_not_believed(old: str, new: str, remark: str) -> None:
    report = read_failure_mail(failure_mail(HEADER, (old, new)))
    assert report is not None
    assert report.remarks == (remark,)
    assert report.domain == "example.com"
    assert report.incidents in (1, 3)


def test_long_values_and_headers_are_cut() -> None:
    long = b"".join(b"X-%d: %b\r\n" % (number, b"y" * 900) for number in range(200))
    report = read_failure_mail(failure_mail(HEADER + long, ("User-Agent: x", "User-Agent: " + "x" * 5000)))
    assert report is not None
    assert len(report.user_agent) == LONGEST_VALUE
    assert report.header.startswith(HEADER)
    assert MOST_HEADER - 1000 < len(report.header) <= MOST_HEADER
    assert report.header.endswith(b"\r\n")


def test_a_report_within_a_reported_message_is_not_ours_to_read() -> None:
    inner = failure_mail(HEADER)
    outer = b'Content-Type: multipart/mixed; boundary="o"\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n' + inner
    assert read_failure_mail(outer + b"\r\n--o--\r\n") is None
    assert read_failure_mail(b"Subject: hello\r\n\r\nhi\r\n") is None


@pytest.mark.corpus
def test_the_samples_of_parsedmarc_are_read(corpus: Callable[[str], Path]) -> None:
    found = {}
    for path in sorted((corpus("dmarc") / "parsedmarc" / "samples" / "failure").iterdir()):
        report = read_failure_mail(path.read_bytes())
        found[path.name[:22]] = (
            None if report is None else (report.reporter, report.domain, report.source_ip, report.delivery)
        )
    assert found == {
        "DMARC Failure Report f": ("domain.de", "domain.de", "10.10.10.10", ""),
        "[Netease DMARC Failure": ("163.com", "cardinal.com", "167.89.69.24", "delivered"),
        "dmarc_ruf_report_linke": ("linkedin.com", "example.com", "10.10.10.10", "delivered"),
        "exim_plain_text_only_n": None,  # words alone, no part for machines
    }


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=20)), max_size=12).map(b"".join))
@settings(max_examples=150, deadline=None)
def test_any_octets(octets: bytes) -> None:
    dmarcreport_failure.test_one_input(octets)


@given(st.integers(0, 2000), st.integers(0, 2000), st.sampled_from(PIECES))
@settings(max_examples=150, deadline=None)
def test_a_report_with_a_hole(start: int, end: int, piece: bytes) -> None:
    mail = failure_mail(HEADER)
    dmarcreport_failure.test_one_input(mail[: min(start, end)] + piece + mail[max(start, end) :])
