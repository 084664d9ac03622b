"""Keys from a Web Key Directory over real TLS sockets (draft-koch-openpgp-webkey-service-19 §3.1)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.keydiscovery.samples import ANNA, ANNA_FINGERPRINT, NOW
from tests.net.test_net_fetch import ROOTS, PolicyHost, answer, leaf

from danelaw.address import Mailbox
from danelaw.dnsdata import DNSSECStatus
from danelaw.keydiscovery import KeyReport, KeyState
from danelaw.net.web_key import fetch_web_key
from danelaw.testing import FakeDNS, FakeResolver

MAILBOX = Mailbox.from_text("Anna@example.org")
ADVANCED, DIRECT = leaf("openpgpkey.example.org"), leaf("example.org")
ZONE = "example.org. A 192.0.2.1\nopenpgpkey.example.org. A 192.0.2.2"
KEY = answer(ANNA, kind="application/octet-stream")


def fetched(host: PolicyHost, directory: Path, dns: FakeDNS, **more: object) -> KeyReport:
    """`host` is what answers at both addresses."""

    async def run() -> KeyReport:
        port = await host.start(directory)
        routes = {(f"192.0.2.{last}", 443): ("127.0.0.1", port) for last in (1, 2)}
        try:
            return await fetch_web_key(
                MAILBOX,
                resolver=FakeResolver(dns),
                roots=ROOTS,
                now=NOW,
                routes=routes,
                **more,  # type: ignore[arg-type]
            )
        finally:
            host.server.close()

    return asyncio.run(run())


def test_the_advanced_method_comes_first(tmp_path: Path) -> None:
    host = PolicyHost(KEY, ADVANCED)
    found = fetched(host, tmp_path, FakeDNS(ZONE))
    assert (found.state, found.keys[0].fingerprint) == (KeyState.FOUND, ANNA_FINGERPRINT)
    assert not found.keys[0].dns_signed
    (request,) = host.requests
    assert request.startswith(b"GET /.well-known/openpgpkey/example.org/hu/")
    assert b"?l=Anna HTTP/1.1\r\n" in request
    assert b"Host: openpgpkey.example.org\r\n" in request


def test_the_direct_method_where_the_sub_domain_does_not_exist(tmp_path: Path) -> None:
    host = PolicyHost(KEY, DIRECT)
    found = fetched(host, tmp_path, FakeDNS("example.org. A 192.0.2.1"))
    assert found.state is KeyState.FOUND
    assert host.requests[0].startswith(b"GET /.well-known/openpgpkey/hu/")


def test_an_error_of_the_sub_domain_is_no_reason_for_the_direct_method(tmp_path: Path) -> None:
    host = PolicyHost(KEY, DIRECT)
    dns = FakeDNS(ZONE).fail("openpgpkey.example.org", DNSSECStatus.BOGUS)
    assert fetched(host, tmp_path, dns).state is KeyState.FAILED
    assert fetched(host, tmp_path, FakeDNS(ZONE)).state is KeyState.FAILED  # shows example.org's certificate there
    assert host.requests == []


@pytest.mark.parametrize(
    ("reply", "state", "words"),
    [
        (answer(b"", "404 Not Found"), KeyState.ABSENT, "has no key of this address"),
        (answer(b"", "301 Moved", "text/plain", "Location: https://example.net/"), KeyState.FAILED, "redirects"),
        (answer(b"", "500 Oops"), KeyState.FAILED, "status 500"),
        (answer(ANNA, "200 OK", "x/y", "Content-Encoding: gzip"), KeyState.FAILED, "compresses"),
        (answer(bytes(300_000)), KeyState.FAILED, "more than"),
        (answer(b"<html>no</html>"), KeyState.UNUSABLE, "not a sequence"),
        (b"rubbish\r\n\r\n", KeyState.FAILED, "broke the HTTP exchange"),
    ],
)
def test_answers(tmp_path: Path, reply: bytes, state: KeyState, words: str) -> None:
    found = fetched(PolicyHost(reply, ADVANCED), tmp_path, FakeDNS(ZONE))
    assert found.state is state
    assert words in found.reason


def test_a_web_server_with_another_certificate_gives_nothing(tmp_path: Path) -> None:
    host = PolicyHost(KEY, leaf("openpgpkey.example.net"))
    found = fetched(host, tmp_path, FakeDNS(ZONE))
    assert (found.state, host.requests) == (KeyState.FAILED, [])
    assert "certificate of openpgpkey.example.org is not valid" in found.reason


def test_addresses_that_must_not_be_connected_to(tmp_path: Path) -> None:
    host = PolicyHost(KEY, ADVANCED)
    found = fetched(host, tmp_path, FakeDNS(ZONE), may_connect=lambda address: False)
    assert (found.state, host.requests) == (KeyState.FAILED, [])
    assert "192.0.2.2, which is not connected to" in found.reason


def test_without_any_web_server_there_is_none(tmp_path: Path) -> None:
    found = fetched(PolicyHost(KEY, ADVANCED), tmp_path, FakeDNS("example.org. TXT x"))
    assert (found.state, found.reason) == (KeyState.ABSENT, "example.org has no web server")


def test_a_server_that_never_answers(tmp_path: Path) -> None:
    async def silent(writer: object) -> None:
        await asyncio.sleep(5)

    found = fetched(PolicyHost(silent, ADVANCED), tmp_path, FakeDNS(ZONE), timeout=0.2)  # type: ignore[arg-type]
    assert (found.state, found.reason) == (KeyState.FAILED, "openpgpkey.example.org did not answer within 0.2 s")
