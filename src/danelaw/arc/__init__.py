"""ARC: what each hop saw of a message's authentication, sealed so that later hops can believe it (RFC 8617).

A mailing list breaks SPF and DKIM. An ARC sealer therefore adds a set of three fields: its Authentication-Results as a
copy (ARC-Authentication-Results), a DKIM-like signature over the message as it leaves (ARC-Message-Signature), and a
signature over all ARC fields so far (ARC-Seal) with the state it found the chain in (cv=). Sets are numbered from 1
(i=). A chain passes when its structure holds, the newest message signature verifies, and every seal does. That proves
who said what, and nothing about whether he is to be believed: a receiver lists the sealers it trusts.

    outcome = run(verify(((field.name, field.raw) for field in header), body, now=now))
    outcome.status, outcome.reason, outcome.sealers, outcome.oldest_pass
    fields = seal(…, body, key, "mx.example.org; spf=pass …", ChainStatus.NONE, now=now)

RFC 8617 is Experimental and on its way to Historic. We validate; sealing is there for those who list messages.

Public names: `verify`, `ARCVerification`, `ARCOutcome`, `ChainStatus`; `seal`, `ARCSealing`; `ARCChain`, `ARCSet`,
`ARCSeal`, `ARCMessageSignature`, `ARCAuthenticationResults`; `ARCError`.
"""

from danelaw.arc.chain import ARCChain, ARCSet
from danelaw.arc.errors import ARCError
from danelaw.arc.fields import ARCAuthenticationResults, ARCMessageSignature, ARCSeal, ChainStatus
from danelaw.arc.seal import ARCSealing, seal
from danelaw.arc.verify import ARCOutcome, ARCVerification, verify

__all__ = [
    "ARCAuthenticationResults",
    "ARCChain",
    "ARCError",
    "ARCMessageSignature",
    "ARCOutcome",
    "ARCSeal",
    "ARCSealing",
    "ARCSet",
    "ARCVerification",
    "ChainStatus",
    "seal",
    "verify",
]
