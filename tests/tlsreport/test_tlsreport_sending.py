"""A report as it is sent: its JSON (RFC 8460 §4.4), its size, and the mail around it (§5)."""

from __future__ import annotations

import email
import email.policy
import gzip
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danelaw.address import Domain
from danelaw.dane import TLSARecord
from danelaw.mtasts import PolicyMode, STSPolicy
from danelaw.tlsreport import (
    FailureDetail,
    PolicyResult,
    PolicyType,
    ReportedPolicy,
    ReportError,
    ReportMail,
    TLSReport,
    compress,
    failure_detail,
    fitted,
    report_id,
    reported_policy,
    to_json,
)

DAY = 1_459_468_800
STS = STSPolicy(PolicyMode.TESTING, ("*.mail.company-y.example", "mx2.company-y.example"), 86_400)
DETAILS = (
    FailureDetail("certificate-expired", 100, "2001:db8:abcd:12::1", "mx1.mail.company-y.example"),
    FailureDetail(
        "starttls-not-supported", 200, "2001:db8:abcd:13::1", "mx2.mail.company-y.example", "mx2", "203.0.113.56",
        "https://reports.company-x.example/?id=1", "X509_V_ERR",
    ),
)  # fmt: skip
REPORT = TLSReport(
    "Company-X",
    "sts-reporting@company-x.example",
    report_id("company-y.example", DAY, "company-x.example"),
    DAY,
    DAY + 86_399,
    (
        PolicyResult(reported_policy("sts", Domain("company-y.example"), STS), 5326, 300, DETAILS),
        PolicyResult(ReportedPolicy(PolicyType.NONE, "company-y.example"), 1, 0),
    ),
)


def test_the_document_is_that_of_rfc_8460_appendix_b() -> None:
    assert json.loads(to_json(REPORT)) == {
        "organization-name": "Company-X",
        "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
        "contact-info": "sts-reporting@company-x.example",
        "report-id": f"{DAY}.company-y.example@company-x.example",
        "policies": [
            {
                "policy": {
                    "policy-type": "sts",
                    "policy-string": [
                        "version: STSv1", "mode: testing", "mx: *.mail.company-y.example",
                        "mx: mx2.company-y.example", "max_age: 86400",
                    ],
                    "policy-domain": "company-y.example",
                    "mx-host": ["*.mail.company-y.example", "mx2.company-y.example"],
                },
                "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 300},
                "failure-details": [
                    {
                        "result-type": "certificate-expired",
                        "sending-mta-ip": "2001:db8:abcd:12::1",
                        "receiving-mx-hostname": "mx1.mail.company-y.example",
                        "failed-session-count": 100,
                    },
                    {
                        "result-type": "starttls-not-supported",
                        "sending-mta-ip": "2001:db8:abcd:13::1",
                        "receiving-mx-hostname": "mx2.mail.company-y.example",
                        "receiving-mx-helo": "mx2",
                        "receiving-ip": "203.0.113.56",
                        "failed-session-count": 200,
                        "additional-information": "https://reports.company-x.example/?id=1",
                        "failure-reason-code": "X509_V_ERR",
                    },
                ],
            },
            {
                "policy": {"policy-type": "no-policy-found", "policy-domain": "company-y.example"},
                "summary": {"total-successful-session-count": 1, "total-failure-session-count": 0},
            },
        ],
    }  # fmt: skip


def test_records_are_told_without_spaces_within_and_domains_as_a_labels() -> None:
    record = TLSARecord(3, 1, 1, bytes.fromhex("1f850a33" * 8))
    policy = reported_policy("tlsa", Domain.from_text("mx.grün.example"), (record,))
    assert policy.strings == ("3 1 1 " + "1f850a33" * 8,)
    assert (policy.domain, policy.mx_hosts) == ("mx.xn--grn-ioa.example", ())


def test_the_same_report_gives_the_same_octets() -> None:
    packed = compress(to_json(REPORT))
    assert packed == compress(to_json(replace(REPORT)))
    assert gzip.decompress(packed) == to_json(REPORT)
    assert packed[4:8] == bytes(4)  # no time of its making


@settings(max_examples=100)
@given(st.text(max_size=40), st.text(max_size=300))
def test_what_servers_say_makes_no_document_that_is_not_i_json(kind: str, reason: str) -> None:
    detail = failure_detail(kind, reason, host="mx.example")
    assert len(detail.failure_reason_code) <= 200
    report = replace(REPORT, policies=(PolicyResult(REPORT.policies[0].policy, 0, 1, (detail,)),))
    text = to_json(report).decode("utf-8")
    assert not re.search("[\x00-\x1f\ud800-\udfff]", text)
    assert json.loads(text)["policies"][0]["failure-details"][0]["failed-session-count"] == 1


def test_a_large_report_keeps_its_counts_and_loses_details() -> None:
    many = tuple(
        failure_detail(kind, f"reason {number}", host=f"mx{number % 3}.example", receiving=f"192.0.2.{number}")
        for number in range(200)
        for kind in ("tlsa-invalid", "certificate-expired")
    )
    whole = replace(REPORT, policies=(PolicyResult(REPORT.policies[0].policy, 5, 400, many),))
    assert fitted(whole, 1 << 20) is not whole
    assert fitted(whole, 1 << 20) == whole
    by_host, by_kind = fitted(whole, 4096), fitted(whole, 900)
    for smaller, details in ((by_host, 6), (by_kind, 2)):
        (result,) = smaller.policies
        assert len(result.failures) == details
        assert sum(one.count for one in result.failures) == result.failed == 400
    assert len(to_json(by_host)) <= 4096


def test_the_mail_is_what_rfc_8460_asks_for() -> None:
    mail = ReportMail(
        sender="tls-reports@company-x.example", to="reports@company-y.example", domain="company-y.example"
    )
    octets = mail.build(REPORT, date=DAY + 90_000.0, message_id="<m@x.example>", boundary="=_b")
    assert max(map(len, octets.split(b"\r\n"))) <= 78
    message = email.message_from_bytes(octets, policy=email.policy.SMTP)
    assert re.sub(r"\s+", " ", message["Subject"]) == (
        "Report Domain: company-y.example Submitter: company-x.example "
        f"Report-ID: <{DAY}.company-y.example@company-x.example>"
    )
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "tlsrpt"
    assert message["TLS-Report-Domain"] == "company-y.example"
    assert message["TLS-Report-Submitter"] == "company-x.example"
    assert message["TLS-Required"] == "No"
    words, file = message.iter_parts()
    assert words.get_content_type() == "text/plain"
    assert "Sessions that went well: 5327; that failed: 300" in words.get_content()
    assert file.get_content_type() == "application/tlsrpt+gzip"
    assert file.get_filename() == f"company-x.example!company-y.example!{DAY}!{DAY + 86_399}.json.gz"
    assert gzip.decompress(file.get_content()) == to_json(REPORT)


@pytest.mark.parametrize("domain", ["", "a b.example", "x\r\nBcc: y", "a..b"])
def test_no_name_breaks_out_of_its_field(domain: str) -> None:
    mail = ReportMail(sender="a@x.example", to="b@y.example", domain=domain)
    with pytest.raises(ReportError):
        mail.build(REPORT, date=0.0, message_id="<m@x>", boundary="b")
