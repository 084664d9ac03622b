"""DNSSEC validation as a pure look-up behind a recursive resolver (RFC 4033-4035, RFC 5155, RFC 6840)."""

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
