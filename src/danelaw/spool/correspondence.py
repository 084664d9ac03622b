"""To which domains mail went, from the spool itself: finished and waiting recipients since some moment."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator

from danelaw.queue import floor_id
from danelaw.spool.turns import Turns

_AT_ONCE = 2_000


def recipient_domains(connection: sqlite3.Connection, since: float) -> Iterator[Counter[str]]:
    """Domains as they stand in forward-paths, lower case, with their recipients: of messages received after `since`
    (POSIX seconds), a part at a time. A recipient that still waits counts 0, so that its domain is known.
    """
    after = max(floor_id(since) - 1, 0)

    def finished(above: int, upto: int) -> Counter[str]:
        found: Counter[str] = Counter()
        for (recipients,) in connection.execute(
            "SELECT recipients FROM history WHERE id > ? AND id <= ?", (above, upto)
        ):
            found.update(filter(None, (_domain(str(one[1])) for one in json.loads(recipients))))
        return found

    def waiting(above: int, upto: int) -> Counter[str]:
        rows = connection.execute(
            "SELECT DISTINCT forward_path FROM recipient WHERE message > ? AND message <= ?", (above, upto)
        )
        return Counter(dict.fromkeys(filter(None, (_domain(str(row[0])) for row in rows)), 0))

    yield from Turns(connection, "history", _AT_ONCE).read(finished, after)
    yield from Turns(connection, "message", _AT_ONCE).read(waiting, after)


def _domain(path: str) -> str:
    """The domain of a forward-path, or of what history keeps of one (`a…@example.org digest`)."""
    local, at, rest = path.rpartition("@")
    return rest.split(" ")[0].lower() if at and local else ""
