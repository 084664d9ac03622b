"""What stands beside secure data: a response counts only when the denials in its authority section are genuine too.

Nobody honest sends a well signed answer beside a badly signed SOA, NSEC or NSEC3 record: such a response has been
tampered with, and no part of it deserves belief (RFC 4035 §3.2.3 asks the same of the AD bit).
"""

from __future__ import annotations

from collections.abc import Iterable

import dns.rdatatype
from dns.edns import EDECode

from danelaw.dnssec.resolution import DENIAL_TYPES, Reading, Resolution, lost
from danelaw.dnssec.response import SignedRRset
from danelaw.dnssec.verify import Flaw, Verified, most_telling


def spoiled(run: Resolution, readings: Iterable[Reading]) -> Flaw | None:
    """The first record beside the secure answers in `readings` that spoils them; None when there is none.

    An NS RRset is ignored: it helps to find servers and proves nothing (RFC 4035 §2.2). So are other unsigned
    records, unless they are of a type that an honest server sends only as part of a signed denial.
    """
    for reading in readings:
        for signed in reading.authority:
            if signed.rrset.rdtype == dns.rdatatype.NS:
                continue
            matters = signed.signatures or signed.rrset.rdtype in DENIAL_TYPES
            if matters and (flaw := _not_genuine(run, signed)) is not None:
                return flaw
        for owner, rdtype in reading.authority.orphans:
            if rdtype in DENIAL_TYPES:
                return lost(owner, rdtype)
    return None


def _not_genuine(run: Resolution, signed: SignedRRset) -> Flaw | None:
    words = f"{signed.rrset.name} {dns.rdatatype.to_text(signed.rrset.rdtype)}"
    flaws: list[Flaw] = []
    for signer in signed.signers:
        zone = run.zones.get(signer)
        if zone is None:
            continue
        outcome = run.verify(signed, zone)
        if isinstance(outcome, Verified):
            return None
        flaws.append(outcome)
    otherwise = Flaw(f"{words} beside the answer is not signed by any zone it rests on", EDECode.DNSSEC_BOGUS)
    return most_telling(flaws, otherwise)
