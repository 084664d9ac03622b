"""`danelaw keys find`, `danelaw check ADDRESS` and `danelaw safety` as people and tools run them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from tests.keydiscovery.samples import ANNA, ANNA_FINGERPRINT

from danelaw.cli import check, keys, safety
from danelaw.errors import DanelawError
from danelaw.lab import Lab
from danelaw.lab.scenario import Scenario
from danelaw.safety import Tokens

DIGEST = hashlib.sha256(b"anna").digest()[:28].hex()
KEYS = Scenario(domain="keys.lab", records=(f"{DIGEST}._openpgpkey OPENPGPKEY {base64.b64encode(ANNA).decode()}",))


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """A lab in a thread of its own, and the options that lead into it."""
    directory = tmp_path_factory.mktemp("lab")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Lab:
        lab = Lab((KEYS,))
        await lab.start()
        return lab

    lab = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    (directory / "root.key").write_text(lab.anchors_text)
    (directory / "roots.pem").write_bytes(lab.roots_pem)
    host, port = lab.name_server.address
    found = ["--server", f"{host}:{port}", "--anchor", str(directory / "root.key")]
    found += ["--roots", str(directory / "roots.pem")]
    for (a, p), (b, q) in lab.routes.items():
        found += ["--route", f"{a}:{p}={b}:{q}"]
    yield found
    asyncio.run_coroutine_threadsafe(lab.close(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def run(command: click.Command, *arguments: str) -> Result:
    result = CliRunner().invoke(command, list(arguments), standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_key_in_signed_dns(options: list[str], tmp_path: Path) -> None:
    result = run(keys.command, "find", "anna@keys.lab", *options, "--save", str(tmp_path / "keys"))
    assert result.return_value == 0
    assert (
        "anna@keys.lab: mail can be encrypted end to end with OpenPGP; signed DNS vouches for the key." in result.output
    )
    assert "1dbca8ba…684a" in result.output
    assert "next: danelaw check anna@keys.lab" in result.output.lower()
    assert (tmp_path / "keys" / f"{ANNA_FINGERPRINT}.pgp").read_bytes() == ANNA


def test_none_and_not_known_are_told_apart(options: list[str]) -> None:
    found = json.loads(run(keys.command, "find", "bob@keys.lab", *options, "--json").output)
    states = {one["source"]: one["state"] for one in found["sources"]}
    assert (states["OPENPGPKEY"], states["SMIMEA"]) == ("absent", "absent")
    away = run(keys.command, "find", "bob@keys.lab", "--server", "127.0.0.1:9", *options[2:6])
    assert away.return_value == 60
    assert "cannot tell" in away.output


def test_check_of_an_address_shows_its_keys(options: list[str]) -> None:
    result = run(check.command, "anna@keys.lab", *options, "--timeout", "3")
    assert result.return_value == 0
    assert "verified by DANE" in result.output
    assert "End to end: mail can be encrypted end to end with OpenPGP" in result.output
    found = json.loads(run(check.command, "anna@keys.lab", *options, "--json").output)
    assert (found["domain"], found["address"], found["end_to_end"]["possible"]) == ("keys.lab", "anna@keys.lab", True)


@pytest.mark.parametrize("text", ["anna", "anna@", "a b@keys.lab"])
def test_what_is_no_address(options: list[str], text: str) -> None:
    with pytest.raises(DanelawError):
        run(keys.command, "find", text, *options)


def test_tokens_are_shown_once_and_kept_as_digests(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    made = [json.loads(run(safety.command, "token", name, "--add", str(file), "--json").output) for name in ("a", "b")]
    text = file.read_text()
    tokens = Tokens.from_text(text)
    for one in made:
        assert tokens.name_of(one["token"].encode()) == one["name"]
        assert one["token"] not in text
    with pytest.raises(DanelawError, match="twice"):
        run(safety.command, "token", "a", "--add", str(file))
    assert file.read_text() == text
    shown = run(safety.command, "token", "c").output
    assert "sha256:" in shown
    assert "dlw_" in shown


def test_an_api_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DanelawError, match="cannot be asked"):
        run(safety.command, "ask", "a@b.example", "--url", "http://127.0.0.1:9")
