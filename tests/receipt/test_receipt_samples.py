"""Receipts that another version wrote: they hold as long as verdicts do, whatever words explain them.

The samples are of a lab of 2026, written by a danelaw that called itself 0.0.1; they must verify for ever.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.receipt.tampering import Forger, at, places

from danelaw.receipt import Kind, verify
from fuzz import receipt_verify
from fuzz.receipt_verify import GENUINE, TRUST


@pytest.mark.parametrize("octets", GENUINE)
def test_receipts_of_other_versions_hold(octets: bytes) -> None:
    found = verify(octets, TRUST)
    assert not found.refusals
    assert found.receipt is not None
    assert found.receipt.written_by == "danelaw 0.0.1"


@pytest.mark.parametrize("octets", GENUINE)
def test_the_list_of_evidence_in_them_says_nothing_new(octets: bytes) -> None:
    forger = Forger(octets)
    for position in range(len(forger.body["tries"])):
        assert forger.attempt(position).evidence
        forger.change(position, evidence=())
    assert not verify(forger.sealed(), TRUST).refusals


def test_another_version_may_use_other_words_and_no_other_verdict() -> None:
    delivered = next(octets for octets in GENUINE if b'"next_hop"' not in octets and b"anna@dane.lab" in octets)
    for change in ({"reason": "as we used to say"}, {"requirement": "as we used to say"}, {"tlsrpt": "as-it-was"}):
        assert verify(Forger(delivered).change(**change).sealed(), TRUST).holds
    for change in ({"protection": "MTA-STS"}, {"records": ()}):
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


_NAMES = ("a", "", "dane.lab", "mx.dane.lab", "3 1 1 00", "0" * 64, "secure", "NaN", "\ud800", "x" * 300)
_VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(_NAMES) | st.text(max_size=8)
    | st.lists(st.integers(), max_size=3) | st.dictionaries(st.sampled_from(_NAMES), st.integers(), max_size=2)
)  # fmt: skip


@given(st.sampled_from(GENUINE), st.sampled_from(("body", "basis", "session", "record")), st.data())
def test_any_value_in_any_place_has_a_verdict_though_everything_is_sealed_anew(
    genuine: bytes, where: str, data: st.DataObject
) -> None:
    """Reading a receipt is reading a stranger's file: whatever it holds, there is no exception."""
    forger = Forger(genuine)
    value = data.draw(_VALUES)

    def alter(found: Any) -> None:
        path = data.draw(st.sampled_from(sorted(places(found), key=repr)))
        at(found, path[:-1])[path[-1]] = value

    try:
        if where == "body":
            alter(forger.body)
        elif where == "record":
            record = json.loads(forger.body["tries"][-1]["record"])
            alter(record)
            forger.rerecord_text(json.dumps(record))
        else:
            change = forger.rebase if where == "basis" else forger.resession
            change(alter)
        octets = forger.sealed()
    except ValueError:  # no such value can be written
        return
    found = verify(octets, TRUST)
    assert found.holds or found.refusals
