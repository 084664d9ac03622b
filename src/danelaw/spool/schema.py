"""The tables of one shard and the steps between versions of them.

`PRAGMA user_version` holds the version. A step is a list of statements, or functions, run in one transaction; a version
above ours is refused, never guessed at. Attempts live in one table per day (`attempt_20261123`), made when first needed
and dropped whole, so that retention never deletes row by row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeAlias

from danelaw.spool.errors import SpoolVersion

APPLICATION_ID = 0x44414E45  # "DANE": tells file(1) and us whose database it is


def _link_tries(connection: sqlite3.Connection) -> None:
    for (table,) in connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'attempt_[0-9]*'"
    ).fetchall():
        connection.execute(f"ALTER TABLE {table} ADD COLUMN link INTEGER")


Step: TypeAlias = str | Callable[[sqlite3.Connection], None]
STEPS: tuple[tuple[Step, ...], ...] = (
    (
        """CREATE TABLE queue (
            id INTEGER PRIMARY KEY, next_hop TEXT NOT NULL, demand TEXT NOT NULL, tenant TEXT NOT NULL,
            suspended_until REAL NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0,
            reason TEXT NOT NULL DEFAULT '', UNIQUE (next_hop, demand, tenant)) STRICT""",
        """CREATE TABLE message (
            id INTEGER PRIMARY KEY, received_at REAL NOT NULL, expires REAL NOT NULL, reverse_path TEXT NOT NULL,
            size INTEGER NOT NULL, recipients INTEGER NOT NULL, flags INTEGER NOT NULL, ret TEXT NOT NULL,
            envid TEXT NOT NULL, client_address TEXT NOT NULL, client_helo TEXT NOT NULL, client_tls TEXT NOT NULL,
            message_id TEXT NOT NULL, body_file TEXT) STRICT""",
        "CREATE INDEX message_file ON message (body_file) WHERE body_file IS NOT NULL",
        # Apart from the message, so that listing a million of them does not read their bodies.
        "CREATE TABLE body (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT",
        """CREATE TABLE recipient (
            message INTEGER NOT NULL, number INTEGER NOT NULL, queue INTEGER NOT NULL, state INTEGER NOT NULL,
            due REAL NOT NULL, tries INTEGER NOT NULL, changed_at REAL NOT NULL, forward_path TEXT NOT NULL,
            notify TEXT NOT NULL, orcpt TEXT NOT NULL, reply TEXT NOT NULL, reason TEXT NOT NULL,
            PRIMARY KEY (message, number)) STRICT, WITHOUT ROWID""",
        # Partial: a message delivered at once is born claimed (state 1) and never touches this index.
        # state is in it so that the index covers the count at start.
        "CREATE INDEX recipient_due ON recipient (queue, due, state) WHERE state = 0",
        """CREATE TABLE history (
            id INTEGER PRIMARY KEY, received_at REAL NOT NULL, finished_at REAL NOT NULL, reverse_path TEXT NOT NULL,
            size INTEGER NOT NULL, flags INTEGER NOT NULL, client_address TEXT NOT NULL, client_helo TEXT NOT NULL,
            client_tls TEXT NOT NULL, message_id TEXT NOT NULL, recipients TEXT NOT NULL) STRICT""",
        """CREATE TABLE evidence (
            digest BLOB PRIMARY KEY, day INTEGER NOT NULL, data BLOB NOT NULL) STRICT, WITHOUT ROWID""",
        """CREATE TABLE host (
            name TEXT PRIMARY KEY, last_success REAL, successes INTEGER NOT NULL, failing_since REAL,
            failures INTEGER NOT NULL, reason TEXT NOT NULL) STRICT, WITHOUT ROWID""",
        """CREATE TABLE acts (
            id INTEGER PRIMARY KEY, at REAL NOT NULL, who TEXT NOT NULL, operation TEXT NOT NULL,
            filter TEXT NOT NULL, why TEXT NOT NULL, messages INTEGER NOT NULL) STRICT""",
        "CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
    ),
    # The provider behind a queue, for filters: known once its mail was tried.
    ("ALTER TABLE queue ADD COLUMN site TEXT NOT NULL DEFAULT ''",),
    # Held mail and what steps found out: apart from the message, and marked in its flags, so that ordinary mail costs
    # no statement. A finding outlives its message in history. Until now only operators held mail, without an end.
    (
        """CREATE TABLE hold (
            id INTEGER PRIMARY KEY, since REAL NOT NULL, until REAL, lifetime REAL NOT NULL, step TEXT NOT NULL,
            holds TEXT NOT NULL) STRICT""",
        "CREATE INDEX hold_until ON hold (until) WHERE until IS NOT NULL",
        "CREATE TABLE finding (id INTEGER PRIMARY KEY, data TEXT NOT NULL) STRICT",
        """INSERT INTO hold SELECT m.id, max(r.changed_at), NULL, max(0.0, m.expires - max(r.changed_at)), 'operator',
            json_array(json_array('operator', max(r.reason))) FROM recipient r JOIN message m ON m.id = r.message
            WHERE r.state = 2 GROUP BY m.id""",
        "UPDATE message SET flags = flags | 32 WHERE id IN (SELECT id FROM hold)",
    ),
    # What is due next of all queues, so that those that wait for long need not be known (`danelaw.spool.horizon`).
    (
        "CREATE INDEX recipient_when ON recipient (due, queue) WHERE state = 0",
        "CREATE INDEX queue_asleep ON queue (suspended_until) WHERE suspended_until > 0",
    ),
    # What senders of messages with very many recipients are yet to be told, gathered into few notices.
    (
        """CREATE TABLE owed (
            message INTEGER NOT NULL, number INTEGER NOT NULL, words TEXT NOT NULL,
            PRIMARY KEY (message, number)) STRICT, WITHOUT ROWID""",
    ),
    # Mail of one job, and mail that is urgent or can wait, forms queues of its own. SQLite changes no constraint of a
    # table, so it is made anew. What scripts noted about a message lies beside it, as findings do.
    (
        """CREATE TABLE queue_6 (
            id INTEGER PRIMARY KEY, next_hop TEXT NOT NULL, demand TEXT NOT NULL, tenant TEXT NOT NULL,
            job TEXT NOT NULL, priority INTEGER NOT NULL, suspended_until REAL NOT NULL DEFAULT 0,
            failures INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', site TEXT NOT NULL DEFAULT '',
            UNIQUE (next_hop, demand, tenant, job, priority)) STRICT""",
        """INSERT INTO queue_6 SELECT id, next_hop, demand, tenant, '', 0, suspended_until, failures, reason, site
            FROM queue""",
        "DROP TABLE queue",
        "ALTER TABLE queue_6 RENAME TO queue",
        "CREATE INDEX queue_asleep ON queue (suspended_until) WHERE suspended_until > 0",
        "CREATE TABLE context (id INTEGER PRIMARY KEY, data TEXT NOT NULL) STRICT",
    ),
    # As whom the client had logged in.
    (
        "ALTER TABLE message ADD COLUMN client_user TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE history ADD COLUMN client_user TEXT NOT NULL DEFAULT ''",
    ),
    # Sums of each day by protection, kept long after its tries are forgotten (`danelaw.spool.traffic`).
    (
        """CREATE TABLE traffic (
            day INTEGER NOT NULL, direction TEXT NOT NULL, outcome TEXT NOT NULL, protection TEXT NOT NULL,
            tls TEXT NOT NULL, site TEXT NOT NULL, domain TEXT NOT NULL, recipients INTEGER NOT NULL,
            tries INTEGER NOT NULL,
            PRIMARY KEY (day, direction, outcome, protection, tls, site, domain)) STRICT, WITHOUT ROWID""",
        "CREATE TABLE traffic_day (day INTEGER PRIMARY KEY, counted_at REAL NOT NULL) STRICT",
    ),
    # Destinations at which nothing could be sent: since when, and what the last tries found (`danelaw.spool.trouble`).
    (
        """CREATE TABLE trouble (
            next_hop TEXT NOT NULL, demand TEXT NOT NULL, since REAL NOT NULL, last REAL NOT NULL, tries TEXT NOT NULL,
            PRIMARY KEY (next_hop, demand)) STRICT, WITHOUT ROWID""",
    ),
    # The chain of hashes over what was tried (`danelaw.hashchain`): one link per batch, with the hashes of its
    # entries; `forgotten` counts those that were purged. Tries know their link; those recorded before have none.
    (
        """CREATE TABLE link (
            number INTEGER PRIMARY KEY, at INTEGER NOT NULL, entries BLOB NOT NULL, previous BLOB NOT NULL,
            jump BLOB NOT NULL, digest BLOB NOT NULL, forgotten INTEGER NOT NULL DEFAULT 0) STRICT""",
        "CREATE TABLE head (day INTEGER PRIMARY KEY, number INTEGER NOT NULL, digest BLOB NOT NULL) STRICT",
        _link_tries,
    ),
)

VERSION = len(STEPS)


def version(connection: sqlite3.Connection) -> int:
    """The schema version of the file, 0 when it is empty. Raises `SpoolVersion` for a stranger's database."""
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if application != APPLICATION_ID and (found or tables):
        raise SpoolVersion("the file is a database, but not a danelaw spool", advice="choose another spool directory")
    if found > VERSION:
        raise SpoolVersion(
            f"the spool has schema {found}; this danelaw knows up to {VERSION}",
            advice="run the danelaw that wrote it, or a newer one",
        )
    return found


def migrate(connection: sqlite3.Connection) -> int:
    """Bring the file up to `VERSION`, one transaction per step; returns the version found before."""
    before = version(connection)
    for number in range(before, VERSION):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for step in STEPS[number]:
                if isinstance(step, str):
                    connection.execute(step)
                else:
                    step(connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return before
