"""Destinations at which nothing could be sent lately: since when, and the last tries, for whose mail waits for them.

A destination that cannot be used is tried with one message while the others sleep with its queue. So what happened on
each host is kept by destination too: one row, written when a try failed before anything was sent, gone with the next
host that was spoken to. Ordinary mail costs a look into a set.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace

from danelaw.queue import Attempt, Settlement, UnreadableAttempt

MOST_TRIES = 8
"""Hosts remembered of one destination."""
_MOST_KNOWN = 100_000
_UPSERT = (
    "INSERT INTO trouble VALUES (?, ?, ?, ?, ?) ON CONFLICT (next_hop, demand) DO UPDATE SET"
    " last = excluded.last, tries = excluded.tries"
)

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Nothing could be sent to a destination since `since` (POSIX seconds); `tries` are those of the last round."""

    since: float
    tries: tuple[Attempt, ...]


def trouble_of(connection: sqlite3.Connection, next_hop: str, demand: str = "") -> Trouble | None:
    """What is known of a destination under a sender's demand, None when its servers can be used as far as is known."""
    query = "SELECT since, tries FROM trouble WHERE next_hop = ? AND demand = ?"
    row = connection.execute(query, (next_hop, demand)).fetchone()
    if row is None:
        return None
    try:
        return Trouble(row[0], tuple(Attempt.decode(text) for text in json.loads(row[1])))
    except UnreadableAttempt:
        return Trouble(row[0], ())


def forget_trouble(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Drop destinations nobody tried since `before`: their mail has ended another way. Returns how many."""
    chosen = "SELECT next_hop, demand FROM trouble WHERE last < ? LIMIT ?"
    query = f"DELETE FROM trouble WHERE (next_hop, demand) IN ({chosen})"
    return connection.execute(query, (before, limit)).rowcount


class TroubleWriter:
    """Keeps the table inside the caller's transactions."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        # None: not looked yet. Above `_MOST_KNOWN` it is not kept, and every success looks into the table.
        self._known: set[_Key] | None = None

    def rolled_back(self) -> None:
        """The transaction is gone: the table is what it was."""
        self._known = None

    def write(self, connection: sqlite3.Connection, settlements: Iterable[Settlement]) -> None:
        """Note which destinations failed and which were heard in these, in their order."""
        for settlement in settlements:
            if not settlement.attempts or not settlement.message.recipients:
                continue
            key = settlement.message.recipients[0].key
            place = (key.next_hop, key.demand)
            if any(one.protection != "nothing sent" for one in settlement.attempts):
                self._heard(connection, place)
                continue
            failed = [one for one in settlement.attempts if one.cause and one.outcome == "waiting"]
            if failed:
                self._failed(connection, place, failed)

    def _heard(self, connection: sqlite3.Connection, place: _Key) -> None:
        known = self._places(connection)
        if place in known or len(known) >= _MOST_KNOWN:
            connection.execute("DELETE FROM trouble WHERE next_hop = ? AND demand = ?", place)
            known.discard(place)

    def _failed(self, connection: sqlite3.Connection, place: _Key, failed: list[Attempt]) -> None:
        # Recipients and evidence belong to the message that was tried.
        tries = [replace(one, recipients=(), facts="", basis=b"", session=b"").encode() for one in failed[:MOST_TRIES]]
        connection.execute(_UPSERT, (*place, failed[0].time, failed[-1].time, json.dumps(tries)))
        known = self._places(connection)
        if len(known) < _MOST_KNOWN:
            known.add(place)

    def _places(self, connection: sqlite3.Connection) -> set[_Key]:
        if self._known is None:
            rows = connection.execute("SELECT next_hop, demand FROM trouble LIMIT ?", (_MOST_KNOWN,))
            self._known = {(row[0], row[1]) for row in rows}
        return self._known
