"""Receipts that another version wrote: they hold as long as verdicts do, whatever words explain them.

The samples are of a lab of 2026, written by a danelaw that called itself 0.0.1; they must verify for ever.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.receipt.tampering import Forger

from danelaw.receipt import Kind, verify
from fuzz import receipt_verify
from fuzz.receipt_verify import GENUINE, TRUST


@pytest.mark.parametrize("octets", GENUINE)
def test_receipts_of_other_versions_hold(octets: bytes) -> None:
    found = verify(octets, TRUST)
    assert not found.refusals
    assert found.receipt is not None
    assert found.receipt.written_by == "danelaw 0.0.1"


def test_another_version_may_use_other_words_and_no_other_verdict() -> None:
    delivered = next(octets for octets in GENUINE if b'"next_hop"' not in octets and b"anna@dane.lab" in octets)
    for change in ({"reason": "as we used to say"}, {"requirement": "as we used to say"}):
        assert verify(Forger(delivered).change(**change).sealed(), TRUST).holds
    for change in ({"protection": "MTA-STS"}, {"records": ()}, {"tlsrpt": "certificate-expired"}):
        found = verify(Forger(delivered).change(**change).sealed(), TRUST)
        assert {one.kind for one in found.refusals} == {Kind.JUDGEMENT}


@given(st.binary(max_size=60))
def test_anything_has_a_verdict(data: bytes) -> None:
    receipt_verify.test_one_input(data)


def test_every_octet_counts() -> None:
    """Some hundred places of a receipt, each octet in turn replaced by another."""
    octets = next(one for one in GENUINE if b"anna@dane.lab" in one)
    for place in range(0, len(octets), len(octets) // 150):
        for other in {octets[place] ^ 1, 0x20, 0x30} - {octets[place]}:
            changed = octets[:place] + bytes((other,)) + octets[place + 1 :]
            assert not verify(changed, TRUST).holds, place
