"""Overrides set at run time, and how they stand beside the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from danelaw.address import Domain
from danelaw.state import OverrideStore, StateDatabase, StateError
from danelaw.tlspolicy import Override, OverrideError, OverrideTLS

NOW = 1_790_000_000.0
DOMAIN = Domain("mail.example.org")


def store(path: Path, *configured: Override) -> OverrideStore:
    return OverrideStore(StateDatabase(path / "state.db"), configured)


def test_survives_a_restart(tmp_path: Path) -> None:
    pins = ["AB:" * 31 + "AB"]
    added = Override.of(".example.org", "fingerprint", fingerprints=pins, because="TICKET 1", expires=NOW + 60)
    assert store(tmp_path).add(added, NOW) is None
    (found,) = store(tmp_path).all(NOW)
    assert found == added
    assert found.fingerprints == ("ab" * 32,)
    assert found.source == "danelaw override"


def test_the_most_specific_wins_and_run_time_goes_before_the_file(tmp_path: Path) -> None:
    in_file = [Override.of(name, "may") for name in (".org", ".example.org", "mail.example.org")]
    overrides = store(tmp_path, *in_file)
    assert overrides.effective(DOMAIN, NOW).override == in_file[2]
    overrides.add(Override.of(".example.org", "verify", source="danelaw override"), NOW)
    assert overrides.effective(DOMAIN, NOW).override == in_file[2]
    overrides.add(Override.of("mail.example.org", "encrypt"), NOW)
    applied = overrides.effective(DOMAIN, NOW)
    assert applied.override is not None
    assert applied.override.tls is OverrideTLS.ENCRYPT
    assert "danelaw override" in applied.why
    assert [(one.destination, one.tls.value) for one, _ in applied.others] == [
        ("mail.example.org", "may"),
        (".example.org", "verify"),
        (".example.org", "may"),
        (".org", "may"),
    ]
    assert all(why for _, why in applied.others)


def test_a_suffix_covers_names_below_and_not_itself(tmp_path: Path) -> None:
    overrides = store(tmp_path, Override.of(".example.org", "may"))
    assert overrides.effective(Domain("example.org"), NOW).override is None
    assert overrides.effective(Domain("notexample.org"), NOW).override is None
    assert overrides.effective(Domain("a.b.example.org"), NOW).override is not None


def test_an_expired_one_gives_way_to_the_next(tmp_path: Path) -> None:
    overrides = store(tmp_path, Override.of("mail.example.org", "dane-require"))
    overrides.add(Override.of("mail.example.org", "encrypt", expires=NOW + 60), NOW)
    assert overrides.effective(DOMAIN, NOW + 59).override == Override.of(
        "mail.example.org", "encrypt", expires=NOW + 60
    )
    later = overrides.effective(DOMAIN, NOW + 60)
    assert later.override == Override.of("mail.example.org", "dane-require")
    assert later.others[0][1] == "expired"


def test_another_process_is_noticed_within_a_second(tmp_path: Path) -> None:
    gateway, command_line = store(tmp_path), store(tmp_path)
    before = gateway.current_version(NOW)
    command_line.add(Override.of("mail.example.org", "encrypt"), NOW)
    assert gateway.current_version(NOW + 1) > before
    assert gateway.effective(DOMAIN, NOW + 1).override is not None
    assert command_line.remove("mail.example.org") is not None
    assert gateway.effective(DOMAIN, NOW + 2).override is None
    assert command_line.remove("mail.example.org") is None


def test_adding_again_replaces_and_says_what(tmp_path: Path) -> None:
    overrides = store(tmp_path)
    first = Override.of("example.org", "may")
    overrides.add(first, NOW)
    assert overrides.add(Override.of("example.org", "verify"), NOW) == first
    assert len(overrides.all(NOW)) == 1


def test_long_expired_ones_are_swept(tmp_path: Path) -> None:
    overrides = store(tmp_path)
    overrides.add(Override.of("a.test", "may", expires=NOW), NOW - 1)
    overrides.add(Override.of("b.test", "may"), NOW + 86400)
    assert len(overrides.all(NOW)) == 2
    overrides.add(Override.of("c.test", "may"), NOW + 40 * 86400)
    assert [one.destination for one in overrides.all(NOW)] == ["b.test", "c.test"]


@pytest.mark.parametrize(
    ("destination", "tls", "fingerprints"),
    [
        ("", "may", []),
        ("a..b", "may", []),
        ("example.org", "maybe", []),
        ("example.org", "fingerprint", []),
        ("example.org", "fingerprint", ["abc"]),
        ("example.org", "encrypt", ["ab" * 32]),
    ],
)
def test_nonsense_is_refused_with_advice(destination: str, tls: str, fingerprints: list[str]) -> None:
    with pytest.raises(OverrideError) as caught:
        Override.of(destination, tls, fingerprints=fingerprints)
    assert caught.value.advice


def test_a_file_of_another_kind_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database, but long enough to be looked at " * 40)
    with pytest.raises(StateError, match=r"state\.db"):
        StateDatabase(tmp_path / "state.db")
    newer = tmp_path / "newer.db"
    StateDatabase(newer).execute("PRAGMA user_version=99")
    with pytest.raises(StateError, match="form 99"):
        StateDatabase(newer)
