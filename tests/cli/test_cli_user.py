"""`danelaw user`."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from danelaw.cli import danelaw
from danelaw.cli.user_file import change
from danelaw.errors import DanelawError
from danelaw.sasl import SCRAMKeys, ScryptKey, UserTable

SECRET = "correct horse"


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The usual cost is meant to be high; what is made here is only looked at.
    monkeypatch.setattr(ScryptKey.of.__func__, "__kwdefaults__", {"log_n": 4, "r": 8, "p": 1})  # type: ignore[attr-defined]
    file = tmp_path / "danelaw.toml"
    file.write_text('hostname = "gw.test"\n[submission]\nusers = "users"\n')
    return file


def call(configured: Path, *arguments: str, given: str = "") -> Result:
    words = ["user", *arguments, "--config", str(configured)]
    return CliRunner().invoke(danelaw, words, input=given, standalone_mode=False)


def table(configured: Path) -> UserTable:
    return UserTable.from_text((configured.parent / "users").read_text())


def test_a_user_is_added_checked_changed_and_removed(configured: Path) -> None:
    added = call(configured, "add", "anna@ours.test", "--address", "@ours.test", "--stdin", given=f"{SECRET}\n")
    assert "anna@ours.test may log in." in added.output
    assert SECRET not in added.output + (configured.parent / "users").read_text()
    assert call(configured, "check", "anna@ours.test", "--stdin", given=SECRET).return_value == 0
    assert call(configured, "check", "anna@ours.test", "--stdin", given="other").return_value == 1
    assert (
        "has a new password" in call(configured, "passwd", "anna@ours.test", "--stdin", given="battery staple").output
    )
    assert call(configured, "check", "anna@ours.test", "--stdin", given=SECRET).return_value == 1
    user = table(configured).get("anna@ours.test")
    assert user is not None
    assert user.addresses == ("@ours.test",)
    assert "cannot log in any more" in call(configured, "remove", "anna@ours.test").output
    assert not len(table(configured))


def test_a_password_is_asked_for_twice_and_not_shown(configured: Path) -> None:
    result = call(configured, "add", "anna", given=f"{SECRET}\n{SECRET}\n")
    assert "anna may log in." in result.output
    assert SECRET not in result.output
    assert "Repeat for confirmation" in result.output


def test_a_password_can_be_made_up(configured: Path) -> None:
    made = json.loads(call(configured, "add", "anna", "--generate", "--json").output)
    assert made["added"] == "anna"
    assert call(configured, "check", "anna", "--stdin", given=made["password"]).return_value == 0


def test_verifiers_are_made_for_what_is_offered(configured: Path) -> None:
    call(configured, "add", "anna", "--stdin", given=SECRET)
    configured.write_text(configured.read_text() + 'mechanisms = ["PLAIN", "SCRAM-SHA-256"]\n')
    call(configured, "add", "bert", "--stdin", given=SECRET)
    kinds = {user.name: type(user.verifier) for user in table(configured)}
    assert kinds == {"anna": ScryptKey, "bert": SCRAMKeys}
    assert "New passwords help" in call(configured, "list").output
    listed = json.loads(call(configured, "list", "--json").output)["users"]
    assert [(one["name"], one["scram"]) for one in listed] == [("anna", False), ("bert", True)]


@pytest.mark.parametrize(
    ("arguments", "given", "words"),
    [
        (("add", "anna", "--stdin"), "short", "fewer than 8"),
        (("add", "an:na", "--stdin"), SECRET, "cannot be a user's name"),
        (("add", "anna", "--address", "nobody", "--stdin"), SECRET, "neither an address"),
        (("passwd", "nobody", "--stdin"), SECRET, "there is no user nobody"),
        (("remove", "nobody"), "", "there is no user nobody"),
        (("check", "nobody", "--stdin"), SECRET, "there is no user nobody"),
    ],
)
def test_what_cannot_be_done_is_said(configured: Path, arguments: tuple[str, ...], given: str, words: str) -> None:
    result = call(configured, *arguments, given=given)
    assert isinstance(result.exception, DanelawError)
    assert words in result.exception.reason


def test_a_user_is_not_added_twice(configured: Path) -> None:
    call(configured, "add", "anna", "--stdin", given=SECRET)
    before = (configured.parent / "users").read_text()
    result = call(configured, "add", "anna", "--stdin", given="another one")
    assert isinstance(result.exception, DanelawError)
    assert (configured.parent / "users").read_text() == before


def test_comments_mode_and_a_symbolic_link_stay(configured: Path) -> None:
    real, link = configured.parent / "real", configured.parent / "users"
    real.write_text("# people of ours\n\n")
    real.chmod(0o600)
    link.symlink_to(real)
    call(configured, "add", "anna", "--stdin", given=SECRET)
    assert link.is_symlink()
    assert real.read_text().startswith("# people of ours\n\nanna:$scrypt$")
    assert real.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(configured.parent)) == ["danelaw.toml", "real", "users"]


def test_a_new_file_is_not_for_everybody(configured: Path) -> None:
    call(configured, "add", "anna", "--stdin", given=SECRET)
    assert (configured.parent / "users").stat().st_mode & 0o777 == 0o640


def test_changes_at_once_lose_nothing(tmp_path: Path) -> None:
    key = ScryptKey(4, 8, 1, bytes(16), bytes(32)).to_text()
    path = tmp_path / "users"

    def add(number: int) -> None:
        change(path, lambda text: f"{text}user{number}:{key}\n")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {user.name for user in UserTable.from_text(path.read_text())} == {f"user{number}" for number in range(20)}


def test_a_change_that_would_break_the_file_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("# fine\n")
    with pytest.raises(DanelawError):
        change(path, lambda text: text + "no colon\n")
    assert path.read_text() == "# fine\n"
    assert os.listdir(tmp_path) == ["users"]
