"""One message with everything that is kept of it, its octets included, for judging it once more."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from danelaw.queue import id_from_text
from danelaw.spool import rows
from danelaw.spool.quarantine import beginning
from danelaw.spool.shards import in_each
from danelaw.spool.view import find_message

if TYPE_CHECKING:
    from danelaw.queue import QueuedMessage


def whole(directory: Path, ident: str) -> tuple[QueuedMessage, bytes]:
    """A message of a spool by its id, and its octets as stored, Received field included; none where they are gone, as
    with finished mail. Raises `InvalidQueueId`, `NoSuchMessage`, `SpoolError`.
    """
    number = id_from_text(ident)

    def look(connection: sqlite3.Connection) -> tuple[QueuedMessage, bytes]:
        message, _ = find_message(connection, number)
        noted = replace(
            message, findings=rows.findings_of(connection, number), context=rows.context_of(connection, number)
        )
        return noted, beginning(connection, message, message.size)

    return in_each(directory, look)[0]
