"""REQUIRETLS and the TLS-Required field (RFC 8689): what the sender of one message asks of every hop.

*REQUIRETLS*, a parameter of MAIL, insists: the message may travel only over TLS to a server that was found in an
authentic way, showed a certificate that verifies, and offers REQUIRETLS itself. *TLS-Required: No*, a field of the
message header, waives: deliver even where the recipient's own policy (DANE, MTA-STS) would stop it. The parameter
wins over the field. A notice about a REQUIRETLS message is itself REQUIRETLS, with headers only; when the way back
does not offer it, the notice is redacted and not dropped.

Names: `waives_tls` (the field), `transmittable` and its `Verdict` (the conditions of §4.2.1),
`SUPPORT_REQUIRED`, `ENCRYPTION_NEEDED` (the status codes), `notice_plan` and `Notice` (§5).
"""

from danelaw.requiretls.conditions import (
    ENCRYPTION_NEEDED,
    SUPPORT_REQUIRED,
    Notice,
    Verdict,
    notice_plan,
    transmittable,
)
from danelaw.requiretls.field import FIELD_NAME, waives_tls

__all__ = [
    "ENCRYPTION_NEEDED",
    "FIELD_NAME",
    "SUPPORT_REQUIRED",
    "Notice",
    "Verdict",
    "notice_plan",
    "transmittable",
    "waives_tls",
]
