"""Records of odd length are held, not refused."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rdata
import dns.rdatatype
import dns.rrset
import pytest

from danelaw.dnsdata import read_as_they_come


@pytest.mark.parametrize(
    ("rdtype", "text", "again"),
    [
        ("TLSA", "3 1 1 00112233", "3 1 1 00112233"),
        ("TLSA", "3 1 9 00", "3 1 9 00"),
        ("TLSA", "3 1 2", "3 1 2"),
        ("SMIMEA", "3 0 1 ab", "3 0 1 ab"),
        ("DS", "12345 13 2 abcd", "12345 13 2 abcd"),
        ("DS", "12345 13 0 abcd", "12345 13 0 abcd"),
    ],
)
def test_a_record_of_odd_length_survives_the_wire(rdtype: str, text: str, again: str) -> None:
    read_as_they_come()
    message = dns.message.make_query("x.example", rdtype)
    message.flags |= dns.flags.QR
    number, *words = text.split()
    generic = bytes.fromhex(
        {"TLSA": f"{int(number):02x}", "SMIMEA": f"{int(number):02x}", "DS": f"{int(number):04x}"}[rdtype]
        + "".join(f"{int(word):02x}" for word in words[:2])
        + "".join(words[2:])
    )
    record = dns.rdata.GenericRdata(1, dns.rdatatype.from_text(rdtype), generic)  # type: ignore[no-untyped-call]
    wire = _with_record(message, rdtype, record)
    read = dns.message.from_wire(wire)
    assert [str(item).strip() for item in read.answer[0]] == [again]
    assert read.answer[0][0].to_wire() == generic


def _with_record(message: dns.message.Message, rdtype: str, record: dns.rdata.Rdata) -> bytes:
    rrset = dns.rrset.RRset(message.question[0].name, 1, dns.rdatatype.from_text(rdtype))
    rrset.update_ttl(300)
    rrset.items[record] = None  # type: ignore[attr-defined]
    message.answer.append(rrset)
    return message.to_wire()
