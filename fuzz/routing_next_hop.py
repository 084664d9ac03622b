"""Fuzz what routing reads: next hops as text, and the MX records a stranger's zone can hold.

python -m fuzz.routing_next_hop [libFuzzer options]
"""

from __future__ import annotations

import sys

import dns.exception
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from danelaw.dnsdata import Answer, DNSSECStatus, Question
from danelaw.routing import NextHop, NextHopError, lookup_mx

_HOP = NextHop.from_text("example.org")
_NAME = dns.name.from_text("example.org")


def test_one_input(data: bytes) -> None:
    """Read the octets as a next hop, then as MX records of 24 octets each."""
    try:
        hop = NextHop.from_text(data.decode("utf-8", "surrogateescape"))
    except NextHopError:
        pass
    else:
        assert NextHop.from_text(hop.to_text()) == hop
    _mx(data)


def _mx(data: bytes) -> None:
    found = []
    for start in range(0, min(len(data), 960), 24):
        rdata = data[start : start + 24]
        try:
            found.append(dns.rdata.from_wire("IN", "MX", rdata, 0, len(rdata)))
        except (dns.exception.DNSException, ValueError):
            continue
    rrset = dns.rrset.from_rdata_list(_NAME, 60, found) if found else None
    question = Question(_NAME, dns.rdatatype.MX)
    answer = Answer(question, dns.rcode.NOERROR, DNSSECStatus.INSECURE, _NAME, rrset)
    lookup = lookup_mx(_HOP)
    next(lookup)
    try:
        lookup.send((answer,))
    except StopIteration as stop:
        result = stop.value
    assert result.implicit == (rrset is None)
    assert result.hosts or result.null_mx or result.error
    assert [host.preference for host in result.hosts] == sorted(host.preference for host in result.hosts)


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
