"""Exceptions of the dsn room."""

from __future__ import annotations

from danelaw.errors import DanelawError


class DSNError(DanelawError, ValueError):
    """A notice cannot be built from these values."""
