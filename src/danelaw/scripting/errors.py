"""What can go wrong with a policy."""

from __future__ import annotations

from danelaw.errors import DanelawError


class PolicyError(DanelawError):
    """A policy that cannot be loaded or used; the reason names file and line."""


class HookFailed(DanelawError):
    """A hook raised, took too long, or gave something that is no verdict of its step."""
