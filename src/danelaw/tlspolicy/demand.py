"""What the sender of one message asks for (RFC 8689)."""

from __future__ import annotations

from enum import Enum


class SenderDemand(Enum):
    """`REQUIRETLS`: rather return the message than send it unprotected (RFC 8689 §2). `TLS_REQUIRED_NO`: rather
    send it unprotected than not at all (§3); whoever builds this value has applied the rules for ignoring the
    field (with REQUIRETLS, when repeated, when it says anything but No).
    """

    NONE = "none"
    REQUIRETLS = "REQUIRETLS"
    TLS_REQUIRED_NO = "TLS-Required: No"
