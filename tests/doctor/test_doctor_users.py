"""The doctor looks at who may log in."""

from __future__ import annotations

from pathlib import Path

import pytest

from danelaw.config import loads
from danelaw.doctor import Severity
from danelaw.doctor.users import users
from danelaw.sasl import SCRAMKeys, ScryptKey, User

ANNA = User("anna", ScryptKey(4, 8, 1, bytes(16), bytes(32))).to_text()
BERT = User("bert", SCRAMKeys(4096, bytes(16), bytes(32), bytes(32))).to_text()
LISTEN = '[[listen]]\naddress = "127.0.0.1:587"\ntls = "none"\nauth = "required"\nauth_without_tls = true\n'
SCRAM = 'mechanisms = ["PLAIN", "SCRAM-SHA-256"]\n'


@pytest.mark.parametrize(
    ("text", "mode", "more", "severity", "words"),
    [
        (f"{ANNA}\n{BERT}\n", 0o640, "", Severity.OK, "2 may log in at 127.0.0.1:587"),
        (f"{BERT}\n", 0o640, SCRAM, Severity.OK, "1 may log in"),
        (f"{ANNA}\n{BERT}\n", 0o640, SCRAM, Severity.WARNING, "1 of 2 users fail with it, such as anna"),
        (f"{ANNA}\n", 0o644, "", Severity.WARNING, "everybody on this machine can read"),
        ("# nobody\n", 0o640, "", Severity.WARNING, "nobody can log in"),
        ("anna\n", 0o640, "", Severity.ERROR, "users:1: the line has no colon"),
        (None, 0, "", Severity.ERROR, "cannot be read"),
    ],
)
def test_what_is_found(tmp_path: Path, text: str | None, mode: int, more: str, severity: Severity, words: str) -> None:
    file = tmp_path / "users"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    config = loads(f'hostname = "gw.test"\n{LISTEN}[submission]\nusers = "{file}"\n{more}')
    (found,) = users(config)
    assert found.severity is severity
    assert words in found.what
    assert bool(found.fix) is (severity is not Severity.OK)


def test_without_a_file_only_scripts_let_in() -> None:
    (found,) = users(loads(f'hostname = "gw.test"\n{LISTEN}'))
    assert found.severity is Severity.NOTE


def test_where_nobody_logs_in_nothing_is_said() -> None:
    assert users(loads('hostname = "gw.test"\n')) == []
