"""SQL for scripts in SQLite files: read-only unless said otherwise, bounded in time and rows."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.ends import run

from danelaw.config import load
from danelaw.config.library import PolicyDatabase
from danelaw.policy import LibraryError
from danelaw.scripting.library.sql import Databases

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a ?#db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (name TEXT PRIMARY KEY, quota INTEGER, note BLOB)")
        connection.executemany("INSERT INTO customers VALUES (?, ?, ?)", [("anna", 5, b"\0"), ("bob", None, None)])
    connection.close()
    return path


def databases(path: Path, **more: Any) -> Databases:
    return Databases({"c": PolicyDatabase(url=f"sqlite:///{path}", **more)})


def test_rows_come_by_name_and_values_are_never_sql(file: Path) -> None:
    async def play() -> None:
        sql = databases(file)
        assert await sql.query("c", "SELECT name, quota, note FROM customers ORDER BY name") == [
            {"name": "anna", "quota": 5, "note": b"\0"},
            {"name": "bob", "quota": None, "note": None},
        ]
        assert await sql.query("c", "SELECT 1 FROM customers WHERE name = ?", ("' OR 1=1 --",)) == []
        await sql.close()

    run(play())


def test_nothing_can_be_written_unless_the_configuration_says_so(file: Path) -> None:
    async def play() -> None:
        sql = databases(file)
        for statement in (
            "DELETE FROM customers",
            "PRAGMA query_only = OFF; DELETE FROM customers",
            f"ATTACH '{file}.other' AS other",
            f"VACUUM INTO '{file}.other'",
        ):
            with pytest.raises(LibraryError, match="the database c says"):
                await sql.execute("c", statement)
            with pytest.raises(LibraryError, match="the database c says"):
                await sql.query("c", statement)
        await sql.query("c", "PRAGMA query_only = OFF")
        with pytest.raises(LibraryError, match="readonly"):
            await sql.execute("c", "DELETE FROM customers")
        assert not Path(f"{file}.other").exists()
        assert len(await sql.query("c", "SELECT * FROM customers")) == 2
        await sql.close()

    run(play())


def test_each_statement_is_whole_or_not_at_all(file: Path) -> None:
    async def play() -> None:
        sql = databases(file, writable=True)
        assert await sql.execute("c", "UPDATE customers SET quota = 7") == 2
        assert await sql.execute("c", "INSERT INTO customers (name) VALUES (?)", ("carl",)) == 1
        with pytest.raises(LibraryError, match="UNIQUE"):
            await sql.execute("c", "INSERT INTO customers (name) VALUES ('dora'), ('anna')")
        assert await sql.query("c", "SELECT count(*) AS n FROM customers") == [{"n": 3}]
        assert await sql.query("c", "DELETE FROM customers WHERE name = 'bob' RETURNING quota") == [{"quota": 7}]
        await sql.query("c", "BEGIN")
        assert await sql.execute("c", "UPDATE customers SET quota = quota + 1") == 2, "no transaction is left open"
        await asyncio.gather(*(sql.execute("c", "UPDATE customers SET quota = quota + 1") for _ in range(50)))
        assert await sql.query("c", "SELECT DISTINCT quota FROM customers ORDER BY 1") == [
            {"quota": None},
            {"quota": 58},
        ]
        await sql.close()

    run(play())


def test_too_long_too_many_and_too_strange(file: Path) -> None:
    async def play() -> None:
        sql = databases(file, timeout="100ms", most=1, connections=1)
        with pytest.raises(LibraryError, match=r"did not answer within 0\.1 s"):
            await sql.query("c", ENDLESS)
        assert await sql.query("c", "SELECT 1 AS one") == [{"one": 1}], "the thread is free again"
        with pytest.raises(LibraryError, match="more than 1 rows"):
            await sql.query("c", "SELECT * FROM customers")
        for statement, values, words in (
            ("SELECT ?", (), "binding"),
            ("SELECT ?", ([1],), "not supported"),
            ("SELECT ?", (1 << 70,), "cannot take"),
            ("SELEKT", (), "syntax"),
            ("SELECT zeroblob(100000000)", (), "too big"),
        ):
            with pytest.raises(LibraryError, match=words):
                await sql.query("c", statement, values)  # type: ignore[arg-type]
        with pytest.raises(LibraryError, match=r"there is no database 'd'"):
            await sql.query("d", "SELECT 1")
        await sql.close()
        missing = databases(file.parent / "none", timeout="2s")
        with pytest.raises(LibraryError, match="cannot be opened"):
            await missing.query("c", "SELECT 1")
        await missing.close()

    run(play())


def test_a_hook_that_gives_up_interrupts_its_statement(file: Path) -> None:
    async def play() -> None:
        sql = databases(file, timeout="60s", connections=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await sql.query("c", ENDLESS)
        assert await sql.query("c", "SELECT 1 AS one") == [{"one": 1}]
        await sql.close()

    run(play())


def test_a_relative_path_starts_at_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "danelaw.toml").write_text(
        'hostname = "mail.example.org"\n[policy.database.one]\nurl = "sqlite:///one.db"\n'
        '[policy.database.two]\nurl = "sqlite:////var/two.db"\n'
    )
    found = load(tmp_path / "danelaw.toml").policy.database
    assert found["one"].url == f"sqlite:///{tmp_path}/one.db"
    assert found["two"].url == "sqlite:////var/two.db"
