"""Keys in DNS: only what is signed counts, and an error is no absence."""

from __future__ import annotations

import hashlib

import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.keydiscovery.samples import ANNA, ANNA_FINGERPRINT, NOW, certificate

from danelaw.address import Mailbox
from danelaw.dane import TLSARecord
from danelaw.dnsdata import DNSSECStatus
from danelaw.keydiscovery import (
    OPENPGPKEY_LABEL,
    SMIMEA_LABEL,
    KeyReport,
    KeyState,
    hashed_owner,
    lookup_openpgpkey,
    lookup_smimea,
)
from danelaw.keydiscovery.judging import smime_keys
from danelaw.testing import FakeDNS, run_lookup
from fuzz.keydiscovery_smimea import test_one_input as fuzz

MAILBOX = Mailbox.from_text("anna@example.org")
PGP, SMIME = str(hashed_owner(MAILBOX, OPENPGPKEY_LABEL)), str(hashed_owner(MAILBOX, SMIMEA_LABEL))


def base64_of(octets: bytes) -> str:
    import base64

    return base64.b64encode(octets).decode()


def openpgpkey(dns: FakeDNS) -> KeyReport:
    return run_lookup(lookup_openpgpkey(MAILBOX, NOW), dns)


def smimea(dns: FakeDNS) -> KeyReport:
    return run_lookup(lookup_smimea(MAILBOX, NOW), dns)


def test_a_signed_key_is_found() -> None:
    report = openpgpkey(FakeDNS(f"example.org. TXT x\n{PGP} OPENPGPKEY {base64_of(ANNA)}"))
    assert (report.state, report.reason) == (KeyState.FOUND, "one key to encrypt to")
    (key,) = report.usable
    assert (key.fingerprint, key.dns_signed, key.octets) == (ANNA_FINGERPRINT, True, ANNA)
    assert report.to_json()["keys"][0]["short"] == "1dbca8ba…684a"


@pytest.mark.parametrize("find", [openpgpkey, smimea])
def test_an_unsigned_key_is_never_used(find: object) -> None:
    zone = f"example.org. TXT x\n{PGP} OPENPGPKEY {base64_of(ANNA)}\n{SMIME} SMIMEA 3 0 0 {certificate().hex()}"
    report = find(FakeDNS(insecure=zone))  # type: ignore[operator]
    assert report.state is KeyState.UNUSABLE
    assert "not signed" in report.reason
    assert report.keys == ()


@pytest.mark.parametrize("how", [DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE, dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_an_error_is_no_absence(how: DNSSECStatus | dns.rcode.Rcode) -> None:
    dns_ = FakeDNS(f"example.org. TXT x\n{PGP} OPENPGPKEY {base64_of(ANNA)}").fail(PGP, how).fail(SMIME, how)
    for report in (openpgpkey(dns_), smimea(dns_)):
        assert report.state is KeyState.FAILED
        assert report.keys == ()


def test_absence_says_whether_it_is_proved() -> None:
    assert "as signed DNS proves" in openpgpkey(FakeDNS("example.org. TXT x")).reason
    unproved = smimea(FakeDNS(insecure="example.org. TXT x"))
    assert (unproved.state, unproved.reason) == (KeyState.ABSENT, "nothing is published")


def test_a_record_of_another_type_there_is_absence() -> None:
    assert openpgpkey(FakeDNS(f"example.org. TXT x\n{PGP} TXT y")).state is KeyState.ABSENT


def test_literals_are_not_asked_for() -> None:
    dns_ = FakeDNS("example.org. TXT x")
    report = run_lookup(lookup_smimea(Mailbox.from_text("a@[192.0.2.1]"), NOW), dns_)
    assert (report.state, dns_.asked) == (KeyState.ABSENT, [])


def test_rubbish_beside_a_key_does_not_hide_it() -> None:
    report = openpgpkey(
        FakeDNS(f"example.org. TXT x\n{PGP} OPENPGPKEY {base64_of(b'rubbish')}\n{PGP} OPENPGPKEY {base64_of(ANNA)}")
    )
    assert report.state is KeyState.FOUND
    rubbish = openpgpkey(FakeDNS(f"example.org. TXT x\n{PGP} OPENPGPKEY {base64_of(b'rubbish')}"))
    assert (rubbish.state, rubbish.reason) == (KeyState.UNUSABLE, "not a sequence of OpenPGP packets")


def test_a_certificate_is_found() -> None:
    octets = certificate()
    report = smimea(FakeDNS(f"example.org. TXT x\n{SMIME} SMIMEA 3 0 0 {octets.hex()}"))
    (key,) = report.usable
    assert key.fingerprint == hashlib.sha256(octets).hexdigest().upper()
    assert (key.kind, key.addresses, key.octets) == ("smime", ("anna@example.org",), octets)


DER = certificate()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (f"3 0 1 {hashlib.sha256(DER).hexdigest()}", "does not hold it"),
        (f"3 1 2 {hashlib.sha512(DER).hexdigest()}", "does not hold it"),
        ("3 0 1 abcd", "wrong length"),
        (f"3 1 0 {DER.hex()}", "bare key"),
        (f"2 0 0 {DER.hex()}", "who may issue"),
        (f"0 0 1 {hashlib.sha256(DER).hexdigest()}", "who may issue"),
        (f"4 0 0 {DER.hex()}", "unknown"),
        (f"3 2 0 {DER.hex()}", "unknown"),
        (f"3 0 3 {DER.hex()}", "unknown"),
        (f"3 0 0 {DER[:-1].hex()}", "cannot be read"),
        (f"1 0 0 {DER.hex()}", "public CA must vouch"),
        (f"3 0 0 {certificate('bob@example.org').hex()}", "is for bob@example.org"),
        (f"3 0 0 {certificate(None, subject='bob@example.org').hex()}", "is for bob@example.org"),
        (f"3 0 0 {certificate(usage=False).hex()}", "not for encrypting"),
        (f"3 0 0 {certificate(mail=False).hex()}", "not for encrypting"),
    ],
)
def test_what_holds_no_certificate_to_encrypt_to(record: str, reason: str) -> None:
    keys, problems = smime_keys([TLSARecord.from_text(record)], MAILBOX, NOW)
    assert not [key for key in keys if key.usable]
    assert reason in (problems or (keys[0].reason,))[0]


def test_dates_and_names_of_certificates() -> None:
    record = TLSARecord(3, 0, 0, certificate("Anna@EXAMPLE.org", days=10))
    (key,) = smime_keys([record], MAILBOX, NOW)[0]
    assert key.usable
    assert "expired on" in smime_keys([record], MAILBOX, NOW + 20 * 86_400)[0][0].reason
    assert "valid from" in smime_keys([record], MAILBOX, NOW - 20 * 86_400)[0][0].reason
    (nameless,) = smime_keys([TLSARecord(3, 0, 0, certificate(None))], MAILBOX, NOW)[0]
    assert nameless.usable  # the owner name in signed DNS says whose it is


@given(st.binary(max_size=200))
def test_any_record(octets: bytes) -> None:
    fuzz(octets)


@given(st.integers(0, len(DER) - 1), st.integers(0, 255))
def test_any_octet_of_a_certificate_changed(place: int, value: int) -> None:
    fuzz(b"\3\0\0" + DER[:place] + bytes([value]) + DER[place + 1 :])
