"""`danelaw explain --proof`, `verify`, `log` and `replay` as a user types them."""

from __future__ import annotations

import importlib
import json
import sqlite3
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.receipt.conftest import World
from tests.receipt.tampering import Forger

from danelaw.cli import danelaw
from danelaw.errors import DanelawError
from danelaw.pkix import Roots
from danelaw.receipt import Ground, Kind, verify


@dataclass(frozen=True)
class Told:
    """What a command printed, its exit status, and why it failed."""

    stdout: str
    status: int
    reason: str = ""


def told(*words: object) -> Told:
    """As `danelaw.cli.main` runs a command."""
    result = CliRunner().invoke(danelaw, [str(word) for word in words], standalone_mode=False)
    match result.exception:
        case None:
            return Told(result.stdout, result.return_value if isinstance(result.return_value, int) else 0)
        case DanelawError() as error:
            return Told(result.stdout, 1, error.reason)
        case click.UsageError() as error:
            return Told(result.stdout, 2, error.format_message())
    raise result.exception


def asked(*words: object) -> Any:
    return json.loads(told(*words, "--json").stdout)


@pytest.fixture
def files(world: World, tmp_path: Path) -> Path:
    """Keys, roots, and the receipts, as files."""
    key = world.key
    (tmp_path / "k.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "k.pub").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "roots.pem").write_bytes(world.roots_pem)
    for domain, octets in world.receipts.items():
        (tmp_path / f"{domain}.json").write_bytes(octets)
    return tmp_path


def test_a_receipt_is_written_signed_and_verified(world: World, files: Path) -> None:
    spool, anchor = world.directory / "spool", world.directory / "anchor.ds"
    ident, file = world.results["dane.lab"].id, files / "mine.json"
    written = told("explain", ident, "--spool", spool, "--proof", file, "--sign-with", files / "k.key")
    assert written.status == 0, written
    assert f"the receipt of message {ident}" in " ".join(written.stdout.split())
    assert file.stat().st_mode & 0o077 == 0
    page = told("verify", file, "--anchor", anchor, "--signer", files / "k.pub")
    assert page.status == 0, page
    assert page.stdout.startswith("● HOLDS: DELIVERED to anna@dane.lab, protected by: DANE.")
    assert "signed by the key you gave" in page.stdout
    order = [page.stdout.index(f"  {ground.value}\n") for ground in Ground]
    assert order == sorted(order)
    found = asked("verify", file, "--anchor", anchor, "--signer", files / "k.pub")
    assert (found["holds"], found["receipts"][0]["signed_by_signer"]) == (True, True)
    # The built-in keys of the root know nothing of the lab.
    refused = told("verify", file)
    assert refused.status == 1
    assert refused.stdout.startswith("✕ REFUSED")
    assert "dns" in refused.stdout


def test_addresses_may_be_left_out(world: World, files: Path) -> None:
    file, spool = files / "omitted.json", world.directory / "spool"
    assert told("explain", "anna@dane.lab", "--spool", spool, "--proof", file, "--omit-addresses").status == 0
    octets = file.read_bytes()
    assert b"anna" not in octets
    assert b"demo@sender.lab" not in octets
    page = told("verify", file, "--anchor", world.directory / "anchor.ds")
    assert page.stdout.startswith("● HOLDS: DELIVERED to recipient 0, protected by: DANE.")


@pytest.mark.parametrize(
    ("limit", "most", "says"),
    [("MOST_TRIES", 0, "was tried"), ("MOST_ANSWERS", 3, "DNS answers"), ("MOST_OCTETS", 999, "octets")],
)
def test_what_could_not_be_verified_is_not_written(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, says: str
) -> None:
    monkeypatch.setattr(f"danelaw.outbound.proof.{limit}", most)
    refused = told("explain", "anna@dane.lab", "--spool", world.directory / "spool", "--proof", tmp_path / "r.json")
    assert (refused.status, says in refused.reason) == (1, True), refused
    assert not (tmp_path / "r.json").exists()


def test_many_receipts_at_once_and_one_of_them_tampered_with(world: World, files: Path) -> None:
    body = Forger(world.receipts["plain.lab"]).change(protection="DANE").sealed()
    (files / "tampered.json").write_bytes(body)
    names = [files / "dane.lab.json", files / "tampered.json", files / "forged-cert.lab.json"]
    page = told("verify", *names, "--anchor", world.directory / "anchor.ds")
    assert page.status == 1
    text = " ".join(page.stdout.split())
    assert "tampered.json: REFUSED, judgement: 'DANE' is claimed, and it was 'clear text'" in text
    assert "WAITING for anna@forged-cert.lab" in text


def test_who_trusts_the_ca_itself_needs_no_word_for_it(world: World, files: Path) -> None:
    anchor = world.directory / "anchor.ds"

    def said(*more: object) -> str:
        found = asked("verify", files / "sts.lab.json", "--anchor", anchor, *more)["receipts"][0]
        return next(one["rests_on"] for one in found["statements"] if "is a CA that" in one["text"])

    assert said() == Ground.WORD.value
    assert said("--roots", files / "roots.pem") == Ground.CERTIFICATE.value
    # Another CA: the receipt holds for who believes the gateway, and not for who does not.
    chain = world.directory / "gateway.pem"
    found = verify(world.receipts["sts.lab"], replace(world.trust, roots=Roots.from_file(chain)))
    assert {one.kind for one in found.refusals} == {Kind.CERTIFICATE}


def test_a_head_kept_elsewhere_ties_the_receipt_to_the_log(world: World, files: Path) -> None:
    spool, anchor = world.directory / "spool", world.directory / "anchor.ds"
    (head,) = asked("log", "head", "--spool", spool)["heads"]
    assert head["link"] >= 5
    for domain in world.receipts:
        found = asked("verify", files / f"{domain}.json", "--anchor", anchor, "--head", head["digest"])
        assert found["holds"], (domain, found)
        assert found["receipts"][0]["reaches_head"]
    refused = told("verify", files / "dane.lab.json", "--anchor", anchor, "--head", "00" * 32)
    assert refused.status == 1
    assert "log" in refused.stdout
    # Who forges a record makes a log of his own for it; the kept head is not in that.
    forged = Forger(world.receipts["dane.lab"]).change(reply="250 2.0.0 read and understood").sealed()
    assert verify(forged, world.trust).holds
    knowing = replace(world.trust, head=bytes.fromhex(head["digest"]))
    assert {one.kind for one in verify(forged, knowing).refusals} == {Kind.LOG}


def test_the_log_is_walked_and_the_first_break_named(world: World, tmp_path: Path) -> None:
    subprocess.run(["cp", "-r", world.directory / "spool", tmp_path / "spool"], check=True)
    whole = told("log", "verify", "--spool", tmp_path / "spool")
    assert whole.status == 0, whole
    assert whole.stdout.startswith("● HOLDS: ")
    (head,) = asked("log", "head", "--spool", tmp_path / "spool")["heads"]
    assert told("log", "verify", "--spool", tmp_path / "spool", "--head", head["digest"]).status == 0
    lost = told("log", "verify", "--spool", tmp_path / "spool", "--head", "11" * 32)
    assert lost.status == 1
    assert "in no chain here" in lost.stdout
    with sqlite3.connect(tmp_path / "spool" / "shard-00" / "queue.db") as database:
        (table,) = database.execute("SELECT name FROM sqlite_schema WHERE name GLOB 'attempt_*'").fetchone()
        database.execute(f"UPDATE {table} SET record = replace(record, 'plain.lab', 'other.lab')")
    database.close()
    ident = world.results["plain.lab"].id
    found = told("log", "verify", "--spool", tmp_path / "spool")
    assert found.status == 1
    assert found.stdout.startswith("✕ BROKEN")
    assert f"a try of message {ident} is not what was recorded" in found.stdout.replace("\n", " ").replace("  ", "")
    shard = asked("log", "verify", "--spool", tmp_path / "spool")["shards"][0]
    assert shard["break"]["link"] > 0
    # Nor does a receipt tell what the log does not.
    refused = told("explain", ident, "--spool", tmp_path / "spool", "--proof", tmp_path / "r.json")
    assert refused.status == 1


def test_replay_tells_what_a_new_version_would_decide_otherwise(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, anchor = world.directory / "spool", world.directory / "anchor.ds"
    same = told("replay", "--spool", spool, "--anchor", anchor, "--since", "1d")
    assert same.status == 0, same
    assert same.stdout.startswith("● No verdict would change: ")
    # A version that trusts no TLS 1.3 where a certificate has to be checked.
    monkeypatch.setattr(importlib.import_module("danelaw.tlspolicy.judge"), "_TOO_OLD", frozenset({"TLSv1.3"}))
    page = told("replay", "--spool", spool, "--anchor", anchor)
    assert page.status == 1
    found = asked("replay", "--spool", spool, "--anchor", anchor)
    kinds = {(one["before"], one["after"]): one["count"] for one in found["kinds"]}
    delivered = [item for item in world.results.values() if item.outcome == "delivered"]
    assert kinds == {
        ("DANE", "nothing sent"): sum(item.protection == "DANE" for item in delivered),
        ("MTA-STS", "nothing sent"): sum(item.protection == "MTA-STS" for item in delivered),
    }
    assert found["other_words"] >= 1  # what is stopped either way, and for another reason
    assert "is too old to prove anything" in found["changes"][0]["reason"]
    assert found["changes"][0]["id"] in page.stdout


def test_replay_with_other_keys_says_that_the_evidence_says_otherwise(world: World) -> None:
    found = asked("replay", "--spool", world.directory / "spool")
    assert found["changed"] > 0
    assert {one["after"] for one in found["kinds"]} == {"evidence says otherwise"}


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("verify", "{files}/missing.json"), 1, "cannot be read"),
        (("verify", "{files}/dane.lab.json", "--signer", "{files}/roots.pem"), 1, "no Ed25519 public key"),
        (("verify", "{files}/dane.lab.json", "--head", "xyz"), 2, "64 hexadecimal digits"),
        (("log", "verify", "--head", "12", "--spool", "{spool}"), 2, "64 hexadecimal digits"),
        (("log", "head", "--day", "yesterday", "--spool", "{spool}"), 2, "such as 2026-11-26"),
        (("log", "head", "--day", "2001-01-01", "--spool", "{spool}"), 1, "nothing was recorded on 2001-01-01"),
        (("replay", "--since", "soon", "--spool", "{spool}"), 2, "--since"),
        (("explain", "dane.lab", "--omit-addresses", "--spool", "{spool}"), 2, "go with --proof"),
        (("explain", "dane.lab", "--proof", "{files}/x", "--sign-with", "{files}/k.pub", "--spool", "{spool}"), 1,
         "no private key"),
        (("explain", "nobody@x.test", "--proof", "{files}/x", "--spool", "{spool}"), 1, "fits"),
    ],
)  # fmt: skip
def test_mistakes_are_named(world: World, files: Path, words: tuple[str, ...], status: int, says: str) -> None:
    found = told(*(word.format(files=files, spool=world.directory / "spool") for word in words))
    assert (found.status, says in found.reason) == (status, True), found
