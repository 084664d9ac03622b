"""Listeners and TLS: STARTTLS, implicit TLS, SNI, live reload, PROXY headers, and failed handshakes."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
import struct
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.ends import Client, Running, certificate, certificate_section, gateway, lenient, peer_names, run, until

from danelaw.lab.certificates import Authorities
from danelaw.net.proxy import SIGNATURE

PROXY = 'proxy = ["127.0.0.9/32"]'


def proxy_header(source: str, port: int = 4711) -> bytes:
    packed = ipaddress.ip_address(source).packed
    family = 0x11 if len(packed) == 4 else 0x21
    block = packed + packed + struct.pack("!HH", port, 25)
    return SIGNATURE + bytes([0x21, family]) + struct.pack("!H", len(block)) + block


def test_starttls_forgets_what_was_said_before(tmp_path: Path) -> None:
    async def play() -> None:
        certificate(tmp_path, "gw.test")
        async with gateway(tmp_path, certificate_section(tmp_path)) as running, await running.client() as client:
            await client.start_tls()
            await client.expect(503, "RCPT TO:<b@example.org>")
            await client.expect(503, "MAIL FROM:<a@sender.test>")
            offers = await client.expect(250, "EHLO client.test")
            assert "REQUIRETLS" in offers.lines
            assert "STARTTLS" not in offers.lines
            await client.expect(250, "MAIL FROM:<a@sender.test> REQUIRETLS")
            assert 'danelaw_inbound_tls_handshakes_total{result="TLSv1.3"} 1.0' in metrics(running)

    run(play())


def metrics(running: Running) -> str:
    return running.gateway.metrics.to_openmetrics().decode()


def test_commands_sent_with_starttls_are_never_carried_out(tmp_path: Path) -> None:
    async def play() -> None:
        certificate(tmp_path, "gw.test")
        async with gateway(tmp_path, certificate_section(tmp_path)) as running, await running.client() as client:
            client.send(b"STARTTLS\r\nMAIL FROM:<evil@sender.test>\r\n")
            answer = await client.answer()
            assert answer.code in (421, 501, 503, 554)
            await client.closed()

    run(play())


@pytest.mark.parametrize("loop", [run, asyncio.run], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_ehlo_together_with_the_end_of_the_handshake_is_answered(
    tmp_path: Path, tls: str, loop: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    """One segment with Finished and EHLO: asyncio hands EHLO on before the session knows that the handshake is over."""

    async def play() -> None:
        certificate(tmp_path, "gw.test")
        section = certificate_section(tmp_path)
        async with (
            gateway(tmp_path, section, listen=f'tls = "{tls}"') as running,
            await Client.connect(running.address) as client,
        ):
            if tls == "starttls":
                await client.greeted()
                await client.expect(220, "STARTTLS")
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            inside = lenient().wrap_bio(incoming, outgoing, server_hostname="gw.test")
            while True:
                with contextlib.suppress(ssl.SSLWantReadError):
                    inside.do_handshake()
                    break
                client.send(outgoing.read())
                incoming.write(await client.reader.read(65536))
            inside.write(b"EHLO client.test\r\n")
            client.send(outgoing.read())
            said = b""
            while b"\r\n250 " not in said:
                with contextlib.suppress(ssl.SSLWantReadError):
                    said += inside.read(65536)
                    continue
                octets = await client.reader.read(65536)
                assert octets, f"the session ended after {said!r}"
                incoming.write(octets)

    loop(play())


def test_implicit_tls_speaks_only_inside_tls(tmp_path: Path) -> None:
    async def play() -> None:
        certificate(tmp_path, "gw.test")
        section = certificate_section(tmp_path)
        async with gateway(tmp_path, section, listen='tls = "implicit"') as running:
            async with await running.client(context=lenient(), name="gw.test") as client:
                assert "STARTTLS" not in (await client.expect(250, "EHLO client.test")).lines
                await client.message(b"Subject: x\r\n\r\nx\r\n", "postmaster@example.org")
            async with await Client.connect(running.address) as plain:
                plain.send(b"EHLO client.test\r\n")
                await plain.closed()
            await until(lambda: running.lines("tls-failed"), "a log line on the failed handshake")
            await until(lambda: not running.gateway.parts.intake.sessions, "the end of both sessions")

    run(play())


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_failed_handshakes_leave_no_session_behind(tmp_path: Path, tls: str) -> None:
    async def play() -> None:
        certificate(tmp_path, "gw.test")
        section = certificate_section(tmp_path) + "[limits]\nconnections_per_client = 3\n"
        async with gateway(tmp_path, section, listen=f'tls = "{tls}"') as running:
            for garbage in (b"no TLS at all\r\n", b"\x16\x03\x01\xff\xff", b"") * 2:
                async with await Client.connect(running.address) as client:
                    if tls == "starttls":
                        await client.greeted()
                        await client.expect(220, "STARTTLS")
                    client.send(garbage)
                    client.writer.write_eof()
                    await client.closed()
            await until(lambda: not running.gateway.parts.intake.sessions, "an empty list of sessions")
            options = {"context": lenient(), "name": "gw.test"} if tls == "implicit" else {}
            async with await running.client(**options):
                pass

    run(play())


def test_a_handshake_that_never_comes_is_given_up(tmp_path: Path) -> None:
    async def play() -> None:
        certificate(tmp_path, "gw.test")
        section = certificate_section(tmp_path) + '[limits]\nhandshake_timeout = "1s"\n'
        async with gateway(tmp_path, section) as running, await running.client() as client:
            await client.expect(220, "STARTTLS")
            await client.closed()
            await until(lambda: not running.gateway.parts.intake.sessions, "the end of the session")

    run(play())


def test_the_certificate_follows_the_name_asked_for(tmp_path: Path) -> None:
    async def play() -> None:
        for name in ("gw.test", "other.test"):
            certificate(tmp_path, name)
        sections = certificate_section(tmp_path) + certificate_section(tmp_path, "other.test")
        async with gateway(tmp_path, sections) as running:
            for asked, shown in (("other.test", "other.test"), ("gw.test", "gw.test"), ("unknown.test", "gw.test")):
                async with await running.client() as client:
                    await client.start_tls(asked)
                    assert peer_names(client) == (shown,)

    run(play())


@pytest.mark.parametrize("how", ["by itself", "SIGHUP"])
def test_a_new_certificate_is_used_without_a_restart(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danelaw.gateway.gateway._WATCH_SECONDS", 0.05 if how == "by itself" else 3600.0)

    async def serial(running: Running) -> int:
        async with await running.client() as client:
            await client.start_tls()
            der = client.writer.get_extra_info("ssl_object").getpeercert(True)
            from cryptography import x509

            return x509.load_der_x509_certificate(der).serial_number

    async def play() -> None:
        authorities = Authorities(time.time())
        certificate(tmp_path, "gw.test", authorities=authorities)
        async with gateway(tmp_path, certificate_section(tmp_path)) as running, await running.client() as kept:
            old = await serial(running)
            new = certificate(tmp_path, "gw.test", authorities=authorities)
            if how == "SIGHUP":
                running.gateway.reload()
            async with asyncio.timeout(15):
                while await serial(running) == old:
                    await asyncio.sleep(0.05)
            assert await serial(running) == new.certificate.serial_number
            (tmp_path / "gw.test.key").write_text("broken")
            running.gateway.reload()
            assert await serial(running) == new.certificate.serial_number
            assert running.lines("reload-failed")
            await kept.expect(250, "NOOP")

    run(play())


@pytest.mark.parametrize("pieces", [1, 2, 1000], ids=["at once", "header first", "octet by octet"])
@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_proxy_header_then_what_the_listener_speaks(tmp_path: Path, tls: str, pieces: int) -> None:
    async def play() -> None:
        certificate(tmp_path, "gw.test")
        section = certificate_section(tmp_path)
        async with gateway(tmp_path, section, listen=f'tls = "{tls}"\n{PROXY}') as running:
            header = proxy_header("192.0.2.77")
            if tls == "implicit":
                assert await implicit_tls_behind(running, header, pieces) == b"220"
            else:
                async with await Client.connect(running.address, source="127.0.0.9") as client:
                    for octet in [header] if pieces < 3 else [header[i : i + 1] for i in range(len(header))]:
                        client.send(octet)
                        await asyncio.sleep(0)
                    await client.greeted()
                    if tls == "starttls":
                        await client.start_tls()
                        await client.expect(250, "EHLO client.test")
                    await client.expect(250, "MAIL FROM:<a@sender.test>")
                    await client.expect(550, "RCPT TO:<b@example.org>")  # 192.0.2.77 is no relay network
                    assert "client=192.0.2.77" in running.lines("refused")[-1]

    run(play())


async def implicit_tls_behind(running: Running, header: bytes, pieces: int) -> bytes:
    """TLS by hand, so that the ClientHello shares a segment with the header."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = lenient().wrap_bio(incoming, outgoing, server_hostname="gw.test")
    async with await Client.connect(running.address, source="127.0.0.9") as client:
        sent = header
        async with asyncio.timeout(10):
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    first = sent + outgoing.read()
                    if sent and pieces == 2:
                        client.send(sent)
                        await asyncio.sleep(0.05)
                        first = first[len(sent) :]
                    step = len(first) if pieces < 3 else 7
                    for begin in range(0, len(first), step):
                        client.send(first[begin : begin + step])
                        await asyncio.sleep(0)
                    sent = b""
                    incoming.write(await client.reader.read(65536))
            client.send(outgoing.read())
            while True:
                try:
                    return tls.read(65536)[:3]
                except ssl.SSLWantReadError:
                    incoming.write(await client.reader.read(65536))


@pytest.mark.parametrize(
    ("source", "octets"),
    [("127.0.0.1", b""), ("127.0.0.9", b"EHLO client.test\r\n"), ("127.0.0.9", SIGNATURE + b"\x31\x11\x00\x0c")],
    ids=["not a balancer", "no header", "unknown version"],
)
def test_without_a_valid_proxy_header_nothing_is_said(tmp_path: Path, source: str, octets: bytes) -> None:
    async def play() -> None:
        async with (
            gateway(tmp_path, listen=PROXY) as running,
            await Client.connect(running.address, source=source) as client,
        ):
            client.send(octets)
            with contextlib.suppress(ConnectionError):
                assert await client.reader.read() == b""
            await until(lambda: running.lines("refused"), "a log line")

    run(play())


def test_a_client_that_leaves_in_the_handshake_leaves_no_session_behind(tmp_path: Path) -> None:
    async def play() -> None:
        certificate(tmp_path, "gw.test")
        async with gateway(tmp_path, certificate_section(tmp_path)) as running:
            for _ in range(10):
                async with await running.client() as client:
                    await client.start_tls()  # with TLS 1.3 the client is done before the gateway is
            await until(lambda: not running.gateway.parts.intake.sessions, "an empty list of sessions", 5)

    run(play())
