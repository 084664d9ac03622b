"""REQUIRETLS and the TLS-Required field (RFC 8689): what the sender of one message asks of every hop.

*REQUIRETLS*, a parameter of MAIL, insists: the message may travel only over TLS to a server that was found in an
authentic way, showed a certificate that verifies, and offers REQUIRETLS itself. *TLS-Required: No*, a field of the
message header, waives: deliver even where the recipient's own policy (DANE, MTA-STS) would stop it. The parameter
wins over the field. A notice about a REQUIRETLS message is itself REQUIRETLS, with headers only; when the way back
does not offer it, the notice is redacted and not dropped.

Where each rule lives: the offer and the parameter in `smtp` (§2), the field here (§3), what a message is tagged with in
`inbound.consignment` (§4.1), the conditions of sending in `tlspolicy` (§4.2.1 `strengthening`, `conclude`; §4.2.2
`decide`), notices in `dsn` and `outbound.notices` (§5). docs/standards.toml names the tests of each section.

Names: `waives_tls`, `FIELD_NAME` (the field), `SUPPORT_REQUIRED`, `ENCRYPTION_NEEDED` (the status codes).
"""

from danelaw.requiretls.field import FIELD_NAME, waives_tls
from danelaw.requiretls.status import ENCRYPTION_NEEDED, SUPPORT_REQUIRED

__all__ = [
    "ENCRYPTION_NEEDED",
    "FIELD_NAME",
    "SUPPORT_REQUIRED",
    "waives_tls",
]
