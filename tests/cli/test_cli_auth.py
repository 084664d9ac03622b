"""`danelaw auth` over sockets against the lab's signed DNS: the contract of its JSON, and its page."""

from __future__ import annotations

import asyncio
import io
import json
import re
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from click.testing import CliRunner, Result
from tests.dkim.dkim_samples import rsa_signer

from danelaw.address import Domain
from danelaw.cli.auth import EXIT_STATUS, command
from danelaw.cli.dkim_file import MessageStream
from danelaw.dkim import SigningKey, sign
from danelaw.errors import DanelawError
from danelaw.lab import Lab
from danelaw.lab.scenario import Fault, FaultKind, Scenario
from danelaw.message import Header

POLICY = "v=DMARC1; p=reject; sp=quarantine; np=reject; pct=0; rua=mailto:d@strict.lab"


def records(policy: str, *more: str) -> tuple[str, ...]:
    key = rsa_signer().key.record().to_zone("r._domainkey").replace(" IN TXT", " TXT")
    return ('@ TXT "v=spf1 ip4:192.0.2.0/24 -all"', f'_dmarc TXT "{policy}"', key, *more)


SENDERS = (
    Scenario(domain="strict.lab", records=records(POLICY, "there A 192.0.2.7")),
    Scenario(domain="plain.unsigned", signed=False, records=records("v=DMARC1; p=quarantine; t=y")),
    Scenario(
        domain="forged.lab",
        records=records("v=DMARC1; p=reject"),
        faults=(Fault(kind=FaultKind.CORRUPT_SIGNATURES, name="_dmarc", types=("TXT",)),),
    ),
)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Options that lead to a lab with the senders."""
    ready: list[tuple[str, int]] = []
    started, stop = threading.Event(), threading.Event()
    anchor = tmp_path_factory.mktemp("auth") / "anchor"

    async def live() -> None:
        async with Lab(SENDERS) as lab:
            anchor.write_text(lab.anchors_text)
            ready.append(lab.name_server.address)
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    try:
        assert started.wait(60)
        host, port = ready[0]
        yield ["--server", f"{host}:{port}", "--anchor", str(anchor)]
    finally:
        stop.set()
        thread.join()


def message(author: str, *, signer: str | None = None) -> bytes:
    octets = f"From: Anna <anna@{author}>\nTo: ben@example.net\nSubject: tea\n\nAt five?\n".encode()
    if signer is None:
        return octets
    octets = octets.replace(b"\n", b"\r\n")
    header = Header.from_bytes(octets)
    key = SigningKey(Domain.from_text(signer), "r", rsa_signer().key)
    fields = [(field.name, field.raw) for field in header]
    return b"".join(sign(fields, octets[header.body_offset :], [key], now=1_700_000_000.0)) + octets


def run(octets: bytes, *arguments: str) -> Result:
    return CliRunner().invoke(command, ["-", *arguments], input=octets, standalone_mode=False, catch_exceptions=False)


def judged(octets: bytes, network: list[str], mail_from: str, ip: str = "203.0.113.9") -> tuple[dict[str, Any], int]:
    result = run(octets, "--ip", ip, "--helo", "mx.client.example", "--mail-from", mail_from, "--json", *network)
    return json.loads(result.output), result.return_value  # type: ignore[attr-defined]


def contract(said: dict[str, Any]) -> dict[str, Any]:
    """What issue and hidden judges read."""
    return {
        "spf": {name: said["spf"][name] for name in ("result", "domain")},
        "dkim": [{name: one[name] for name in ("result", "domain", "selector")} for one in said["dkim"]],
        "dmarc": {name: said["dmarc"][name] for name in ("result", "policy", "domain")},
        "arc": {"cv": said["arc"]["cv"]},
    }


def test_signed_mail_passes_with_signed_dns(network: list[str]) -> None:
    said, status = judged(message("strict.lab", signer="strict.lab"), network, "anna@strict.lab", "192.0.2.7")
    assert contract(said) == {
        "spf": {"result": "pass", "domain": "strict.lab"},
        "dkim": [{"result": "pass", "domain": "strict.lab", "selector": "r"}],
        "dmarc": {"result": "pass", "policy": "reject", "domain": "strict.lab"},
        "arc": {"cv": "none"},
    }
    assert status == 0
    assert (said["spf"]["dnssec"], said["dkim"][0]["dnssec"], said["dmarc"]["dnssec"]) == ("secure",) * 3
    assert said["dkim"][0]["reason"] == "it verifies"
    assert said["line_feeds_converted"] is False
    assert "dmarc=pass (DNSSEC: secure)" in said["authentication_results"]


@pytest.mark.parametrize(
    ("author", "policy", "tag", "decision"),
    [
        ("strict.lab", "reject", "p", "refuse"),
        ("there.strict.lab", "quarantine", "sp", "quarantine"),
        ("nothing.strict.lab", "reject", "np", "refuse"),
    ],
)
def test_a_forger_fails_by_the_policy_of_the_author(
    network: list[str], author: str, policy: str, tag: str, decision: str
) -> None:
    said, status = judged(message(author), network, "x@elsewhere.lab")
    assert (said["dmarc"]["result"], said["dmarc"]["policy"], said["dmarc"]["policy_tag"]) == ("fail", policy, tag)
    assert said["dmarc"]["organizational_domain"] == "strict.lab"
    assert said["decision"]["action"] == decision
    assert status == 3


def test_policy_is_as_published_and_disposition_what_testing_leaves_of_it(network: list[str]) -> None:
    said, _ = judged(message("plain.unsigned"), network, "x@elsewhere.lab")
    assert (said["dmarc"]["policy"], said["dmarc"]["disposition"]) == ("quarantine", "none")
    assert said["dmarc"]["dnssec"] == "insecure"


def test_a_forged_record_is_temperror_and_no_policy(network: list[str]) -> None:
    said, status = judged(message("forged.lab"), network, "x@elsewhere.lab")
    assert (said["dmarc"]["result"], said["dmarc"]["policy"], status) == ("temperror", None, 4)
    assert said["dmarc"]["trace"][0]["asked"]["dnssec"] == "bogus"


def test_without_a_record_it_is_none(network: list[str]) -> None:
    said, status = judged(message("elsewhere.lab"), network, "")
    assert (said["dmarc"]["result"], said["dmarc"]["policy"], status) == ("none", None, 0)
    assert (said["spf"]["result"], said["spf"]["domain"]) == ("none", "mx.client.example")


def test_two_authors_fields_are_permerror(network: list[str]) -> None:
    said, status = judged(b"From: a@strict.lab\n" + message("strict.lab"), network, "a@strict.lab", "192.0.2.7")
    assert (said["dmarc"]["result"], status) == ("permerror", 5)
    assert said["author"]["fault"] == "the message has more than one From field"


def test_the_page_has_the_answer_first_and_the_next_command_last(network: list[str]) -> None:
    arguments = ("--ip", "203.0.113.9", "--helo", "mx.client.example", "--mail-from", "<x@elsewhere.lab>", *network)
    text = run(message("nothing.strict.lab"), *arguments).output
    lines = text.splitlines()
    assert "fail: nothing shows that this message comes from nothing.strict.lab." in lines[0]
    assert "policy: reject (np= of strict.lab); Organizational Domain: strict.lab; the author's domain does not" in text
    assert "it was read as it travels, with CRLF" in text
    assert "from: Anna <anna@nothing.strict.lab>; handed in as <x@elsewhere.lab> by 203.0.113.9" in text
    assert "by default danelaw refuses it: nothing says that a list or forwarder changed it" in text
    assert "Authentication-Results: unknown;" in text
    assert lines[-1] == "next: danelaw dns _dmarc.strict.lab TXT"


def test_every_result_has_an_exit_status() -> None:
    from danelaw.dmarc import DMARCResult

    assert EXIT_STATUS.keys() == {result.value for result in DMARCResult}


def test_mistakes_are_named(tmp_path: Path) -> None:
    arguments = ("--helo", "x.example", "--mail-from", "a@b.example")
    with pytest.raises(click.UsageError, match="--ip: 'host' is not an IP address"):
        run(b"From: a@b.example\n\n", "--ip", "host", *arguments)
    with pytest.raises(DanelawError, match="holds no message"):
        run(b"hello\n", "--ip", "192.0.2.1", *arguments)


class _Plain(socketserver.BaseRequestHandler):
    """A name server that knows two TXT records and nothing of DNSSEC."""

    def handle(self) -> None:
        octets, reply_to = self.request
        query = dns.message.from_wire(octets)
        reply = dns.message.make_response(query)
        reply.use_edns(False)
        asked = query.question[0]
        name = asked.name.to_text(omit_final_dot=True).lower()
        text = {"plain.example": "v=spf1 ip4:192.0.2.0/24 -all", "_dmarc.plain.example": "v=DMARC1; p=reject"}.get(name)
        if text is not None and asked.rdtype == dns.rdatatype.TXT:
            reply.answer.append(dns.rrset.from_text(asked.name, 60, "IN", "TXT", f'"{text}"'))
        elif text is None and name not in ("", "example"):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        reply_to.sendto(reply.to_wire(), self.client_address)


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    """Address of a name server without DNSSEC."""
    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), _Plain) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_resolver_without_dnssec_proves_nothing_and_is_named(plain: str) -> None:
    said, status = judged(message("plain.example"), ["--server", plain], "a@plain.example", "192.0.2.1")
    assert (said["spf"]["result"], said["dmarc"]["result"], status) == ("pass", "pass", 0)
    assert (said["dmarc"]["dnssec"], said["resolver_without_dnssec"]) == ("insecure", True)
    arguments = ("--ip", "192.0.2.1", "--helo", "x.example", "--mail-from", "a@plain.example", "--server", plain)
    assert "has no DNSSEC, not even keys of the root" in run(message("plain.example"), *arguments).output


def test_with_an_anchor_an_unsigned_answer_is_a_forgery(plain: str, network: list[str]) -> None:
    said, status = judged(message("plain.example"), ["--server", plain, *network[2:]], "a@plain.example", "192.0.2.1")
    assert (said["spf"]["result"], said["dmarc"]["result"], status) == ("temperror", "temperror", 4)
    assert said["resolver_without_dnssec"] is False


@pytest.mark.parametrize("border", [2 << 20, (2 << 20) + (1 << 16), (2 << 20) + (2 << 16)])
@pytest.mark.parametrize("there", [b"\n", b"\r\n", b"\r", b"\n\n", b"x"])
def test_line_ends_at_the_borders_of_pieces_become_crlf(border: int, there: bytes) -> None:
    begin = b"From: a@b.example\n\n"
    for shift in range(3):
        body = b"y" * (border - len(begin) - shift) + there + b"z" * 200_000 + b"\n"
        if b"\r\n" in (begin + body)[: 2 << 20]:
            continue  # then the file is taken for one with CRLF
        stream = MessageStream("here", io.BytesIO(begin + body))
        wire = re.sub(rb"(?<!\r)\n", rb"\r\n", body)
        assert b"".join(stream.pieces()) == wire
