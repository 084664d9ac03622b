"""What can go wrong with the spool, in words for the postmaster and a reply for the client."""

from __future__ import annotations

from danelaw.errors import DanelawError


class SpoolError(DanelawError):
    """The spool could not do it. `code` and `enhanced` are the reply a client gets (RFC 5321 §4.2.3, RFC 3463)."""

    code = 451
    enhanced = "4.3.0"


class SpoolLocked(SpoolError):
    """Another process works on this shard; `pid` is its process id, None when unknown."""

    def __init__(self, reason: str, *, pid: int | None, advice: str | None = None) -> None:
        super().__init__(reason, advice=advice)
        self.pid = pid


class SpoolVersion(SpoolError):
    """The spool was written by a newer danelaw, or is no spool at all."""


class CommitFailed(SpoolError):
    """The batch did not reach stable storage; nothing of it was acknowledged."""


class SpoolReadOnly(SpoolError):
    """The shard takes no mail until it has recovered from a failed write."""


class SpoolFull(SpoolError):
    """Too little space is left (RFC 5321 §4.2.3: 452 insufficient system storage)."""

    code = 452
    enhanced = "4.3.1"


class BodyMissing(SpoolError):
    """A message's body is not where its row says."""


class NoSuchMessage(SpoolError):
    """No message with this id, waiting or in history."""
