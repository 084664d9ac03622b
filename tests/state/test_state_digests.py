"""Keys, used links and who was told what, seen by two processes at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from danelaw.state import FILE_NAME, DigestStore, StateDatabase
from danelaw.state.digests import ROTATION_SECONDS

NOW = 1_795_000_000.0
LAST = 7 * 86400.0


def secret(octets: int) -> bytes:
    secret.count += 1  # type: ignore[attr-defined]
    return bytes([secret.count]) * octets  # type: ignore[attr-defined]


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[DigestStore, DigestStore]]:
    secret.count = 0  # type: ignore[attr-defined]
    first, second = (DigestStore(StateDatabase(tmp_path / FILE_NAME), LAST, secret) for _ in range(2))
    yield first, second
    first.close()
    second.close()


def test_all_processes_sign_with_one_key_and_old_ones_stay_until_their_links_are_old(
    stores: tuple[DigestStore, DigestStore],
) -> None:
    first, second = stores
    key = first.signing_key(NOW)
    assert second.signing_key(NOW + 10.0) == key
    assert second.signing_key(NOW + ROTATION_SECONDS - 1.0) == key
    fresh = second.signing_key(NOW + ROTATION_SECONDS)
    assert fresh.number > key.number
    assert first.signing_key(NOW + ROTATION_SECONDS) == fresh
    assert first.verifying_keys() == {key.number: key, fresh.number: fresh}
    first.signing_key(NOW + ROTATION_SECONDS + LAST)
    assert key.number in first.verifying_keys()
    first.signing_key(NOW + ROTATION_SECONDS + LAST + 1.0)
    assert key.number not in first.verifying_keys()


def test_a_revoked_number_is_never_used_again(stores: tuple[DigestStore, DigestStore]) -> None:
    first, second = stores
    key = first.signing_key(NOW)
    second.revoke()
    assert first.verifying_keys() == {}
    assert first.signing_key(NOW).number > key.number


def test_a_link_is_spent_once_among_all_and_forgotten_when_it_is_old(stores: tuple[DigestStore, DigestStore]) -> None:
    first, second = stores
    assert first.spend(b"a", NOW + 5.0, NOW)
    assert not second.spend(b"a", NOW + 5.0, NOW)
    assert second.spent(b"a")
    assert not second.spent(b"b")
    first.unspend(b"a")
    assert second.spend(b"a", NOW + 5.0, NOW)
    assert first.spend(b"b", NOW + 50.0, NOW + 6.0)
    assert not first.spent(b"a")


def test_an_address_is_told_by_one_process_in_each_slot(stores: tuple[DigestStore, DigestStore]) -> None:
    first, second = stores
    assert first.claim("anna@example.org", NOW)
    assert not second.claim("anna@example.org", NOW)
    assert not second.claim("anna@example.org", NOW - 3600.0)
    assert second.claim("ben@example.org", NOW)
    first.finish("anna@example.org", NOW + 1.0)
    assert second.told() == {"anna@example.org": (NOW, NOW + 1.0), "ben@example.org": (NOW, 0.0)}


def test_what_a_process_that_died_did_not_tell_is_told_at_the_next_slot(
    stores: tuple[DigestStore, DigestStore],
) -> None:
    first, second = stores
    first.claim("anna@example.org", NOW)
    first.finish("anna@example.org", NOW + 1.0)
    assert first.claim("anna@example.org", NOW + 100.0)
    assert second.claim("anna@example.org", NOW + 200.0)
    assert second.told()["anna@example.org"] == (NOW + 200.0, NOW + 1.0)
