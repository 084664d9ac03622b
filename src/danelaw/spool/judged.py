"""Which versions of a policy have judged the messages that wait, by what is kept with each."""

from __future__ import annotations

from pathlib import Path

from danelaw.spool import database
from danelaw.spool.rows import NOTED
from danelaw.spool.turns import Turns


def judged_by(shard: Path) -> frozenset[str]:
    """Every version that a message of a shard, by its directory, names. For a thread: reads through a connection of its
    own, in turns. Raises `sqlite3.Error`.
    """
    connection = database.open_reader(shard / database.DATABASE_NAME)
    try:
        found = Turns(connection).read(
            lambda above, upto: connection.execute(
                "SELECT DISTINCT json_extract(c.data, '$.policy') FROM message m JOIN context c ON c.id = m.id"
                " WHERE m.id > ? AND m.id <= ? AND m.flags & ? AND json_valid(c.data)",
                (above, upto, NOTED),
            ).fetchall()
        )
        return frozenset(str(row[0]) for rows in found for row in rows if row[0])
    finally:
        connection.close()
