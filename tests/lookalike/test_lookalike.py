"""Names meant to be taken for others: shapes, cousins, display names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Domain
from danelaw.lookalike import Likeness, Person, address_in_name, posing_as, resemblance, skeleton
from danelaw.lookalike.domains import _within
from fuzz import lookalike_names

MODELS = (Domain("paypal.example"), Domain("musterbank.example"), Domain("ab.example"), Domain("example.co.uk"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("раураl", "paypal"),  # Cyrillic а, р, у
        ("PAYPAL", "paypal"),
        ("ｐａｙｐａｌ", "paypal"),  # full width
        ("páypäl", "paypal"),
        ("paypa1", "paypal"),
        ("paypaI", "paypal"),
        ("payp\u200bal", "paypal"),  # a zero-width space
        ("rnusterbank", "musterbank"),
        ("𝐩𝐚𝐲𝐩𝐚𝐥", "paypal"),
        ("ρaypal", "paypal"),  # Greek rho
    ],
)
def test_what_looks_alike_has_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(("one", "other"), [("paypal", "payroll"), ("bank", "tank"), ("anna", "hanna")])
def test_what_does_not_has_two(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


@pytest.mark.parametrize(
    ("domain", "likeness"),
    [
        ("раураl.example", Likeness.SAME_SHAPE),
        ("paypa1.example", Likeness.SAME_SHAPE),
        ("mail.paypa1.example", Likeness.SAME_SHAPE),
        ("rnusterbank.example", Likeness.SAME_SHAPE),
        ("paypal.example.evil.test", Likeness.EMBEDDED),
        ("paypal-example.test", Likeness.EMBEDDED),
        ("paypal-support.test", Likeness.ADDED_WORDS),
        ("my-paypal.test", Likeness.ADDED_WORDS),
        ("paypalsecure.test", Likeness.ADDED_WORDS),
        ("paypall.test", Likeness.NEAR),
        ("payapl.test", Likeness.NEAR),
        ("mustrebannk.example", Likeness.NEAR),
        ("paypal.test", Likeness.OTHER_ENDING),
        ("paypal.co.uk", Likeness.OTHER_ENDING),
    ],
)
def test_each_kind_of_cousin(domain: str, likeness: Likeness) -> None:
    found = resemblance(Domain.from_text(domain), MODELS)
    assert found is not None
    assert found.likeness is likeness
    assert found.words.endswith(("paypal.example", "musterbank.example"))


@pytest.mark.parametrize(
    "domain",
    [
        "paypal.example",
        "mail.paypal.example",
        "gmail.test",
        "abc.example",
        "ab.test",
        "pal.test",
        "postbank.test",
        "com",
    ],
)
def test_ourselves_and_honest_strangers_resemble_nobody(domain: str) -> None:
    assert resemblance(Domain(domain), MODELS) is None


@given(st.text("ab", max_size=8), st.text("ab", max_size=8))
def test_edit_distance_is_symmetric_and_zero_only_for_equals(one: str, other: str) -> None:
    for most in (0, 1, 2):
        assert _within(one, other, most) == _within(other, one, most)
    assert _within(one, other, 0) == (one == other)
    assert _within(one, one[1:], 1)
    assert _within(one, one[:1] + "b" + one[1:], 1)
    assert _within(one, one[1::-1] + one[2:], 1), "two letters swapped are one edit"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("service@paypal.example", "service@paypal.example"),
        ("Anna (anna@musterbank.example)", "anna@musterbank.example"),
        ("anna＠musterbank.example", "anna＠musterbank.example"),
        ("Anna", None),
        ("anna@sender.test", None),
        ("anna @ home", None),
        ("me@mail.sender.test", None),
    ],
)
def test_an_address_of_another_domain_in_a_display_name(name: str, said: str | None) -> None:
    assert address_in_name(name, "sender.test") == said


ERIKA = Person("Erika Muster", ("@ours.test", "erika@private.test"))


@pytest.mark.parametrize(
    ("name", "address", "poses"),
    [
        ("Erika Muster", "x@gmail.test", True),
        ("MUSTER, Erika", "x@gmail.test", True),
        ("Dr. Erika Muster (CEO)", "x@gmail.test", True),
        ("Еrika Мuster", "x@gmail.test", True),
        ("Erika Muster", "erika@ours.test", False),
        ("Erika Muster", "Erika@Private.test", False),
        ("Erika Muster", "other@private.test", True),
        ("Erika", "x@gmail.test", False),
        ("Erika Musterfrau", "x@gmail.test", False),
    ],
)
def test_posing_as_a_protected_person(name: str, address: str, poses: bool) -> None:
    assert (posing_as(name, address, [ERIKA]) is ERIKA) is poses


@given(st.binary(max_size=400))
def test_the_fuzz_target_holds(data: bytes) -> None:
    lookalike_names.test_one_input(data)


@given(st.text(max_size=60))
def test_the_fuzz_target_holds_for_text(text: str) -> None:
    lookalike_names.test_one_input(text.encode("utf-8", "surrogatepass"))
