"""How `danelaw advise` goes through a list: what failed is tried again, and lines that come late hold up nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, Self

import pytest

from danelaw import resolver
from danelaw.address import Domain
from danelaw.cli.advise import Found, Wanted, examine
from danelaw.publication import Advice, Standing
from danelaw.resolver import ResolverSettings
from danelaw.testing import FakeDNS, FakeResolver

RECORDS = f"""
    mx1.ours.example. A 192.0.2.1
    _25._tcp.mx1.ours.example. TLSA 3 1 1 {"0d" * 32}
    c.example. MX 10 mx1.ours.example.
    d.example. MX 10 mx1.ours.example.
"""


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[FakeDNS]:
    """What the first resolver is told, and the next one; the last of them stays."""
    told = [FakeDNS(secure=RECORDS)]

    class Played(FakeResolver):
        def __init__(self, settings: ResolverSettings, **more: Any) -> None:
            super().__init__(told.pop(0) if len(told) > 1 else told[0])

        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *error: object) -> None:
            return None

    monkeypatch.setattr(resolver, "Resolver", Played)
    return told


def run(lines: Iterator[str], rows: list[Advice]) -> Found:
    names = (Domain("mx1.ours.example"),)
    wanted = Wanted(
        names, ResolverSettings(servers=(("127.0.0.1", 53),)), lambda: 1_790_000_000.0, 4, {}, name_servers=False
    )
    return asyncio.run(examine(lines, wanted, rows.append))


def test_what_failed_is_asked_again_and_told_once(played: list[FakeDNS]) -> None:
    played.insert(0, FakeDNS(secure=RECORDS).fail("c.example MX"))
    rows: list[Advice] = []
    found = run(iter(("c.example", "C.example.", "d.example")), rows)
    assert found.advices == rows
    assert [(one.domain, one.standing) for one in rows] == [
        ("d.example", Standing.PROTECTED), ("c.example", Standing.PROTECTED)
    ]  # fmt: skip


def test_what_keeps_failing_is_told(played: list[FakeDNS]) -> None:
    played[0].fail("c.example MX")
    rows: list[Advice] = []
    assert run(iter(("c.example",)), rows).exit_status == 60
    assert [one.standing for one in rows] == [Standing.FAILED]


def test_a_line_that_comes_late_holds_up_nobody(played: list[FakeDNS]) -> None:
    first_told = threading.Event()

    class Rows(list[Advice]):
        def append(self, advice: Advice) -> None:
            super().append(advice)
            first_told.set()

    def lines() -> Iterator[str]:
        yield "c.example"
        assert first_told.wait(30), "the first row comes before the second line is there"
        yield "d.example"

    rows = Rows()
    assert len(run(lines(), rows).advices) == 2
