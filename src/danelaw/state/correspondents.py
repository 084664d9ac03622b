"""Who has written to whom: `correspondents.db` beside the spool, shared by all workers. Addresses are kept hashed."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from danelaw.state.database import StateDatabase

FILE_NAME = "correspondents.db"
_SCHEMA = """
CREATE TABLE pair (
    digest BLOB PRIMARY KEY,
    first REAL NOT NULL,
    last REAL NOT NULL,
    messages INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX pair_age ON pair (last);
CREATE TABLE secret (one INTEGER PRIMARY KEY CHECK (one = 1), key BLOB NOT NULL);
INSERT INTO secret VALUES (1, randomblob(32));
"""
_DIGEST_OCTETS = 12
_PRUNE_EVERY_INSERTS = 500
_MOST_PRUNED = 1000


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """Since when two have known each other, and how many messages there were, either way."""

    first: float
    messages: int


class CorrespondentStore:
    """Remembers pairs, whoever of them wrote, up to `entries`; those unused for `lifetime` seconds are forgotten.

    Whoever takes the file learns nobody's address by looking: pairs are HMACs under a key made with the file. Methods
    raise `StateError`.
    """

    def __init__(self, path: Path | str, *, lifetime: float, entries: int) -> None:
        self._database = StateDatabase(path, schema=_SCHEMA, durable=False)
        ((key,),) = self._database.execute("SELECT key FROM secret")
        assert isinstance(key, bytes)
        self._key = key
        self._lifetime = lifetime
        self._entries = entries
        self._inserts = 0

    def known(self, one: str, other: str, now: float) -> Acquaintance | None:
        """What is remembered of two addresses; None for strangers."""
        rows = self._database.execute(
            "SELECT first, messages FROM pair WHERE digest = ? AND last >= ?",
            (self._digest(one, other), now - self._lifetime),
        )
        if not rows:
            return None
        first, messages = rows[0]
        assert isinstance(first, float)
        assert isinstance(messages, int)
        return Acquaintance(first, messages)

    def met(self, one: str, other: str, now: float) -> None:
        """Remember a message between them at `now` (POSIX seconds)."""
        self._database.execute(
            "INSERT INTO pair VALUES (?, ?, ?, 1) ON CONFLICT (digest) DO UPDATE SET messages = messages + 1, "
            "first = CASE WHEN last < ? THEN excluded.first ELSE first END, last = excluded.last",
            (self._digest(one, other), now, now, now - self._lifetime),
        )
        self._inserts += 1
        if self._inserts >= _PRUNE_EVERY_INSERTS:
            self.prune(now)

    def prune(self, now: float) -> None:
        """Forget what was not used for too long, and the oldest where there are too many."""
        self._inserts = 0
        self._drop("last < ?", _MOST_PRUNED, now - self._lifetime)
        surplus = self.size() - self._entries
        if surplus > 0:
            self._drop("1", min(surplus, _MOST_PRUNED))

    def size(self) -> int:
        """How many pairs are kept."""
        ((count,),) = self._database.execute("SELECT count(*) FROM pair")
        assert isinstance(count, int)
        return count

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _drop(self, condition: str, most: int, *what: object) -> None:
        self._database.execute(
            f"DELETE FROM pair WHERE digest IN (SELECT digest FROM pair WHERE {condition} ORDER BY last LIMIT ?)",
            (*what, most),
        )

    def _digest(self, one: str, other: str) -> bytes:
        pair = "\0".join(sorted((one.lower(), other.lower()))).encode("utf-8", "replace")
        return hmac.new(self._key, pair, hashlib.sha256).digest()[:_DIGEST_OCTETS]
