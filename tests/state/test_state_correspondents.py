"""Who has written to whom: hashed, shared, bounded."""

from __future__ import annotations

from pathlib import Path

from danelaw.state import CorrespondentStore

NOW = 1_790_000_000.0


def store(path: Path, entries: int = 1000) -> CorrespondentStore:
    return CorrespondentStore(path / "correspondents.db", lifetime=86_400.0, entries=entries)


def test_a_pair_is_known_either_way_round_and_to_every_worker(tmp_path: Path) -> None:
    one, other = store(tmp_path), store(tmp_path)
    assert one.known("a@x.test", "b@ours.test", NOW) is None
    one.met("a@x.test", "b@ours.test", NOW)
    other.met("B@ours.test", "A@X.test", NOW + 5)
    found = one.known("b@ours.test", "a@x.test", NOW + 10)
    assert found is not None
    assert (found.first, found.messages) == (NOW, 2)
    assert one.known("a@x.test", "c@ours.test", NOW) is None


def test_no_address_is_in_the_file(tmp_path: Path) -> None:
    known = store(tmp_path)
    known.met("secret-sender@x.test", "b@ours.test", NOW)
    known.close()
    assert not any(b"secret-sender" in file.read_bytes() for file in tmp_path.iterdir())


def test_two_installations_hash_differently(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert store(tmp_path / "a")._digest("x", "y") != store(tmp_path / "b")._digest("x", "y")


def test_the_forgotten_are_strangers_again(tmp_path: Path) -> None:
    known = store(tmp_path)
    known.met("a@x.test", "b@ours.test", NOW)
    assert known.known("a@x.test", "b@ours.test", NOW + 86_400)
    assert known.known("a@x.test", "b@ours.test", NOW + 86_401) is None
    known.met("a@x.test", "b@ours.test", NOW + 90_000)
    found = known.known("a@x.test", "b@ours.test", NOW + 90_000)
    assert found is not None
    assert found.first == NOW + 90_000
    known.prune(NOW + 200_000)
    assert known.size() == 0


def test_the_number_kept_is_bounded(tmp_path: Path) -> None:
    known = store(tmp_path, entries=100)
    for number in range(600):
        known.met(f"a{number}@x.test", "b@ours.test", NOW + number / 100)
    known.prune(NOW + 10)
    assert known.size() == 100
    assert known.known("a599@x.test", "b@ours.test", NOW + 10)
