"""Hold rules and senders that people allow, set at run time and shared by all processes of a gateway."""

from __future__ import annotations

from danelaw.quarantine.rules import MOST_RULES, HoldRule, HoldRuleError
from danelaw.queue import Filter, FilterError
from danelaw.state.database import StateDatabase

MOST_ALLOWED = 1000
"""Senders that one recipient may allow; the oldest are forgotten beyond that."""
_KEEP_EXPIRED_SECONDS = 30 * 86400.0
_LOOK_EVERY_SECONDS = 1.0
# Made when first needed, beside the tables of the database's own form: an older danelaw does not mind them.
_TABLES = (
    """CREATE TABLE IF NOT EXISTS hold_rule (
        number INTEGER PRIMARY KEY AUTOINCREMENT, filter TEXT NOT NULL, subject TEXT NOT NULL, reason TEXT NOT NULL,
        expires REAL, added_at REAL NOT NULL, who TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS allowed_sender (
        recipient TEXT NOT NULL, sender TEXT NOT NULL, added_at REAL NOT NULL, who TEXT NOT NULL,
        PRIMARY KEY (recipient, sender)) WITHOUT ROWID""",
)


class HoldRuleStore:
    """Every hold rule. What another process changed is noticed within a second.

    `database` is a connection of the store's own, since noticing changes (`changed_elsewhere`) is done once for each.
    """

    def __init__(self, database: StateDatabase) -> None:
        self._database = database
        self._next_look = 0.0
        for statement in _TABLES:
            database.execute(statement)
        self._all = self._load()

    def all(self, now: float) -> tuple[HoldRule, ...]:
        """In the order they were added, ended ones included; `now` in POSIX seconds."""
        self._look(now)
        return self._all

    def add(self, rule: HoldRule, now: float) -> HoldRule:
        """Keep a rule; gives it with its number. Raises `HoldRuleError`, `StateError`."""
        self._database.execute("DELETE FROM hold_rule WHERE expires < ?", (now - _KEEP_EXPIRED_SECONDS,))
        if len(self._load()) >= MOST_RULES:
            raise HoldRuleError(f"there are {MOST_RULES} rules already", advice="danelaw quarantine rule list")
        self._database.execute(
            "INSERT INTO hold_rule (filter, subject, reason, expires, added_at, who) VALUES (?, ?, ?, ?, ?, ?)",
            (rule.filter.text, rule.subject, rule.reason, rule.expires, rule.added_at, rule.who),
        )
        self._all = self._load()
        return self._all[-1]

    def remove(self, number: int) -> HoldRule | None:
        """Take a rule back; returns it, or None when there was none."""
        removed = next((rule for rule in self._load() if rule.number == number), None)
        self._database.execute("DELETE FROM hold_rule WHERE number = ?", (number,))
        self._all = self._load()
        return removed

    def allow(self, recipient: str, sender: str, who: str, now: float) -> None:
        """This recipient wants what this envelope sender sends, whatever hold rules say."""
        pair = (recipient.lower(), sender.lower())
        self._database.execute("INSERT OR REPLACE INTO allowed_sender VALUES (?, ?, ?, ?)", (*pair, now, who))
        self._database.execute(
            "DELETE FROM allowed_sender WHERE recipient = ?1 AND sender NOT IN (SELECT sender FROM allowed_sender"
            " WHERE recipient = ?1 ORDER BY added_at DESC LIMIT ?2)",
            (pair[0], MOST_ALLOWED),
        )

    def allows(self, recipient: str, sender: str) -> bool:
        """Whether `allow` was said; one look at an index."""
        found = self._database.execute(
            "SELECT 1 FROM allowed_sender WHERE recipient = ? AND sender = ?", (recipient.lower(), sender.lower())
        )
        return bool(found)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _look(self, now: float) -> None:
        if self._next_look - _LOOK_EVERY_SECONDS <= now < self._next_look:
            return
        self._next_look = now + _LOOK_EVERY_SECONDS
        if self._database.changed_elsewhere():
            self._all = self._load()

    def _load(self) -> tuple[HoldRule, ...]:
        rows = self._database.execute(
            "SELECT number, filter, subject, reason, expires, added_at, who FROM hold_rule ORDER BY number"
        )
        return tuple(rule for rule in map(_rule, rows) if rule is not None)


def _rule(row: tuple[object, ...]) -> HoldRule | None:
    number, text, subject, reason, expires, added_at, who = row
    try:
        chosen = Filter.from_text(str(text))
    except FilterError:
        return None  # of a newer danelaw
    assert isinstance(number, int)
    assert isinstance(added_at, float)
    end = expires if isinstance(expires, float) else None
    return HoldRule(number, chosen, str(subject), str(reason), end, added_at, str(who))
