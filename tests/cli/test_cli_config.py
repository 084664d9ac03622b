"""`danelaw config check | schema | effective`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from danelaw.cli.config import command, remarks_on
from danelaw.config import ConfigError, loads
from danelaw.config.schema import SMALLEST


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "danelaw.toml"
    path.write_text(
        SMALLEST
        + '[[override]]\ndestination = "partner.example"\ntls = "verify"\nbecause = "T-1"\n'
        + '[spool]\ndirectory = "spool"\n'
    )
    return path


def invoke(*args: str | Path) -> Result:
    return CliRunner().invoke(command, [str(arg) for arg in args], standalone_mode=False)


def test_a_good_file_is_summed_up(file: Path) -> None:
    result = invoke("check", file)
    assert result.return_value == 0
    assert "can be used: mail.example.org listens on 0.0.0.0:25, [::]:25" in " ".join(result.output.split())
    assert result.output.splitlines()[-1] == f"next: danelaw serve --config {file}"
    assert json.loads(invoke("check", "--json", "--config", file).output)["ok"] is True


def test_a_bad_file_is_explained_in_both_forms(file: Path) -> None:
    file.write_text("hostnam = 'x'\n")
    assert isinstance(invoke("check", file).exception, ConfigError)
    result = invoke("check", "--json", file)
    assert result.return_value == 1
    assert json.loads(result.output)["problems"][1] == {
        "file": str(file),
        "line": 1,
        "key": "hostnam",
        "wrong": "there is no such key",
        "right": 'did you mean "hostname"?',
    }


def test_effective_names_the_entry(file: Path) -> None:
    result = json.loads(invoke("effective", "anna@partner.example", "--json", "--config", file).output)
    assert result["domain"] == "partner.example"
    assert {item["aspect"]: item["value"] for item in result["applies"]}["protection"] == "verify"
    shown = invoke("effective", "partner.example", "--config", file, "--ascii").output
    assert shown.isascii()
    assert "names exactly this destination" in shown
    assert "because: T-1" in shown


def test_schema_is_json() -> None:
    assert json.loads(invoke("schema").output)["title"] == "danelaw.toml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nobody can send"),
        ('relay.networks = ["0.0.0.0/0"]', "open relay"),
        (
            '[[listen]]\naddress = "127.0.0.1:25"\nauth = "required"\nauth_without_tls = true',
            "users may send in anybody's name",
        ),
        ('http.listen = "0.0.0.0:80"', "no access control"),
        ('tls.minimum_version = "1.0"', "RFC 8996"),
        ("", "no [[certificate]]"),
        ("", "postmaster"),
        ('[[domain]]\nname = "ours.example"\nnext_hop = "[192.0.2.1]"', "postmaster"),
    ],
)
def test_what_is_probably_not_meant_is_remarked(text: str, words: str) -> None:
    assert any(words in remark for remark in remarks_on(loads(f'hostname = "m.example"\n{text}\n')))


@pytest.mark.parametrize(
    "text",
    [
        '[[domain]]\nname = "m.example"\nnext_hop = "[192.0.2.1]"',
        '[[route]]\ndomain = ".example"\nnext_hop = "[192.0.2.1]"',
        '[delivery]\nnext_hop = "[192.0.2.1]"',
    ],
)
def test_where_postmasters_mail_goes_somewhere_nothing_is_remarked(text: str) -> None:
    remarks = remarks_on(loads(f'hostname = "m.example"\n{text}\n'))
    assert not any("postmaster" in remark for remark in remarks)


def test_map_files_are_read_and_every_fault_is_named_with_file_and_line(file: Path) -> None:
    here = file.parent
    good = file.read_text()
    file.write_text(
        good.replace('name = "example.org"', f'name = "example.org"\nrecipients = "{here}/recipients"')
        + f'[aliases]\nfiles = ["{here}/aliases"]\n'
    )
    assert "recipients" in file.read_text()
    (here / "recipients").write_text("anna\nbob\n")
    (here / "aliases").write_text("team@example.org: anna@example.org\n")
    assert invoke("check", file).return_value == 0
    (here / "recipients").write_text("anna\n\nbob: \n")
    (here / "aliases").write_text("# names\nteam: anna@example.org\nteam@example.org: b@\n")
    error = str(invoke("check", file).exception)
    places = [f"{here}/aliases:2: ", f"{here}/aliases:3: ", f"{here}/recipients:3: "]
    assert [place for place in places if place in error] == places
    result = invoke("check", file, "--json")
    assert result.return_value == 1
    found = json.loads(result.output)
    assert found["ok"] is False
    assert [f"{one['file']}:{one['line']}: " for one in found["problems"]] == places
    (here / "recipients").write_text("anna\n")
    (here / "aliases").write_text("a@example.org: b@example.org\nb@example.org: a@example.org\n")
    assert f"{here}/aliases:1: a loop" in str(invoke("check", file).exception)
    (here / "aliases").unlink()
    assert "aliases cannot be read" in str(invoke("check", file).exception)


def test_keys_of_srs_are_read(file: Path) -> None:
    file.write_text(file.read_text() + '[srs]\ndomain = "example.org"\nkeys = ["no.key"]\n')
    assert "no.key cannot be read" in str(invoke("check", file).exception)


def test_effective_without_a_domain_shows_the_order_of_asking(file: Path) -> None:
    file.write_text(
        file.read_text()
        + '[authentication]\nenabled = true\n[[rule]]\nname = "late"\norder = 5\naction = "hold"\n'
        + '[[rule]]\nname = "early"\nexpires = "2020-01-01"\nowner = "anna"\n'
    )
    found = json.loads(invoke("effective", "--json", "--config", file).output)
    assert [one["step"] for one in found["arriving"]] == [
        "demand", "origin", "policy", "policy", "rule", "demand-of-strangers"
    ]  # fmt: skip
    early, late = found["arriving"][2:4]
    assert (early["what"], early["why"], early["is_over"]) == ("rule early: none", "[[rule]] order 0, owner anna", True)
    assert (late["what"], late["is_over"]) == ("rule late: hold, then no more", False)
    assert any("overrides" in one["what"] for one in found["leaving"])
    shown = invoke("effective", "--config", file, "--ascii").output
    assert "rule early: none (has ended)" in " ".join(shown.split())
    assert shown.splitlines()[-1] == "next: danelaw config effective DOMAIN"
