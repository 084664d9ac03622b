"""What is sent here is read here: the same counts in the same words, and its signature proves whose it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from test_tlsreport_authenticity import dns_of, proof, signed

from danelaw.tlsreport import (
    Authenticity,
    FailureDetail,
    PolicyResult,
    PolicyType,
    ReportedPolicy,
    ReportMail,
    TLSReport,
    compress,
    from_json,
    read_file,
    read_mail,
    report_id,
    to_json,
)

DAY = 1_790_035_200
RESULTS = ("starttls-not-supported", "certificate-expired", "tlsa-invalid", "sts-webpki-invalid", "validation-failure")
_words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=40)
_counts = st.integers(1, 10**9)
_failures = st.builds(
    FailureDetail,
    result_type=st.sampled_from(RESULTS),
    count=_counts,
    sending_mta_ip=st.sampled_from(("192.0.2.1", "2001:db8::1")),
    receiving_mx_hostname=st.sampled_from(("mx1.example.org", "xn--mx-eka.example.org", "")),
    receiving_ip=st.sampled_from(("192.0.2.2", "")),
    failure_reason_code=_words,
)
_policies = st.builds(
    PolicyResult,
    policy=st.builds(
        ReportedPolicy,
        type=st.sampled_from(PolicyType),
        domain=st.sampled_from(("example.org", "mx1.example.org", "xn--bcher-kva.example")),
        strings=st.lists(st.sampled_from(("version: STSv1", "mode: testing", "3 1 1 0a0b")), max_size=3).map(tuple),
        mx_hosts=st.lists(st.sampled_from(("mx1.example.org", "*.example.org")), max_size=2).map(tuple),
    ),
    successful=_counts,
    failed=_counts,
    failures=st.lists(_failures, max_size=3).map(tuple),
)
REPORT = TLSReport(
    organization="Reporter GmbH",
    contact="tls@company-x.example",
    report_id=report_id("example.org", DAY, "company-x.example"),
    begin=DAY,
    end=DAY + 86_399,
    policies=(
        PolicyResult(
            ReportedPolicy(PolicyType.TLSA, "mx1.example.org", ("3 1 1 0a0b",), ()),
            7,
            2,
            (FailureDetail("tlsa-invalid", 2, "192.0.2.1", "mx1.example.org"),),
        ),
    ),
)


@given(st.lists(_policies, min_size=1, max_size=3), _words)
def test_a_report_of_ours_is_read_as_it_was_meant(policies: list[PolicyResult], organization: str) -> None:
    report = TLSReport(organization, REPORT.contact, REPORT.report_id, DAY, DAY + 86_399, tuple(policies))
    assert from_json(to_json(report)) == report
    assert read_file(compress(to_json(report))) == report


def test_a_mail_of_ours_is_found_and_proved() -> None:
    way = ReportMail(sender="reports@company-x.example", to="tls@example.org", domain="mx1.example.org")
    mail = way.build(REPORT, date=float(DAY), message_id="<1@company-x.example>", boundary="b")
    (found,) = read_mail(mail)
    assert found.report == REPORT
    services = dns_of(services=("email", "tlsrpt"))
    assert proof(signed(mail), services) == Authenticity("company-x.example")
    assert proof(mail, services).domain == ""
