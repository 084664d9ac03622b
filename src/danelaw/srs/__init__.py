"""Sender Rewriting Scheme: forwarded mail leaves under an address of ours that leads back to its sender.

Who forwards mail under its sender's own reverse-path fails SPF at the next server (RFC 7208 appendix D.1). SRS puts the
sender's address into the local-part of one at the forwarder, signed so that nobody can make us relay to an address of
his choice, and dated so that it ends:

    anna@example.org                     →  SRS0=k3x2qa=BD=example.org=anna@srs.ours.test
    SRS0=…=…=example.org=anna@other.test →  SRS1=m4t7wc=other.test==…=…=example.org=anna@srs.ours.test

SRS1 shortens the way: a notice goes from us straight to the first forwarder, who alone can check his own signature.
Signatures are HMAC-SHA-256 in base 32, which survives systems that fold case; all configured keys are tried, the first
one signs. Nothing here reads a clock: the day is an argument.

Public names: `Rewriter`, `SRSError`.
"""

from danelaw.srs.rewriter import Rewriter, SRSError

__all__ = ["Rewriter", "SRSError"]
