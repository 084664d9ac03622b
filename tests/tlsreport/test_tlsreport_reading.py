"""TLS reports read as they come: the RFC's example, samples of others, and every odd spelling we know of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlsreport_samples import RFC, changed, mail, octets

from danelaw.tlsreport import (
    PolicyType,
    ReadingLimits,
    ReportError,
    TLSReport,
    compress,
    explained,
    from_json,
    looks_like_mail,
    read_file,
    read_mail,
    unpack,
)

POLICY = RFC["policies"][0]  # type: ignore[index]


def read(report: Any) -> TLSReport:
    return from_json(octets(report))


def test_the_example_of_the_rfc() -> None:
    report = read(RFC)
    (one,) = report.policies
    assert (report.organization, report.contact) == ("Company-X", "sts-reporting@company-x.example")
    assert (report.begin, report.end) == (1459468800, 1459555199)
    assert (one.policy.type, one.policy.domain, one.policy.mx_hosts) == (
        PolicyType.STS, "company-y.example", ("*.mail.company-y.example",)
    )  # fmt: skip
    assert one.policy.strings[1] == "mode: testing"
    assert (one.successful, one.failed) == (5326, 303)
    assert [(failure.result_type, failure.count) for failure in one.failures] == [
        ("certificate-expired", 100), ("starttls-not-supported", 200), ("validation-failure", 3)
    ]  # fmt: skip
    assert one.failures[2].failure_reason_code == "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"
    assert one.failures[1].receiving_ip == "203.0.113.56"
    assert report.remarks == ()


def policies(*changes: dict[str, Any]) -> dict[str, Any]:
    return changed(policies=[POLICY | change for change in changes])


@pytest.mark.parametrize(
    ("report", "remark"),
    [
        (policies({"failure-detail": POLICY["failure-details"], "failure-details": None}), ""),
        (policies({"failure_details": POLICY["failure-details"], "failure-details": None}), ""),
        (changed(policies=POLICY), "policies is no array"),
        (changed(policies=None) | POLICY, "it has no policies array"),
        (policies({"policy": [POLICY["policy"]]}), ""),
        (policies({"policy": [POLICY["policy"], {"policy-domain": "b.example"}]}), "a policy is a list of several"),
        (policies({"policy": None} | POLICY["policy"]), ""),
        (policies({"policy": POLICY["policy"] | {"mx-host": ["*.mail.company-y.example"]}}), ""),
        (policies({"policy": POLICY["policy"] | {"mx-host": "mx: *.MAIL.company-y.example"}}), ""),
        (policies({"policy": POLICY["policy"] | {"policy-string": "\n".join(POLICY["policy"]["policy-string"])}}), ""),
        (policies({"policy": POLICY["policy"] | {"policy-type": "STS"}}), ""),
        (policies({"policy": POLICY["policy"] | {"policy-domain": "Company-Y.example."}}), ""),
        (policies({"summary": {"total-successful-session-count": "5326", "total-failure-session-count": 303.0}}),
         "total-successful-session-count is a text"),
        (policies({"summary": {"total-successful-session-count": 5326}}), "the number of failed sessions is that"),
        (policies({"summary": None} | POLICY["summary"]), ""),
        ([changed()], "the only element of a list"),
        ({name.upper(): value for name, value in RFC.items()}, ""),
        (changed(date_range={"start-datetime": "2016-04-01T02:00:00+02:00", "end-datetime": "2016-04-01T23:59:59"}),
         ""),
        (changed(date_range={"start-datetime": "2016-04-01", "end-datetime": "2016-04-01 23:59:59.999Z"}), ""),
        (changed(date_range={"start-datetime": 1459468800, "end-datetime": "1459555199"}), "datetime is a number"),
        (changed(date_range={"start-datetime": 1459468800000, "end-datetime": 1459555199000}), "is a number"),
        (changed(date_range={"start-datetime": "2016-04-01T00:00:00Z"}), "one end of its period is missing"),
        (changed(date_range={"end-datetime": "2016-04-01T23:59:59Z"}), "one end of its period is missing"),
        (changed(date_range={"start-datetime": "2016-04-01T23:59:59Z", "end-datetime": "2016-04-01T00:00:00Z"}),
         "ends before it begins"),
    ],
)  # fmt: skip
def test_the_same_report_spelled_otherwise(report: Any, remark: str) -> None:
    found = read(report)
    (one,), (true,) = found.policies, read(RFC).policies
    assert one == true
    assert (found.begin, found.end) == (1459468800, 1459555199)
    assert remark in " ".join(found.remarks)
    assert bool(found.remarks) is bool(remark)


@pytest.mark.parametrize(
    ("wrapped", "remark"),
    [
        (lambda text: b"\xef\xbb\xbf" + text, "it begins with a byte order mark"),
        (lambda text: text.decode().encode("utf-16"), "it is not UTF-8"),
        (lambda text: text.replace(b"Company-X", b"Company-\xfc"), "it is not UTF-8"),
        (lambda text: b" \r\n" + text + b"\r\n\r\n", ""),
        (lambda text: text.replace(b'"report-id"', b'"report-id": "x", "report-id"'), "a name stands twice"),
    ],
)
def test_octets_that_should_be_otherwise(wrapped: Callable[[bytes], bytes], remark: str) -> None:
    report = from_json(wrapped(octets()))
    assert report.policies == read(RFC).policies
    assert remark in " ".join(report.remarks)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "no JSON text"),
        (b"[]", "it is no object"),
        (b"[{}, {}]", "it is no object"),
        (b'"x"', "it is no object"),
        (b"{", "no JSON text"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{}", "names no policy domain"),
        (b'{"x": ' + b"9" * 5000 + b"}", "a number is too long"),
        (octets(changed(date_range=None)), "for which time"),
        (octets(changed(date_range={"start-datetime": "yesterday"})), "for which time"),
        (octets(changed(policies=[])), "names no policy domain"),
        (octets(changed(policies=[POLICY | {"policy": {"policy-type": "sts"}}])), "names no policy domain"),
        (octets(changed(policies=[{"policy": {"policy-domain": "a.example"}}])), "names no policy domain"),
        (b"[" + b"0," * 600_000 + b"0]", "more than 500000 values"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused_in_words(text: bytes, reason: str) -> None:
    with pytest.raises(ReportError, match=reason):
        from_json(text)


def test_numbers_that_are_none_and_failures_without_any() -> None:
    details = [{"result-type": "Tlsa-Invalid"}, {"failed-session-count": 0}, {"failed-session-count": -3}, "x", None]
    summary = {"total-successful-session-count": 10**30, "total-failure-session-count": True}
    report = read(policies({"failure-details": details, "summary": summary}))
    (one,) = report.policies
    assert (one.successful, one.failed) == (0, 2)
    assert [(failure.result_type, failure.count) for failure in one.failures] == [
        ("tlsa-invalid", 1), ("validation-failure", 1)
    ]  # fmt: skip
    assert "a failure is not counted (failed-session-count)" in report.remarks
    (alone,) = read(policies({"failure-details": {"result-type": "tlsa-invalid"}})).policies
    assert [failure.count for failure in alone.failures] == [303]


def test_texts_of_strangers_are_cut_and_can_be_stored() -> None:
    text = json.dumps(changed(organization_name="x" * 5000, contact_info="\ud800\0y", report_id=7))
    report = from_json(text.encode())
    assert len(report.organization) == 1024
    assert report.contact == "?y"
    assert report.report_id == "7"
    assert report.contact.encode()


def test_a_report_is_cut_at_its_limits() -> None:
    many = changed(policies=[POLICY] * 5)
    report = from_json(octets(many), limits=ReadingLimits(policies=4, failures=7))
    assert [len(one.failures) for one in report.policies] == [3, 3, 1, 0]
    assert "only its first 4 policies are read" in report.remarks
    assert any("too many failure details" in remark for remark in report.remarks)


def test_files_are_unpacked_within_limits() -> None:
    packed = compress(octets())
    assert read_file(packed) == read_file(octets()) == read(RFC)
    with pytest.raises(ReportError, match="10 are read at most"):
        unpack(packed, most_compressed=10)
    with pytest.raises(ReportError, match="more than 50 octets"):
        unpack(packed, most=50)
    with pytest.raises(ReportError, match="cut off"):
        unpack(packed[:-9])
    with pytest.raises(ReportError, match="zip file"):
        unpack(b"PK\x03\x04")
    bomb = compress(b"[" * (64 << 20))
    with pytest.raises(ReportError, match="octets come out"):
        read_file(bomb)


@pytest.mark.parametrize(
    ("kind", "name", "found"),
    [
        ("application/tlsrpt+gzip", "x", 1),
        ("application/tlsrpt+json", "x", 1),
        ("application/gzip", "x", 1),
        ("application/octet-stream", "a!b!1!2.json.gz", 1),
        ("text/plain", "a.json.gz", 1),
        ("application/gzip", "a.xml.gz", 0),
        ("text/plain", "readme.txt", 0),
    ],
)
def test_reports_in_mail_are_found_by_type_or_name(kind: str, name: str, found: int) -> None:
    attached = read_mail(mail(kind=kind, name=name))
    assert [one.report for one in attached] == [read(RFC)] * found


def test_other_files_of_a_mail_are_left_and_broken_reports_refused() -> None:
    assert read_mail(mail().replace(b"application/tlsrpt+gzip", b"image/png").replace(b".json.gz", b".png")) == ()
    (broken,) = read_mail(mail().replace(b"H4s", b"H5s"))
    assert broken.report is None
    assert broken.refusal
    assert looks_like_mail(mail())
    assert not looks_like_mail(octets())
    assert not looks_like_mail(compress(octets()))


@pytest.mark.corpus
def test_samples_of_real_reporters(corpus: Callable[[str], Path]) -> None:
    found = {path.name: path.read_bytes() for path in (corpus("tlsrpt") / "parsedmarc").iterdir()}
    (google,) = read_mail(found["google.com_smtp_tls_report.eml"])
    assert google.report is not None
    assert [(one.policy.type, one.policy.domain, one.successful) for one in google.report.policies] == [
        (PolicyType.NONE, "cardinalhealth.ca", 48)
    ]
    for name in ("mail.ru.json", "rfc8460.json", "smtp_tls.json"):
        assert read_file(found[name]).remarks == ()
    (russian,) = read_file(found["mail.ru.json"]).policies
    assert (russian.failed, sum(one.count for one in russian.failures)) == (1, 2)


def test_every_result_type_of_the_rfc_has_words() -> None:
    words = {
        "starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted",
        "validation-failure", "tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error",
        "sts-policy-invalid", "sts-webpki-invalid",
    }  # fmt: skip
    unknown = explained("something-new")
    assert all(explained(word) != unknown for word in words)
    assert explained("validation-failure", PolicyType.STS) != explained("validation-failure", PolicyType.TLSA)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    ("organization-name",), ("date-range",), ("date-range", "start-datetime"), ("contact-info",), ("policies",),
    ("policies", 0), ("policies", 0, "policy"), ("policies", 0, "policy", "policy-string"),
    ("policies", 0, "policy", "policy-domain"), ("policies", 0, "policy", "mx-host"), ("policies", 0, "summary"),
    ("policies", 0, "summary", "total-failure-session-count"), ("policies", 0, "failure-details"),
    ("policies", 0, "failure-details", 1), ("policies", 0, "failure-details", 1, "failed-session-count"),
    ("policies", 0, "failure-details", 1, "receiving-mx-hostname"),
]  # fmt: skip


@given(st.sampled_from(PLACES), JSON)
@settings(max_examples=250, deadline=None)
def test_any_value_at_any_place_is_read_or_refused(place: tuple[str | int, ...], value: Any) -> None:
    from fuzz import tlsreport_read

    report: Any = json.loads(octets())
    at = report
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    tlsreport_read.test_one_input(octets(report))
