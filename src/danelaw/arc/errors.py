"""Exceptions of the ARC room."""

from __future__ import annotations

from danelaw.errors import DanelawError


class ARCError(DanelawError, ValueError):
    """An ARC field or chain is not as RFC 8617 wants it, or a message cannot be sealed."""
