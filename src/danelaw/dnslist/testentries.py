"""The entries by which anybody can see whether a list works (RFC 5782 §5)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from danelaw.address import Domain
from danelaw.dnsdata import Lookup
from danelaw.dnslist.lookup import DNSList, Inquiry, Listing, ListStatus, Subject, look_up

_ADDRESSES: tuple[Subject, Subject] = (ipaddress.IPv4Address("127.0.0.2"), ipaddress.IPv4Address("127.0.0.1"))
_DOMAINS: tuple[Subject, Subject] = (Domain("test"), Domain("invalid"))


@dataclass(frozen=True, slots=True)
class TestEntries:
    """What a list says of the entry it must have and of the one it must not have."""

    __test__ = False

    present: Listing
    absent: Listing

    @property
    def fault(self) -> str | None:
        """What is wrong with the list, None when both entries are as they must be."""
        for listing in (self.present, self.absent):
            if listing.status is ListStatus.FAILED:
                return listing.reason
        if self.absent.status is ListStatus.LISTED:
            return f"it lists {self.absent.inquiry.subject}, so it lists everything"
        if self.present.status is not ListStatus.LISTED:
            return f"it does not list {self.present.inquiry.subject}, so it is empty, or none of its codes counts"
        return None


def look_up_tests(dns_list: DNSList, *, domains: bool) -> Lookup[TestEntries]:
    """Ask a list of addresses for 127.0.0.2 and 127.0.0.1, one of `domains` for TEST and INVALID (RFC 5782 §5)."""
    present, absent = yield from look_up(
        [Inquiry(dns_list, subject) for subject in (_DOMAINS if domains else _ADDRESSES)]
    )
    return TestEntries(present, absent)
