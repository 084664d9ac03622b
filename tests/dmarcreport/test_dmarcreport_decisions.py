"""What is counted, who may be told, and what a failure report gives away."""

from __future__ import annotations

from typing import Any

import pytest
from tests.authentication.authentication_samples import MESSAGE, STRANGER, examined, internet, said, signed

from danelaw.address import Domain
from danelaw.authentication import Action, DispositionSettings, Enforcement, LocalPolicy, Verdicts, disposition
from danelaw.dmarc import DMARCRecord, Policy
from danelaw.dmarcreport import (
    Destinations,
    FailureMail,
    confirm,
    failures,
    observed,
    published_policy,
    redacted,
    to_xml,
)
from danelaw.dmarcreport.values import AggregateReport
from danelaw.dnsdata import DNSSECStatus
from danelaw.message import Header, Part
from danelaw.testing import FakeDNS, run_lookup

RUA = "; rua=mailto:rua@example.org"


def seen(verdicts: Verdicts, **rules: Any) -> Any:
    return observed(verdicts, disposition(verdicts, DispositionSettings(**rules), 0.0))


def test_an_aligned_message_is_counted_as_passed() -> None:
    found = seen(examined(signed(MESSAGE), internet("v=DMARC1; p=reject" + RUA)))
    assert (found.policy_domain, found.published) == ("example.org", "v=DMARC1; p=reject" + RUA)
    row = found.record
    assert (row.disposition, row.dkim, row.spf, row.reasons) == ("pass", "pass", "pass", ())
    assert (row.source_ip, row.header_from, row.envelope_from) == ("192.0.2.1", "example.org", "example.org")
    assert [(one.domain, one.selector, one.result) for one in row.signatures] == [("example.org", "r", "pass")]
    assert [(one.domain, one.result, one.scope) for one in row.spf_results] == [("example.org", "pass", "mfrom")]


@pytest.mark.parametrize(("policy", "rules", "message", "expected"), [
    ("p=reject", {}, MESSAGE, ("reject", [])),
    ("p=reject", {}, b"List-Id: <l>\r\n" + MESSAGE, ("quarantine", ["mailing_list"])),
    ("p=reject", {"enforcement": Enforcement.NONE}, MESSAGE, ("none", ["local_policy"])),
    ("p=reject", {"policies": (LocalPolicy("example.org", Policy.NONE),)}, MESSAGE, ("none", ["local_policy"])),
    ("p=reject; t=y", {}, MESSAGE, ("quarantine", ["policy_test_mode"])),
    ("p=quarantine; t=y", {}, MESSAGE, ("none", ["policy_test_mode"])),
    ("p=quarantine", {}, MESSAGE, ("quarantine", [])),
    ("p=none", {}, MESSAGE, ("none", [])),
    ("p=none", {"policies": (LocalPolicy("example.org", Policy.REJECT),)}, MESSAGE, ("reject", ["local_policy"])),
])  # fmt: skip
def test_what_was_done_and_why_it_is_not_what_is_published(
    policy: str, rules: dict[str, Any], message: bytes, expected: tuple[str, list[str]]
) -> None:
    row = seen(examined(message, internet(f"v=DMARC1; {policy}{RUA}"), STRANGER), **rules).record
    assert (row.dkim, row.spf) == ("fail", "fail")
    assert (row.disposition, [one.type for one in row.reasons]) == expected


def test_what_dns_left_open_has_a_reason() -> None:
    dns = internet("v=DMARC1; p=reject" + RUA)
    dns.fail("r._domainkey.example.org", DNSSECStatus.BOGUS)
    verdicts = examined(signed(MESSAGE), dns, STRANGER)
    row = seen(verdicts).record
    assert (row.disposition, [one.type for one in row.reasons]) == ("none", ["other"])
    assert seen(verdicts, temperror=Action.DEFER) is None


def test_nobody_asks_and_nothing_is_counted() -> None:
    assert seen(examined(MESSAGE, internet("v=DMARC1; p=none"))) is None
    assert seen(examined(MESSAGE, internet("nothing"))) is None


def test_the_null_reverse_path_is_an_empty_envelope_from() -> None:
    dns = internet("v=DMARC1; p=none" + RUA)
    assert seen(examined(MESSAGE, dns, said("", "mx.example.org"))).record.envelope_from == ""


def test_what_is_counted_can_be_written() -> None:
    dns = internet("v=DMARC1; p=reject; np=none; adkim=s" + RUA)
    found = seen(examined(signed(MESSAGE), dns))
    policy = published_policy(found.policy_domain, DMARCRecord.from_text(found.published))
    assert (policy.p, policy.sp, policy.np, policy.adkim, policy.aspf) == ("reject", "reject", "none", "s", "r")
    report = AggregateReport(
        org_name="x", email="x", report_id="x", begin=0, end=1, policy=policy, records=(found.record,)
    )
    assert to_xml(report).startswith(b"<?xml")


# destinations


def confirmed(rua: str, records: str, domain: str = "example.org", tag: str = "rua", fail: str = "") -> Destinations:
    dns = FakeDNS(insecure=f'_dmarc.example.org. TXT "v=DMARC1; p=none"\n{records}')
    if fail:
        dns.fail(fail, DNSSECStatus.BOGUS)
    uris = DMARCRecord.from_text(f"v=DMARC1; p=none; {tag}={rua}")
    return run_lookup(confirm(Domain.from_text(domain), uris.rua if tag == "rua" else uris.ruf, tag=tag), dns)


AGREES = '{}._report._dmarc.collector.test. TXT "v=DMARC1"\n'


def test_addresses_of_the_same_organization_need_no_word() -> None:
    found = confirmed("mailto:a@example.org!10m,mailto:b@in.example.org", "")
    assert found == Destinations(("a@example.org", "b@in.example.org"))


def test_others_have_to_agree() -> None:
    rua = "mailto:a@collector.test"
    assert confirmed(rua, AGREES.format("example.org")).addresses == ("a@collector.test",)
    assert confirmed(rua, AGREES.format("*")).addresses == ("a@collector.test",)
    found = confirmed(rua, AGREES.format("example.net"))
    assert not found.addresses
    assert "does not agree" in found.refused[0].reason
    assert not confirmed(rua, 'example.org._report._dmarc.collector.test. TXT "v=spf1 -all"').addresses


def test_who_agrees_may_name_another_address_of_its_own_only() -> None:
    name = "example.org._report._dmarc.collector.test."
    rua = "mailto:a@collector.test"
    assert confirmed(rua, f'{name} TXT "v=DMARC1; rua=mailto:z@collector.test"').addresses == ("z@collector.test",)
    for other in ("mailto:z@victim.test", "mailto:z@collector.test,mailto:z@victim.test", "https://collector.test/"):
        found = confirmed(rua, f'{name} TXT "v=DMARC1; rua={other}"')
        assert not found.addresses
        assert "must not be followed" in found.refused[0].reason
    # an address for aggregate reports says nothing about failure reports
    ruf = confirmed(rua, f'{name} TXT "v=DMARC1; rua=mailto:z@collector.test"', tag="ruf")
    assert ruf.addresses == ("a@collector.test",)


def test_failing_dns_decides_nothing() -> None:
    found = confirmed("mailto:a@collector.test", "", fail="example.org._report._dmarc.collector.test")
    assert not found.addresses
    assert [one.address for one in found.undecided] == ["a@collector.test"]


def test_odd_addresses() -> None:
    long = ".".join(["a" * 60] * 4)
    found = confirmed("https://example.org/x,mailto:a@[192.0.2.1],mailto:a@collector.test", "", domain=long)
    assert not found.addresses
    assert [one.reason.partition(" (")[0] for one in found.refused] == [
        "only mailto is supported",
        "it is no address of a domain",
        "the name that would have to agree is too long",
    ]
    many = ",".join(f"mailto:a{number}@example.org" for number in range(9))
    assert len(confirmed(many, "").addresses) == 5


# failure reports

RUF = "; ruf=mailto:ruf@example.org"


@pytest.mark.parametrize(("options", "message", "kinds"), [
    ("", MESSAGE, ["dmarc"]),
    ("; fo=0", signed(MESSAGE), []),
    ("; fo=1", signed(MESSAGE), ["dmarc"]),
    ("; fo=d", signed(MESSAGE) + b"more\r\n", ["bodyhash"]),
    ("; fo=d", signed(MESSAGE).replace(b"Subject: ", b"Subject: x"), ["signature"]),
    ("; fo=d", signed(MESSAGE), []),
    ("; fo=1:d:s", MESSAGE, ["dmarc"]),
    ("; psd=y", MESSAGE, []),
])  # fmt: skip
def test_failure_options_are_followed(options: str, message: bytes, kinds: list[str]) -> None:
    verdicts = examined(message, internet(f"v=DMARC1; p=none{RUF}{options}"), STRANGER)
    assert [one.kind for one in failures(verdicts)] == kinds


def test_fo_s_asks_about_spf_alone() -> None:
    dns = internet(f"v=DMARC1; p=none{RUF}; fo=s")
    verdicts = examined(signed(MESSAGE), dns, said(ip="203.0.113.1"))
    assert [one.kind for one in failures(verdicts)] == ["spf"]


def test_a_failure_report_tells_how_and_not_what() -> None:
    message = b"Received: by inner.gw.test for <secret@ours.test>\r\nX-Secret: plan\r\n" + signed(MESSAGE)
    message += b"SECRET BODY\r\n"
    dns = internet(f"v=DMARC1; p=none{RUF}")
    verdicts = examined(message, dns, said(ip="203.0.113.1"))
    decision = disposition(verdicts, DispositionSettings(), 0.0)
    (failure,) = failures(verdicts)
    mail = FailureMail(reporter="gw.test", sender="d@gw.test", to=("ruf@example.org",), user_agent="danelaw").build(
        failure, verdicts, decision, message.partition(b"\r\n\r\n")[0] + b"\r\n", arrived=0.0, incidents=3, date=60.0,
        message_id="<m@gw.test>", boundary="=_b",
    )  # fmt: skip
    whole = Part.from_octets(mail)
    assert whole.content_type.parameters["report-type"] == "feedback-report"
    words, report, header = whole.parts
    assert b"203.0.113.1" in words.content()
    fields = {one.name.decode(): one.decoded for one in Header.from_bytes(report.content())}
    expected = {
        "Feedback-Type": "auth-failure", "Version": "1", "Auth-Failure": "dmarc", "Identity-Alignment": "dkim, spf",
        "DKIM-Domain": "example.org", "DKIM-Selector": "r", "DKIM-Identity": "@example.org", "Incidents": "3",
        "SPF-DNS": 'txt : example.org : "v=spf1 ip4:192.0.2.0/24 -all"', "Source-IP": "203.0.113.1",
        "Reported-Domain": "example.org", "Delivery-Result": "delivered", "Original-Mail-From": "<***@example.org>",
    }  # fmt: skip
    assert {name: fields.get(name) for name in expected} == expected
    shown = header.content()
    assert b"DKIM-Signature" in shown
    assert b"@example.org" in shown
    for private in (b"secret", b"SECRET", b"plan", b"joe@", b"suzie@", b"SixPack", b"dinner"):
        assert private not in mail, private


def test_links_in_what_is_sent_back_lead_nowhere() -> None:
    shown = redacted(b"From: https://evil.test/ <a@evil.test>\r\nSender: \xff\x00@x\r\nList-Id: https://evil.test/\r\n")
    assert shown == b"From: <***@evil.test>\r\nSender: <***@x>\r\nList-Id: hxxps://evil.test/\r\n"


def test_fields_copied_into_a_signature_are_not_sent_back() -> None:
    field = b"DKIM-Signature: v=1; d=example.org;\r\n z=Subject:the=20plan|To:anna@example.net;\r\n b=x\r\n"
    assert redacted(field) == b"DKIM-Signature: v=1; d=example.org;\r\n b=x\r\n"
    last = b"DKIM-Signature: v=1; b=x; z = Subject:plan\r\nDate: today\r\n"
    assert redacted(last) == b"DKIM-Signature: v=1; b=x\r\nDate: today\r\n"
