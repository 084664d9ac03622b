"""The server's manners: kept connections, odd requests, slow clients, too many of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from tests.ends import run
from tests.safety.test_safety_service import Network

from danelaw.queue.rates import Rate
from danelaw.safety import Bounds, SafetyService, SafetyWeb, Terms, Tokens, web

GET = b"GET /v1/safety?domain=both.example HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_REFUSED_SECONDS", 0.0)


@asynccontextmanager
async def served(**more: object) -> AsyncIterator[tuple[tuple[str, int], list[tuple[int, str]]]]:
    terms: dict[str, object] = {
        "tokens": Tokens,
        "allow": (ip_network("127.0.0.0/8"),),
        "rate": Rate(100_000, 1),
        "live_rate": Rate(100_000, 1),
        "bulk": 10,
        "deadline": 2.0,
        "longest": 10.0,
        **more,
    }
    counted: list[tuple[int, str]] = []
    service = SafetyService(Network().means(), Bounds())
    one = SafetyWeb(service, Terms(**terms), count=lambda *what: counted.append(what))  # type: ignore[arg-type]
    address = await one.start("127.0.0.1", 0)
    try:
        yield address, counted
    finally:
        await one.close()


async def exchange(address: tuple[str, int], octets: bytes) -> bytes:
    """Everything the server says until it hangs up."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(octets)
    answer = await reader.read()
    writer.close()
    return answer


def test_requests_in_a_row_on_one_connection() -> None:
    async def play() -> None:
        async with served() as (address, counted):
            answer = await exchange(address, (GET + b"\r\n") * 5 + GET + b"Connection: close\r\n\r\n")
            assert answer.count(b"HTTP/1.1 200 OK\r\n") == 6
            assert answer.count(b"Connection: keep-alive\r\n") == 5
            assert counted == [(200, "fresh")] + [(200, "cached")] * 5

    run(play())


@pytest.mark.parametrize(
    ("request_octets", "status"),
    [
        (b"DELETE /v1/safety HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
        (b"OPTIONS /v1/safety HTTP/1.1\r\nHost: x\r\nOrigin: https://a\r\nConnection: close\r\n\r\n", 405),
        (b"GET /v2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"GET /v1/safety HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400),
        (b"POST /v1/safety HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]", 415),
        (b"POST /v1/safety HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST /v1/safety HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"\x16\x03\x01 TLS\r\n\r\n", 400),
    ],
    ids=range(9),
)
def test_odd_requests_are_told_what_is_wrong(request_octets: bytes, status: int) -> None:
    async def play() -> None:
        async with served() as (address, counted):
            answer = await exchange(address, request_octets)
            assert int(answer.split()[1]) == status
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
            assert counted == [(status, "")]

    run(play())


def test_who_is_refused_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(web, "_REFUSED_SECONDS", 7.0)
    monkeypatch.setattr(web.asyncio, "sleep", sleep)

    async def play() -> None:
        async with served(rate=Rate(1, 60), bulk=1) as (address, counted):
            answer = await exchange(address, GET + b"\r\n" + GET + b"Connection: close\r\n\r\n")
            assert b"429 Too Many Requests" in answer
            assert [status for status, _ in counted] == [200, 429]
            assert waited == [7.0]

    run(play())


def test_what_cannot_be_read_counts_too() -> None:
    async def play() -> None:
        async with served(rate=Rate(2, 3600), bulk=2) as (address, counted):
            bad = b"POST /v1/safety HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1\r\n"
            await exchange(address, 2 * (bad + b"\r\n{") + bad + b"Connection: close\r\n\r\n{")
            assert [status for status, _ in counted] == [400, 400, 429]

    run(play())


def test_head_gives_a_head() -> None:
    async def play() -> None:
        async with served() as (address, _):
            answer = await exchange(address, GET.replace(b"GET", b"HEAD") + b"Connection: close\r\n\r\n")
            assert answer.endswith(b"\r\n\r\n")
            assert b"200 OK" in answer

    run(play())


def test_a_body_that_waits_to_be_asked_for() -> None:
    async def play() -> None:
        async with served() as (address, _):
            reader, writer = await asyncio.open_connection(*address)
            head = b"POST /v1/safety HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 16\r\n"
            writer.write(head + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b'["both.example"]')
            assert b'"level":"dane"' in await reader.read()
            writer.close()

    run(play())


def test_pages_of_an_allowed_origin_may_read_answers() -> None:
    async def play() -> None:
        async with served(origins=frozenset({"https://mail.example"})) as (address, _):
            preflight = b"OPTIONS /v1/safety HTTP/1.1\r\nHost: x\r\nOrigin: https://mail.example\r\n"
            answer = await exchange(address, preflight + b"Connection: close\r\n\r\n")
            assert b"204 No Content" in answer
            assert b"Access-Control-Allow-Origin: https://mail.example\r\n" in answer
            other = await exchange(address, GET + b"Origin: https://evil.example\r\nConnection: close\r\n\r\n")
            assert b"Access-Control" not in other

    run(play())


@pytest.mark.parametrize(
    "begun", [b"", b"GET /v1/sa", GET, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n["]
)
def test_slow_clients_lose_their_connection(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(web, "_REQUEST_SECONDS", 0.05)
    monkeypatch.setattr(web, "_IDLE_SECONDS", 0.05)

    async def play() -> None:
        async with served() as (address, counted):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(begun)
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()
            assert counted == []

    run(play())


def test_one_client_has_a_part_of_the_connections_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_MOST_PER_CLIENT", 3)

    async def play() -> None:
        async with served() as (address, _):
            kept = [await asyncio.open_connection(*address) for _ in range(3)]
            for reader, writer in kept:
                writer.write(GET + b"\r\n")
                assert b"200 OK" in await reader.readline()
            assert await exchange(address, b"") == b""
            for _, writer in kept:
                writer.close()

    run(play())
