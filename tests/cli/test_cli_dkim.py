"""`danelaw dkim` end to end: keys made, a message signed, and verified over sockets with the lab's signed DNS."""

from __future__ import annotations

import asyncio
import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from tests.dkim.dkim_samples import ed25519_key, ed25519_signer, rsa_key, rsa_signer, split

from danelaw.arc import ChainStatus, seal
from danelaw.cli.dkim import command
from danelaw.dkim import DKIMKeyRecord, PrivateKey
from danelaw.errors import DanelawError
from danelaw.lab import Lab
from danelaw.lab.scenario import Fault, FaultKind, Scenario

SENDER = "sender.lab"
MESSAGE = b"From: anna@sender.lab\nTo: ben@example.net\nSubject: tea\n\nAt five?\n"
RSA, ED25519 = rsa_signer().key.record(), ed25519_signer().key.record()


def published(record: DKIMKeyRecord, owner: str) -> str:
    """A record as the lab's zones take it, which have no class."""
    return record.to_zone(owner).replace(" IN TXT", " TXT")


def records() -> tuple[str, ...]:
    """The key records of the sender, good and bad, as zone-file lines."""
    return (
        published(RSA, "r._domainkey"),
        published(ED25519, "e._domainkey"),
        published(RSA, "bogus._domainkey"),
        published(RSA, "silent._domainkey"),
        'gone._domainkey TXT "v=DKIM1; p="',
        "alias._domainkey CNAME r._domainkey",
    )


FAULTS = (
    Fault(kind=FaultKind.CORRUPT_SIGNATURES, name="bogus._domainkey", types=("TXT",)),
    Fault(kind=FaultKind.SERVFAIL, name="silent._domainkey", types=("TXT",)),
)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Options that lead to a lab with the sender's domain, signed, and the same domain unsigned."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="lab")
    thread.start()
    lab = Lab(
        (
            Scenario(domain=SENDER, records=records(), faults=FAULTS),
            Scenario(domain="sender.unsigned", signed=False, records=records()),
        )
    )
    try:
        asyncio.run_coroutine_threadsafe(lab.start(), loop).result(30)
        anchor = tmp_path_factory.mktemp("anchor") / "root.key"
        anchor.write_text(lab.anchors_text)
        host, port = lab.name_server.address
        yield ["--server", f"{host}:{port}", "--anchor", str(anchor)]
    finally:
        asyncio.run_coroutine_threadsafe(lab.close(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    for name, key in (("rsa.pem", rsa_key()), ("ed25519.pem", ed25519_key())):
        (tmp_path / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "m.eml").write_bytes(MESSAGE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(command, list(arguments), standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def sign(*arguments: str, domain: str = SENDER, file: str = "m.eml") -> bytes:
    return run("sign", file, "--domain", domain, *arguments).stdout_bytes


def verify(network: list[str], message: bytes, *arguments: str) -> tuple[dict[str, Any], int]:
    Path("signed.eml").write_bytes(message)
    result = run("verify", "signed.eml", *network, "--json", *arguments)
    return json.loads(result.output), result.return_value  # type: ignore[attr-defined]


BOTH = ("--selector", "r", "--key", "rsa.pem", "--selector", "e", "--key", "ed25519.pem")


def test_what_is_signed_with_two_keys_verifies_with_signed_dns(network: list[str], directory: Path) -> None:
    message = sign(*BOTH)
    assert b"\r" not in message
    found, status = verify(network, message)
    assert (found["result"], found["authenticated"], status) == ("pass", [SENDER], 0)
    assert [(one["algorithm"], one["dnssec"]) for one in found["signatures"]] == [
        ("rsa-sha256", "secure"),
        ("ed25519-sha256", "secure"),
    ]
    crlf, status = verify(network, message.replace(b"\n", b"\r\n"))
    assert (crlf, status) == (found, 0)
    mbox, status = verify(network, b"From anna Sat Jan  1 00:00:00 2028\n" + message)
    assert (mbox, status) == (found, 0)


def test_a_changed_message_fails_with_exit_status_3(network: list[str], directory: Path) -> None:
    found, status = verify(network, sign(*BOTH).replace(b"five", b"four"))
    assert (found["result"], found["authenticated"], status) == ("fail", [], 3)
    assert "body" in found["signatures"][0]["reason"]


@pytest.mark.parametrize(
    ("selector", "result", "status", "words"),
    [
        ("alias", "pass", 0, "verifies"),
        ("bogus", "temperror", 4, "cannot be looked up now"),
        ("silent", "temperror", 4, "cannot be looked up now"),
        ("gone", "permerror", 3, "revoked"),
        ("absent", "permerror", 3, "there is no key at absent._domainkey.sender.lab"),
    ],
)
def test_the_key_in_dns_decides(
    network: list[str], directory: Path, selector: str, result: str, status: int, words: str
) -> None:
    found, code = verify(network, sign("--selector", selector, "--key", "rsa.pem"))
    assert (found["result"], code) == (result, status)
    assert words in found["signatures"][0]["reason"]


def test_an_unsigned_zone_is_said_to_be_one(network: list[str], directory: Path) -> None:
    found, status = verify(network, sign("--selector", "r", "--key", "rsa.pem", domain="sender.unsigned"))
    assert (found["signatures"][0]["dnssec"], status) == ("insecure", 0)


def test_expiry_is_judged_at_the_time_given(network: list[str], directory: Path) -> None:
    import time

    message = sign("--selector", "r", "--key", "rsa.pem", "--days", "1", "--at", str(int(time.time()) - 2 * 86400))
    found, status = verify(network, message)
    assert (found["result"], status) == ("policy", 3)
    assert verify(network, message, "--at", str(int(time.time()) - 3 * 43200))[1] == 0


def test_an_arc_chain_is_shown(network: list[str], directory: Path) -> None:
    message = sign(*BOTH).replace(b"\n", b"\r\n")
    fields, body = split(message)
    from danelaw.address import Domain
    from danelaw.dkim import SigningKey

    key = SigningKey(Domain.from_text(SENDER), "e", PrivateKey.from_key(ed25519_key()))
    sealed = b"".join(seal(fields, body, key, "mx.sender.lab; none", ChainStatus.NONE, now=1.0)) + message
    found, _ = verify(network, sealed)
    assert found["arc"] == {
        "status": "pass",
        "reason": "1 set, last sealed by sender.lab",
        "sealers": [SENDER],
        "oldest_pass": 0,
    }
    assert "ARC pass" in run("verify", "signed.eml", *network).output


def test_the_page_says_what_is_what(network: list[str], directory: Path) -> None:
    Path("signed.eml").write_bytes(sign(*BOTH))
    page = run("verify", "signed.eml", *network).output
    assert page.startswith("● pass: the message is as sender.lab signed it.")
    assert page.rstrip().endswith("next: danelaw dns r._domainkey.sender.lab TXT")
    none = run("verify", "m.eml", *network)
    assert "none: the message has no DKIM signature." in none.output
    assert none.return_value == 3  # type: ignore[attr-defined]


def test_settings_of_a_signature(directory: Path) -> None:
    one = ("--selector", "r", "--key", "rsa.pem", "--field-only", "--at", "1700000000")
    field = sign(*one, "--header", "From", "--no-oversign", "--canonicalization", "simple/simple", "--days", "7")
    assert field.startswith(b"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=sender.lab; s=r;\n")
    assert b"h=From;" in field
    assert b"x=1700604800" in field
    assert b"From: anna" not in field
    assert b"i=anna@mail.sender.lab" in sign(*one, "--identity", "anna@mail.sender.lab").replace(b"\n ", b"")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--selector", "r", "--selector", "e", "--key", "rsa.pem"), "one selector for each key"),
        (("--selector", "r", "--key", "rsa.pem", "--header", "To"), "From must be among them"),
        (("--selector", "r", "--key", "rsa.pem", "--identity", "x@example.org"), "is not at sender.lab or below it"),
        (("--selector", "a..b", "--key", "rsa.pem"), "--selector"),
        (("--selector", "r", "--key", "m.eml"), "m.eml: there is no private key"),
        (("--selector", "r", "--key", "absent.pem"), "absent.pem cannot be read"),
    ],
)
def test_what_cannot_be_signed_is_said_in_words(directory: Path, arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises((DanelawError, click.UsageError)) as error:
        sign(*arguments)
    assert words in getattr(error.value, "reason", str(error.value))


def test_a_file_that_is_no_message_is_refused(directory: Path) -> None:
    Path("x").write_bytes(b"hello\n")
    with pytest.raises(DanelawError, match="holds no message"):
        run("verify", "x")


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_new_key_is_private_and_its_record_is_its_own(directory: Path, kind: str) -> None:
    made = json.loads(run("key", "--domain", "Example.org", "--selector", "s1", "--type", kind, "--json").output)
    file = Path("s1._domainkey.example.org.pem")
    assert made["file"] == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    private = PrivateKey.from_pem(file.read_bytes())
    assert DKIMKeyRecord.from_text(made["record"]) == private.record()
    with pytest.raises(DanelawError, match="not overwritten"):
        run("key", "--domain", "example.org", "--selector", "s1")
    again = run("key", "--domain", "example.org", "--selector", "s1", "--from", str(file), "--testing")
    assert "t=y" in again.stdout
    assert again.stdout.startswith("s1._domainkey.example.org. IN TXT")
