"""Fetching policies over real TLS sockets (RFC 8461 §3.2, §3.3)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.pkix.authority import DAY, Issued, make

from danelaw.address import Domain
from danelaw.dnsdata import DNSSECStatus
from danelaw.mtasts import MAX_POLICY_SIZE
from danelaw.net.fetch import FETCH_ERROR, WEBPKI_INVALID, PolicyFetchError, fetch_policy
from danelaw.pkix import Roots
from danelaw.testing import FakeDNS, FakeResolver

DOMAIN, HOST = Domain("example.org"), "mta-sts.example.org"
NOW = time.time()
DATES = {"start": NOW - DAY, "end": NOW + DAY}
ROOT = make("Root", ca=True, **DATES)  # type: ignore[arg-type]
MIDDLE = ROOT.issue("Middle", ca=True, **DATES)
ROOTS = Roots.from_pem(ROOT.pem)
BODY = b"version: STSv1\r\nmode: enforce\r\nmx: mx.example.org\r\nmax_age: 86400\r\n"


def leaf(*names: str, issuer: Issued | None = ROOT, **knobs: object) -> Issued:
    knobs = {**DATES, "dns": names or (HOST,), **knobs}
    return make("leaf", issuer=issuer, **knobs)  # type: ignore[arg-type]


GOOD = leaf()


def answer(body: bytes = BODY, status: str = "200 OK", kind: str | None = "text/plain", *more: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *more]
    if kind is not None:
        head.append(f"Content-Type: {kind}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@dataclass
class PolicyHost:
    """One HTTPS server. `reply` is sent for each request; a callable gets the writer and may take its time."""

    reply: bytes | Callable[[asyncio.StreamWriter], object] = field(default_factory=answer)
    shown: Issued = field(default_factory=lambda: GOOD)
    above: tuple[Issued, ...] = ()
    address: str = "127.0.0.1"
    plain: bool = False
    requests: list[bytes] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)

    async def start(self, directory: Path) -> int:
        context = None
        if not self.plain:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            file = directory / f"{id(self)}.pem"
            file.write_bytes(self.shown.key_pem + self.shown.pem + b"".join(one.pem for one in self.above))
            context.load_cert_chain(file)
            context.sni_callback = lambda _, name, __: self.names.append(name)
        self.server = await asyncio.start_server(self._serve, self.address, 0, ssl=context)
        return int(self.server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            if callable(self.reply):
                outcome = self.reply(writer)
                if asyncio.iscoroutine(outcome):
                    await outcome
            else:
                writer.write(self.reply)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


ZONE = f"{HOST}. A 192.0.2.80"


def fetched(
    host: PolicyHost,
    directory: Path,
    *,
    zone: str = ZONE,
    dead: tuple[str, ...] = (),
    timeout: float = 10.0,
    roots: Roots = ROOTS,
    domain: Domain = DOMAIN,
) -> bytes:
    """Fetch from `host`, to which every address of the zone leads but the `dead` ones."""

    async def story() -> bytes:
        port = await host.start(directory)
        async with asyncio.timeout(20):
            closed = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
            nowhere = closed.sockets[0].getsockname()[:2]
            closed.close()
            addresses = ("192.0.2.80", "192.0.2.81", "2001:db8::80")
            routes = {(a, 443): nowhere if a in dead else (host.address, port) for a in addresses}
            try:
                return await fetch_policy(
                    domain, resolver=FakeResolver(FakeDNS(zone)), roots=roots, routes=routes, timeout=timeout
                )
            finally:
                host.server.close()

    return asyncio.run(story())


def refused(host: PolicyHost, directory: Path, **more: object) -> PolicyFetchError:
    with pytest.raises(PolicyFetchError) as raised:
        fetched(host, directory, **more)  # type: ignore[arg-type]
    return raised.value


def test_one_request_with_nothing_about_us_but_the_name(tmp_path: Path) -> None:
    host = PolicyHost()
    assert fetched(host, tmp_path) == BODY
    (request,) = host.requests
    lines = request.decode().split("\r\n")
    assert lines[0] == "GET /.well-known/mta-sts.txt HTTP/1.1"
    headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:] if line}
    assert headers["host"] == HOST
    assert headers["accept-encoding"] == "identity"
    assert not {"cookie", "authorization", "if-none-match", "if-modified-since", "referer"} & set(headers)
    assert host.names == [HOST]


@pytest.mark.parametrize(
    ("shown", "above"),
    [
        (leaf(), ()),
        (leaf(issuer=MIDDLE), (MIDDLE,)),
        (leaf(issuer=MIDDLE), (MIDDLE, ROOT)),
        (leaf("*.example.org"), ()),
        (leaf("other.example", HOST), ()),
    ],
)
def test_certificates_that_will_do(shown: Issued, above: tuple[Issued, ...], tmp_path: Path) -> None:
    assert fetched(PolicyHost(shown=shown, above=above), tmp_path) == BODY


STRANGER = make("Stranger", ca=True, **DATES)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shown", "above"),
    [
        (leaf("example.org"), ()),
        (leaf("mta-sts.provider.example"), ()),  # RFC 8461 §8.2: delegation does not change the name
        (leaf("*.mta-sts.example.org"), ()),
        (make(HOST, issuer=ROOT, **DATES), ()),  # type: ignore[arg-type]  # a common name is no DNS-ID (§3.3)
        (leaf(start=NOW - 2 * DAY, end=NOW - DAY), ()),
        (leaf(start=NOW + DAY, end=NOW + 2 * DAY), ()),
        (leaf(issuer=None), ()),
        (leaf(issuer=STRANGER), (STRANGER,)),
        (leaf(issuer=MIDDLE), ()),  # the intermediate is not sent
    ],
)
def test_certificates_that_will_not(shown: Issued, above: tuple[Issued, ...], tmp_path: Path) -> None:
    host = PolicyHost(shown=shown, above=above)
    error = refused(host, tmp_path)
    assert error.tlsrpt == WEBPKI_INVALID
    assert f"the certificate of {HOST} is not valid: " in error.reason
    assert host.requests == []


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_redirects_are_not_followed(status: str, tmp_path: Path) -> None:
    host = PolicyHost(answer(BODY, status, "text/plain", f"Location: https://{HOST}/elsewhere"))
    error = refused(host, tmp_path)
    assert error.tlsrpt == FETCH_ERROR
    assert "redirects must not be followed" in error.reason
    assert len(host.requests) == 1


@pytest.mark.parametrize("status", ["201 Created", "204 No Content", "304 Not Modified", "404 Not Found", "500 Oops"])
def test_only_200_will_do(status: str, tmp_path: Path) -> None:
    body = b"" if status[:3] in ("204", "304") else BODY
    error = refused(PolicyHost(answer(body, status)), tmp_path)
    assert (error.tlsrpt, f"HTTP status {status[:3]}" in error.reason) == (FETCH_ERROR, True)


@pytest.mark.parametrize("kind", ["text/plain; charset=utf-8", "TEXT/Plain", "text/plain;charset=us-ascii; x=y"])
def test_plain_text_with_any_parameter_will_do(kind: str, tmp_path: Path) -> None:
    assert fetched(PolicyHost(answer(kind=kind)), tmp_path) == BODY


@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream", "text/plainer", "image/png", None])
def test_other_media_types_will_not(kind: str | None, tmp_path: Path) -> None:
    error = refused(PolicyHost(answer(kind=kind)), tmp_path)
    assert (error.tlsrpt, "not text/plain" in error.reason) == (FETCH_ERROR, True)


def test_what_was_not_asked_for_compressed_is_not_taken(tmp_path: Path) -> None:
    host = PolicyHost(answer(BODY, "200 OK", "text/plain", "Content-Encoding: gzip"))
    assert "compressed" in refused(host, tmp_path).reason


def chunked(size: int) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + f"{size:x}\r\n".encode() + b"x" * size + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("make_reply", [lambda size: answer(b"x" * size), chunked])
def test_64_kib_and_no_more(make_reply: Callable[[int], bytes], tmp_path: Path) -> None:
    assert len(fetched(PolicyHost(make_reply(MAX_POLICY_SIZE)), tmp_path)) == MAX_POLICY_SIZE
    error = refused(PolicyHost(make_reply(MAX_POLICY_SIZE + 1)), tmp_path)
    assert (error.tlsrpt, "larger than 65536 octets" in error.reason) == (FETCH_ERROR, True)


def test_a_body_without_end_is_left_at_the_limit(tmp_path: Path) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 4096)
            await writer.drain()

    assert "larger than 65536 octets" in refused(PolicyHost(endless), tmp_path).reason


async def _silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _dripping(writer: asyncio.StreamWriter) -> None:
    """Every octet comes well before any idle limit; only a limit on the whole ends it."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 60000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("reply", [_silent, _dripping])
def test_one_limit_of_time_covers_everything(reply: Callable[[asyncio.StreamWriter], object], tmp_path: Path) -> None:
    error = refused(PolicyHost(reply), tmp_path, timeout=0.3)
    assert (error.tlsrpt, error.reason) == (
        FETCH_ERROR,
        f"https://{HOST}/.well-known/mta-sts.txt did not answer within 0.3 s",
    )


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"220 mx.example.org ESMTP\r\n",
        answer().replace(b"Content-Length: ", b"Content-Length: 9"),
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_a_broken_exchange_is_an_error_in_words(reply: bytes, tmp_path: Path) -> None:
    error = refused(PolicyHost(reply), tmp_path)
    assert error.tlsrpt == FETCH_ERROR
    assert HOST in error.reason


def test_a_server_without_tls(tmp_path: Path) -> None:
    host = PolicyHost(plain=True)
    assert refused(host, tmp_path, timeout=0.5).tlsrpt == FETCH_ERROR
    assert host.requests == []


def test_proxies_of_the_environment_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    assert fetched(PolicyHost(), tmp_path) == BODY


def test_ipv6(tmp_path: Path) -> None:
    try:
        assert fetched(PolicyHost(address="::1"), tmp_path, zone=f"{HOST}. AAAA 2001:db8::80") == BODY
    except OSError:
        pytest.skip("no IPv6 on loopback")


@pytest.mark.parametrize("dead", ["2001:db8::80", "192.0.2.80"])
def test_a_dead_address_leads_to_the_next(dead: str, tmp_path: Path) -> None:
    zone = f"{HOST}. AAAA 2001:db8::80\n{HOST}. A 192.0.2.80\n{HOST}. A 192.0.2.81"
    assert fetched(PolicyHost(), tmp_path, zone=zone, dead=(dead,)) == BODY


def test_an_alias_changes_where_and_not_who(tmp_path: Path) -> None:
    host = PolicyHost()
    zone = f"{HOST}. CNAME policies.provider.example.\npolicies.provider.example. A 192.0.2.80"
    assert fetched(host, tmp_path, zone=zone) == BODY
    assert host.names == [HOST]


def test_nobody_listens(tmp_path: Path) -> None:
    error = refused(PolicyHost(), tmp_path, dead=("192.0.2.80",))
    assert error.tlsrpt == FETCH_ERROR
    assert f"no connection to {HOST}" in error.reason


def test_no_address_and_an_unknown_one(tmp_path: Path) -> None:
    assert refused(PolicyHost(), tmp_path, zone=f"{HOST}. TXT x").reason == f"{HOST} has no address"

    async def bogus() -> None:
        dns = FakeDNS(ZONE).fail(HOST, DNSSECStatus.BOGUS)
        await fetch_policy(DOMAIN, resolver=FakeResolver(dns), roots=ROOTS)

    with pytest.raises(PolicyFetchError, match="cannot be looked up"):
        asyncio.run(bogus())


def test_a_domain_too_long_for_a_policy_host(tmp_path: Path) -> None:
    long = Domain.from_text(".".join(["a" * 61] * 4))
    assert refused(PolicyHost(), tmp_path, domain=long).tlsrpt == FETCH_ERROR


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(answer(), id="taken"),
        pytest.param(answer().replace(b"Connection: close\r\n", b""), id="kept open"),
        pytest.param(answer(status="404 Not Found"), id="refused"),
        pytest.param(answer(b"x" * (MAX_POLICY_SIZE + 1)), id="too large"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", id="too late"),
        pytest.param(b"", id="mute"),
    ],
)
def test_a_server_deaf_to_goodbyes_keeps_no_connection_open(reply: bytes, tmp_path: Path) -> None:
    """TLS's close_notify is answered by no more than a promise; on a slow machine it was not in time either."""
    file = tmp_path / "shown.pem"
    file.write_bytes(GOOD.key_pem + GOOD.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    listener = socket.create_server(("127.0.0.1", 0))
    ends: list[object] = []

    def serve() -> None:
        raw, _ = listener.accept()
        raw.settimeout(10)
        with raw, context.wrap_socket(raw, server_side=True) as connection:
            connection.recv(4096)
            connection.sendall(reply)
            try:
                while octets := socket.socket.recv(connection, 4096):  # not as TLS: nothing answers a goodbye
                    del octets
                ends.append(None)
            except OSError as error:
                ends.append(error)

    async def story() -> None:
        routes = {("192.0.2.80", 443): listener.getsockname()[:2]}
        with contextlib.suppress(PolicyFetchError):
            await fetch_policy(
                DOMAIN, resolver=FakeResolver(FakeDNS(ZONE)), roots=ROOTS, routes=routes,
                timeout=10 if len(reply) > len(BODY) else 0.3,
            )  # fmt: skip
        # While the loop still runs: a gateway's does.
        await asyncio.to_thread(thread.join)

    with listener:
        thread = threading.Thread(target=serve)
        thread.start()
        asyncio.run(story())
    gc.collect()  # what was left open warns now, and warnings are errors
    (end,) = ends
    assert not isinstance(end, TimeoutError), "the connection stayed open"


def test_other_roots_count_from_the_next_fetch_on(tmp_path: Path) -> None:
    strange = PolicyHost(shown=leaf(issuer=STRANGER))
    assert refused(strange, tmp_path).tlsrpt == WEBPKI_INVALID
    assert fetched(PolicyHost(shown=leaf(issuer=STRANGER)), tmp_path, roots=Roots.from_pem(STRANGER.pem)) == BODY
    assert refused(PolicyHost(shown=leaf(issuer=STRANGER)), tmp_path).tlsrpt == WEBPKI_INVALID
