"""Forgetting one person: finished mail, tries, and evidence nobody else's tries refer to.

Waiting mail is not touched: it has to be delivered, returned or dropped first, and its record purged afterwards.
"""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass
from typing import Any

from danelaw.queue import Attempt
from danelaw.spool.attempts import day_tables
from danelaw.spool.errors import SpoolError
from danelaw.spool.evidence import forget_evidence
from danelaw.spool.spool import Spool
from danelaw.spool.turns import slices
from danelaw.spool.writer import BatchWriter


@dataclass(frozen=True, slots=True)
class Purged:
    """What was forgotten, and how many messages of this person still wait."""

    messages: int
    attempts: int
    evidence: int
    still_waiting: int


def purge(spool: Spool, address: str, who: str, why: str, now: float) -> Purged:
    """Forget an address, as sender and as recipient, in history, tries and evidence. The act is logged by the keyed
    digest of the address only. Raises `SpoolError`.
    """
    address = address.strip().strip("<>")
    if "@" not in address:
        raise SpoolError(f"'{address}' is no address", advice="danelaw queue purge anna@example.org --because TICKET")
    waiting = spool.reader.execute(
        "SELECT count(DISTINCT m.id) FROM message m JOIN recipient r ON r.message = m.id"
        " WHERE lower(m.reverse_path) = ?1 OR lower(r.forward_path) = ?1",
        (address.lower(),),
    ).fetchone()[0]
    messages = attempts = 0
    named: set[bytes] = set()
    with spool.transaction() as writer:
        who_it_is = writer.redaction.digest(address)
        for above, upto in slices(writer.connection, 0, "history"):
            for row in _traces(writer.connection, address, who_it_is, above, upto):
                changed, tries = _forget(writer, row, address, who_it_is, named)
                messages, attempts = messages + changed, attempts + tries
        evidence = forget_evidence(writer.connection, named)
        writer.attempts.evidence_purged()
        writer.connection.execute(
            "UPDATE acts SET filter = replace(filter, ?1, '(purged)'), why = replace(why, ?1, '(purged)')", (address,)
        )
        writer.connection.execute(
            "INSERT INTO acts (at, who, operation, filter, why, messages) VALUES (?,?,?,?,?,?)",
            (now, who, "purge", f"address digest {who_it_is}", why.replace(address, "(purged)"), messages),
        )
    return Purged(messages, attempts, evidence, waiting)


def _traces(connection: sqlite3.Connection, address: str, digest: str, above: int, upto: int) -> list[tuple[Any, ...]]:
    """History rows that may hold the address, plain or redacted; ASCII case is ignored."""
    like = "%" + address.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    return connection.execute(
        "SELECT id, reverse_path, recipients FROM history WHERE id > ?1 AND id <= ?2 AND"
        " (reverse_path LIKE ?3 ESCAPE '\\' OR recipients LIKE ?3 ESCAPE '\\'"
        " OR instr(reverse_path, ?4) OR instr(recipients, ?4))",
        (above, upto, like, digest),
    ).fetchall()


def _forget(writer: BatchWriter, row: tuple[Any, ...], address: str, digest: str, named: set[bytes]) -> tuple[int, int]:
    """Remove one message's traces of the person: all of it for its sender or only recipient, else that recipient and
    the address in what was said about the others. Returns messages and tries removed or changed; `named` gets the
    evidence these tries name.
    """
    connection = writer.connection
    message, sender, recipients = row[0], str(row[1]), json.loads(row[2])

    def is_person(text: str) -> bool:
        return text.lower() == address.lower() or text.endswith(" " + digest)

    mentioned = re.compile(rf"(?<![^\s<>\"'(),:;]){re.escape(address)}(?![\w.-])", re.IGNORECASE)
    kept = [] if is_person(sender) else [recipient for recipient in recipients if not is_person(recipient[1])]
    said_before = [recipient[6:8] for recipient in kept]
    for recipient in kept:
        recipient[6:8] = [mentioned.sub("(purged)", said) for said in recipient[6:8]]
    gone = {recipient[0] for recipient in recipients} - {recipient[0] for recipient in kept}
    if kept and not gone and said_before == [recipient[6:8] for recipient in kept]:
        return 0, 0
    if kept:
        text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
        connection.execute("UPDATE history SET recipients = ? WHERE id = ?", (text, message))
    else:
        connection.execute("DELETE FROM history WHERE id = ?", (message,))
    # What was found out about a message may name anyone of its envelope, in any form.
    connection.execute("DELETE FROM finding WHERE id = ?", (message,))
    return 1, _forget_tries(connection, message, gone if kept else None, named)


def _forget_tries(connection: sqlite3.Connection, message: int, numbers: set[int] | None, named: set[bytes]) -> int:
    """Remove a message's tries (of some recipients, or all), and add to `named` the evidence they name."""
    removed = 0
    for table in day_tables(connection):
        rows = connection.execute(
            f"SELECT time, number, record, link FROM {table} WHERE message = ?", (message,)
        ).fetchall()
        for when, number, record, link in rows:
            attempt = Attempt.decode(record)
            if numbers is None or set(attempt.recipients) & numbers:
                connection.execute(
                    f"DELETE FROM {table} WHERE message = ? AND time = ? AND number = ?", (message, when, number)
                )
                # Its hash stays in the log's chain, which says that an entry is gone.
                connection.execute("UPDATE link SET forgotten = forgotten + 1 WHERE number = ?", (link,))
                named.update(attempt.digests)
                removed += 1
    return removed
