"""STARTTLS on real loopback sockets, on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvloop
from tests.pkix.authority import NOW, Issued, make

from danelaw.net import dialer, tls
from danelaw.net.certificates import CertificateError, ServerCertificates

ROOT = make("Root", ca=True)
LEAF = ROOT.issue("mx.example.org", dns=["mx.example.org"])
OTHER = ROOT.issue("other", dns=["*.example.net"])


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Any:
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.SelectorEventLoop

    async def bounded(coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await asyncio.wait_for(coroutine, 20)
        finally:
            for line in LINES:
                if line.transport is not None:
                    line.transport.abort()
            for _ in range(5):  # turns of the loop until aborted transports are closed
                await asyncio.sleep(0)
            LINES.clear()

    def runner(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=factory) as loop:
            return loop.run(bounded(coroutine))

    return runner


def files(directory: Path, issued: Issued, *above: Issued, names: tuple[str, ...] = ()) -> SimpleNamespace:
    label = issued.certificate.subject.rfc4514_string().replace("=", "-")
    chain, key = directory / f"{label}.pem", directory / f"{label}.key"
    chain.write_bytes(issued.pem + b"".join(other.pem for other in above))
    key.write_bytes(issued.key_pem)
    return SimpleNamespace(chain=chain, key=key, names=names)


LINES: list[Lines] = []
"""Every connection of the running scenario, to be closed at its end."""


class Lines(asyncio.Protocol):
    """Collects what arrives and answers STARTTLS; `after` is written together with the reply, in clear."""

    def __init__(self, context: ssl.SSLContext | None, reply: bytes = b"220 go\r\n") -> None:
        self.context, self.reply = context, reply
        self.received = bytearray()
        LINES.append(self)
        self.arrived = asyncio.Event()
        self.transport: asyncio.Transport | None = None
        self.task: asyncio.Task[None] | None = None
        self.error: tls.HandshakeFailed | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio.Transport
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.arrived.set()
        if data == b"STARTTLS\r\n" and self.context is not None:
            assert self.transport is not None
            self.transport.pause_reading()
            self.transport.write(self.reply)
            self.task = asyncio.ensure_future(self._secure())

    async def _secure(self) -> None:
        assert self.transport is not None
        assert self.context is not None
        try:
            secured = await tls.start_tls(self.transport, self, self.context, server_side=True, timeout=5)
        except tls.HandshakeFailed as error:
            self.error = error
            return
        self.transport = secured
        secured.write(b"secret\r\n")


async def listen(server: Lines) -> tuple[asyncio.Server, int]:
    listening = await asyncio.get_running_loop().create_server(lambda: server, "127.0.0.1", 0)
    return listening, listening.sockets[0].getsockname()[1]


async def starttls(server: Lines, client: Lines, *, name: str | None = None, minimum: str = "1.2") -> asyncio.Transport:
    listening, port = await listen(server)
    try:  # not `async with`: uvloop's server waits for its connections to end
        transport, _ = await dialer.dial(lambda: client, "127.0.0.1", port, timeout=5)
        transport.write(b"STARTTLS\r\n")
        await client.arrived.wait()
        client.arrived.clear()
        return await tls.start_tls(
            transport, client, tls.client_context(minimum=minimum), server_hostname=name, timeout=5
        )
    finally:
        listening.close()


def test_starttls_gives_the_presented_chain_and_no_verification(run: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        server = Lines(ServerCertificates([files(tmp_path, LEAF, ROOT)]).context)
        client = Lines(None)
        secured = await starttls(server, client, name="whatever.example")
        chain = tls.presented_chain(secured.get_extra_info("ssl_object"))
        assert chain == (LEAF.der, ROOT.der)
        await client.arrived.wait()
        assert bytes(client.received) == b"220 go\r\nsecret\r\n"
        assert server.task is not None
        await server.task
        assert server.error is None
        secured.abort()
        assert server.transport is not None
        server.transport.abort()
        await asyncio.sleep(0)

    run(scenario())


def test_plain_octets_after_the_reply_never_reach_the_protocol(run: Any, tmp_path: Path) -> None:
    """An attacker adds a reply behind the server's; the client must not take it for a protected one."""

    async def scenario() -> None:
        context = ServerCertificates([files(tmp_path, LEAF)]).context
        client = Lines(None)
        server = Injecting(context)
        with pytest.raises(tls.HandshakeFailed) as failed:
            await starttls(server, client)
        assert "TLS" in failed.value.reason
        assert b"250" not in client.received
        server.close()
        await asyncio.sleep(0)

    run(scenario())


class Injecting(Lines):
    """Says 220, waits until the client has begun its handshake, then sends a plain reply."""

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        if data == b"STARTTLS\r\n":
            self.transport.write(b"220 go\r\n")
        else:
            self.transport.write(b"250 forged\r\n")

    def close(self) -> None:
        assert self.transport is not None
        self.transport.abort()


def test_a_server_that_stays_silent_ends_in_words(run: Any) -> None:
    async def scenario() -> None:
        listening, port = await listen(Lines(None))
        client = Lines(None)
        transport, _ = await dialer.dial(lambda: client, "127.0.0.1", port, timeout=5)
        with pytest.raises(tls.HandshakeFailed, match=r"did not end within 0\.05 s"):
            await tls.start_tls(transport, client, tls.client_context(), timeout=0.05)
        listening.close()
        await asyncio.sleep(0)

    run(scenario())


def test_versions_that_are_too_old_are_said(run: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        context = ServerCertificates([files(tmp_path, LEAF)]).context
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        server, client = Lines(context), Lines(None)
        with pytest.raises(tls.HandshakeFailed, match=r"version|closed during"):
            await starttls(server, client, minimum="1.3")
        assert server.task is not None
        await server.task
        await asyncio.sleep(0)

    run(scenario())


def test_sni_picks_the_certificate_and_the_first_serves_the_rest(run: Any, tmp_path: Path) -> None:
    certificates = ServerCertificates([files(tmp_path, LEAF), files(tmp_path, OTHER)])

    async def shown(name: str | None) -> bytes:
        server, client = Lines(certificates.context), Lines(None)
        secured = await starttls(server, client, name=name)
        leaf = tls.presented_chain(secured.get_extra_info("ssl_object"))[0]
        await client.arrived.wait()
        secured.abort()
        return leaf

    async def scenario() -> None:
        assert await shown("mx.example.org") == LEAF.der
        assert await shown("mail.example.net") == OTHER.der
        assert await shown("unknown.example") == LEAF.der
        assert await shown(None) == LEAF.der

    run(scenario())


def test_a_renewed_certificate_is_served_without_a_new_context(run: Any, tmp_path: Path) -> None:
    entry = files(tmp_path, LEAF)
    certificates = ServerCertificates([entry])
    context = certificates.context
    renewed = ROOT.issue("mx.example.org", dns=["mx.example.org"], end=NOW + 400 * 86400)
    certificates.reload_if_changed()
    files(tmp_path, renewed)
    certificates.reload_if_changed()

    async def scenario() -> None:
        server, client = Lines(context), Lines(None)
        secured = await starttls(server, client, name="mx.example.org")
        assert tls.presented_chain(secured.get_extra_info("ssl_object"))[0] == renewed.der
        await client.arrived.wait()
        secured.abort()
        server, client = Lines(context), Lines(None)
        secured = await starttls(server, client, name=None)
        assert tls.presented_chain(secured.get_extra_info("ssl_object"))[0] == renewed.der
        await client.arrived.wait()
        secured.abort()

    run(scenario())
    assert certificates.expiry() == {"mx.example.org": NOW + 400 * 86400}


def test_bad_new_files_keep_the_old_certificate(tmp_path: Path) -> None:
    entry = files(tmp_path, LEAF)
    certificates = ServerCertificates([entry])
    before = certificates.context_for("mx.example.org")
    entry.key.write_bytes(OTHER.key_pem)
    with pytest.raises(CertificateError, match="is not the key of the certificate") as mismatch:
        certificates.reload_if_changed()
    assert "stays in use" in mismatch.value.reason
    assert certificates.context_for("mx.example.org") is before
    assert len(certificates.problems) == 1
    certificates.reload_if_changed()  # said once per change
    entry.key.write_bytes(LEAF.key_pem)
    certificates.reload_if_changed()
    assert certificates.problems == ()


@pytest.mark.parametrize("broken", ["absent", "garbage"])
def test_files_that_cannot_be_used_are_named(tmp_path: Path, broken: str) -> None:
    entry = files(tmp_path, LEAF)
    if broken == "absent":
        entry.chain.unlink()
    else:
        entry.chain.write_text("not PEM")
    with pytest.raises(CertificateError) as error:
        ServerCertificates([entry])
    assert str(entry.chain) in error.value.reason
    with pytest.raises(CertificateError, match="no certificate"):
        ServerCertificates([])


def test_configured_names_may_cover_all_below(tmp_path: Path) -> None:
    certificates = ServerCertificates([files(tmp_path, LEAF), files(tmp_path, OTHER, names=(".example.com",))])
    assert certificates.context_for("a.b.example.com") is not certificates.context
    assert certificates.context_for("mail.example.net") is certificates.context
    assert certificates.context_for("..") is certificates.context


def test_client_contexts_have_a_floor_and_verify_nothing() -> None:
    context = tls.client_context(minimum="1.0")
    assert context.minimum_version == ssl.TLSVersion.TLSv1
    assert context.verify_mode == ssl.CERT_NONE
    with pytest.raises(ValueError, match=r"no TLS version"):
        tls.client_context(minimum="3.0")
