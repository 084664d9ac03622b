"""Trees and chains of hashes."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.hashchain import NOTHING, Link, flaw_of, jump_of, leaf_hash, path_of, root_by_path, root_of, way

# The entries and roots that implementations of Certificate Transparency test with.
ENTRIES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


@pytest.mark.parametrize("size", ROOTS)
def test_roots_are_those_of_rfc_9162(size: int) -> None:
    assert root_of([leaf_hash(entry) for entry in ENTRIES[:size]]).hex() == ROOTS[size]


def _leaves(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


@given(st.integers(1, 70), st.data())
def test_a_path_ties_its_entry_and_no_other_to_the_root(count: int, data: st.DataObject) -> None:
    leaves = _leaves(count)
    index = data.draw(st.integers(0, count - 1))
    path, root = path_of(leaves, index), root_of(leaves)
    assert root_by_path(leaves[index], index, count, path) == root
    assert root_by_path(leaf_hash(b"other"), index, count, path) != root
    other = data.draw(st.integers(0, count + 3))
    if other != index:
        assert root_by_path(leaves[index], other, count, path) != root
    assert root_by_path(leaves[index], index, count, (*path, root)) != root
    if path:
        assert root_by_path(leaves[index], index, count, path[:-1]) != root


def test_an_entry_cannot_pass_for_an_inner_node() -> None:
    left, right = _leaves(2)
    assert root_of([left, right]) != leaf_hash(left + right)
    assert root_of([left, right]) == hashlib.sha256(b"\x01" + left + right).digest()


def test_there_is_no_path_to_what_is_not_there() -> None:
    for index in (-1, 3):
        with pytest.raises(IndexError):
            path_of(_leaves(3), index)


def _chain(count: int) -> dict[int, Link]:
    links: dict[int, Link] = {}
    for number in range(1, count + 1):
        before, back = links.get(number - 1), links.get(jump_of(number))
        links[number] = Link(
            number, 1000 * number, leaf_hash(b"%d" % number), before.digest if before else NOTHING,
            back.digest if back else NOTHING,
        )  # fmt: skip
    return links


CHAIN = _chain(600)


@given(st.integers(1, 600), st.integers(1, 600))
def test_the_way_back_is_short_and_sound(one: int, other: int) -> None:
    number, head = sorted((one, other))
    numbers = way(head, number)
    assert (numbers[0], numbers[-1]) == (head, number)
    assert len(numbers) <= 3 * head.bit_length() + 1
    assert flaw_of([CHAIN[each] for each in numbers]) is None


@given(st.integers(1, 600), st.integers(1, 600), st.data())
def test_a_way_with_one_link_changed_is_none(one: int, other: int, data: st.DataObject) -> None:
    number, head = sorted((one, other))
    links = [CHAIN[each] for each in way(head, number)]
    if len(links) < 2:
        return
    index = data.draw(st.integers(1, len(links) - 1))
    name = data.draw(st.sampled_from(("number", "at", "root", "previous", "jump")))
    value = getattr(links[index], name)
    changed = value + 1 if isinstance(value, int) else bytes(31) + b"\x07"
    links[index] = links[index]._replace(**{name: changed})
    assert flaw_of(links) is not None


def test_nothing_lies_before_the_first_link_or_behind_the_head() -> None:
    for head, number in ((3, 0), (3, 4), (0, 0)):
        with pytest.raises(ValueError, match="does not lie before"):
            way(head, number)


def test_over_a_year_of_a_busy_gateway_the_way_is_some_tens_of_links() -> None:
    head = 10 * 86400 * 365
    assert max(len(way(head, number)) for number in (1, 2, 3, head // 3, head // 2 + 1, head - 86400)) < 90
