"""What the examinations find, each with its fix."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

import danelaw.cli.doctor as cli_doctor
from danelaw.config import Config, loads
from danelaw.doctor import Finding, Severity, certificate, examine_machine, machine, network
from danelaw.resolver import Finding as ProbeFinding
from danelaw.resolver import ProbeReport
from danelaw.resolver import Severity as ProbeSeverity
from danelaw.testing import FakeDNS, FakeResolver

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def config(extra: str = "") -> Config:
    return loads(f'hostname = "mail.example.org"\n{extra}\n')


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1
    assert findings[0].fix or findings[0].severity is Severity.OK
    return findings[0]


@pytest.mark.parametrize(
    ("year", "severity"), [(2026, Severity.OK), (2040, Severity.OK), (1970, Severity.ERROR), (2099, Severity.ERROR)]
)
def test_an_implausible_clock_is_an_error(year: int, severity: Severity) -> None:
    assert only(machine.clock(datetime(year, 6, 1, tzinfo=UTC).timestamp())).severity is severity
    assert only(machine.clock(1e18)).severity is Severity.ERROR


def test_too_few_open_files_name_the_number_needed() -> None:
    finding = only(machine.open_files(config(), (1024, 1024)))
    assert finding.severity is Severity.WARNING
    assert "LimitNOFILE=2456" in finding.fix
    assert only(machine.open_files(config(), (1024, 65536))).severity is Severity.OK
    assert only(machine.open_files(config(), (-1, -1))).severity is Severity.OK


def test_a_spool_is_measured_and_its_space_watched(tmp_path: Path) -> None:
    found = machine.spool(config(f'spool.directory = "{tmp_path}/deep/spool"\nspool.min_free = "1K"'))
    assert [finding.check for finding in found] == ["spool-space", "spool-flush"]
    assert found[0].severity is Severity.OK
    full = machine.spool(config(f'spool.directory = "{tmp_path}"\nspool.min_free = "9000T"'))
    assert full[0].severity is Severity.ERROR
    assert "mail gets 452" in full[0].what


def test_a_slow_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "flush_seconds", lambda directory: 0.2)
    found = machine.spool(config(f'spool.directory = "{tmp_path}"'))
    assert found[-1].severity is Severity.WARNING
    assert "200" in found[-1].what or "2e+02" in found[-1].what


@pytest.fixture(scope="module")
def make() -> Callable[..., tuple[bytes, bytes]]:
    """A self-signed certificate and a key, both PEM."""

    def build(
        name: str = "mail.example.org", days: tuple[int, int] = (-1, 90), other_key: bool = False
    ) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(NOW + timedelta(days=days[0]))
            .not_valid_after(NOW + timedelta(days=days[1]))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(key, hashes.SHA256())
        )
        shown = ec.generate_private_key(ec.SECP256R1()) if other_key else key
        return made.public_bytes(Encoding.PEM), shown.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    return build


def examine(directory: Path, chain: bytes, key: bytes) -> list[Finding]:
    (directory / "chain.pem").write_bytes(chain)
    (directory / "key.pem").write_bytes(key)
    text = f'[[certificate]]\nchain = "{directory}/chain.pem"\nkey = "{directory}/key.pem"'
    return certificate.certificates(config(text), NOW.timestamp())


@pytest.mark.parametrize(
    ("arguments", "severity", "words"),
    [
        ({}, Severity.OK, "valid for 90 days more"),
        ({"name": "*.example.org"}, Severity.OK, "key fits"),
        ({"days": (-90, -1)}, Severity.ERROR, "expired on 2026-11-27"),
        ({"days": (1, 90)}, Severity.ERROR, "not valid before"),
        ({"days": (-90, 5)}, Severity.WARNING, "expires in 5 days"),
        ({"other_key": True}, Severity.ERROR, "does not belong"),
        ({"name": "other.example"}, Severity.NOTE, "is for other.example"),
    ],
)
def test_certificates_are_examined(
    arguments: dict[str, Any], severity: Severity, words: str, make: Callable[..., tuple[bytes, bytes]], tmp_path: Path
) -> None:
    finding = only(examine(tmp_path, *make(**arguments)))
    assert (finding.severity, words in finding.what) == (severity, True)


def test_a_chain_out_of_order_is_a_warning(make: Callable[..., tuple[bytes, bytes]], tmp_path: Path) -> None:
    (chain, key), (stranger, _) = make(), make(name="stranger.example")
    assert only(examine(tmp_path, chain + stranger, key)).check == "certificate-chain"


def test_unreadable_files_and_no_certificate_are_said(tmp_path: Path) -> None:
    assert "not usable PEM" in only(examine(tmp_path, b"x", b"y")).what
    (tmp_path / "chain.pem").unlink()
    text = f'[[certificate]]\nchain = "{tmp_path}/chain.pem"\nkey = "{tmp_path}/key.pem"'
    assert "No such file" in only(certificate.certificates(config(text), NOW.timestamp())).what
    assert only(certificate.certificates(config(), NOW.timestamp())).severity is Severity.WARNING
    assert certificate.certificates(config('[[listen]]\naddress = "127.0.0.1:25"\ntls = "none"'), 0.0) == []


def test_the_resolvers_own_findings_keep_their_words() -> None:
    bad = ProbeReport(
        1.0, (ProbeFinding(ProbeSeverity.ERROR, "silent", "192.0.2.53:53", "silent", "start it"),), (), ("x",)
    )
    assert network.from_probe(bad) == [Finding("resolver-silent", Severity.ERROR, "silent", "start it")]
    assert only(network.from_probe(ProbeReport(1.0, (), ("127.0.0.1:53",)))).severity is Severity.OK


NAMES = """
8.8.8.8.in-addr.arpa. PTR mail.example.org.
9.8.8.8.in-addr.arpa. PTR other.example.org.
10.8.8.8.in-addr.arpa. PTR liar.example.org.
mail.example.org. A 8.8.8.8
other.example.org. A 8.8.8.9
liar.example.org. A 8.8.8.8
mx.example.net. A 192.0.2.1
"""


@pytest.mark.parametrize(
    ("address", "severity", "words"),
    [
        ("8.8.8.8", Severity.OK, "both ways"),
        ("8.8.8.9", Severity.NOTE, "EHLO says mail.example.org"),
        ("8.8.8.10", Severity.WARNING, "does not lead back"),
        ("8.8.8.11", Severity.WARNING, "has no name"),
        ("10.0.0.1", Severity.NOTE, "private address"),
    ],
)
def test_each_address_must_have_the_name_that_is_said_from_it(address: str, severity: Severity, words: str) -> None:
    helo = 'helo = "mail.example.org"\n' if severity is Severity.OK else ""
    settings = config(
        f'delivery.families = ["ipv4"]\n[[delivery.addresses]]\naddress = "{address}"\n{helo}'
        '[[delivery.addresses]]\naddress = "2001:db8::1"'
    )
    finding = only(asyncio.run(network.reverse_dns(settings, FakeResolver(FakeDNS(NAMES)))))  # type: ignore[arg-type]
    assert (finding.severity, words in finding.what) == (severity, True)


@pytest.mark.parametrize(
    ("address", "severity", "words"),
    [
        ("8.8.8.8", Severity.OK, "both ways"),
        ("8.8.8.9", Severity.NOTE, "EHLO says mail.example.org"),
        ("8.8.8.10", Severity.WARNING, "does not lead back"),
        ("8.8.8.11", Severity.WARNING, "has no name"),
        ("10.0.0.1", Severity.NOTE, "private address"),
    ],
)
def test_our_address_must_have_a_name_that_leads_back(address: str, severity: Severity, words: str) -> None:
    settings = config(f'[delivery]\nfamilies = ["ipv4"]\nsource_ipv4 = "{address}"')
    finding = only(asyncio.run(network.reverse_dns(settings, FakeResolver(FakeDNS(NAMES)))))  # type: ignore[arg-type]
    assert (finding.severity, words in finding.what) == (severity, True)


@pytest.mark.parametrize(
    ("route", "answers", "check"),
    [
        ("10.0.0.1", True, "port-25"),
        ("10.0.0.1", False, "port-25-blocked"),
        (None, True, "port-25"),
    ],
)
def test_port_25_is_tried_on_unrelated_hosts(
    route: str | None, answers: bool, check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def greet(address: str, port: int) -> bool:
        assert (address, port) == ("192.0.2.1", 25)
        return answers

    monkeypatch.setattr(network, "greeting", greet)
    monkeypatch.setattr(network, "own_address", lambda family: route)
    settings = config('[doctor]\nport25_hosts = ["mx.example.net"]\n[delivery]\nfamilies = ["ipv4"]')
    finding = only(asyncio.run(network.port25(settings, FakeResolver(FakeDNS(NAMES)))))  # type: ignore[arg-type]
    assert finding.check == check
    assert (finding.severity is Severity.OK) == (answers and route is not None)


def test_port_25_is_left_alone_when_told_so() -> None:
    assert asyncio.run(network.port25(config("doctor.port25_hosts = []"), FakeResolver(FakeDNS(NAMES)))) == []  # type: ignore[arg-type]


def test_a_greeting_is_recognised() -> None:
    async def serve(banner: bytes) -> bool:
        async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(banner)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(session, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await network.greeting("127.0.0.1", port)

    assert asyncio.run(serve(b"220 mx.example ESMTP\r\n"))
    assert not asyncio.run(serve(b"HTTP/1.1 400\r\n"))
    assert not asyncio.run(network.greeting("127.0.0.1", 1))


def test_the_command_shows_the_answer_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = [Finding("clock", Severity.ERROR, "wrong", "set it"), Finding("spool", Severity.OK, "fast")]

    async def examined(settings: Config) -> list[Finding]:
        return found

    monkeypatch.setattr(cli_doctor, "_examine", examined)
    file = tmp_path / "danelaw.toml"
    file.write_text('hostname = "m.example"\n')
    result = CliRunner().invoke(cli_doctor.command, ["--config", str(file), "--ascii"], standalone_mode=False)
    assert result.return_value == 1
    lines = result.output.splitlines()
    assert lines[0] == "x not fit to carry mail: 1 fault to repair."
    assert "    fix: set it" in lines
    assert lines[-1].startswith("next: ")


def test_examining_the_machine_covers_everything(tmp_path: Path) -> None:
    found = examine_machine(config(f'spool.directory = "{tmp_path}"'), NOW.timestamp())
    assert {finding.check for finding in found} == {"clock", "spool-space", "spool-flush", "open-files", "certificate"}
