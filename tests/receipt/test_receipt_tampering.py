"""Every tampered receipt is refused, and the reason is the right one."""

from __future__ import annotations

from collections import Counter

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.receipt.conftest import World
from tests.receipt.tampering import Forger, all_of_them

from danelaw.receipt import Kind, verify

pytestmark = pytest.mark.timeout(120)


def test_receipts_as_they_were_written_hold(world: World) -> None:
    for domain, octets in world.receipts.items():
        for trust in (world.trust, world.knowing):
            found = verify(octets, trust)
            assert not found.refusals, domain
        assert found.signed


def test_receipts_of_tries_that_list_their_evidence_hold(world: World) -> None:
    for domain, octets in world.receipts.items():
        forger = Forger(octets)
        assert not any(one["claims"]["evidence"] for one in forger.body["tries"]), domain
        older = forger.listing()
        assert all(one["claims"]["evidence"] for one in older.body["tries"]), domain
        assert not verify(older.sealed(), world.trust).refusals, domain


def test_every_tampered_receipt_is_refused_with_the_reason(world: World) -> None:
    stranger = Ed25519PrivateKey.generate()

    def sign(octets: bytes) -> tuple[bytes, bytes]:
        return stranger.public_key().public_bytes_raw(), stranger.sign(octets)

    seen: Counter[str] = Counter()
    wrong: list[str] = []
    for one in all_of_them(dict(world.receipts), sign):
        seen[one.name] += 1
        assert one.octets not in world.receipts.values(), one.name
        # What rests on the gateway's word can be changed by who makes all digests anew; only its key shows it.
        found = verify(one.octets, world.knowing if one.forged else world.trust)
        kinds = {refusal.kind for refusal in found.refusals}
        if one.kind not in kinds:
            wrong.append(f"{one.name}: {one.kind.value} expected, {[k.value for k in kinds]} {found.refusals[:2]}")
        if one.forged:
            assert verify(one.octets, world.trust).holds, f"{one.name} is not only a matter of the key"
    assert not wrong, "\n".join(wrong)
    assert [name for name, count in seen.items() if count > 1] == []
    assert len(seen) >= 450


def test_each_recipient_of_a_try_got_it_or_was_refused(world: World) -> None:
    """Two recipients, of whom a server took one."""

    def kinds(states: tuple[str, str], recipients: tuple[int, ...], refused: tuple[int, ...]) -> set[Kind]:
        forger = Forger(world.receipts["dane.lab"]).change(recipients=recipients, refused=refused)
        first = forger.body["message"]["recipients"][0]
        both = [first | {"number": number, "state": state} for number, state in enumerate(states)]
        forger.body["message"]["recipients"] = both
        return {one.kind for one in verify(forger.sealed(), world.trust).refusals}

    assert kinds(("delivered", "returned"), (0, 1), (1,)) == set()
    assert kinds(("delivered", "waiting"), (0,), ()) == set()
    for states, recipients, refused in (
        (("delivered", "delivered"), (0, 1), (1,)),
        (("returned", "delivered"), (0, 1), (1,)),
        (("delivered", "returned"), (0, 1), ()),
        (("delivered", "returned"), (0, 1, 2), (1,)),
        (("delivered", "returned"), (0,), (1,)),
        (("returned", "returned"), (0, 1), (0, 1)),
        (("returned", "returned"), (), ()),
    ):
        assert kinds(states, recipients, refused) == {Kind.OUTCOME}, (states, recipients, refused)
