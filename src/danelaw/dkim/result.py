"""The words for what verifying ended in (RFC 8601 §2.7.1)."""

from __future__ import annotations

from enum import Enum


class DKIMResult(Enum):
    """The words of RFC 8601 §2.7.1.

    `permerror`: the signature field or its key breaks a rule for good; `neutral`: it uses something that is not
    implemented here and is ignored, as RFC 6376 §3.3.4 and §3.4 want; `policy`: it verifies, or would, but is not
    acceptable by a local rule.
    """

    NONE = "none"
    PASS = "pass"
    FAIL = "fail"
    POLICY = "policy"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"
