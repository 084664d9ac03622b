"""PostgreSQL for scripts, over asyncpg: a pool of connections, opened when it is first asked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError
from danelaw.net.ldap import read_password
from danelaw.policy import LibraryError

if TYPE_CHECKING:
    import asyncpg

    from danelaw.config.library import PolicyDatabase

_IDLE_SECONDS = 60.0
_GOODBYE_SECONDS = 1.0
_TOUCHED = re.compile(r"(\d+)$")
_PLACES = re.compile(
    r"""
    (?P<kept> '(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<place> \?\? | \? )
    """,
    re.VERBOSE | re.DOTALL,
)


class PostgreSQLDatabase:
    """One database. Transactions are read-only for scripts that may not write."""

    def __init__(self, name: str, section: PolicyDatabase) -> None:
        """Nothing is connected yet. Raises `DanelawError` without asyncpg, or when the password cannot be read."""
        try:
            import asyncpg
        except ImportError:
            raise DanelawError(
                f"[policy.database.{name}] is PostgreSQL, and the library asyncpg is missing",
                advice="pip install 'danelaw[postgresql]'",
            ) from None
        self._asyncpg: Any = asyncpg
        self._name = name
        self._section = section
        self._seconds = section.timeout.total_seconds()
        file = section.password_file
        self._password = None if file is None else read_password(file, f"[policy.database.{name}]")
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def query(self, statement: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        """Rows by column name. Raises `LibraryError`."""
        most = self._section.most
        rows = await self._within(statement, values, most + 1)
        if len(rows) > most:
            raise LibraryError(
                f"more than {most} rows", advice=f"add LIMIT, or raise most in [policy.database.{self._name}]"
            )
        return [dict(row) for row in rows]

    async def execute(self, statement: str, values: Sequence[Any]) -> int:
        """How many rows were touched. Raises `LibraryError`."""
        status = await self._within(statement, values, None)
        touched = _TOUCHED.search(status or "")
        return int(touched[1]) if touched else 0

    async def close(self) -> None:
        """Close idle connections, and break those at work."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await pool.close()
        except (TimeoutError, OSError, self._asyncpg.InterfaceError):
            pool.terminate()
        await asyncio.sleep(0)  # so that transports close before their loop does

    async def _within(self, statement: str, values: Sequence[Any], most: int | None) -> Any:
        try:
            # The server ends a statement by itself; waiting a little longer for that leaves the connection whole.
            async with asyncio.timeout(self._seconds + _GOODBYE_SECONDS):
                pool = self._pool or await self._open()
                async with pool.acquire() as connection, connection.transaction(readonly=not self._section.writable):
                    prepared = await connection.prepare(numbered(statement))
                    if most is None:
                        await prepared.fetch(*values)
                        return prepared.get_statusmsg()
                    if not self._section.writable:
                        return await (await prepared.cursor(*values)).fetch(most)
                    return await prepared.fetch(*values)
        except (TimeoutError, self._asyncpg.QueryCanceledError):
            raise LibraryError(f"the database {self._name} did not answer within {self._seconds:g} s") from None
        except (self._asyncpg.PostgresError, self._asyncpg.InterfaceError, OSError) as error:
            raise LibraryError(f"the database {self._name} says: {error}"[:300]) from None
        except (TypeError, ValueError) as error:
            raise LibraryError(f"a value that the database {self._name} cannot take: {error}"[:300]) from None

    async def _open(self) -> Any:
        async with self._opening:
            if self._pool is None:
                self._pool = await self._asyncpg.create_pool(
                    self._section.url,
                    password=self._password,
                    min_size=0,
                    max_size=self._section.connections,
                    max_inactive_connection_lifetime=_IDLE_SECONDS,
                    timeout=self._seconds,
                    server_settings={
                        "application_name": "danelaw",
                        "statement_timeout": str(round(self._seconds * 1000)),
                    },
                )
            return self._pool


def numbered(statement: str) -> str:
    """A statement with `?` as `$1`, `$2`, so that one way of writing fits every database; `??` stands for the operator
    `?`. What is quoted, or a comment, is left as it is.
    """
    count = 0

    def place(match: re.Match[str]) -> str:
        nonlocal count
        if match["kept"] is not None:
            return match["kept"]
        if match["place"] == "??":
            return "?"
        count += 1
        return f"${count}"

    return _PLACES.sub(place, statement)
