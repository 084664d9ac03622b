"""What a published text can be wrong about."""

from __future__ import annotations

from danelaw.errors import DanelawError


class RecordError(DanelawError, ValueError):
    """A text is not an SPF record, or holds a term or macro that the grammar does not know (RFC 7208 §4.6)."""
