"""What can be wrong with names, passwords and verifiers."""

from __future__ import annotations

from danelaw.errors import DanelawError


class SASLError(DanelawError, ValueError):
    """A name or password that cannot be prepared, a verifier or a line of users that cannot be read."""
