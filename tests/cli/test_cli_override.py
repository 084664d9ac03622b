"""`danelaw override add | list | remove`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from danelaw.cli.override import command
from danelaw.errors import DanelawError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    file = tmp_path / "danelaw.toml"
    file.write_text(
        'hostname = "mx.example.net"\n[spool]\ndirectory = "spool"\n'
        '[[override]]\ndestination = ".example.org"\ntls = "verify"\nbecause = "contract"\n'
    )
    return file


def run(config: Path, *arguments: str) -> str:
    result = CliRunner().invoke(command, [*arguments, "--config", str(config)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.output


def test_add_list_remove(config: Path) -> None:
    added = json.loads(run(config, "add", "Example.ORG", "encrypt", "--for", "4h", "--because", "TICKET 7", "--json"))[
        "added"
    ]
    assert added["destination"] == "example.org"
    assert added["active"]
    assert added["because"] == "TICKET 7"
    ends = datetime.fromisoformat(added["expires"])
    assert abs((ends - datetime.now(UTC)).total_seconds() - 4 * 3600) < 600
    listed = json.loads(run(config, "list", "--json"))["overrides"]
    assert [(one["destination"], one["source"]) for one in listed] == [
        ("example.org", "danelaw override"),
        (".example.org", "configuration"),
    ]
    assert json.loads(run(config, "remove", "example.org", "--json"))["removed"]["tls"] == "encrypt"
    with pytest.raises(DanelawError) as caught:
        run(config, "remove", "example.org")
    assert caught.value.advice == "danelaw override list"


def test_words_warn_of_weak_and_endless_overrides(config: Path) -> None:
    page = run(config, "add", "example.org", "may")
    assert "can read this mail" in page
    assert "no end" in page
    assert page.splitlines()[-1] == "next: danelaw check example.org"
    again = run(config, "add", "example.org", "dane-require", "--until", "2099-12-31")
    assert "It replaces may." in again
    assert "can read" not in again
    page = run(config, "list")
    assert "dane-require" in page
    assert "contract" in page


def test_a_fingerprint_is_checked_and_shortened(config: Path) -> None:
    digest = ":".join(["AB"] * 32)
    run(config, "add", "example.org", "fingerprint", "--fingerprint", digest)
    assert "abababab…abab" in run(config, "list")
    with pytest.raises(DanelawError, match="at least one fingerprint"):
        run(config, "add", "example.org", "fingerprint")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--for", "soon"),
        ("--until", "2001-01-01"),
        ("--until", "never"),
        ("--for", "1h", "--until", "2099-01-01"),
    ],
)
def test_a_wrong_end_is_refused(config: Path, arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(command, ["add", "example.org", "may", *arguments, "--config", str(config)])
    assert result.exit_code == 2


def test_removing_one_of_the_file_says_where_it_is(config: Path) -> None:
    with pytest.raises(DanelawError) as caught:
        run(config, "remove", ".example.org")
    assert caught.value.advice is not None
    assert "configuration file" in caught.value.advice


def test_without_a_spool_the_file_is_still_listed(config: Path) -> None:
    (config.parent / "spool").rmdir()
    assert ".example.org" in run(config, "list")
    with pytest.raises(DanelawError, match="does not exist yet"):
        run(config, "add", "example.org", "may")
