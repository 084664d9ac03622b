"""What a milter did wrong."""

from __future__ import annotations

from danelaw.errors import DanelawError


class MilterError(DanelawError):
    """The filter broke the protocol, or said more than it may. The connection is of no further use."""
