"""Postfix hands mail to danelaw and danelaw hands it to Postfix: TLS both ways, both keys found by DANE.

All names, keys and parameters are those of `danelaw lab --export`; nsd serves them, unbound validates them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop.daemons import danelaw_json
from interop.exported import UNBOUND, Exported
from interop.gateway import Gateway
from interop.mail import Receiver, message, submit, without_trace
from interop.report import Report

from bench.postfix import Postfix

pytestmark = [
    pytest.mark.needs("postfix", "nsd", "unbound"),
    pytest.mark.namespace,
    pytest.mark.timeout(300),
]
SECTION = "Postfix → danelaw → Postfix, with DANE on both ways"
# Destination: what danelaw must make of it. Each is a Postfix with the parameters exported for it.
DESTINATIONS = {
    "dane.lab": ("delivered", "DANE"),
    "ta-intermediate.lab": ("delivered", "DANE"),
    "expired-cert.lab": ("delivered", "DANE"),
    "signed-no-tlsa.lab": ("delivered", "encrypted only"),
    "stale.lab": ("waiting", "nothing sent"),
}
SENDER_PORT = 2525


@pytest.fixture(scope="module")
def receivers(place: Path, exported: Exported) -> Iterator[dict[str, Receiver]]:
    found = {
        domain: Receiver(place / f"receiver-{number}", exported, exported.host(domain))
        for number, domain in enumerate(DESTINATIONS)
    }
    try:
        for receiver in found.values():
            receiver.start()
        yield found
    finally:
        for receiver in found.values():
            receiver.stop()


@pytest.fixture(scope="module")
def sender(place: Path, exported: Exported) -> Iterator[Postfix]:
    settings = {
        "relayhost": f"[{exported.host('provider.lab').name}]:25",
        "inet_interfaces": "127.0.0.1",
        "myhostname": "client.example",
    }
    parameters = exported.parameters(exported.directory / "postfix" / "sender.cf")
    postfix = Postfix(place / "sender", SENDER_PORT, settings | parameters)
    try:
        postfix.start()
        yield postfix
    finally:
        postfix.stop()


def test_mail_passes_byte_for_byte_with_dane_on_both_ways(
    sender: Postfix, gateway: Gateway, receivers: dict[str, Receiver], report: Report
) -> None:
    rows = []
    for domain, (outcome, protection) in DESTINATIONS.items():
        identity = f"relay-{domain}"
        submit("127.0.0.1", SENDER_PORT, [f"anna@{domain}"], message(identity))
        if outcome == "delivered":
            arrived = receivers[domain].wait_for(identity)
            assert without_trace(arrived) == message(identity).replace(b"\r\n", b"\n")
            _assert_trace(arrived)
        attempt = gateway.first_attempt(identity)
        if outcome != "delivered":
            assert receivers[domain].messages() == []
        assert attempt["protection"] == protection, attempt
        rows.append((domain, outcome, protection, attempt["reason"]))
    report.table(SECTION, ("destination", "outcome", "`danelaw explain`", "why"), rows)
    accepted = re.findall(r"(\w+) TLS connection established to (\S+): (\S+)", sender.log)
    assert accepted, sender.log
    assert {word for word, _, _ in accepted} == {"Verified"}, sender.log
    report.text(
        SECTION,
        f"The sending Postfix about danelaw, {len(accepted)} times: `Verified TLS connection established to "
        f"{accepted[0][1]}: {accepted[0][2]}` (level dane, TLSA from nsd through unbound). Every message that arrived "
        "was byte-identical below the trace fields: leading dots, trailing blanks, 990-octet lines, "
        "bytes that are no UTF-8.",
    )


def _assert_trace(arrived: bytes) -> None:
    """RFC 5321 §4.4 and RFC 8314 §4.3: each server's own Received field, ours with its TLS clause."""
    received = re.findall(rb"^Received:(.*(?:\n[ \t].*)*)", arrived.replace(b"\r\n", b"\n"), re.MULTILINE)
    assert len(received) == 3, received
    assert b"with ESMTPS" in received[0]
    assert b"with ESMTPS" in received[1]
    assert b"TLS" in received[1]
    assert b"by mx.provider.lab" in received[1]


@pytest.mark.parametrize("domain", DESTINATIONS)
def test_check_says_the_documented_level(domain: str, exported: Exported, receivers: dict[str, Receiver]) -> None:
    host = next(host for host in exported.hosts if host["domain"] == domain)
    roots = exported.directory / "tls" / "roots.pem"
    server = f"{UNBOUND[0]}:{UNBOUND[1]}"
    found = danelaw_json(
        "check", domain, "--server", server, "--anchor", str(exported.anchor), "--roots", str(roots), "--no-sts"
    )
    assert found["level"] == host["level"], found
