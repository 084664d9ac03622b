"""DNS lists: what others publish about addresses and domains, block lists and allow lists alike (RFC 5782).

A list is a zone. Whether 192.0.2.99 stands in `list.example` is asked as the A records of
`99.2.0.192.list.example` (RFC 5782 §2.1), an IPv6 address nibble by nibble (§2.4), a domain as itself in front of the
zone (§3). An address of 127.0.0.0/8 means yes, and says by its value or bits which of several lists in the zone
(§2.3); NXDOMAIN means no; TXT gives a reason for people.

Three things are kept apart that mail servers like to mix up. A failure of DNS is no listing and no absence. Nor is an
answer by which a public list refuses to be asked: 127.255.255.0/24 by custom, 127.0.0.1, which no list may give for
what it lists (§5), and whatever lies outside 127.0.0.0/8, as when a list's domain was sold and answers everything.
Each listing keeps the DNSSEC status of what it rests on.

    found = await resolver.run(look_up([Inquiry(DNSList("list.example"), ip_address("192.0.2.99"))]))

Public names: `DNSList`, `Inquiry`, `Listing`, `ListStatus`, `ReturnCodes`, `ReturnCodesError`, `look_up`, `query_name`,
`look_up_tests`, `TestEntries`.
"""

from danelaw.dnslist.lookup import DNSList, Inquiry, Listing, ListStatus, look_up, query_name
from danelaw.dnslist.returncodes import ReturnCodes, ReturnCodesError
from danelaw.dnslist.testentries import TestEntries, look_up_tests

__all__ = [
    "DNSList",
    "Inquiry",
    "ListStatus",
    "Listing",
    "ReturnCodes",
    "ReturnCodesError",
    "TestEntries",
    "look_up",
    "look_up_tests",
    "query_name",
]
