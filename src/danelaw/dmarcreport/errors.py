"""Exceptions of the room of DMARC reports."""

from __future__ import annotations

from danelaw.errors import DanelawError


class ReportError(DanelawError, ValueError):
    """Octets are no report that can be used, or a report cannot be written; the reason names what is wrong."""
