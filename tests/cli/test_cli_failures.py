"""What a command says when something unforeseen happens."""

from __future__ import annotations

import click
import pytest

import danelaw.cli


def _failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(danelaw.cli.danelaw, "get_command", lambda _context, _name: command)


def test_a_defect_is_told_in_words_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DANELAW_TRACEBACK", raising=False)
    _failing(monkeypatch, KeyError("x"))
    with pytest.raises(SystemExit) as end:
        danelaw.cli.main(["doctor"])
    shown = capsys.readouterr().err
    assert end.value.code == 70
    assert "defect of danelaw" in shown
    assert "Traceback" not in shown


def test_the_traceback_is_there_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANELAW_TRACEBACK", "1")
    _failing(monkeypatch, KeyError("x"))
    with pytest.raises(KeyError):
        danelaw.cli.main(["doctor"])


def test_a_file_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _failing(monkeypatch, PermissionError(13, "Permission denied", "/etc/danelaw/danelaw.toml"))
    with pytest.raises(SystemExit) as end:
        danelaw.cli.main(["doctor"])
    assert end.value.code == 1
    assert "/etc/danelaw/danelaw.toml: Permission denied" in capsys.readouterr().err
