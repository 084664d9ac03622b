"""Doubles for tests, yours too: DNS from a page of text, a clock that stands still, look-ups without a loop.

Every protocol of danelaw that needs DNS is a generator which yields questions and is sent answers
(`danelaw.dnsdata.Lookup`). Here it is driven from a dictionary:

    dns = FakeDNS(
        secure=\"\"\"
            example.org.                 MX    10 mx1.example.org.
            mx1.example.org.             A     192.0.2.10
            _25._tcp.mx1.example.org.    TLSA  3 1 1 0d6f…
            alias.example.org.           CNAME mx1.plain.test.
            *.wild.example.org.          TXT   "any name below"
        \"\"\",
        insecure=\"\"\"
            mx1.plain.test.              A     192.0.2.20
        \"\"\",
    )
    dns.fail("broken.example.org", DNSSECStatus.BOGUS)          # every type at this name
    dns.fail("mx1.example.org AAAA", dns.rcode.SERVFAIL)        # one type
    result = run_lookup(lookup_mx(next_hop), dns)
    assert dns.asked == [...]

A name takes the status of the nearest enclosing name that has records, so what is missing below a secure
name is securely denied, and what is missing below an insecure one is not. Names below nothing do not exist,
with the status `outside` (insecure unless told otherwise). Aliases, DNAME and wildcards are followed as
RFC 1034 §4.3.2, RFC 6672 and RFC 4592 say, and the status of an answer is the weakest on the way.

Public names: `FakeDNS`, `FakeResolver` (the same behind the methods of `danelaw.resolver.Resolver`),
`FakeClock`, `FakeSharedStore` (what scripts share, in memory, under such a clock), `run_lookup`, `LookupMisuse`.
What scripts call, from plain data, is `FakeLibrary` in `danelaw.testing.library`.
"""

from danelaw.testing.clock import FakeClock
from danelaw.testing.fakedns import FakeDNS
from danelaw.testing.lookup import FakeResolver, LookupMisuse, run_lookup
from danelaw.testing.shared import FakeSharedStore

__all__ = ["FakeClock", "FakeDNS", "FakeResolver", "FakeSharedStore", "LookupMisuse", "run_lookup"]
