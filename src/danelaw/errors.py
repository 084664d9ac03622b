"""The root of danelaw's exceptions.

An outcome is a value; an exception is a broken promise. Every exception carries a `reason` in words a
postmaster understands and, where there is one, an `advice`: what to do next. What a remote peer is told
is kept apart from the private cause.
"""

from __future__ import annotations


class DanelawError(Exception):
    """Something could not be done.

    `reason` is one sentence for a person, without a final stop; `advice`, when given, is the next
    command or edit that would help.
    """

    def __init__(self, reason: str, *, advice: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice
