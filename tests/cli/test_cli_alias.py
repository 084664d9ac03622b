"""`danelaw alias`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from danelaw.cli import danelaw
from danelaw.errors import DanelawError


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    (tmp_path / "aliases").write_text("sales@ours.test: anna@ours.test, bob@else.test\n")
    (tmp_path / "people").write_text("anna\n")
    file = tmp_path / "danelaw.toml"
    file.write_text(
        'hostname = "gw.test"\n[aliases]\nfiles = ["aliases"]\n[[domain]]\nname = "ours.test"\nrecipients = "people"\n'
        '[[domain]]\nname = "open.test"\n[[domain]]\nname = "ask.test"\nverify = "call-ahead"\n'
    )
    return file


def call(configured: Path, *arguments: str) -> Result:
    return CliRunner().invoke(danelaw, ["alias", *arguments, "--config", str(configured)], standalone_mode=False)


@pytest.mark.parametrize(
    ("address", "words", "code"),
    [
        ("anna+x@ours.test", "anna+x@ours.test is a mailbox (anna@ours.test, ", 0),
        ("bob@ours.test", "bob@ours.test is in no map file: 550 5.1.1.", 1),
        ("postmaster@ours.test", "accepted", 0),
        ("x@open.test", "its domain has none: accepted", 0),
        ("x@ask.test", "asked by call-ahead", 0),
        ("x@foreign.test", "in no domain of ours", 0),
    ],
)
def test_each_answer_and_its_exit_status(configured: Path, address: str, words: str, code: int) -> None:
    result = call(configured, address)
    assert words in result.output
    assert result.return_value == code


def test_an_alias_is_followed(configured: Path) -> None:
    found = json.loads(call(configured, "sales@ours.test", "--json").output)
    assert found["stands_for"] == ["anna@ours.test", "bob@else.test"]
    assert found["where"].endswith("aliases:1")


def test_all_files_are_read_and_faults_named(configured: Path) -> None:
    assert "2 entries, no fault" in call(configured).output
    (configured.parent / "people").write_text("anna\nan na\n")
    result = call(configured)
    assert isinstance(result.exception, DanelawError)
    assert "people:2" in result.exception.reason
