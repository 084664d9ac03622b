"""`danelaw lab`: the settings it writes are what a gateway reads, the export is whole, the command ends when told."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import dns.name
import dns.rdatatype
import dns.zonefile
import pytest
from click.testing import CliRunner
from lab_running import Running

from danelaw.cli.lab import command
from danelaw.config import load
from danelaw.dnssec import TrustAnchors
from danelaw.lab import SCENARIOS, Lab
from danelaw.lab.catalogue.demo import DEMO
from danelaw.lab.export import export, needs_lab, zone_file
from danelaw.lab.settings import write_settings


def test_the_configuration_is_read_by_the_gateway(running: Running, tmp_path: Path) -> None:
    config = load(write_settings(running.lab, tmp_path, listen="127.0.0.1:2626"))
    assert [server.pair for server in config.resolver.servers] == [running.lab.name_server.address]
    assert config.lab.dial == running.lab.routes
    assert config.tls.roots_file is not None
    assert config.tls.roots_file.read_bytes() == running.lab.roots_pem
    assert config.resolver.anchor_file is not None
    assert TrustAnchors.from_text(config.resolver.anchor_file.read_text()).zones == (dns.name.root,)
    assert {route.domain for route in config.route} == {"static.lab", "office.unsigned"}


def test_every_address_of_the_dns_has_a_route(running: Running) -> None:
    """Those of senders are clients, which nobody connects to."""
    senders = {dns.name.from_text(sender.domain) for sender in running.lab.senders}
    addresses = {
        rdata.to_text()
        for zone in running.lab.world.zones.values()
        if zone.origin not in senders
        for rrset in zone.rrsets()
        if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA) and rrset.name != dns.name.from_text("nameserver.")
        for rdata in rrset
    }
    assert addresses == {address for address, _ in running.lab.routes}


def test_a_lab_closes_everything_it_opened() -> None:
    async def twice() -> None:
        for _ in range(2):
            async with Lab(DEMO) as lab:
                reader, writer = await asyncio.open_connection(*next(iter(lab.routes.values())))
                await reader.readline()
            assert await reader.read() == b""
            writer.close()

    asyncio.run(twice())


def test_no_free_port_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async def start() -> None:
        lab = Lab(DEMO)
        monkeypatch.setattr(lab, "_start_policy", _no_ports)
        with pytest.raises(OSError, match="no ports"):
            await lab.start()

    asyncio.run(start())


def _no_ports(*_: object) -> None:
    raise OSError("no ports")


def test_export_is_whole(tmp_path: Path) -> None:
    written = export(tmp_path, DEMO, now=1_790_000_000)
    names = {path.relative_to(tmp_path).as_posix() for path in written}
    assert {"nsd.conf", "unbound.conf", "anchor.ds", "anchor.dnskey", "tls/roots.pem", "zones/root.zone"} <= names
    assert {"zones/dane.lab.zone", "tls/mx.dane.lab.pem", "postfix/mx.dane.lab.cf", "postfix/sender.cf"} <= names
    assert not (tmp_path / "tls/mx.dane.lab.pem").stat().st_mode & 0o077
    for zone in (tmp_path / "zones").iterdir():
        origin = dns.name.root if zone.name == "root.zone" else dns.name.from_text(zone.name.removesuffix(".zone"))
        assert zone_file(origin) == zone.name
        assert any(
            r.rdtype == dns.rdatatype.SOA
            for r in dns.zonefile.read_rrsets(zone.read_text(), origin=origin, rdclass=None)
        )
    for form in ("anchor.ds", "anchor.dnskey"):
        assert TrustAnchors.from_text((tmp_path / form).read_text()).zones == (dns.name.root,)
    hosts = {host["domain"]: host for host in json.loads((tmp_path / "hosts.json").read_text())}
    assert not hosts["dane.lab"]["needs_lab"]
    assert hosts["stripped.lab"]["needs_lab"]


def test_postfix_is_told_only_interfaces_it_has(tmp_path: Path) -> None:
    """Postfix 3.7 does not start with an inet_interfaces address that no interface carries, such as 127.1.0.1."""
    export(tmp_path, DEMO)
    text = (tmp_path / "postfix/mx.dane.lab.cf").read_text()
    assert "\ninet_interfaces = loopback-only\n" in text
    assert "\n#   127.1.0.1:25 inet n - n - - smtpd\n" in text


def test_what_needs_the_running_lab() -> None:
    by_domain = {scenario.domain: scenario for scenario in SCENARIOS}
    needing = ("stripped.lab", "mx-servfail.lab", "old-tls.lab", "plain.lab")
    assert all(needs_lab(by_domain[domain]) for domain in needing)
    assert not any(needs_lab(by_domain[domain]) for domain in ("dane.lab", "stale.lab", "mx-alias.lab"))


@pytest.mark.parametrize(("tool", "file"), [("nsd-checkconf", "nsd.conf"), ("unbound-checkconf", "unbound.conf")])
def test_daemons_accept_their_configuration(tmp_path: Path, tool: str, file: str) -> None:
    program = shutil.which(tool)
    if program is None:
        pytest.skip(f"{tool} is not installed")
    export(tmp_path, DEMO)
    done = subprocess.run([program, str(tmp_path / file)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_export_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danelaw.lab.export.export", lambda directory: [directory / "README"])
    done = CliRunner().invoke(command, ["--export", str(tmp_path)])
    assert done.exit_code == 0
    assert "1 files in" in done.output
    assert done.output.splitlines()[-1] == f"next: less {tmp_path}/README"


@pytest.mark.parametrize("arguments", [["--json"], ["--ascii"], ["--trust", "--json"]])
def test_the_command_runs_until_interrupted(tmp_path: Path, repository: Path, arguments: list[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repository / "src"), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "danelaw", "lab", "--directory", str(tmp_path), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        end = "}\n" if "--json" in arguments else "next: "
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith(end):
                break
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
    text = "".join(lines) + rest
    assert (process.returncode, errors) == (0, "")
    if "--trust" in arguments:
        facts = json.loads(text)
        assert {one["domain"] for one in facts["destinations"]} >= {"good.lab", "bare.lab"}
        assert all(Path(one["file"]).stat().st_size for one in facts["letters"])
        assert load(tmp_path / "danelaw.toml").trust_group[0].profile == "tes"
    elif arguments == ["--json"]:
        facts = json.loads(text)
        assert len(facts["destinations"]) == len(SCENARIOS)
        assert Path(facts["config"]).parent == tmp_path
    else:
        assert text.isascii()
        assert text.splitlines()[-1] == f"next: danelaw serve --config {tmp_path}/danelaw.toml"
        assert max(map(len, text.splitlines()[:3])) <= 116
    assert load(tmp_path / "danelaw.toml").hostname.to_text() == "gateway.lab"
