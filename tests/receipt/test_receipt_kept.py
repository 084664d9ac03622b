"""All that a decision rests on is kept with the try. Who adds an input to it must keep it too, or say here why not."""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import MISSING, Field, fields, replace
from typing import Any

import pytest
from tests.receipt.tampering import Forger

from danelaw.address import Domain
from danelaw.mtasts import STSPolicy
from danelaw.queue import named_by
from danelaw.receipt import Derived, basis_octets, derive, read_basis, read_session, session_octets
from danelaw.tlspolicy import (
    GroupDemand,
    Handshake,
    Override,
    SenderDemand,
    StartTLSOutcome,
    STSState,
    judge,
    requirement,
)
from fuzz.receipt_verify import GENUINE, TRUST

AT = 1_800_000_000.0
POLICY = STSPolicy.from_text("version: STSv1\r\nmode: enforce\r\nmx: mx.dane.lab\r\nmax_age: 86400\r\n")
STS = STSState(
    Domain.from_text("dane.lab"), POLICY, True, "found so", "id1", AT + 600, "sts-webpki-invalid", True, True
)
OVERRIDE = Override.of("dane.lab", "fingerprint", fingerprints=["ab" * 32], because="why", expires=AT + 9, source="who",
                       requiretls="verified-tls")  # fmt: skip
GROUP = GroupDemand(SenderDemand.VERIFIED, ("partners", "hospitals"), True)
HANDSHAKE = Handshake(
    Domain.from_text("mx.dane.lab"), "127.0.0.1", 2525, 0, StartTLSOutcome.FAILED, "TLSv1.3", "AES", (),
    Domain.from_text("mx.dane.lab"), True, "words",
)  # fmt: skip
NOT_KEPT = {"chain", "fresh_until", "local", "helo"}
"""A session names its chain by digest; how long a policy was fresh does not matter to what it demands; our address and
the name in the greeting are for TLS reports.
"""


@pytest.fixture(scope="module")
def derived() -> Derived:
    forger = Forger(next(octets for octets in GENUINE if b"anna@dane.lab" in octets))
    evidence = {bytes.fromhex(name): forger.piece(name) for name in forger.evidence}
    return derive(read_basis(forger.piece(forger.attempt().basis)), evidence, TRUST.anchors)


def _default(field: Field[Any]) -> object:
    return field.default_factory() if field.default_factory is not MISSING else field.default


@pytest.mark.parametrize("value", [STS, OVERRIDE, GROUP, HANDSHAKE], ids=lambda value: type(value).__name__)
def test_the_values_here_have_something_in_every_field(value: Any) -> None:
    for field in fields(value):
        assert field.name in NOT_KEPT or getattr(value, field.name) != _default(field), field.name


def test_nothing_else_goes_into_a_decision() -> None:
    assert list(inspect.signature(requirement).parameters) == [
        "destination", "host", "sts", "override", "demand", "group",
    ]  # fmt: skip
    assert list(inspect.signature(judge).parameters) == ["requirement", "handshake", "roots", "now"]


@pytest.mark.parametrize("demand", SenderDemand)
def test_a_basis_is_read_as_it_was_written(derived: Derived, demand: SenderDemand) -> None:
    octets = basis_octets(
        derived.destination, demand, STS, OVERRIDE, AT, "1.2", group=GROUP, wait="unknown", beside=(b"wire",)
    )
    found = read_basis(octets)
    assert (found.group, found.wait) == (GROUP, "unknown")
    assert found.responses == (*derived.basis.responses, hashlib.sha256(b"wire").digest())
    assert (found.demand, found.sts, found.made_at, found.version) == (demand, STS, AT, "1.2")
    assert found.override == OVERRIDE
    assert found.override.source == "who"
    assert found.next_hop == derived.basis.next_hop
    assert found.answers == derived.basis.answers
    assert b"group" not in basis_octets(derived.destination, demand, STS, OVERRIDE, AT, "1.2")


def test_a_session_is_read_as_it_was_written() -> None:
    octets = session_octets(replace(HANDSHAKE, chain=(b"one", b"two")), (b"three",))
    found = read_session(octets)
    assert found.handshake == HANDSHAKE
    assert (len(found.chain), len(found.anchors or ())) == (2, 1)
    assert json.loads(octets)["form"] == "danelaw/session/1"


def test_what_basis_and_session_name_can_be_told_without_judging(derived: Derived) -> None:
    octets = basis_octets(derived.destination, GROUP.demand, STS, OVERRIDE, AT, "1.2", beside=(b"wire",))
    assert named_by(octets) == read_basis(octets).responses
    for chain, anchors in (((), None), ((b"one", b"two"), ()), ((b"one",), (b"three", b"four"))):
        octets = session_octets(replace(HANDSHAKE, chain=chain), anchors)
        found = read_session(octets)
        assert named_by(octets) == (*found.chain, *(found.anchors or ()))
