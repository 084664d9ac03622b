"""The file of users in use: right and wrong passwords, changes, decoys, and floods."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
from tests.ends import run

from danelaw.errors import DanelawError
from danelaw.inbound.userbook import TooBusy, UserBook
from danelaw.sasl import SCRAMKeys, ScryptKey, User

SECRET = bytes(range(32))
ANNA = User("anna", ScryptKey.of("pencil", b"0123456789abcdef", log_n=4, p=1))
BERT = User("bert", SCRAMKeys.of("pencil", b"0123456789abcdef", iterations=4096))


def written(path: Path, *users: User) -> Path:
    path.write_text("".join(f"{user.to_text()}\n" for user in users))
    return path


def book(path: Path | None, **options: object) -> UserBook:
    return UserBook(path, secret=SECRET, **options)  # type: ignore[arg-type]


def test_right_and_wrong_passwords(tmp_path: Path) -> None:
    async def play() -> None:
        users = book(written(tmp_path / "users", ANNA, BERT))
        assert await users.matching("Anna", "pencil", 0.0) == "anna"
        assert await users.matching("bert", "pencil", 0.0) == "bert"
        assert not await users.matching("anna", "pen", 0.0)
        assert not await users.matching("nobody", "pencil", 0.0)
        assert not await users.matching("", "", 0.0)
        users.close()

    run(play())


def test_without_a_file_nobody_is_let_in() -> None:
    async def play() -> None:
        users = book(None)
        assert not await users.matching("anna", "pencil", 0.0)
        assert (await users.keys("anna", 0.0)).iterations >= 4096
        users.close()

    run(play())


def test_a_changed_file_is_read_and_the_old_password_ends(tmp_path: Path) -> None:
    async def play() -> None:
        path = written(tmp_path / "users", ANNA)
        users = book(path)
        assert await users.matching("anna", "pencil", 0.0)
        fresh = User("anna", ScryptKey.of("eraser", b"0123456789abcdef", log_n=4, p=1))
        written(tmp_path / "next", fresh, BERT)
        os.replace(tmp_path / "next", path)
        assert await users.matching("anna", "eraser", 10.0)
        assert not await users.matching("anna", "pencil", 10.0)
        assert await users.matching("bert", "pencil", 10.0)
        users.close()

    run(play())


def test_a_broken_file_leaves_everything_as_it_was_and_is_told_once(tmp_path: Path) -> None:
    async def play() -> None:
        told: list[DanelawError] = []
        path = written(tmp_path / "users", ANNA)
        users = book(path, trouble=told.append)
        path.write_text("no colon\n")
        for now in (10.0, 20.0):
            assert await users.matching("anna", "pencil", now)
        assert [error.reason.partition(": ")[2] for error in told] == [
            "the line has no colon; name:verifier:addresses is expected"
        ]
        users.close()

    run(play())


def test_a_file_that_cannot_be_used_is_named_at_start(tmp_path: Path) -> None:
    with pytest.raises(DanelawError, match="missing cannot be read"):
        book(tmp_path / "missing")


def test_who_was_right_a_while_ago_is_let_in_without_another_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks: list[str] = []
    check = ScryptKey.matches
    monkeypatch.setattr(ScryptKey, "matches", lambda self, given: checks.append(given) or check(self, given))

    async def play() -> None:
        users = book(written(tmp_path / "users", ANNA), remember=600.0)
        for now in (0.0, 1.0, 599.0):
            assert await users.matching("anna", "pencil", now)
        assert checks == ["pencil"]
        assert await users.matching("anna", "pencil", 601.0)
        for _ in range(2):
            assert not await users.matching("anna", "wrong", 602.0)
        assert checks == ["pencil", "pencil", "wrong", "wrong"]
        users.close()

    run(play())


def test_unknown_names_cost_what_known_ones_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costs: list[tuple[int, int, int]] = []
    check = ScryptKey.matches
    monkeypatch.setattr(
        ScryptKey, "matches", lambda self, given: costs.append((self.log_n, self.r, self.p)) or check(self, given)
    )

    async def play() -> None:
        users = book(written(tmp_path / "users", ANNA))
        await users.matching("anna", "wrong", 0.0)
        await users.matching("nobody", "wrong", 0.0)
        users.close()

    run(play())
    assert costs == [(4, 8, 1)] * 2


def test_decoys_of_scram_stay_the_same_for_a_name_and_look_like_others(tmp_path: Path) -> None:
    async def play() -> None:
        users = book(written(tmp_path / "users", BERT))
        assert await users.keys("bert", 0.0) == BERT.verifier
        decoy = await users.keys("nobody", 0.0)
        assert decoy == await users.keys("nobody", 1.0)
        assert decoy != await users.keys("somebody", 0.0)
        other_process = UserBook(tmp_path / "users", secret=bytes(32))
        assert decoy == await other_process.keys("nobody", 0.0)
        other_process.close()
        assert isinstance(BERT.verifier, SCRAMKeys)
        assert (decoy.iterations, len(decoy.salt)) == (BERT.verifier.iterations, len(BERT.verifier.salt))
        users.close()

    run(play())


def test_a_user_without_scram_keys_is_not_let_in_by_scram(tmp_path: Path) -> None:
    async def play() -> None:
        users = book(written(tmp_path / "users", ANNA))
        assert not (await users.keys("anna", 0.0)).matches("pencil")
        users.close()

    run(play())


def test_a_flood_is_bounded_and_does_not_keep_out_who_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    running: list[int] = []
    most: list[int] = []
    check = ScryptKey.matches

    def slow(self: ScryptKey, given: str) -> bool:
        running.append(1)
        most.append(len(running))
        gate.wait(20)
        running.pop()
        return check(self, given)

    async def play() -> None:
        users = book(written(tmp_path / "users", ANNA, BERT), checks=2)
        assert await users.matching("anna", "pencil", 0.0)
        monkeypatch.setattr(ScryptKey, "matches", slow)
        flood = [asyncio.ensure_future(users.matching("anna", f"guess {n}", 1.0)) for n in range(150)]
        while not any(one.done() for one in flood):
            await asyncio.sleep(0)
        refused = [one for one in flood if one.done()]
        assert len(refused) == 50
        assert all(isinstance(one.exception(), TooBusy) for one in refused)
        assert await users.matching("anna", "pencil", 1.0)
        at_home = asyncio.ensure_future(users.matching("bert", "pencil", 1.0, at_home=True))
        assert await at_home == "bert"
        gate.set()
        assert not any(await asyncio.gather(*(one for one in flood if one not in refused)))
        assert max(most) <= 2
        users.close()

    run(play())
