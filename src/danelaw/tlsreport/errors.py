"""The error of this room."""

from __future__ import annotations

from danelaw.errors import DanelawError


class ReportError(DanelawError):
    """What was to be a TLS report, or the record that asks for one, cannot be read; the reason says where."""
