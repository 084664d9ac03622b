"""Fuzz the filter language: any text gives a filter or a FilterError, and its SQL is accepted by SQLite."""

from __future__ import annotations

import sqlite3
import sys

from danelaw.queue import Filter, FilterError, QueuedMessage, QueuedRecipient, RoutingKey

_CONNECTION = sqlite3.connect(":memory:", check_same_thread=False)
_TABLES = (
    "(SELECT 1 AS id, 1.0 AS received_at, 'a@b' AS reverse_path, 1 AS size, '' AS client_address, '' AS client_helo,"
    " '' AS message_id) m, (SELECT 'c@d' AS forward_path, 0 AS state, 0 AS tries, '' AS reason, '' AS reply) r,"
    " (SELECT 'd' AS next_hop, '' AS demand, '' AS tenant, '' AS job, 0 AS priority, '' AS site) q"
)
_RECIPIENT = QueuedRecipient(0, "c@d", RoutingKey("d"))
_MESSAGE = QueuedMessage(1, 1.0, 2.0, "a@b", (_RECIPIENT,), 1)


def test_one_input(data: bytes) -> None:
    """Parse, run both forms, and compare them."""
    try:
        chosen = Filter.from_text(data.decode("utf-8", "replace"))
    except FilterError:
        return
    condition, parameters = chosen.to_sql(10.0)
    row = _CONNECTION.execute(f"SELECT {condition} FROM {_TABLES}", parameters).fetchone()
    if bool(row[0]) != chosen.matches(_MESSAGE, _RECIPIENT, 10.0):
        raise AssertionError(f"SQL and Python disagree about {chosen.text!r}")


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
