"""`danelaw notices`, and `[notices]` in `danelaw config check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from danelaw.cli import danelaw
from danelaw.config.schema import SMALLEST
from danelaw.dsn import Cause
from danelaw.errors import DanelawError


def invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(danelaw, [str(word) for word in words], standalone_mode=False)


def configured(directory: Path, more: str, **files: str) -> Path:
    for name, text in files.items():
        (directory / f"{name}.toml").write_text(text)
    path = directory / "danelaw.toml"
    path.write_text(f'{SMALLEST}[notices]\ntemplates = "{directory}"\n{more}')
    return path


@pytest.mark.parametrize("delayed", [(), ("--delayed",), ("--raw",), ("--delayed", "--raw", "--language", "de")])
def test_every_notice_can_be_read(delayed: tuple[str, ...]) -> None:
    result = invoke("notices", "show", "all", *delayed)
    assert result.exception is None, result.exception
    count = len(Cause) - 1
    assert result.output.count("Subject: ") >= count
    if "--raw" in delayed:
        assert result.output.count("Action: ") == count


def test_the_list_names_every_cause() -> None:
    rows = json.loads(invoke("notices", "list", "--json", "--language", "de").output)["causes"]
    assert [row["cause"] for row in rows] == [one.value for one in Cause if one is not Cause.OTHER]
    assert all(row["why"] for row in rows)


def test_own_texts_are_shown_and_examined(tmp_path: Path) -> None:
    own = '[cause.quota]\nwhy = "La boîte est pleine."\n'
    config = configured(tmp_path, 'languages = ["fr", "en"]\n', fr=own)
    text = invoke("notices", "show", "quota", "--config", config).output
    assert "La boîte est pleine." in text
    assert text.index("La boîte") < text.index("The mailbox of the recipient is full.")
    said = " ".join(invoke("config", "check", config).output.split())
    assert 'in "fr": ' in said
    assert "stay English" in said


@pytest.mark.parametrize(
    ("more", "files", "says"),
    [
        ("", {"en": '[cause.quota]\nwhy = "{hosst}"\n'}, "cause.quota.why: {hosst} stands for nothing here"),
        ('languages = ["fr"]\n', {}, "there is no"),
        ("", {"en": "[broken\n"}, "en.toml"),
    ],
)
def test_what_cannot_be_used_stops_the_check(tmp_path: Path, more: str, files: dict[str, str], says: str) -> None:
    config = configured(tmp_path, more, **files)
    error = invoke("config", "check", config).exception
    assert isinstance(error, DanelawError)
    assert says in error.reason


@pytest.mark.parametrize("words", [("show", "nonsense"), ("source", "xx"), ("show", "quota", "--language", "xx")])
def test_what_does_not_exist_is_said(words: tuple[str, ...]) -> None:
    error = invoke("notices", *words).exception
    assert isinstance(error, DanelawError)
    assert error.advice


def test_the_shipped_file_is_a_file_to_begin_from(tmp_path: Path) -> None:
    text = invoke("notices", "source", "en").output
    config = configured(tmp_path, "", en=text)
    assert invoke("config", "check", config).return_value == 0
