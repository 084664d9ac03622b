"""Where the standing of versions, their origins and what operators did are written down: `state.db`.

Every process of a gateway and the command line open the same file; each change is one transaction, and is noticed by
the others by the file's own counter. What cannot be read is said, never guessed at.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from danelaw.scripting.errors import PolicyError
from danelaw.scripting.versioning.standing import Act, Standing
from danelaw.state import FILE_NAME, StateDatabase, StateError

MOST_ACTS = 1000
_TABLES = (
    """CREATE TABLE IF NOT EXISTS policy_standing (
        id INTEGER PRIMARY KEY CHECK (id = 1), standing TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS policy_version (
        version TEXT PRIMARY KEY, stored_at REAL NOT NULL, who TEXT NOT NULL, origin TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS policy_act (
        number INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, version TEXT NOT NULL, at REAL NOT NULL,
        who TEXT NOT NULL, replaced TEXT NOT NULL, portion TEXT NOT NULL, why TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS policy_taken (
        trial INTEGER PRIMARY KEY, taken INTEGER NOT NULL) WITHOUT ROWID""",
)


class Stored(NamedTuple):
    """A version: when it was stored (POSIX seconds), by whom, from which directory."""

    version: str
    at: float
    who: str
    origin: str


class Ledger:
    """One connection to it. Methods raise `StateError` where the file cannot be used."""

    def __init__(self, spool: Path, *, read_only: bool = False) -> None:
        self._database = StateDatabase(spool / FILE_NAME, read_only=read_only)
        if not read_only:
            for statement in _TABLES:
                self._database.execute(statement)

    def standing(self) -> Standing | None:
        """How it stands now; None before the first start. Raises `PolicyError` when it cannot be read."""
        try:
            rows = self._database.execute("SELECT standing FROM policy_standing")
        except StateError as error:
            if "no such table" in error.reason:
                return None
            raise
        return Standing.from_text(str(rows[0][0])) if rows else None

    def change(self, act: Act, change: Callable[[Standing], Standing]) -> Standing:
        """Change the standing and write down the act, both or neither; gives the new one. Raises what `change` raises,
        and `PolicyError` before the first start.
        """

        def next_(standing: Standing | None) -> Standing:
            if standing is None:
                raise PolicyError("no policy has run here yet", advice="start the gateway once: danelaw serve")
            return change(standing)

        return self._change(act, next_)

    def install(self, act: Act) -> Standing:
        """The very first version becomes active, unless another process has just done so. Raises `PolicyError`."""
        return self._change(act, lambda standing: standing or Standing(act.version))

    def begin_anew(self, act: Act) -> Standing:
        """A version becomes active where nothing readable is written down."""
        return self._change(act, lambda standing: standing or Standing(act.version), unreadable=True)

    def _change(self, act: Act, change: Callable[[Standing | None], Standing], *, unreadable: bool = False) -> Standing:
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            try:
                before = self.standing()
            except PolicyError:
                if not unreadable:
                    raise
                before = None
            after = change(before)
            if after != before:
                database.execute("INSERT OR REPLACE INTO policy_standing VALUES (1, ?)", (after.to_text(),))
                replaced = act.replaced or ("" if before is None or before.active == after.active else before.active)
                database.execute(
                    "INSERT INTO policy_act (what, version, at, who, replaced, portion, why) VALUES (?,?,?,?,?,?,?)",
                    (act.what, act.version, act.at, act.who, replaced, act.portion, act.why[:1000]),
                )
                database.execute(
                    "DELETE FROM policy_act WHERE number <= (SELECT max(number) FROM policy_act) - ?", (MOST_ACTS,)
                )
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise
        return after

    def note(self, stored: Stored) -> None:
        """Write down where a version came from; the first time counts."""
        self._database.execute("INSERT OR IGNORE INTO policy_version VALUES (?,?,?,?)", stored)

    def stored(self) -> list[Stored]:
        """All versions, the newest first."""
        rows = self._rows("SELECT version, stored_at, who, origin FROM policy_version ORDER BY stored_at DESC, version")
        return [Stored(str(row[0]), _number(row[1]), str(row[2]), str(row[3])) for row in rows]

    def forget(self, version: str) -> None:
        """A version's copy is gone."""
        self._database.execute("DELETE FROM policy_version WHERE version = ?", (version,))

    def acts(self, most: int = 50) -> list[Act]:
        """What was done, the newest first."""
        rows = self._rows(
            "SELECT what, version, at, who, replaced, portion, why FROM policy_act ORDER BY number DESC LIMIT ?", most
        )
        return [
            Act(str(row[0]), str(row[1]), _number(row[2]), *(str(word) for word in row[3:]))
            for row in rows
        ]  # fmt: skip

    def take(self, trial: int, number: int, most: int) -> int:
        """Of `most` connections that a trial may have, take `number`; gives how many there were left to take."""
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            rows = database.execute("SELECT taken FROM policy_taken WHERE trial = ?", (trial,))
            taken = int(_number(rows[0][0])) if rows else 0
            given = max(0, min(number, most - taken))
            if given:
                database.execute("INSERT OR REPLACE INTO policy_taken VALUES (?, ?)", (trial, taken + given))
                database.execute("DELETE FROM policy_taken WHERE trial < ?", (trial,))
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise
        return given

    def taken(self, trial: int) -> int:
        """How many connections a trial has taken, those that a worker has set aside for it included."""
        rows = self._rows("SELECT taken FROM policy_taken WHERE trial = ?", trial)
        return int(_number(rows[0][0])) if rows else 0

    def changed_elsewhere(self) -> bool:
        """True once after another process has changed something in the file."""
        return self._database.changed_elsewhere()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        try:
            return self._database.execute(statement, values)
        except StateError as error:
            if "no such table" in error.reason:
                return []
            raise


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
