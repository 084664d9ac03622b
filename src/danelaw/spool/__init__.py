"""The spool: mail on stable storage before it is acknowledged, and the record of what became of it."""

from __future__ import annotations

from danelaw.spool.bodies import BodyWriter
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
from danelaw.spool.queues import QueueRow
from danelaw.spool.retention import SpoolSettings
from danelaw.spool.spool import Spool

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
