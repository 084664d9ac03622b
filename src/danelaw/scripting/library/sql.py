"""Databases for scripts: those of `[policy.database.NAME]`, SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from danelaw.policy import LibraryError
from danelaw.policy.notes import JSON
from danelaw.scripting.driving import in_task
from danelaw.scripting.library.call import library_call
from danelaw.scripting.library.sqlite import SQLiteDatabase

if TYPE_CHECKING:
    from danelaw.config.library import PolicyDatabase


class Database(Protocol):
    """One database."""

    async def query(self, statement: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        """Rows by column name. Raises `LibraryError`."""

    async def execute(self, statement: str, values: Sequence[Any]) -> int:
        """How many rows were touched. Raises `LibraryError`."""

    async def close(self) -> None:
        """Close its connections."""


class Databases:
    """`policy.library.SQL`. A database is opened when it is first asked."""

    def __init__(self, sections: Mapping[str, PolicyDatabase]) -> None:
        """Raises `DanelawError` where a driver is missing or a file cannot be read."""
        self._databases = {name: _database(name, section) for name, section in sections.items()}

    @library_call("sql.query")
    async def query(self, name: str, statement: str, values: Sequence[JSON] = ()) -> list[dict[str, Any]]:
        """Rows of a SELECT, or of a statement with RETURNING."""
        database = self._named(name)
        await in_task()
        return await database.query(statement, values)

    @library_call("sql.execute")
    async def execute(self, name: str, statement: str, values: Sequence[JSON] = ()) -> int:
        """A statement in a transaction of its own."""
        database = self._named(name)
        await in_task()
        return await database.execute(statement, values)

    async def close(self) -> None:
        """Close all."""
        await asyncio.gather(*(database.close() for database in self._databases.values()))

    def _named(self, name: str) -> Database:
        database = self._databases.get(name)
        if database is None:
            raise LibraryError(
                f"there is no database {name[:60]!r}", advice=f"declare it as [policy.database.{name[:60]}]"
            )
        return database


def _database(name: str, section: PolicyDatabase) -> Database:
    if section.url.startswith("sqlite:"):
        return SQLiteDatabase(name, section)
    from danelaw.scripting.library.postgresql import PostgreSQLDatabase

    return PostgreSQLDatabase(name, section)
