"""Exceptions of the DMARC room."""

from __future__ import annotations

from danelaw.errors import DanelawError


class RecordError(DanelawError, ValueError):
    """A text is no DMARC Policy Record and must be ignored as a whole (RFC 9989 §4.7, `v`)."""
