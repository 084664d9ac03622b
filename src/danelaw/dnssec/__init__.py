"""DNSSEC on one page (RFC 4033-4035, RFC 5155, RFC 6840), as a pure look-up behind a recursive resolver.

Every RRset of a signed zone comes with RRSIG records, made with a key from the zone's DNSKEY RRset. The parent zone
vouches for those keys with a DS RRset, signed with the parent's own keys, and so on up to a *trust anchor* known
beforehand: the root's keys, shipped in `root_anchors`. Absence is signed too: NSEC records name the gaps between
existing names, NSEC3 records the gaps between their hashes. A parent proves in the same way that a child has *no* DS;
from there on nothing is signed, and answers are *insecure*: accepted, but anybody on the way could have made them.

The four verdicts (RFC 4035 §4.3): **secure**, signatures prove the data or the absence; **insecure**, it is proved
that there is nothing to check; **bogus**, there should be a proof and it is wrong or missing; **indeterminate**, what
would prove it could not be fetched. The last two are failures, never absence. Insecure is only ever concluded from
something *validated*: a denial of DS, a DS RRset with no supported algorithm, an opt-out span, too many NSEC3
iterations; never from a signature that merely looks unsupported, or else an attacker could ask for it.

`Validator.resolve(question, now)` is a generator: it yields batches of raw questions (to be sent with DO and CD) and
is sent a `Response` for each. It returns a `dnsdata.Answer` with the verdict, the chain in words, an RFC 8914 code,
and the evidence: the octets of every response it rests on. `recheck` derives the verdict from that evidence again.

How the work is divided: `expansion` follows aliases, `judge` judges one RRset or absence, `chain` walks the zone cuts,
`delegation` goes from DS to keys, `verify` and `keys` check signatures, `denial`, `nsec` and `nsec3` hold the proofs of
absence, `trust` remembers zones, `limits` bounds it all (KeyTrap, CVE-2023-50387; NSEC3 cost, CVE-2023-50868).

Deliberately absent: RFC 5011 (anchors are configuration), RFC 8198 (that is the recursive resolver's work),
RFC 8509 (key sentinels), and SHA-1 and GOST (RFC 9905, RFC 9906) unless `AlgorithmPolicy.with_sha1()` is asked for.
"""

from danelaw.dnssec.anchors import NegativeTrustAnchor, TrustAnchor, TrustAnchorError, TrustAnchors
from danelaw.dnssec.limits import AlgorithmPolicy, ValidatorLimits
from danelaw.dnssec.recheck import recheck
from danelaw.dnssec.response import Response
from danelaw.dnssec.validator import Validator

__all__ = [
    "AlgorithmPolicy",
    "NegativeTrustAnchor",
    "Response",
    "TrustAnchor",
    "TrustAnchorError",
    "TrustAnchors",
    "Validator",
    "ValidatorLimits",
    "recheck",
]
