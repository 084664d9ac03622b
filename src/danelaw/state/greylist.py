"""What greylisting remembers (RFC 6647), shared by all workers and the command line: `greylist.db` beside the spool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from danelaw.greylist import Judgement, Record, Rules, Triplet, Verdict, judge
from danelaw.state.database import StateDatabase

FILE_NAME = "greylist.db"
_SCHEMA = """
CREATE TABLE triplet (
    network TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    first REAL NOT NULL,
    last REAL NOT NULL,
    passes INTEGER NOT NULL,
    PRIMARY KEY (network, sender, recipient)
) WITHOUT ROWID;
CREATE INDEX triplet_age ON triplet (passes > 0, last);
CREATE TABLE network (
    network TEXT PRIMARY KEY,
    passed INTEGER NOT NULL,
    last REAL NOT NULL,
    allowed INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX network_age ON network (allowed, last);
"""
_PRUNE_EVERY_SECONDS = 60.0
_PRUNE_EVERY_INSERTS = 1000
# One pruning runs on the event loop, so it has an end; with so many at so many inserts it keeps up.
_MOST_PRUNED = 2000


@dataclass(frozen=True, slots=True)
class NetworkRecord:
    """A client network: how many of its triplets have passed, when one did last, whether an operator allowed it."""

    network: str
    passed: int
    last: float
    allowed: bool


class GreylistStore:
    """Judges triplets by what is remembered and remembers the outcome.

    At most `entries` triplets and as many networks are kept; those that have not passed go first, the oldest before
    the others. Methods raise `StateError` when the file cannot be used.
    """

    def __init__(self, path: Path | str, rules: Rules, *, auto_allow: int = 0, entries: int = 500_000) -> None:
        """`auto_allow` triplets of a network make all of it pass; 0 for never."""
        self._database = StateDatabase(path, schema=_SCHEMA, durable=False)
        self._rules = rules
        self._auto_allow = auto_allow
        self._entries = entries
        self._inserts = 0
        self._pruned_at = float("-inf")

    def judge(self, triplet: Triplet, now: float) -> Judgement:
        """Judge a try at `now` (POSIX seconds) and remember it."""
        key = (triplet.network, triplet.sender, triplet.recipient)
        rows = self._database.execute(
            "SELECT first, last, passes FROM triplet WHERE network = ? AND sender = ? AND recipient = ?", key
        )
        record = _record(rows[0]) if rows else None
        judgement = judge(record, now, self._rules)
        made = judgement.record
        self._database.execute(
            "INSERT OR REPLACE INTO triplet VALUES (?, ?, ?, ?, ?, ?)", (*key, made.first, made.last, made.passes)
        )
        if judgement.verdict is Verdict.PASSED:
            self._database.execute(
                "INSERT INTO network VALUES (?, 1, ?, 0) ON CONFLICT (network) DO UPDATE SET passed = passed + 1, "
                "last = excluded.last",
                (triplet.network, now),
            )
        if record is None:
            self._inserts += 1
        if self._inserts >= _PRUNE_EVERY_INSERTS or not self._pruned_at <= now < self._pruned_at + _PRUNE_EVERY_SECONDS:
            self.prune(now)
        return judgement

    def allows(self, network: str, now: float) -> bool:
        """True when a network passes as a whole: an operator said so, or enough of its triplets have passed."""
        rows = self._database.execute("SELECT passed, last, allowed FROM network WHERE network = ?", (network,))
        if not rows:
            return False
        passed, last, allowed = rows[0]
        assert isinstance(passed, int)
        assert isinstance(last, float)
        if allowed:
            return True
        if not self._auto_allow or passed < self._auto_allow or now - last > self._rules.lifetime:
            return False
        if now - last > _PRUNE_EVERY_SECONDS:  # used: it lives on, without a write for each message
            self._database.execute("UPDATE network SET last = ? WHERE network = ?", (now, network))
        return True

    def allow(self, network: str, now: float) -> None:
        """Let a network pass until it is cleared."""
        self._database.execute(
            "INSERT INTO network VALUES (?, 0, ?, 1) ON CONFLICT (network) DO UPDATE SET allowed = 1", (network, now)
        )

    def clear(self, network: str | None = None) -> int:
        """Forget a network and its triplets, or with None everything; gives how many triplets and networks went."""
        where, what = ("", ()) if network is None else (" WHERE network = ?", (network,))
        gone = 0
        for table in ("triplet", "network"):
            gone += len(self._database.execute(f"DELETE FROM {table}{where} RETURNING 1", what))
        return gone

    def triplets(self, network: str | None = None, most: int = 100) -> Iterator[tuple[Triplet, Record]]:
        """The triplets used last, newest first."""
        where, what = ("", ()) if network is None else ("WHERE network = ?", (network,))
        for row in self._database.execute(
            f"SELECT first, last, passes, network, sender, recipient FROM triplet {where} ORDER BY last DESC LIMIT ?",
            (*what, most),
        ):
            yield Triplet(str(row[3]), str(row[4]), str(row[5])), _record(row)

    def networks(self, most: int = 100) -> Iterator[NetworkRecord]:
        """Networks of which triplets have passed or that were allowed, the most used first."""
        for network, passed, last, allowed in self._database.execute(
            "SELECT network, passed, last, allowed FROM network ORDER BY allowed DESC, passed DESC, network LIMIT ?",
            (most,),
        ):
            assert isinstance(passed, int)
            assert isinstance(last, float)
            yield NetworkRecord(str(network), passed, last, bool(allowed))

    def size(self) -> int:
        """How many triplets are kept."""
        return self._count("triplet")

    def prune(self, now: float) -> None:
        """Forget what has expired, and what is too much."""
        self._inserts, self._pruned_at = 0, now
        rules = self._rules
        for condition, age in (("passes > 0", rules.lifetime), ("passes = 0", rules.window)):
            self._drop("triplet", f"{condition} AND last < ?", "last", _MOST_PRUNED, now - age)
        self._drop("network", "allowed = 0 AND last < ?", "last", _MOST_PRUNED, now - rules.lifetime)
        surplus = self._count("triplet") - self._entries
        if surplus > 0:
            self._drop("triplet", "1", "passes > 0, last", min(surplus, _MOST_PRUNED))
        surplus = self._count("network") - self._entries
        if surplus > 0:
            self._drop("network", "allowed = 0", "last", min(surplus, _MOST_PRUNED))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _count(self, table: str) -> int:
        ((count,),) = self._database.execute(f"SELECT count(*) FROM {table}")
        assert isinstance(count, int)
        return count

    def _drop(self, table: str, condition: str, order: str, most: int, *what: object) -> None:
        key = "network, sender, recipient" if table == "triplet" else "network"
        self._database.execute(
            f"DELETE FROM {table} WHERE ({key}) IN "
            f"(SELECT {key} FROM {table} WHERE {condition} ORDER BY {order} LIMIT ?)",
            (*what, most),
        )


def _record(row: tuple[object, ...]) -> Record:
    first, last, passes = row[:3]
    assert isinstance(first, float)
    assert isinstance(last, float)
    assert isinstance(passes, int)
    return Record(first, last, passes)
