"""Whose report it is: DKIM by the reporting domain or its organization, for the service tlsrpt, over all of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.dkim.dkim_samples import NOW, rsa_key
from tlsreport_samples import changed, mail

from danelaw.address import Domain
from danelaw.dkim import PrivateKey, SigningKey, SignSettings, sign, verify
from danelaw.dnsdata import DNSSECStatus
from danelaw.message import Header, scan
from danelaw.testing import FakeDNS, run_lookup
from danelaw.tlsreport import SETTINGS, Authenticity, authenticity, read_mail, reporting_domain

KEY = PrivateKey.from_key(rsa_key())


def dns_of(domain: str = "company-x.example", **changes: object) -> FakeDNS:
    record = replace(KEY.record(), **changes)  # type: ignore[arg-type]
    text = record.to_zone(f"k._domainkey.{domain}.").replace(" IN TXT", " TXT")
    return FakeDNS(secure=text, insecure='_dmarc.other.example. TXT "v=DMARC1; p=none"')


def signed(message: bytes, domain: str = "company-x.example", settings: SignSettings | None = None) -> bytes:
    header = Header.from_bytes(message)
    fields = [(one.name, one.raw) for one in header]
    key = SigningKey(Domain.from_text(domain), "k", KEY)
    made = sign(fields, message[header.body_offset :], [key], now=NOW, **({"settings": settings} if settings else {}))
    return b"".join(made) + message


def proof(message: bytes, dns: FakeDNS) -> Authenticity:
    header = scan(message)
    outcome = run_lookup(verify(header.pairs, message[header.body_offset :], now=NOW, settings=SETTINGS), dns)
    (found,) = read_mail(message)
    assert found.report is not None
    (one,) = run_lookup(authenticity(outcome, [reporting_domain(found.report, header)]), dns)
    return one


def contact(text: object) -> bytes:
    return mail(changed(contact_info=text))


@pytest.mark.parametrize("services", [("*",), ("tlsrpt",), ("email", "tlsrpt")])
def test_a_signature_of_the_reporter_proves_its_report(services: tuple[str, ...]) -> None:
    assert proof(signed(mail()), dns_of(services=services)) == Authenticity("company-x.example")


def test_a_key_for_other_services_proves_nothing() -> None:
    found = proof(signed(mail()), dns_of(services=("email",)))
    assert (found.domain, found.undecided) == ("", False)
    assert "s=email says that it is not for tlsrpt" in found.reason


def test_no_signature_and_a_broken_one() -> None:
    assert proof(mail(), dns_of()).reason == "company-x.example did not sign it: it has no DKIM signature"
    broken = signed(mail()).replace(b"an aggregate", b"no aggregate")
    assert "the body is not the one that was signed" in proof(broken, dns_of()).reason


def test_a_signature_over_a_part_proves_nothing() -> None:
    message = signed(mail())
    # l= that covers the whole body authenticates for DKIM; for TLS reports it must not be there at all.
    header = Header.from_bytes(message)
    outcome = run_lookup(
        verify([(one.name, one.raw) for one in header], message[header.body_offset :], now=NOW, settings=SETTINGS),
        dns_of(),
    )
    (verdict,) = outcome.verdicts
    assert verdict.signature is not None
    partial = replace(verdict, signature=replace(verdict.signature, length=10))
    (found,) = run_lookup(
        authenticity(replace(outcome, verdicts=(partial,)), [Domain.from_text("company-x.example")]), dns_of()
    )
    assert (found.domain, found.reason.partition(": ")[2]) == ("", "its signature covers a part of it (l=)")


def test_another_domain_of_the_same_organization() -> None:
    dns = dns_of("mail.company-x.example")
    dns.add('_dmarc.company-x.example. TXT "v=DMARC1; p=none"')
    assert proof(signed(mail(), "mail.company-x.example"), dns) == Authenticity("mail.company-x.example")


def test_a_stranger_who_signs_proves_nothing_about_others() -> None:
    found = proof(signed(mail(), "other.example"), dns_of("other.example"))
    assert found.domain == ""
    assert "signed by other.example, and not by company-x.example" in found.reason


def test_dns_that_fails_leaves_it_undecided() -> None:
    dns = dns_of()
    dns.fail("k._domainkey.company-x.example", DNSSECStatus.BOGUS)
    assert proof(signed(mail()), dns).undecided
    dns = dns_of("mail.company-x.example")
    dns.fail("_dmarc.company-x.example", DNSSECStatus.BOGUS)
    assert proof(signed(mail(), "mail.company-x.example"), dns).undecided


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("sts-reporting@company-x.example", "company-x.example"),
        ("mailto:tls@Company-X.example", "company-x.example"),
        ("https://company-x.example/tls", "submitter.example"),
        ("", "submitter.example"),
        ("x@[192.0.2.1]", "submitter.example"),
    ],
)
def test_whose_report_it_says_to_be(text: str, domain: str) -> None:
    message = mail(changed(contact_info=text), submitter="submitter.example")
    (found,) = read_mail(message)
    assert found.report is not None
    assert reporting_domain(found.report, scan(message)) == Domain(domain)


def test_without_any_name_nobody_is_proved() -> None:
    report = read_mail(contact(""))[0].report
    assert report is not None
    assert reporting_domain(report, scan(b"Subject: x\r\n\r\n")) is None
    (found,) = run_lookup(authenticity(run_lookup(verify([], b"", now=NOW), dns_of()), [None]), dns_of())
    assert found.reason == "it does not say whose report it is"
