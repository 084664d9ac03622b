"""What becomes due soon: the disk remembers queues whose mail waits for hours, memory those of the next minute.

The mail of half a million domains that waits for its next try would else take hundreds of megabytes of queues that have
nothing to do. Each row is looked at once, when its time comes into view.
"""

from __future__ import annotations

import sqlite3

from danelaw.queue import RoutingKey
from danelaw.spool.queues import KEY, KEY_FIELDS, Q_KEY, QueueRow

AT_ONCE = 250
"""Rows in one turn of the event loop: some 10 us for each, with what is done about them."""
_COMING = (
    f"SELECT r.due, r.queue, {Q_KEY} FROM recipient r INDEXED BY recipient_when"
    " CROSS JOIN queue q ON q.id = r.queue"
    " WHERE r.state = 0 AND (r.due, r.queue) > (?, ?) AND r.due <= ? ORDER BY r.due, r.queue LIMIT ?"
)
_ASLEEP = (
    f"SELECT {KEY}, suspended_until, failures, reason FROM queue INDEXED BY queue_asleep WHERE suspended_until > 0"
)


class Horizon:
    """How far ahead the queue has been looked through; times are POSIX seconds."""

    __slots__ = ("_last", "reached")

    def __init__(self) -> None:
        self.reached = float("-inf")
        self._last = (float("-inf"), -1)

    def again(self) -> None:
        """Look from the beginning: at start, or when times on disk were changed."""
        self.reached, self._last = float("-inf"), (float("-inf"), -1)

    def coming(self, connection: sqlite3.Connection, upto: float) -> list[tuple[RoutingKey, float]]:
        """Queues with something due by then that was not told yet, and when, soonest first; a queue may come more than
        once. `reached` says whether that was all.
        """
        rows = connection.execute(_COMING, (*self._last, upto, AT_ONCE)).fetchall()
        if len(rows) == AT_ONCE:
            self._last = rows[-1][0], rows[-1][1]
            self.reached = rows[-1][0]
        else:
            self.reached, self._last = upto, (upto, 1 << 62)
        return [(RoutingKey(*row[2:]), row[0]) for row in rows]


def asleep(connection: sqlite3.Connection) -> list[QueueRow]:
    """The queues that sleep, or did at the last stop."""
    return [QueueRow(RoutingKey(*row[:KEY_FIELDS]), 0, None, *row[KEY_FIELDS:]) for row in connection.execute(_ASLEEP)]
