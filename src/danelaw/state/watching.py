"""`watch.db` beside the spool: how protected mail was, by destination and day, and what weakened.

Three tables. `tally` holds the tries of the last days, counted from the recorded attempts and replaced whole at each
look, so that a look that is cut off or repeated changes nothing. `history` holds one row per destination with closed
days folded in (`danelaw.watch.History`), each day once. `weakening` holds the events. The file can be made anew from
the recorded attempts as far as they are kept; so it is not flushed with each change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from danelaw.state.database import StateDatabase
from danelaw.tlspolicy import Protection
from danelaw.watch import History, Kind, Observation, WatchError, Weakening
from danelaw.watch.observation import Tally

FILE_NAME = "watch.db"
_SLICE = 500
_LONGEST_PAUSE = 86_400.0
_SCHEMA = """
CREATE TABLE tally (
    day INTEGER NOT NULL,
    destination TEXT NOT NULL,
    host TEXT NOT NULL,
    protection TEXT NOT NULL,
    outcome TEXT NOT NULL,
    cause TEXT NOT NULL,
    demander TEXT NOT NULL,
    messages INTEGER NOT NULL,
    last REAL NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (day, destination, host, protection, outcome, cause, demander)
) WITHOUT ROWID;
CREATE TABLE history (
    destination TEXT PRIMARY KEY,
    last INTEGER NOT NULL,
    spans TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX history_last ON history (last);
CREATE TABLE weakening (
    destination TEXT NOT NULL,
    day INTEGER NOT NULL,
    kind TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    since INTEGER NOT NULL,
    days INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    hosts TEXT NOT NULL,
    facts TEXT NOT NULL,
    ended INTEGER,
    told INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (destination, day)
) WITHOUT ROWID;
CREATE INDEX weakening_open ON weakening (ended, day);
CREATE TABLE closed (day INTEGER PRIMARY KEY);
CREATE TABLE turn (one INTEGER PRIMARY KEY CHECK (one = 1), until REAL NOT NULL, letter REAL NOT NULL);
INSERT INTO turn VALUES (1, 0, 0);
"""
_BY_WORD = {one.value: one for one in Protection}
_ADD = (
    "INSERT INTO tally VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET messages = messages + excluded.messages,"
    " facts = CASE WHEN excluded.last >= last THEN excluded.facts ELSE facts END, last = max(last, excluded.last)"
)
_COLUMNS = "destination, day, kind, before, after, since, days, messages, hosts, facts"

Row = tuple[str, str, str, str, str, str, int, float, str]
"""destination, host, protection, outcome, cause, demander, messages, last (POSIX seconds), facts."""


class WatchStore(StateDatabase):
    """One connection to it. Raises `StateError` for what the file or disk refuses."""

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        """Open or create. Raises `StateError`."""
        super().__init__(path, read_only=read_only, schema=_SCHEMA, durable=False)

    # whose turn it is

    def take_turn(self, now: float, until: float) -> bool:
        """Whether this process may look now; others may from `until` on."""
        with self.together():
            ((free_at,),) = self.execute("SELECT until FROM turn")
            assert isinstance(free_at, float)
            # A clock that ran ahead must not stop the watch for long.
            if now < free_at <= now + _LONGEST_PAUSE:
                return False
            self.execute("UPDATE turn SET until = ?", (until,))
        return True

    def yield_turn(self, until: float) -> None:
        """The look is over; the next may begin at `until`."""
        self.execute("UPDATE turn SET until = ?", (until,))

    # days

    def replace_day(self, day: int, parts: Iterable[Iterable[Row]]) -> None:
        """Put what was counted of a day in place of what was; `parts` are added up."""
        with self.together():
            self.execute("DELETE FROM tally WHERE day = ?", (day,))
            for rows in parts:
                for row in rows:
                    self.execute(_ADD, (day, *row))

    def is_closed(self, day: int) -> bool:
        """Whether a day is in the histories."""
        return bool(self.execute("SELECT 1 FROM closed WHERE day = ?", (day,)))

    def observations(self, day: int, after: str = "") -> list[tuple[str, Observation]]:
        """Some hundred destinations of a day, by name, above `after`."""
        names = [
            str(row[0])
            for row in self.execute(
                "SELECT DISTINCT destination FROM tally WHERE day = ? AND destination > ? ORDER BY destination LIMIT ?",
                (day, after, _SLICE),
            )
        ]
        return self._observed(day, names)

    def weaker_today(self, day: int) -> list[tuple[str, Observation]]:
        """Destinations with mail on a day that was not verified by DANE: few of them have a history to hold it to."""
        names = [
            str(row[0])
            for row in self.execute(
                "SELECT DISTINCT t.destination FROM tally t JOIN history h ON h.destination = t.destination"
                " WHERE t.day = ? AND t.outcome = 'delivered' AND t.protection <> ? AND t.demander = ''"
                " AND (h.spans LIKE ? OR h.spans LIKE ? OR h.spans LIKE ?)",
                (day, Protection.DANE.value, *(f'%"{one.value}"%' for one in _WORTH)),
            )
        ]
        return [
            one for start in range(0, len(names), _SLICE) for one in self._observed(day, names[start : start + _SLICE])
        ]

    def _observed(self, day: int, names: list[str]) -> list[tuple[str, Observation]]:
        marks = ",".join("?" * len(names))
        rows = self.execute(
            "SELECT destination, host, protection, outcome, cause, demander, messages, facts FROM tally"
            f" WHERE day = ? AND destination IN ({marks}) ORDER BY destination",
            (day, *names),
        )
        return [
            (str(name), Observation.of(day, (Tally(*row[1:]) for row in group)))  # type: ignore[arg-type]
            for name, group in groupby(rows, key=lambda row: row[0])
        ]

    def observation(self, destination: str, day: int) -> Observation | None:
        """One destination on one day, None without any mail."""
        found = self._observed(day, [destination])
        return found[0][1] if found else None

    def close_day(self, day: int) -> None:
        """The day is in the histories; its tallies and earlier ones are forgotten."""
        with self.together():
            self.execute("INSERT OR IGNORE INTO closed VALUES (?)", (day,))
            self.execute("DELETE FROM tally WHERE day <= ?", (day,))

    # histories

    def history(self, destination: str) -> History:
        """An empty one for a destination that is not known, or whose row is damaged."""
        rows = self.execute("SELECT spans FROM history WHERE destination = ?", (destination,))
        return _read(destination, str(rows[0][0])) if rows else History(destination)

    def save(self, histories: Iterable[History]) -> None:
        """Put these in place of what was stored."""
        with self.together():
            for one in histories:
                self.execute(
                    "INSERT OR REPLACE INTO history VALUES (?, ?, ?)", (one.destination, one.last, one.to_text())
                )

    def histories(self, since: int) -> Iterator[History]:
        """All with a day from `since` on, by name, read in slices."""
        after = ""
        while True:
            rows = self.execute(
                "SELECT destination, spans FROM history WHERE destination > ? AND last >= ?"
                " ORDER BY destination LIMIT ?",
                (after, since, _SLICE),
            )
            for name, spans in rows:
                yield _read(str(name), str(spans))
            if len(rows) < _SLICE:
                return
            after = str(rows[-1][0])

    def forget(self, before: int) -> None:
        """Drop destinations without mail since day `before`, and events that ended before it."""
        self.execute("DELETE FROM history WHERE last < ?", (before,))
        self.execute("DELETE FROM weakening WHERE ended < ?", (before,))
        self.execute("DELETE FROM closed WHERE day < ?", (before,))

    # events

    def note(self, one: Weakening) -> bool:
        """Remember an event. False when it is known: one that lasts is told once, unless it gets worse."""
        open_now = self.open_of(one.destination)
        if open_now is not None and one.after >= open_now.after:
            return False
        with self.together():
            self.execute(
                "UPDATE weakening SET ended = ? WHERE destination = ? AND ended IS NULL", (one.day, one.destination)
            )
            self.execute(
                f"INSERT OR REPLACE INTO weakening ({_COLUMNS}, ended) VALUES (?,?,?,?,?,?,?,?,?,?,NULL)",
                (
                    one.destination, one.day, one.kind.value, one.before.value, one.after.value, one.since, one.days,
                    one.messages, " ".join(one.hosts), one.facts,
                ),
            )  # fmt: skip
        return True

    def open_of(self, destination: str) -> Weakening | None:
        """The event of a destination that has not ended."""
        rows = self.execute(f"SELECT {_COLUMNS} FROM weakening WHERE destination = ? AND ended IS NULL", (destination,))
        return _event(rows[0]) if rows else None

    def end(self, destination: str, day: int) -> bool:
        """It is as strong as before again. False when there was no event."""
        if self.open_of(destination) is None:
            return False
        self.execute("UPDATE weakening SET ended = ? WHERE destination = ? AND ended IS NULL", (day, destination))
        return True

    def open_events(self) -> list[Weakening]:
        """All that have not ended, the newest first."""
        rows = self.execute(f"SELECT {_COLUMNS} FROM weakening WHERE ended IS NULL ORDER BY day DESC, destination")
        return [_event(row) for row in rows]

    def untold(self, now: float, pause: float) -> list[Weakening]:
        """Open events that no letter told of, the deepest fall first; none within `pause` seconds after a letter."""
        ((last,),) = self.execute("SELECT letter FROM turn")
        assert isinstance(last, float)
        if now < last + pause and last <= now + _LONGEST_PAUSE:
            return []
        rows = self.execute(f"SELECT {_COLUMNS} FROM weakening WHERE ended IS NULL AND told = 0")
        return sorted(map(_event, rows), key=Weakening.depth)

    def tell(self, events: Iterable[Weakening], now: float) -> None:
        """A letter told of these."""
        with self.together():
            for one in events:
                self.execute(
                    "UPDATE weakening SET told = 1 WHERE destination = ? AND day = ?", (one.destination, one.day)
                )
            self.execute("UPDATE turn SET letter = ?", (now,))

    def events(self, destination: str = "", since: int = 0) -> list[tuple[Weakening, int | None]]:
        """Events that were not over before day `since`, of one destination or of all, each with the day it ended."""
        rows = self.execute(
            f"SELECT {_COLUMNS}, ended FROM weakening WHERE (? = '' OR destination = ?)"
            " AND (ended IS NULL OR ended >= ?) ORDER BY day DESC, destination",
            (destination, destination, since),
        )
        return [(_event(row), row[10] if isinstance(row[10], int) else None) for row in rows]


_WORTH = (Protection.DANE, Protection.MTA_STS, Protection.PKIX)


def _read(destination: str, spans: str) -> History:
    try:
        return History.from_text(destination, spans)
    except WatchError:
        return History(destination)


def _event(row: tuple[object, ...]) -> Weakening:
    destination, day, kind, before, after, since, days, messages, hosts, facts = row[:10]
    return Weakening(
        str(destination), int(str(day)), Kind(kind), _BY_WORD[str(before)], _BY_WORD[str(after)], int(str(since)),
        int(str(days)), int(str(messages)), tuple(str(hosts).split()), str(facts),
    )  # fmt: skip
