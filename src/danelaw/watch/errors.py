"""Exceptions of the watch room."""

from __future__ import annotations

from danelaw.errors import DanelawError


class WatchError(DanelawError, ValueError):
    """A stored history or a plan cannot be read."""
