"""The record at `_smtp._tls` (RFC 8460 §3): who is sent reports, who is not, and what is no record at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danelaw.address import Domain
from danelaw.dnsdata import DNSSECStatus
from danelaw.testing import FakeDNS, run_lookup
from danelaw.tlsreport import ReportError, TLSRPTRecord, Wanted, lookup_record
from danelaw.tlsreport.record import MAX_RECORD_SIZE, select
from fuzz.tlsreport_record import test_one_input

MAIL = "mailto:reports@example.com"
GOOD = (
    (f"v=TLSRPTv1;rua={MAIL}", ["reports@example.com"]),
    (f"v=TLSRPTv1; rua={MAIL};", ["reports@example.com"]),
    (f"v=TLSRPTv1 \t; \trua={MAIL} ; ", ["reports@example.com"]),
    ("v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt", ["reporting.example.com:443"]),
    ("v=TLSRPTv1; rua=HTTPS://Reporting.Example.com:8443/?a=b", ["reporting.example.com:8443"]),
    (f"v=TLSRPTv1; rua={MAIL} , https://r.example.com/", ["reports@example.com", "r.example.com:443"]),
    (f"v=TLSRPTv1; rua={MAIL},{MAIL}", ["reports@example.com"]),
    (f"v=TLSRPTv1; rua={MAIL}; rua=mailto:b@example.com", ["reports@example.com", "b@example.com"]),
    (f"v=TLSRPTv1; x-new.field_1=a:b/c?d; rua={MAIL}; z=1", ["reports@example.com"]),
    ("v=TLSRPTv1; rua=mailto:b%21c@example.com?subject=x", ["b!c@example.com"]),
    ("v=TLSRPTv1; rua=mailto:gr%C3%BCn@example.com", ["grün@example.com"]),
)
BAD = {
    "v=TLSRPTv1": "no rua",
    "v=TLSRPTv1;": "no rua",
    "v=TLSRPTv1; ruf=mailto:a@example.com": "no rua",
    f"v=tlsrptv1; rua={MAIL}": "begins with",
    f"v=TLSRPTv2; rua={MAIL}": "begins with",
    f"rua={MAIL}; v=TLSRPTv1": "begins with",
    f"v=TLSRPTv1; RUA {MAIL}": "no name=value",
    f"v=TLSRPTv1;; rua={MAIL}": "no name=value",
    f"v=TLSRPTv1; x=a=b; rua={MAIL}": "no name=value",
    f"v=TLSRPTv1; {'n' * 33}=a; rua={MAIL}": "no name=value",
    "v=TLSRPTv1; rua=" + "x" * MAX_RECORD_SIZE: "longer than",
}
REFUSED = {
    "http://r.example.com/": "only mailto and https",
    "ftp://r.example.com/": "only mailto and https",
    "mailto:reports@example.com!10m": "not encoded",
    "mailto:": "no mail address",
    "mailto:a@[192.0.2.1]": "no domain name behind the @",
    "mailto:a%0D%0ABcc:x@example.com": "no mail address",
    "mailto:a%FF@example.com": "no mail address",
    "https://": "no host",
    "https://192.0.2.1/": "no domain name",
    "https://[::1]/": "no host",
    "https://localhost/": "no domain name",
    "https://u:p@r.example.com/": "user name",
    "https://r.example.com:25/": "port 25",
    "https://r.example.com:99999/": "cannot be read",
    "https://r.example.com/" + "a" * 2000: "more than",
    "": "no URI",
}


def _whom(record: TLSRPTRecord) -> list[str]:
    return [one.mailbox or f"{one.host}:{one.port}" for one in record.destinations]


@pytest.mark.parametrize(("text", "whom"), GOOD)
def test_who_is_sent_reports(text: str, whom: list[str]) -> None:
    record = TLSRPTRecord.from_text(text)
    assert (_whom(record), record.refused) == (whom, ())


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_record(text: str) -> None:
    with pytest.raises(ReportError, match=BAD[text]):
        TLSRPTRecord.from_text(text)


@pytest.mark.parametrize("uri", REFUSED)
def test_whom_nothing_is_sent_to_spoils_nothing_for_others(uri: str) -> None:
    record = TLSRPTRecord.from_text(f"v=TLSRPTv1; rua={uri},{MAIL}")
    assert _whom(record) == ["reports@example.com"]
    (refused,) = record.refused
    assert REFUSED[uri] in refused.reason


def test_a_record_makes_no_flood() -> None:
    many = ",".join(f"mailto:a{number}@example.com" for number in range(8))
    record = TLSRPTRecord.from_text(f"v=TLSRPTv1; rua={many}")
    assert _whom(record) == [f"a{number}@example.com" for number in range(5)]
    assert [one.uri for one in record.refused] == [f"mailto:a{number}@example.com" for number in range(5, 8)]


def test_exactly_one_record_counts() -> None:
    record, other = f"v=TLSRPTv1; rua={MAIL}", "v=spf1 -all"
    assert select([other, record]) == TLSRPTRecord.from_text(record)
    assert select([other, "v=TLSRPTv1x; rua=mailto:b@example.com", record]) is not None
    assert select([record, record]) is None
    assert select([other]) is None


def _wanted(dns: FakeDNS, domain: str = "example.com") -> Wanted:
    return run_lookup(lookup_record(Domain(domain)), dns)


def test_the_record_is_asked_for_at_the_policy_domain_and_its_strings_are_joined() -> None:
    found = _wanted(FakeDNS('_smtp._tls.example.com. TXT "v=TLSRPTv1; rua=mailto:rep" "orts@example.com"'))
    assert found.record is not None
    assert _whom(found.record) == ["reports@example.com"]


def test_absence_mistakes_and_failures_are_not_the_same() -> None:
    assert (_wanted(FakeDNS()).record, _wanted(FakeDNS()).undecided) == (None, False)
    two = '_smtp._tls.example.com. TXT "v=TLSRPTv1; rua=mailto:a@example.com"\n' + (
        '_smtp._tls.example.com. TXT "v=TLSRPTv1; rua=mailto:b@example.com"'
    )
    assert _wanted(FakeDNS(two)).reason == "2 TLSRPT records at _smtp._tls.example.com"
    wrong = _wanted(FakeDNS('_smtp._tls.example.com. TXT "v=TLSRPTv1; nothing"'))
    assert (wrong.record, wrong.undecided) == (None, False)
    assert "not valid" in wrong.reason
    broken = FakeDNS()
    broken.fail("_smtp._tls.example.com", DNSSECStatus.BOGUS)
    assert _wanted(broken).undecided
    long = ".".join(["a" * 60] * 4) + ".example"
    assert not _wanted(FakeDNS(), long).undecided


@settings(max_examples=150)
@given(st.lists(st.one_of(st.text(max_size=60), st.sampled_from([text for text, _ in GOOD])), max_size=4))
def test_any_texts_are_read(texts: list[str]) -> None:
    test_one_input("\n".join(texts).encode("latin-1", "replace"))


@settings(max_examples=150)
@given(st.text(alphabet="mailtohttps:/@%.,;!?=&1Aä[] \t", max_size=60))
def test_any_uris_are_read(text: str) -> None:
    test_one_input(f"v=TLSRPTv1; rua={text}".encode("latin-1"))
