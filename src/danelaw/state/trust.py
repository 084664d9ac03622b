"""What is known of the members of trust groups over time, shared by all processes of a gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from danelaw.state.database import StateDatabase
from danelaw.trustgroup import Change, MemberRecord, Observation

_TABLES = (
    """CREATE TABLE IF NOT EXISTS trust_member (
        group_name TEXT NOT NULL, domain TEXT NOT NULL, met REAL NOT NULL, standing TEXT NOT NULL,
        since REAL NOT NULL, reason TEXT NOT NULL, checked REAL NOT NULL, due REAL NOT NULL,
        doubted TEXT NOT NULL, doubts INTEGER NOT NULL, PRIMARY KEY (group_name, domain)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS trust_member_due ON trust_member (due)",
    """CREATE TABLE IF NOT EXISTS trust_change (
        number INTEGER PRIMARY KEY AUTOINCREMENT, group_name TEXT NOT NULL, domain TEXT NOT NULL,
        at REAL NOT NULL, before TEXT NOT NULL, now TEXT NOT NULL, reason TEXT NOT NULL, told INTEGER NOT NULL)""",
)
_COLUMNS = "standing, since, reason, checked, due, doubted, doubts"
MOST_MEMBERS = 100_000
"""Members of one group that are watched; DNS must not fill our disk."""
_MOST_CHANGES = 10_000
_LEASE_SECONDS = 600.0
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Member:
    """One member with what is believed of it."""

    group: str
    domain: str
    record: MemberRecord


@dataclass(frozen=True, slots=True)
class Told:
    """A change of a member's standing, as it is kept: `number` grows with each."""

    number: int
    group: str
    domain: str
    change: Change


class TrustStore:
    """Each answer is one statement, so that of two processes that ask at once one is first. Raises `StateError`."""

    def __init__(self, database: StateDatabase, *, create: bool = True) -> None:
        self._database = database
        if create:
            for statement in _TABLES:
                database.execute(statement)

    def meet(
        self, group: str, domains: Iterable[str], now: float, spread: Callable[[str], float], within: float
    ) -> None:
        """Watch these members too, the first time within so many seconds (`spread` gives the part by name, from 0 to
        1), so that a long list is looked at little by little. Those that are watched already stay as they are.
        """
        known = {
            row[0] for row in self._database.execute("SELECT domain FROM trust_member WHERE group_name = ?", (group,))
        }
        room = MOST_MEMBERS - len(known)
        new = [domain for domain in dict.fromkeys(domains) if domain not in known][: max(0, room)]
        for first in range(0, len(new), _AT_ONCE):
            with self._database.together():
                for domain in new[first : first + _AT_ONCE]:
                    self._database.execute(
                        "INSERT INTO trust_member VALUES (?, ?, ?, '', 0, '', 0, ?, '', 0) ON CONFLICT DO NOTHING",
                        (group, domain, now, now + within * spread(domain)),
                    )

    def claim(self, now: float) -> Member | None:
        """A member that is due, for this process to look at within ten minutes; None when none is."""
        rows = self._database.execute(
            "UPDATE trust_member SET due = ?1 + ?2 WHERE (group_name, domain) ="
            " (SELECT group_name, domain FROM trust_member WHERE due <= ?1 ORDER BY due LIMIT 1)"
            f" RETURNING group_name, domain, {_COLUMNS}",
            (now, _LEASE_SECONDS),
        )
        return next(_members(rows), None)

    def keep(self, group: str, domain: str, record: MemberRecord, change: Change | None) -> int | None:
        """Write down what one look left; gives the number of the change when there was one. All of it or nothing."""
        with self._database.together():
            self._database.execute(
                "UPDATE trust_member SET standing = ?, since = ?, reason = ?, checked = ?, due = ?, doubted = ?,"
                " doubts = ? WHERE group_name = ? AND domain = ?",
                (_word(record.standing), record.since, record.reason, record.checked, record.due,
                 _word(record.doubted), record.doubts, group, domain),
            )  # fmt: skip
            if change is None:
                return None
            rows = self._database.execute(
                "INSERT INTO trust_change VALUES (NULL, ?, ?, ?, ?, ?, ?, 0) RETURNING number",
                (group, domain, change.at, _word(change.before), _word(change.now), change.reason),
            )
            number = int(_number(rows[0][0]))
            self._database.execute("DELETE FROM trust_change WHERE number <= ?", (number - _MOST_CHANGES,))
            return number

    def untold(self) -> tuple[Told, ...]:
        """Changes that nobody was told by mail yet."""
        rows = self._database.execute(
            "SELECT number, group_name, domain, at, before, now, reason FROM trust_change WHERE told = 0"
        )
        return tuple(_changes(rows))

    def take_to_tell(self, number: int) -> bool:
        """This process tells that change; False when another does or did."""
        return bool(
            self._database.execute(
                "UPDATE trust_change SET told = 1 WHERE number = ? AND told = 0 RETURNING 1", (number,)
            )
        )

    def give_back(self, number: int) -> None:
        """A change could not be told: it is to be told again."""
        self._database.execute("UPDATE trust_change SET told = 0 WHERE number = ?", (number,))

    def members(self, group: str) -> tuple[Member, ...]:
        """All that are watched, by name."""
        rows = self._database.execute(
            f"SELECT group_name, domain, {_COLUMNS} FROM trust_member WHERE group_name = ? ORDER BY domain", (group,)
        )
        return tuple(_members(rows))

    def changes(self, group: str, most: int = 50) -> tuple[Told, ...]:
        """The latest changes, newest first."""
        rows = self._database.execute(
            "SELECT number, group_name, domain, at, before, now, reason FROM trust_change WHERE group_name = ?"
            " ORDER BY number DESC LIMIT ?",
            (group, most),
        )
        return tuple(_changes(rows))

    def counts(self) -> dict[tuple[str, str], int]:
        """How many members of each group have each standing ("" before the first look)."""
        rows = self._database.execute("SELECT group_name, standing, count(*) FROM trust_member GROUP BY 1, 2")
        return {(str(group), str(standing)): int(str(count)) for group, standing, count in rows}

    def forget(self, groups: Iterable[str], before: float) -> None:
        """Drop members of groups that are none of these, and those that left before that moment."""
        known = tuple(groups)
        marks = ", ".join("?" * len(known))
        self._database.execute(
            f"DELETE FROM trust_member WHERE group_name NOT IN ({marks}) OR (standing = 'left' AND since < ?)",
            (*known, before),
        )

    def drop(self, group: str, domain: str) -> None:
        """Watch no more: the operator took it from the list."""
        self._database.execute("DELETE FROM trust_member WHERE group_name = ? AND domain = ?", (group, domain))

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _members(rows: Iterable[tuple[object, ...]]) -> Iterator[Member]:
    for group, domain, standing, since, reason, checked, due, doubted, doubts in rows:
        record = MemberRecord(
            _observation(standing), _number(since), str(reason), _number(checked), _number(due),
            _observation(doubted), int(_number(doubts)),
        )  # fmt: skip
        yield Member(str(group), str(domain), record)


def _changes(rows: Iterable[tuple[object, ...]]) -> Iterator[Told]:
    for number, group, domain, at, before, now, reason in rows:
        found = _observation(now)
        assert found is not None
        change = Change(_observation(before), found, _number(at), str(reason))
        yield Told(int(_number(number)), str(group), str(domain), change)


def _word(observation: Observation | None) -> str:
    return "" if observation is None else observation.value


def _observation(value: object) -> Observation | None:
    return Observation(str(value)) if value else None


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
