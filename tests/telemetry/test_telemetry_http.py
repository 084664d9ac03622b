"""The HTTP port: three pages, nothing else, no way to hold it up."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.telemetry import HTTPServer, Metrics


def server(trouble: str | None = None) -> HTTPServer:
    return HTTPServer(Metrics(), healthy={"loop": lambda: None}, ready={"spool": lambda: trouble})


def ask(target: str, method: str = "GET", trouble: str | None = None) -> tuple[int, str, str]:
    answer = server(trouble).answer(f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]), head, body


def test_ready_says_what_is_not() -> None:
    assert ask("/ready")[::2] == (200, "ready\n")
    assert ask("/ready", trouble="disk full")[::2] == (503, "spool: disk full\n")
    assert ask("/healthy", trouble="disk full")[::2] == (200, "healthy\n")


def test_metrics_are_openmetrics() -> None:
    status, head, body = ask("/metrics?x=1")
    assert status == 200
    assert "application/openmetrics-text; version=1.0.0" in head
    assert f"Content-Length: {len(body.encode())}\r\n" in head


def test_head_has_the_length_and_no_body() -> None:
    status, head, body = ask("/ready", "HEAD")
    assert (status, body) == (200, "")
    assert "Content-Length: 6" in head


@pytest.mark.parametrize(
    ("target", "method", "status"), [("/", "GET", 404), ("/ready", "POST", 405), ("/a b", "GET", 400)]
)
def test_anything_else_is_refused(target: str, method: str, status: int) -> None:
    assert ask(target, method)[0] == status


@given(st.binary(max_size=300))
def test_any_head_gets_one_response(head: bytes) -> None:
    answer = server().answer(head)
    assert answer.startswith(b"HTTP/1.1 ")
    assert b"Connection: close\r\n\r\n" in answer


def exchange(*chunks: bytes, end: bool = False) -> bytes:
    async def talk() -> bytes:
        http = server()
        host, port = await http.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        if end:
            writer.write_eof()
        answer = await reader.read()
        writer.close()
        await http.close()
        return answer

    return asyncio.run(talk())


def test_it_answers_over_a_socket() -> None:
    assert exchange(b"GET /healthy HT", b"TP/1.1\r\n\r\n").endswith(b"\r\n\r\nhealthy\n")


def test_a_head_without_end_or_limit_is_cut_off() -> None:
    assert exchange(b"GET /healthy", end=True).startswith(b"HTTP/1.1 400 ")
    assert exchange(b"GET /" + b"x" * 9000).startswith(b"HTTP/1.1 431 ")


def test_closing_ends_connections_that_say_nothing() -> None:
    async def talk() -> bytes:
        http = server()
        host, port = await http.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"G")
        while not http._clients:
            await asyncio.sleep(0)
        await http.close()
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    assert asyncio.run(talk()) == b""
