"""Reports as values, in zips and in bombs, and strategies that make any."""

from __future__ import annotations

import io
import zipfile

from hypothesis import strategies as st

from danelaw.dmarcreport import (
    AggregateReport,
    DKIMAuthResult,
    OverrideReason,
    PublishedPolicy,
    ReportRecord,
    SPFAuthResult,
)
from danelaw.dmarcreport.values import DISPOSITIONS, DKIM_RESULTS, OVERRIDES, POLICIES, SPF_RESULTS

RECORD = ReportRecord(
    source_ip="192.0.2.123",
    count=123,
    disposition="quarantine",
    dkim="fail",
    spf="fail",
    header_from="example.com",
    envelope_from="example.net",
    reasons=(OverrideReason("mailing_list", "List-Id & <more>"),),
    signatures=(DKIMAuthResult("example.net", "abc123", "pass"), DKIMAuthResult("example.com", "s1", "fail", "why")),
    spf_results=(SPFAuthResult("example.net", "pass"),),
)
REPORT = AggregateReport(
    org_name="gw.test",
    email="postmaster@gw.test",
    report_id="1700000000.7.example.com@gw.test",
    begin=1_700_000_000,
    end=1_700_086_399,
    policy=PublishedPolicy(
        domain="example.com", p="reject", sp="reject", np="reject", adkim="r", aspf="s", fo="0", testing="n",
        discovery_method="treewalk",
    ),
    records=(RECORD,),
    generator="danelaw",
)  # fmt: skip


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file of these."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, octets in files:
            archive.writestr(name, octets)
    return out.getvalue()


_LABELS = st.from_regex(r"[a-z0-9_]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
domains = st.lists(_LABELS, min_size=1, max_size=4).map(".".join)
# What XML can hold, without the white space at the ends that readers take away.
texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=60
).map(lambda text: text.strip(" \t\r\n"))  # fmt: skip
some = texts.filter(bool)
moments = st.integers(0, 10**11)
records = st.builds(
    ReportRecord,
    source_ip=st.ip_addresses().map(str),
    count=st.integers(0, 10**11),
    disposition=st.sampled_from(DISPOSITIONS),
    dkim=st.sampled_from(["pass", "fail"]),
    spf=st.sampled_from(["pass", "fail"]),
    header_from=domains,
    envelope_from=st.none() | st.just("") | domains,
    envelope_to=st.none() | domains,
    reasons=st.lists(st.builds(OverrideReason, st.sampled_from(OVERRIDES), texts), max_size=2).map(tuple),
    signatures=st.lists(
        st.builds(DKIMAuthResult, domains, texts, st.sampled_from(DKIM_RESULTS), texts), max_size=3
    ).map(tuple),
    spf_results=st.lists(
        st.builds(SPFAuthResult, domains, st.sampled_from(SPF_RESULTS), human_result=texts), max_size=1
    ).map(tuple),
)  # fmt: skip
policies = st.sampled_from(POLICIES)
reports = st.builds(
    AggregateReport,
    org_name=texts,
    email=texts,
    report_id=some,
    begin=moments,
    end=moments,
    policy=st.builds(
        PublishedPolicy,
        domain=domains,
        p=policies,
        sp=st.none() | policies,
        np=st.none() | policies,
        adkim=st.sampled_from([None, "r", "s"]),
        aspf=st.sampled_from([None, "r", "s"]),
        fo=st.none() | some,
        testing=st.sampled_from([None, "y", "n"]),
        discovery_method=st.sampled_from([None, "psl", "treewalk"]),
    ),
    records=st.lists(records, min_size=1, max_size=4).map(tuple),
    extra_contact_info=texts,
    errors=st.just(()) | some.map(lambda text: (text,)),
    generator=texts,
)


FAILURE_FIELDS = (
    "Feedback-Type: auth-failure",
    "User-Agent: x",
    "Version: 1",
    "Auth-Failure: dmarc",
    "Authentication-Results: reporter.test; dmarc=fail header.from=example.com",
    "Identity-Alignment: dkim, spf",
    "DKIM-Domain: example.com",
    "DKIM-Selector: s1",
    'SPF-DNS: txt : example.com : "v=spf1 -all"',
    "Original-Mail-From: <x@example.com>",
    "Original-Rcpt-To: <bob@ours.test>",
    "Arrival-Date: Tue, 19 Jul 2022 00:57:48 -0500",
    "Source-IP: 192.0.2.9",
    "Reported-Domain: example.com",
    "Delivery-Result: reject",
    "Incidents: 3",
)


def failure_mail(header: bytes, replace: tuple[str, str] = ("", "")) -> bytes:
    """A failure report by mail; `replace` exchanges something in its fields."""
    fields = "\r\n".join(FAILURE_FIELDS)
    assert replace[0] in fields
    parts = (
        b"Content-Type: text/plain\r\n\r\nIt failed.\r\n",
        b"Content-Type: message/feedback-report\r\n\r\n" + fields.replace(*replace, 1).encode() + b"\r\n",
        b"Content-Type: message/rfc822\r\n\r\n" + header + b"\r\nTHE BODY\r\n",
    )
    head = b"From: Reports <noreply@reporter.test>\r\nTo: d@ours.test\r\nMIME-Version: 1.0\r\n"
    kind = b'Content-Type: multipart/report; report-type=feedback-report; boundary="=_b"\r\n\r\n'
    return head + kind + b"".join(b"--=_b\r\n" + part + b"\r\n" for part in parts) + b"--=_b--\r\n"
