"""MTA-STS policy hosts over real TLS, and what the cache is to be seeded with."""

from __future__ import annotations

import socket
import ssl

import pytest
from lab_running import Running

from danelaw.lab import SCENARIOS
from danelaw.lab.scenario import STS, PolicyHost, Scenario
from danelaw.lab.world import World, policy_text

NOW = 1_790_000_000


def fetch(running: Running, domain: str, path: str = "/.well-known/mta-sts.txt", method: str = "GET") -> bytes:
    context = ssl.create_default_context(cadata=running.lab.roots_pem.decode())
    with (
        socket.create_connection(running.address(domain, port=443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=f"mta-sts.{domain}") as connection,
    ):
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: mta-sts.{domain}\r\n\r\n".encode())
        answer = b""
        try:
            while chunk := connection.recv(65536):
                answer += chunk
        except ssl.SSLEOFError:
            # The lab closes without a TLS close_notify, as many servers do.
            pass
        return answer


def test_a_policy(running: Running) -> None:
    head, _, body = fetch(running, "sts.lab").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Type: text/plain\r\n" in head
    assert body == b"version: STSv1\r\nmode: enforce\r\nmx: mx.sts.lab\r\nmax_age: 604800\r\n"
    assert running.lab.policy_servers["sts.lab"].fetched >= 1


@pytest.mark.parametrize(
    ("domain", "part"),
    [
        ("sts-not-found.lab", b"HTTP/1.1 404 "),
        ("sts-redirect.lab", b"Location: /moved.txt\r\n"),
        ("sts-html.lab", b"Content-Type: text/html\r\n"),
        ("sts-malformed.lab", b"<html>"),
    ],
)
def test_what_it_must_not_do(running: Running, domain: str, part: bytes) -> None:
    assert part in fetch(running, domain)


def test_the_redirect_leads_to_a_good_policy_so_that_following_it_shows(running: Running) -> None:
    assert b"version: STSv1" in fetch(running, "sts-redirect.lab", "/moved.txt")


def test_too_large(running: Running) -> None:
    assert len(fetch(running, "sts-large.lab")) > 65536


def test_slow_never_ends(running: Running) -> None:
    context = ssl.create_default_context(cadata=running.lab.roots_pem.decode())
    with (
        socket.create_connection(running.address("sts-slow.lab", port=443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="mta-sts.sts-slow.lab") as connection,
    ):
        connection.sendall(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        # Its 200 bytes would take 200 s; nothing more than what was dripped so far is there.
        assert set(connection.recv(4096)) <= {ord("v")}
        connection.settimeout(0.01)
        with pytest.raises(TimeoutError):
            connection.recv(4096)


@pytest.mark.parametrize("domain", ["sts-policy-name.lab", "sts-policy-ca.lab"])
def test_wrong_certificates(running: Running, domain: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        fetch(running, domain)


def test_other_methods_and_paths(running: Running) -> None:
    assert b" 405 " in fetch(running, "sts.lab", method="POST")
    assert b" 404 " in fetch(running, "sts.lab", "/")


def test_an_absent_policy_host_has_no_address_and_a_remembered_policy_is_ready() -> None:
    world = World(SCENARIOS, NOW)
    assert "sts-downgrade.lab" not in {policy.scenario.domain for policy in world.policies}
    remembered = {policy.domain: policy for policy in world.remembered}
    assert {"sts-downgrade.lab", "forged-mx.lab", "sts-gone.lab"} <= set(remembered)
    seed = remembered["sts-downgrade.lab"]
    assert "mode: enforce\r\nmx: mx.sts-downgrade.lab\r\n" in seed.policy
    assert 5 * 86400 < NOW - seed.fetched < 604800


def test_patterns_replace_the_hosts() -> None:
    scenario = Scenario(domain="x.lab", sts=STS(patterns=("*.x.lab",), mode="none", host=PolicyHost.SERVES))
    assert scenario.sts is not None
    assert policy_text(scenario, scenario.sts).splitlines()[1:3] == ["mode: none", "mx: *.x.lab"]
