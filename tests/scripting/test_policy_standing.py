"""What operators may do to versions, as pure acts, and the file they are written down in."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.scripting import PolicyError
from danelaw.scripting.versioning.ledger import Ledger, Stored
from danelaw.scripting.versioning.shelf import Shelf
from danelaw.scripting.versioning.standing import MOST_REMEMBERED, Act, Standing
from danelaw.scripting.versioning.withdrawing import fails_too_often
from danelaw.state import FILE_NAME

VERSIONS = [f"{number:012x}" for number in range(5)]
acts = st.lists(
    st.tuples(st.sampled_from(["stage", "promote", "rollback", "withdraw", "shadow", "unshadow"]),
              st.sampled_from(VERSIONS))
)  # fmt: skip


def apply(standing: Standing, act: str, version: str) -> Standing:
    match act:
        case "stage":
            return standing.with_staged(version, "10%")
        case "promote":
            return standing.promoted(version)
        case "rollback":
            return standing.rolled_back()
        case "withdraw":
            return standing.withdrawn()
        case "shadow":
            return standing.shadowed(version, "all")
        case _:
            return standing.unshadowed()


@given(acts)
def test_whatever_is_done_one_version_is_active_and_nothing_is_twice(done: list[tuple[str, str]]) -> None:
    standing = Standing(VERSIONS[0])
    for act, version in done:
        before = standing
        try:
            standing = apply(standing, act, version)
        except PolicyError:
            assert standing is before
            continue
        assert standing.serial == before.serial + 1
        assert standing.active in VERSIONS
        assert standing.active not in (standing.staged, standing.shadow)
        assert standing.active not in standing.revoked
        assert standing.staged not in standing.revoked
        assert standing.judging(standing.active) == standing.active
        assert len(standing.before) <= MOST_REMEMBERED
        assert bool(standing.staged) == bool(standing.portion)
        assert Standing.from_text(standing.to_text()) == standing


@given(st.lists(st.sampled_from(VERSIONS), max_size=60))
def test_rolling_back_undoes_promotions_one_by_one(promoted: list[str]) -> None:
    standing = Standing("ffffffffffff")
    trail = ["ffffffffffff"]
    for version in promoted:
        if version != standing.active:
            standing = standing.promoted(version)
            trail.append(version)
    for _ in range(min(len(trail) - 1, MOST_REMEMBERED)):
        trail.pop()
        standing = standing.rolled_back()
        assert standing.active == trail[-1]


@given(st.one_of(st.text(), st.dictionaries(st.text(), st.integers()).map(repr), st.just('{"active": 3}'),
                 st.just('{"active": "x", "serial": []}'), st.just("[" * 100_000)))  # fmt: skip
def test_what_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(PolicyError):
        Standing.from_text(text)


def act(what: str, version: str) -> Act:
    return Act(what, version, 1.0, "anna", why="because")


def test_a_change_that_is_refused_leaves_no_trace(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.install(act("installed", VERSIONS[0]))
    with pytest.raises(PolicyError, match="active already"):
        ledger.change(act("promoted", VERSIONS[0]), lambda one: one.promoted(VERSIONS[0]))
    assert [one.what for one in ledger.acts()] == ["installed"]
    assert ledger.install(act("installed", VERSIONS[1])).active == VERSIONS[0]
    ledger.close()


def test_two_processes_see_each_other_and_share_a_trial(tmp_path: Path) -> None:
    one, other = Ledger(tmp_path), Ledger(tmp_path)
    one.install(act("installed", VERSIONS[0]))
    assert other.changed_elsewhere()
    assert not other.changed_elsewhere()
    staged = other.change(act("staged", VERSIONS[1]), lambda it: it.with_staged(VERSIONS[1], "10%"))
    assert one.standing() == staged
    taken = [ledger.take(staged.trial, 4, 10) for ledger in (one, other, one, other)]
    assert taken == [4, 4, 2, 0]
    assert one.taken(staged.trial) == 10
    one.close()
    other.close()


def test_a_standing_that_is_no_standing_is_replaced_only_on_purpose(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.install(act("installed", VERSIONS[0]))
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("UPDATE policy_standing SET standing = '{'")
    connection.close()
    with pytest.raises(PolicyError, match="cannot be read"):
        ledger.change(act("rolled back", VERSIONS[1]), lambda one: one.rolled_back())
    assert ledger.begin_anew(act("promoted", VERSIONS[1])).active == VERSIONS[1]
    ledger.close()


def test_where_versions_came_from_is_kept_as_first_told(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.note(Stored(VERSIONS[0], 1.0, "anna", "/etc/policy"))
    ledger.note(Stored(VERSIONS[0], 2.0, "bert", "/tmp/policy"))
    assert ledger.stored() == [Stored(VERSIONS[0], 1.0, "anna", "/etc/policy")]
    ledger.forget(VERSIONS[0])
    assert ledger.stored() == []
    ledger.close()


def policy(directory: Path, text: str = "x = 1\n") -> Path:
    (directory / "lists").mkdir(parents=True, exist_ok=True)
    (directory / "a.py").write_text(text)
    (directory / "lists" / "b.txt").write_text("b\n")
    (directory / "test_a.py").write_text("def test_a(): ...\n")
    return directory


def test_a_copy_is_whole_read_only_and_without_tests(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    version = shelf.keep(policy(tmp_path / "policy"))
    copy = shelf.check(version)
    assert sorted(one.relative_to(copy).as_posix() for one in copy.rglob("*.*")) == ["a.py", "lists/b.txt"]
    assert all(one.stat().st_mode & 0o222 == 0 for one in copy.rglob("*") if one.is_file())
    assert shelf.keep(tmp_path / "policy") == version
    assert shelf.versions() == {version}


@pytest.mark.parametrize("damage", ["changed", "removed", "added"])
def test_damage_shows_and_is_mended_from_the_same_files(tmp_path: Path, damage: str) -> None:
    shelf = Shelf(tmp_path)
    version = shelf.keep(policy(tmp_path / "policy"))
    file = shelf.path(version) / "a.py"
    file.chmod(0o600)
    match damage:
        case "changed":
            file.write_text("x = 2\n")
        case "removed":
            file.unlink()
        case _:
            (shelf.path(version) / "c.py").write_text("")
    with pytest.raises(PolicyError, match="not what was stored"):
        shelf.check(version)
    assert shelf.keep(tmp_path / "policy") == version
    shelf.check(version)


@pytest.mark.parametrize("name", ["", "../etc", "0123456789AB", "0123456789abc", "/etc"])
def test_a_version_is_never_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(PolicyError, match="is no version"):
        Shelf(tmp_path).path(name)


@pytest.mark.parametrize(
    ("calls", "failures", "after", "withdraws"),
    [(3, 3, 3, True), (2, 2, 3, False), (100, 100, 0, False), (1000, 10, 10, True), (1001, 10, 10, False)],
)
def test_when_a_version_fails_too_often(calls: int, failures: int, after: int, withdraws: bool) -> None:
    assert fails_too_often(calls, failures, after) is withdraws


def test_processes_that_copy_the_same_policy_at_once_never_take_it_away(tmp_path: Path) -> None:
    folder = policy(tmp_path / "policy")
    version = Shelf(tmp_path).keep(folder)
    late = Shelf(tmp_path)
    draft = late.directory / ".new-late"
    shutil.copytree(late.path(version), draft)
    late._put(draft, late.path(version), version)
    assert late.is_whole(version)
    assert not list(late.directory.glob(".damaged-*"))
