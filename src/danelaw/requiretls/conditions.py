"""When a REQUIRETLS message may be transmitted, and what becomes of it and its notices otherwise (RFC 8689 §4, §5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

ENCRYPTION_NEEDED = (5, 7, 10)
"""5.7.10 Encryption needed: no verified TLS session could be made (RFC 8689 §4.2.1)."""

SUPPORT_REQUIRED = (5, 7, 30)
"""5.7.30 REQUIRETLS support required: the server does not offer the extension (RFC 8689 §4.2.1)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`ok`, or the enhanced status of the failure as (class, subject, detail) and the `reason` in words."""

    ok: bool
    status: tuple[int, int, int] | None
    reason: str


_MET = Verdict(True, None, "all conditions of REQUIRETLS are met")


def transmittable(
    *,
    tls: bool,
    mx_secure: bool,
    mx_matches_enforced_policy: bool,
    certificate_verified: bool,
    offered: bool,
) -> Verdict:
    """Judge one connection for a REQUIRETLS message with a non-empty reverse-path (RFC 8689 §2, §4.2.1).

    `tls`: the session is inside TLS. Condition (a): the name of the server is authentic, `mx_secure` by DNSSEC on
    the MX RRset (or its authenticated absence, or a configured next hop), or `mx_matches_enforced_policy` of MTA-STS.
    (b) `certificate_verified` by DANE or PKIX for that name. (c) the EHLO reply inside TLS `offered` REQUIRETLS.
    When several fail, the first in this order is told, since the later ones mean nothing without it.
    """
    if not tls:
        return Verdict(False, ENCRYPTION_NEEDED, "the sender requires TLS and the server gave none")
    if not (mx_secure or mx_matches_enforced_policy):
        return Verdict(
            False,
            ENCRYPTION_NEEDED,
            "the sender requires TLS to an authentic server, but its name came from unsigned DNS without MTA-STS",
        )
    if not certificate_verified:
        return Verdict(False, ENCRYPTION_NEEDED, "the sender requires TLS and the server's certificate does not verify")
    if not offered:
        return Verdict(
            False, SUPPORT_REQUIRED, "the sender requires TLS on the whole way and the server offers no REQUIRETLS"
        )
    return _MET


class Notice(Enum):
    """How a notice about a REQUIRETLS message goes back (RFC 8689 §5)."""

    REQUIRETLS = "requiretls"
    """With REQUIRETLS and the original header."""
    REDACTED = "redacted"
    """Without REQUIRETLS and without anything of the original message."""


def notice_plan(verdict: Verdict) -> Notice:
    """Choose how to send a notice over a connection whose REQUIRETLS `verdict` is known: it is never dropped."""
    return Notice.REQUIRETLS if verdict.ok else Notice.REDACTED
