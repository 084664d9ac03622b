"""SQL for scripts in a real PostgreSQL server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ends import run
from tests.scripting.library.postgresql_server import PASSWORD, postgresql

from danelaw.config.library import PolicyDatabase
from danelaw.errors import DanelawError
from danelaw.policy import LibraryError
from danelaw.scripting.library.postgresql import numbered
from danelaw.scripting.library.sql import Databases


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgresql() as found:
        yield found


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    return path


def databases(url: str, password: Path | None, **more: Any) -> Databases:
    return Databases({"c": PolicyDatabase(url=url, password_file=password, **more)})


def test_what_is_written_is_read_and_readers_cannot_write(url: str, password: Path) -> None:
    async def play() -> None:
        writer = databases(url, password, writable=True, timeout="20s")
        reader = databases(url, password, timeout="20s", most=2)
        await writer.execute("c", "CREATE TABLE IF NOT EXISTS customers (name text PRIMARY KEY, quota int)")
        await writer.execute("c", "DELETE FROM customers")
        statement = "INSERT INTO customers VALUES (?, ?), (?, ?) RETURNING name"
        assert await writer.query("c", statement, ("anna", 1, "bob", None)) == [{"name": "anna"}, {"name": "bob"}]
        assert await writer.execute("c", "UPDATE customers SET quota = 5 WHERE name = ?", ("anna",)) == 1
        with pytest.raises(LibraryError, match="duplicate key"):
            await writer.execute("c", "INSERT INTO customers VALUES ('carl', 1), ('anna', 1)")
        rows = await reader.query("c", "SELECT name, quota FROM customers ORDER BY name")
        assert rows == [{"name": "anna", "quota": 5}, {"name": "bob", "quota": None}]
        for call in (reader.query, reader.execute):
            with pytest.raises(LibraryError, match="read-only transaction"):
                await call("c", "DELETE FROM customers RETURNING name")
        with pytest.raises(LibraryError, match="more than 2 rows"):
            await reader.query("c", "SELECT generate_series(1, 1000000000)")
        counts = await asyncio.gather(*(writer.execute("c", "UPDATE customers SET quota = 0") for _ in range(20)))
        assert counts == [2] * 20
        await writer.close()
        await reader.close()

    run(play())


def test_what_goes_wrong_is_told(url: str, password: Path) -> None:
    async def play() -> None:
        sql = databases(url, password, timeout="1s", connections=1)
        with pytest.raises(LibraryError, match="did not answer within 1 s"):
            await sql.query("c", "SELECT pg_sleep(100)")
        assert await sql.query("c", "SELECT 1 AS one") == [{"one": 1}]
        for statement, values, words in (
            ("SELEKT", (), "syntax error"),
            ("SELECT ?::int", ("x",), "invalid input for query argument"),
            ("SELECT ?::int", (), "expects 1 argument"),
        ):
            with pytest.raises(LibraryError, match=words):
                await sql.query("c", statement, values)
        await sql.close()

    run(play())


def test_a_server_that_refuses_us_is_told(url: str, tmp_path: Path) -> None:
    async def play() -> None:
        wrong = tmp_path / "wrong"
        wrong.write_text("other")
        refused = databases(url, wrong)
        with pytest.raises(LibraryError, match="password authentication failed"):
            await refused.query("c", "SELECT 1")
        await refused.close()

    run(play())


def test_a_server_that_is_away_is_told() -> None:
    async def play() -> None:
        away = databases("postgresql://postgres@127.0.0.1:1/postgres", None)
        with pytest.raises(LibraryError, match="the database c"):
            await away.query("c", "SELECT 1")

    run(play())


def test_a_password_that_cannot_be_read_is_told_at_start(tmp_path: Path) -> None:
    with pytest.raises(DanelawError, match="cannot be read"):
        databases("postgresql://postgres@127.0.0.1:1/postgres", tmp_path / "none")


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("SELECT ?, ?", "SELECT $1, $2"),
        ("SELECT '?', \"?\", ?", "SELECT '?', \"?\", $1"),
        ("SELECT 'it''s ?' -- ?\n, ?", "SELECT 'it''s ?' -- ?\n, $1"),
        ("SELECT a ?? ? /* ? */", "SELECT a ? $1 /* ? */"),
        ("SELECT $x$ ? $x$, $$?$$, ?", "SELECT $x$ ? $x$, $$?$$, $1"),
    ],
)
def test_places_for_values_are_numbered(written: str, sent: str) -> None:
    assert numbered(written) == sent


@given(st.text("?'\"-/*$a \n", max_size=40))
def test_numbering_changes_nothing_but_question_marks(statement: str) -> None:
    sent = numbered(statement)
    assert sum(char != "?" for char in statement) <= len(sent)
    if "?" not in statement:
        assert sent == statement
