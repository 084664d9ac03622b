"""What a message is returned with when nobody could be given it under REQUIRETLS (RFC 8689 §4.2.1)."""

from __future__ import annotations

ENCRYPTION_NEEDED = (5, 7, 10)
"""5.7.10 Encryption needed: no verified TLS session could be made."""

SUPPORT_REQUIRED = (5, 7, 30)
"""5.7.30 REQUIRETLS support required: the server does not offer the extension."""
