"""`danelaw message` shows what a message consists of."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from danelaw.cli.message import command
from danelaw.errors import DanelawError

MESSAGE = (
    b"From: =?utf-8?q?Anna_Gr=C3=BCn?= <anna@example.org>\r\nSubject: =?utf-8?b?VGVl?=\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nAt five?\r\n--b\r\n"
    b"Content-Disposition: attachment; filename*=utf-8''gr%C3%BCn.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"QUJD!\r\n--b--\r\n"
)


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    result = CliRunner().invoke(command, list(arguments), input=stdin, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def as_json(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(str(file), "--json").output)
    return found


def shape(value: Any) -> Any:
    """The names in a JSON value, one entry of each list."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items() if name != "parameters"}
    return [shape(value[0])] if isinstance(value, list) and value else None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mail.eml"
    path.write_bytes(MESSAGE)
    return path


def test_the_page_shows_names_parts_and_oddities(file: Path) -> None:
    shown = run(str(file)).output
    for words in ("from: Anna Grün <anna@example.org>", "Tee", "grün.bin", "part 2: base64 has strange characters"):
        assert words in shown
    assert shown.splitlines()[-1] == f"next: danelaw dkim verify {file}"


def test_json_has_octets_and_defects_by_name(file: Path) -> None:
    found = as_json(file)
    assert found["octets"] == len(MESSAGE)
    assert found["authors"]["domains"] == ["example.org"]
    assert [part["number"] for part in found["parts"]] == ["", "1", "2"]
    last = found["parts"][2]
    assert (last["filename"], last["decoded_octets"]) == ("grün.bin", 3)
    assert [defect["name"] for defect in last["defects"]] == ["bad_base64"]
    assert MESSAGE[last["body_start"] : last["end"]] == b"QUJD!"


def test_an_ambiguous_author_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mail.eml"
    path.write_bytes(b"From: a@bank.example\r\nFrom: b@evil.example\r\n\r\n")
    assert "Readers may see another author" in run(str(path)).output
    assert as_json(path)["authors"]["domains"] == ["bank.example", "evil.example"]


def test_standard_input_and_an_empty_file_are_read(tmp_path: Path) -> None:
    assert "Anna Grün" in run("-", stdin=MESSAGE).output
    empty = tmp_path / "empty"
    empty.touch()
    assert as_json(empty)["octets"] == 0
    with pytest.raises(DanelawError):
        run(str(tmp_path / "absent"))


def test_the_documented_form_is_what_is_printed(file: Path, repository: Path) -> None:
    page = (repository / "docs/schemas/message.md").read_text("utf-8")
    example = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert example is not None
    documented = shape(json.loads(example[1]))
    printed = as_json(file)
    printed["parts"] = printed["parts"][2:]
    assert shape(printed) == documented


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "mail.eml"
    path.write_bytes(b"Subject: =?utf-8?q?=1B[31m?=\r\n\r\n")
    assert "\x1b" not in run(str(path)).output
