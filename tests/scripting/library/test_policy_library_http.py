"""HTTP for scripts, over real sockets."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.ends import run, until

from danelaw.config.library import PolicyHTTP
from danelaw.lab.certificates import Authorities
from danelaw.net.fetch import verifying_context
from danelaw.pkix import Roots
from danelaw.policy import LibraryError
from danelaw.scripting.calling import CALLING, Calling
from danelaw.scripting.library.http import HTTPClient
from danelaw.scripting.library.reach import Reach
from danelaw.testing import FakeDNS, FakeResolver

AUTHORITIES = Authorities(time.time())
TRUST = verifying_context(Roots.from_pem(AUTHORITIES.roots_pem))
ZONE = """
api.example.org.     A 127.0.0.1
other.example.net.   A 127.0.0.1
nowhere.example.org. A 192.0.2.1
mixed.example.org.   A 10.1.2.3
mixed.example.org.   A 127.0.0.1
"""


class World:
    """A web server and a client that reaches it by several names."""

    def __init__(self, client: HTTPClient, port: int, scheme: str) -> None:
        self.client = client
        self.port = port
        self.scheme = scheme
        self.peers: list[Any] = []
        self.requests: list[web.BaseRequest] = []
        self.bodies: list[bytes] = []

    def url(self, path: str = "/", host: str = "api.example.org") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@asynccontextmanager
async def world(
    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] | None = None,
    context: ssl.SSLContext | None = None,
    **settings: Any,
) -> AsyncIterator[World]:
    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        made.requests.append(request)
        made.bodies.append(await request.read())
        assert request.transport is not None
        made.peers.append(request.transport.get_extra_info("peername"))
        return web.json_response({"path": request.raw_path}) if answer is None else await answer(request)

    runner = web.ServerRunner(web.Server(serve), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    said = PolicyHTTP(**settings)
    resolver: Any = FakeResolver(FakeDNS(ZONE))
    client = HTTPClient(Reach(said.hosts, said.forbidden_networks, resolver), lambda: TRUST, said.connections_per_host)
    made = World(client, port, "http" if context is None else "https")
    try:
        yield made
    finally:
        await client.close()
        await runner.cleanup()


def test_an_answer_has_status_fields_and_body_and_500_is_one() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.json_response({"a": [1]}, status=500, headers={"X-One": "1"})
        response.headers.add("X-One", "2")
        return response

    async def play() -> None:
        async with world(answer) as there:
            got = await there.client.request("put", there.url("/x"), json={"b": "ü"}, headers={"X-Key": "k"})
            assert (got.status, got.headers["x-one"], got.json()) == (500, "1, 2", {"a": [1]})
            (request,) = there.requests
            assert (request.method, request.headers["X-Key"]) == ("PUT", "k")
            assert request.content_type == "application/json"
            assert there.bodies == ['{"b": "ü"}'.encode()] or there.bodies == [b'{"b": "\\u00fc"}']

    run(play())


def test_a_query_is_escaped_and_post_sends_octets() -> None:
    async def play() -> None:
        async with world() as there:
            got = await there.client.get(there.url("/a?b=1"), query={"c": "x&y=ü"})
            assert got.json() == {"path": "/a?b=1&c=x%26y%3D%C3%BC"}
            await there.client.post(there.url(), body=b"\0\1")
            assert there.bodies[-1] == b"\0\1"

    run(play())


def test_connections_are_kept_and_at_most_so_many_are_open_to_a_host() -> None:
    async def play() -> None:
        async with world(connections_per_host=2) as there:
            await asyncio.gather(*(there.client.get(there.url(f"/{number}")) for number in range(20)))
            assert len(set(there.peers)) <= 2
            assert len(there.requests) == 20

    run(play())


def test_redirects_are_answers_and_nothing_follows_them() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://other.example.net/"})

    async def play() -> None:
        async with world(answer) as there:
            got = await there.client.get(there.url())
            assert (got.status, got.headers["location"]) == (302, "http://other.example.net/")
            assert len(there.requests) == 1

    run(play())


def test_large_slow_and_compressed_answers_are_refused() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/large":
            return web.Response(body=b"x" * 5000)
        if request.path == "/slow":
            await asyncio.Event().wait()
        return web.Response(body=b"x", headers={"Content-Encoding": "gzip"})

    async def play() -> None:
        async with world(answer) as there:
            with pytest.raises(LibraryError, match="larger than 4999 octets"):
                await there.client.request("GET", there.url("/large"), max_octets=4999)
            assert len((await there.client.request("GET", there.url("/large"), max_octets=5000)).body) == 5000
            with pytest.raises(LibraryError, match=r"api\.example\.org did not answer within 0\.05 s"):
                await there.client.get(there.url("/slow"), seconds=0.05)
            with pytest.raises(LibraryError, match="compressed"):
                await there.client.get(there.url("/gzip"))

    run(play())


def server_context(tmp_path: Path, name: str) -> ssl.SSLContext:
    issued = AUTHORITIES.public.issue((name,))
    (tmp_path / "chain.pem").write_bytes(issued.chain_pem)
    (tmp_path / "key.pem").write_bytes(issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    return context


def test_the_certificate_is_verified_for_the_name_in_the_url(tmp_path: Path) -> None:
    async def play() -> None:
        async with world(context=server_context(tmp_path, "api.example.org")) as there:
            assert (await there.client.get(there.url())).status == 200
            with pytest.raises(LibraryError, match="certificate is not valid"):
                await there.client.get(there.url(host="other.example.net"))
            assert len(there.requests) == 1

    run(play())


def test_hosts_are_confined_by_name_and_address() -> None:
    async def play() -> None:
        async with world(hosts=("api.example.org", ".example.net")) as there:
            for host in ("api.example.org", "API.example.org", "other.example.net"):
                assert (await there.client.get(there.url(host=host))).status == 200
            for host in ("example.net", "mixed.example.org", "xapi.example.org", "127.0.0.1"):
                with pytest.raises(LibraryError, match=r"\[policy\.http\] does not allow"):
                    await there.client.get(there.url(host=host))
        async with world(forbidden_networks=("127.0.0.0/8",)) as there:
            for host in ("api.example.org", "127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "localhost"):
                with pytest.raises(LibraryError):
                    await there.client.get(there.url(host=host), seconds=1)
            assert not there.requests
        async with world(forbidden_networks=("10.0.0.0/8", "::/0")) as there:
            assert (await there.client.get(there.url(host="mixed.example.org"))).status == 200

    run(play())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://api.example.org/", "no URL of HTTP"),
        ("api.example.org", "no URL"),
        ("http://[::1/", "no URL"),
        ("http://none.example.org/", "has no address"),
        ("http://failing.example.org/", "cannot be looked up"),
        ("http://api.example.org:1/", "no answer of"),
    ],
)
def test_what_cannot_be_asked_is_told(url: str, words: str) -> None:
    async def play() -> None:
        async with world() as there:
            resolver: Any = there.client._reach._resolver
            resolver.dns.fail("failing.example.org")
            with pytest.raises(LibraryError, match=words):
                await there.client.get(url, seconds=2)

    run(play())


def test_header_fields_cannot_be_smuggled_in() -> None:
    async def play() -> None:
        async with world() as there:
            with pytest.raises(LibraryError, match="cannot be asked"):
                await there.client.get(there.url(), headers={"X": "a\r\nY: b"})
            with pytest.raises(LibraryError):
                await there.client.request("GET / HTTP/1.1\r\nX: y\r\n\r\nGET", there.url())
            assert not there.requests

    run(play())


def test_headers_are_not_shown_in_traces() -> None:
    async def play() -> None:
        calling = Calling("hook", "", [])
        async with world() as there:
            CALLING.set(calling)
            await there.client.get(there.url("/a"), headers={"Authorization": "hunter2"})
        assert calling.calls is not None
        (call,) = calling.calls
        assert call.name == "http.get"
        assert "/a" in call.arguments
        assert "status=200" in call.result
        assert "hunter2" not in repr(call)

    run(play())


def test_closing_ends_connections_and_a_later_call_begins_anew() -> None:
    async def play() -> None:
        async with world() as there:
            await there.client.get(there.url())
            connection = there.requests[0].transport
            assert connection is not None
            await there.client.close()
            await until(connection.is_closing, "the end of the connection")
            await there.client.get(there.url())
            assert len(set(there.peers)) == 2

    run(play())
