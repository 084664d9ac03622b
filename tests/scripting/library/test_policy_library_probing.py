"""Call-ahead, TLS probes and certificates, over real sockets and against the lab's hosts."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from tests.ends import Sink, gateway, run, until
from tests.scripting.test_policies_in_a_gateway import policy

from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab.certificates import Authorities
from danelaw.lab.scenario import Behaviour, Host, Scenario, StartTLS
from danelaw.policy import Library, LibraryError
from danelaw.scripting.library.certificates import CertificateReader
from danelaw.scripting.library.reach import Reach
from danelaw.testing import FakeClock, FakeDNS, FakeResolver

HOOKS = """
@hook.mail_from
def nothing(ctx: MailContext): ...
"""


def library_of(running: Any) -> Library:
    opened = running.gateway.parts.library if hasattr(running, "gateway") else running.parts.library
    assert opened is not None
    found: Library = opened.library
    return found


def test_call_ahead_asks_once_and_remembers_what_was_said(tmp_path: Path) -> None:
    clock = FakeClock()
    replies = {"anna": None, "bob": "550 5.1.1 nobody", "full": "452 4.2.2 full"}

    def answer(verb: str, line: str, connection: int) -> str | None:
        return replies[line.partition("<")[2].partition("@")[0]] if verb == "RCPT" else None

    async def play() -> None:
        async with (
            Sink(answer) as sink,
            gateway(tmp_path, sink.smarthost + policy(tmp_path, HOOKS), clock=clock) as running,
        ):
            ahead = library_of(running).callahead
            said = [await ahead.verify(f"{name}@x.test") for name in ("anna", "bob", "full") for _ in range(2)]
            assert [one.answer for one in said] == ["accepted"] * 2 + ["refused"] * 2 + ["unknown"] * 2
            assert said[2].reply == "550 5.1.1 nobody"
            assert "452" in said[4].reply
            assert len(sink.said("RCPT")) == 4
            assert not sink.said("DATA")
            assert (await ahead.verify("anna@y.test", sink.hop)).answer == "accepted"
            listed = {one["name"]: one for one in running.gateway.parts.workshop.caches.listed()["caches"]}
            assert (listed["call-ahead"]["hits"], listed["call-ahead"]["entries"]) == (2, 3)
            for wrong in ("nobody", "a@b@c"):
                with pytest.raises(LibraryError):
                    await ahead.verify(wrong)
            with pytest.raises(LibraryError):
                await ahead.verify("anna@x.test", "[not an address]")

    run(play())


PROBED = (
    Scenario(domain="dane.lab", hosts=(Host(name="mx1", preference=10), Host(name="mx2", preference=20, v4="dead"))),
    Scenario(
        domain="clear.lab", signed=False,
        hosts=(Host(name="mx1", tlsa=(), behaviour=Behaviour(starttls=StartTLS.ABSENT)),),
    ),
)  # fmt: skip


def test_a_probe_says_what_danelaw_check_says(tmp_path: Path) -> None:
    async def play() -> None:
        async with Rehearsal(PROBED, tmp_path) as rehearsal:
            await rehearsal.gateway.stop()
            with rehearsal.config_file.open("a") as file:
                file.write(policy(tmp_path, HOOKS))
            await rehearsal.open_gateway()
            tls = library_of(rehearsal).tls
            first, second = await tls.probe("dane.lab")
            assert (first.host, first.level, first.protection, first.offered) == ("mx1.dane.lab", "dane", "DANE", True)
            assert first.version.startswith("TLSv1")
            assert (second.host, second.level, second.offered) == ("mx2.dane.lab", "waits", False)
            (clear,) = await tls.probe("clear.lab")
            assert (clear.level, clear.protection, clear.offered) == ("clear", "clear text", False)
            assert not rehearsal.lab.received("dane.lab")
            assert await tls.probe("nowhere.lab") == ()
            with pytest.raises(LibraryError):
                await tls.probe("not a domain")

    run(play())


AUTHORITIES = Authorities(time.time())


def reader(**more: Any) -> CertificateReader:
    resolver: Any = FakeResolver(FakeDNS("www.example.org. A 127.0.0.1"))
    return CertificateReader(Reach(more.pop("hosts", ()), (), resolver), **more)


def test_facts_are_those_of_the_certificate() -> None:
    issued = AUTHORITIES.public.issue(("www.example.org", "example.org"))
    der = x509.load_pem_x509_certificate(issued.chain_pem).public_bytes(serialization.Encoding.DER)

    async def play() -> None:
        (leaf, *above) = await reader().of(issued.chain_pem.decode())
        assert (await reader().of(der)) == (leaf,)
        assert leaf.names == ("www.example.org", "example.org")
        assert leaf.not_before < leaf.not_after
        assert leaf.key in ("EC secp256r1", "RSA 2048")
        assert leaf.signature == "sha256"
        assert not leaf.is_self_issued
        assert len(leaf.sha256) == len(leaf.spki_sha256) == 64
        assert above == list(await reader().of(issued.chain_pem))[1:]

    run(play())


def test_what_a_host_shows_is_read_and_not_verified(tmp_path: Path) -> None:
    issued = AUTHORITIES.public.issue(("other.example.org",))
    (tmp_path / "chain.pem").write_bytes(issued.chain_pem)
    (tmp_path / "key.pem").write_bytes(issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    ended = []

    async def play() -> None:
        server = await asyncio.start_server(lambda r, w: ended.append(w), "127.0.0.1", 0, ssl=context)
        mute = await asyncio.start_server(lambda r, w: ended.append(w), "127.0.0.1", 0)
        port, quiet = (one.sockets[0].getsockname()[1] for one in (server, mute))
        try:
            chain = await reader().of(f"www.example.org:{port}")
            assert chain == await reader().of(issued.chain_pem)
            assert chain[0].names == ("other.example.org",)
            with pytest.raises(LibraryError, match=r"within 0\.1 s"):
                await reader(seconds=0.1).of(f"www.example.org:{quiet}")
            with pytest.raises(LibraryError, match="does not allow"):
                await reader(hosts=("api.example.org",)).of(f"www.example.org:{port}")
            with pytest.raises(LibraryError, match="has no address"):
                await reader().of("none.example.org")
            with pytest.raises(LibraryError, match="is no host"):
                await reader().of("www.example.org:http")
            await until(lambda: ended, "the end of a connection")
        finally:
            for writer in ended:
                writer.transport.abort()
            server.close()
            mute.close()

    run(play())


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x30", b"-----BEGIN CERTIFICATE-----\n"]))
def test_octets_that_are_no_certificate_are_refused(octets: bytes, before: bytes) -> None:
    with pytest.raises(LibraryError):
        asyncio.run(reader().of(before + octets))
