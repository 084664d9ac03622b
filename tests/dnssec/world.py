"""The zones most tests of the validator use, with one of everything that can go right."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import dns.name
import dns.rdatatype
from tests.dnssec.signing import Internet, Zone, name

from danelaw.dnsdata import Question

_BODY = """
@ 3600 MX 10 www
ns 3600 A 192.0.2.1
www 3600 A 192.0.2.2
www 3600 A 192.0.2.3
_25._tcp.www 3600 TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
alias 3600 CNAME www
alias2 3600 CNAME alias
nowhere 3600 CNAME nx
nodata 3600 CNAME _25._tcp.www
out 3600 CNAME www.plain.
across 3600 CNAME foo.wild.three.
to-opt 3600 CNAME www.opt.
*.wild 3600 A 192.0.2.9
*.wild 3600 MX 10 www
exact.wild 3600 TXT "not the wildcard"
*.aliases 3600 CNAME www
a.b.ent 3600 A 192.0.2.7
dn 3600 DNAME three.
UPPER.Case 3600 TXT "MiXed"
"""

TYPES = ("A", "MX", "CNAME", "DS", "DNSKEY", "TLSA")


@functools.cache
def world() -> Internet:
    """Signed root; NSEC, NSEC3, opt-out and unsigned zones, each with children of each kind."""
    return Internet(
        Zone(".", "ns 3600 A 192.0.2.1\n", "nsec", 1),
        Zone("test.", _BODY, "nsec", 2),
        Zone("three.", _BODY, "nsec3", 3, iterations=5),
        Zone("opt.", _BODY, "opt-out", 4),
        Zone("plain.", _BODY, ""),
        Zone("sub.test.", _BODY, "nsec3", 5),
        Zone("uns.test.", _BODY, ""),
        Zone("sub.uns.test.", _BODY, "nsec", 6),
        Zone("deep.under.three.", _BODY, "nsec", 7),
        Zone("uns.opt.", _BODY, ""),
        Zone("ent.only.opt.", _BODY, ""),
        Zone("sub.opt.", _BODY, "opt-out", 8),
    )


def names() -> Iterator[dns.name.Name]:
    """Every name there is, every empty non-terminal, and names beside and below them that do not exist."""
    found: set[dns.name.Name] = set()
    for zone in world().zones.values():
        for owner in zone.nodes:
            above = owner
            while above not in found and above != dns.name.root:
                found.add(above)
                above = above.parent()
    for owner in sorted(found):
        yield owner
    for zone in sorted(world().zones):
        for label in (
            "nx",
            "foo.wild",
            "foo.bar.wild",
            "nx.exact.wild",
            "x.aliases",
            "nx.www",
            "www.dn",
            "nx.dn",
            "x.ent",
        ):
            yield dns.name.from_text(label, zone)
    yield name("only.opt.")
    yield dns.name.root


def questions() -> Iterator[Question]:
    """Every name with every type."""
    for owner in dict.fromkeys(names()):
        for rdtype in TYPES:
            yield Question(owner, dns.rdatatype.from_text(rdtype))
