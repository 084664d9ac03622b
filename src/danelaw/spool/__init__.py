"""The spool: mail on stable storage before it is acknowledged, and the record of what became of it."""

from __future__ import annotations

from danelaw.spool.errors import (
    BodyMissing,
    CommitFailed,
    NoSuchMessage,
    SpoolError,
    SpoolFull,
    SpoolLocked,
    SpoolReadOnly,
    SpoolVersion,
)
from danelaw.spool.spool import BodyWriter, QueueRow, Spool, SpoolSettings

__all__ = [
    "BodyMissing",
    "BodyWriter",
    "CommitFailed",
    "NoSuchMessage",
    "QueueRow",
    "Spool",
    "SpoolError",
    "SpoolFull",
    "SpoolLocked",
    "SpoolReadOnly",
    "SpoolSettings",
    "SpoolVersion",
]
