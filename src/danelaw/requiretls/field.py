"""The header field `TLS-Required: No` (RFC 8689 §3)."""

from __future__ import annotations

from collections.abc import Iterable

FIELD_NAME = "TLS-Required"

_WHITE_SPACE = b" \t\r\n"


def waives_tls(values: Iterable[bytes], *, requiretls: bool) -> bool:
    """Tell whether the message waives TLS: exactly one TLS-Required field, and its value is `No`.

    `values` are the bodies of all TLS-Required fields of the message, the octets after the colon, folded or not;
    `requiretls` whether MAIL carried REQUIRETLS, which makes the field count for nothing (RFC 8689 §4.1).
    `No` is an ABNF string and so matches in any case. Comments are not part of the grammar. With several fields
    none counts: §3 forbids them, and the safe reading of a contradiction is the recipient's policy.
    """
    if requiretls:
        return False
    found = tuple(values)
    return len(found) == 1 and found[0].strip(_WHITE_SPACE).lower() == b"no"
