"""`danelaw tlsa`: records from every kind of file, and the comparison with DNS in the lab."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from tests.pkix.authority import DAY, Issued, ec_key, make

from danelaw.cli.tlsa import command
from danelaw.errors import DanelawError
from danelaw.lab import SCENARIOS, Lab

HOST = "mx.example.org"
NOW = time.time()
ROOT = make("Test CA", ca=True, start=NOW - DAY, end=NOW + 900 * DAY)
LEAF = ROOT.issue(HOST, dns=[HOST], start=NOW - DAY, end=NOW + 40 * DAY)


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(command, list(arguments), standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def as_json(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--json").output)
    return found


def record(*arguments: str) -> str:
    (one,) = as_json(HOST, *arguments)["records"]
    return str(one["record"])


def written(directory: Path, data: bytes, name: str = "file.pem") -> str:
    path = directory / name
    path.write_bytes(data)
    return str(path)


def request() -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder().subject_name(LEAF.certificate.subject)
    return builder.sign(LEAF.key, hashes.SHA256())


def public(encoding: serialization.Encoding) -> bytes:
    return LEAF.key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)


def private(form: serialization.PrivateFormat, encoding: serialization.Encoding) -> bytes:
    return LEAF.key.private_bytes(encoding, form, serialization.NoEncryption())


PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
TRUSTED = LEAF.pem.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE")


@pytest.mark.parametrize(
    "data",
    [
        LEAF.pem,
        LEAF.der,
        LEAF.pem + ROOT.pem,
        LEAF.key_pem,
        LEAF.key_pem + LEAF.pem + ROOT.pem,
        LEAF.key_pem + ROOT.pem + LEAF.pem,  # the key says which certificate is the server's
        private(serialization.PrivateFormat.TraditionalOpenSSL, PEM),
        private(serialization.PrivateFormat.PKCS8, DER),
        public(PEM),
        public(DER),
        request().public_bytes(PEM),
        request().public_bytes(DER),
        b"subject=mx\nissuer=ca\n" + LEAF.pem.replace(b"\n", b"\r\n"),
        TRUSTED,
    ],
)
def test_every_kind_of_file_gives_the_same_record(data: bytes, tmp_path: Path) -> None:
    assert record(written(tmp_path, data)) == "3 1 1 " + hashlib.sha256(LEAF.spki).hexdigest()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--selector", "0"), "3 0 1 " + hashlib.sha256(LEAF.der).hexdigest()),
        (("--matching", "2"), "3 1 2 " + hashlib.sha512(LEAF.spki).hexdigest()),
        (("--matching", "0"), "3 1 0 " + LEAF.spki.hex()),
        (("--usage", "2"), "2 1 1 " + hashlib.sha256(ROOT.spki).hexdigest()),
        (("--usage", "2", "--selector", "0"), "2 0 1 " + hashlib.sha256(ROOT.der).hexdigest()),
    ],
)
def test_parameters_choose_what_is_published(options: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    assert record(written(tmp_path, LEAF.pem + ROOT.pem), *options) == expected


def test_usage_2_takes_the_issuer_wherever_it_stands_and_a_lone_ca_itself(tmp_path: Path) -> None:
    middle = ROOT.issue("Middle", ca=True, start=NOW - DAY, end=NOW + DAY)
    leaf = middle.issue(HOST, dns=[HOST], start=NOW - DAY, end=NOW + DAY)
    shuffled = written(tmp_path, leaf.pem + ROOT.pem + middle.pem)
    assert record(shuffled, "--usage", "2") == "2 1 1 " + hashlib.sha256(middle.spki).hexdigest()
    alone = written(tmp_path, ROOT.pem)
    assert record(alone, "--usage", "2") == "2 1 1 " + hashlib.sha256(ROOT.spki).hexdigest()


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (LEAF.pem, ("--usage", "2"), "no certificate of the CA that issued"),
        (LEAF.key_pem, ("--usage", "2"), "holds only a key"),
        (request().public_bytes(PEM), ("--selector", "0"), "holds only a certificate request"),
        (b"hello", (), "holds no certificate, key or certificate request"),
        (b"", (), "holds no certificate, key or certificate request"),
        (LEAF.pem.replace(b"MII", b"MXI"), (), "certificate 1 in"),
        (LEAF.pem + make("other").key_pem, (), "belongs to none of the certificates"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", (), "private key in"),
        (b"x" * (1 << 20) + b"x", (), "larger than a certificate chain"),
        (
            LEAF.key.private_bytes(
                PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
            ),
            (),
            "is encrypted",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    data: bytes, options: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    with pytest.raises(DanelawError) as raised:
        run(HOST, written(tmp_path, data), *options)
    assert words in raised.value.reason


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DanelawError, match=r"absent\.pem cannot be read"):
        run(HOST, str(tmp_path / "absent.pem"))


@pytest.mark.parametrize("host", ["192.0.2.1", "[192.0.2.1]", "2001:db8::1", "a b", ""])
def test_a_host_must_be_a_name(host: str, tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="HOST"):
        run(host, written(tmp_path, LEAF.pem))


def test_the_page_says_what_to_publish_and_how_to_roll_over(tmp_path: Path) -> None:
    new = make(HOST, key=ec_key("next"), dns=[HOST], start=NOW - DAY, end=NOW + DAY)
    old_file, new_file = written(tmp_path, LEAF.pem, "old.pem"), written(tmp_path, new.pem, "new.pem")
    shown = run(HOST, old_file, new_file, "--port", "587").output
    for one in (LEAF, new):
        digest = hashlib.sha256(one.spki).hexdigest()
        assert f"_587._tcp.mx.example.org. IN TLSA 3 1 1 {digest}" in shown
        assert f'fingerprints = ["{digest}"]' in shown
    for words in ("publish these 2 records", "beside the old one, wait two TTLs", "keeps the key needs no new record"):
        assert words in shown
    assert shown.splitlines()[-1].startswith("next: danelaw tlsa mx.example.org ")


@pytest.mark.parametrize(
    ("one", "chain", "words"),
    [
        (
            ROOT.issue("mx.other.example", dns=["mx.other.example"], start=NOW - DAY, end=NOW + DAY),
            (ROOT,),
            "does not name mx.example.org",
        ),
        (ROOT.issue(HOST, dns=[HOST], start=NOW - 9 * DAY, end=NOW - DAY), (ROOT,), "has expired"),
        (ROOT, (), "right only for certificates this CA issues"),
    ],
)
def test_usage_2_warns_of_what_only_it_demands(
    one: Issued, chain: tuple[Issued, ...], words: str, tmp_path: Path
) -> None:
    shown = run(HOST, written(tmp_path, b"".join(i.pem for i in (one, *chain))), "--usage", "2").output
    assert f"Careful: {words}" in " ".join(shown.split()) or words in " ".join(shown.split())


def test_a_ca_given_in_place_of_a_server_certificate_is_noticed(tmp_path: Path) -> None:
    assert "--usage 2" in run(HOST, written(tmp_path, ROOT.pem)).output
    own = make(HOST, ca=True, dns=[HOST], start=NOW - DAY, end=NOW + DAY)  # openssl req -x509 makes such ones
    assert "Careful" not in run(HOST, written(tmp_path, own.pem)).output


class World(NamedTuple):
    options: tuple[str, ...]
    lab: Lab


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A lab in a thread of its own, since the command runs its own event loop."""
    directory = tmp_path_factory.mktemp("lab")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    wanted = {"dane.lab", "rollover.lab", "private-ca.lab", "plain.lab", "odd-tlsa.lab", "sts.lab"}
    chosen = tuple(one for one in SCENARIOS if one.domain in wanted)

    async def start() -> Lab:
        lab = Lab(chosen)
        await lab.start()
        return lab

    lab = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    anchor = directory / "root.key"
    anchor.write_text(lab.anchors_text)
    host, port = lab.name_server.address
    yield World(("--server", f"{host}:{port}", "--anchor", str(anchor)), lab)
    asyncio.run_coroutine_threadsafe(lab.close(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def host_of(world: World, domain: str) -> tuple[str, bytes]:
    (placed,) = (host for host in world.lab.world.hosts if host.scenario.domain == domain)
    return placed.name, placed.shown.chain_pem


def checked(world: World, domain: str, file: bytes | None, tmp_path: Path, *more: str) -> tuple[dict[str, Any], int]:
    name, chain = host_of(world, domain)
    result = run(name, written(tmp_path, file or chain), *world.options, "--json", *more)
    return json.loads(result.output)["check"], int(result.return_value)


@pytest.mark.parametrize(
    ("domain", "options", "status", "state", "missing"),
    [
        ("dane.lab", (), 0, "usable", 0),
        ("rollover.lab", (), 0, "usable", 0),
        ("private-ca.lab", ("--usage", "2"), 0, "usable", None),
        ("private-ca.lab", (), 0, "usable", 1),  # passes by the published CA, though 3 1 1 is not published
        ("odd-tlsa.lab", (), 3, "unusable", 1),
        ("sts.lab", (), 3, "absent", 1),
    ],
)
def test_check_compares_with_dns(
    world: World, domain: str, options: tuple[str, ...], status: int, state: str, missing: int | None, tmp_path: Path
) -> None:
    found, exit_status = checked(world, domain, None, tmp_path, *options)
    assert (exit_status, found["tlsa_state"], found["error"]) == (status, state, None)
    assert missing is None or len(found["missing"]) == missing
    assert list(found["passes"].values()) == [status == 0]


def test_another_key_fails_and_a_key_file_is_enough(world: World, tmp_path: Path) -> None:
    found, status = checked(world, "dane.lab", LEAF.pem, tmp_path)
    assert (status, list(found["passes"].values())) == (3, [False])
    (published,) = found["published"]
    assert (published["of_file"], published["reason"]) == (False, "another key or certificate")
    name, _ = host_of(world, "dane.lab")
    (placed,) = (host for host in world.lab.world.hosts if host.scenario.domain == "dane.lab")
    _, status = checked(world, "dane.lab", placed.shown.key_pem, tmp_path)
    assert status == 0
    shown = run(name, written(tmp_path, LEAF.pem), *world.options).output
    assert "Do not switch to it yet" in shown
    assert "wait two TTLs (2 h)" in shown


def test_what_dns_cannot_tell_and_what_is_not_signed(world: World, tmp_path: Path) -> None:
    file = written(tmp_path, LEAF.pem)
    result = run("no-such-host.lab", file, *world.options)
    assert result.return_value == 4
    assert "DNS cannot tell" in result.output
    name, chain = host_of(world, "dane.lab")
    good = run(name, written(tmp_path, chain), *world.options).output
    assert "DNS publishes this, signed" in good
    assert good.splitlines()[-1] == f"next: danelaw check '[{name}]'"


def test_a_chain_with_the_ca_in_front_still_gives_the_servers_key(tmp_path: Path) -> None:
    right = record(written(tmp_path, LEAF.pem + ROOT.pem, "right.pem"))
    turned = written(tmp_path, ROOT.pem + LEAF.pem, "turned.pem")
    assert record(turned) == right
    assert record(turned, "--usage", "2") == record(written(tmp_path, ROOT.pem, "ca.pem"), "--usage", "2")


def test_a_ca_alone_is_no_key_to_pin(tmp_path: Path) -> None:
    assert "fingerprints" in run(HOST, written(tmp_path, LEAF.pem)).output
    assert "fingerprints" not in run(HOST, written(tmp_path, ROOT.pem), "--usage", "2").output
