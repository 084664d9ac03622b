"""Rows of the protocol and lines of the file: any octets, damage, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.shared import (
    BadRequest,
    Kind,
    Mode,
    Request,
    Space,
    Store,
    StoreFull,
    UnreadableSnapshot,
    WhenFull,
    everything,
    lines,
    restore,
    restore_file,
)
from danelaw.shared.protocol import (
    OPERATIONS,
    answer_from_row,
    answer_to_row,
    request_from_row,
    request_to_row,
)
from fuzz.shared_protocol import test_one_input as fuzz_protocol
from fuzz.shared_snapshot import test_one_input as fuzz_snapshot

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from([*OPERATIONS, "steal"]),
        st.sampled_from("crsvmx"),
        st.sampled_from(["k", "l", "ü" * 130, "x" * 300]),
    ).flatmap(
        lambda head: st.lists(PLAIN | st.sampled_from(["1", 1, None, True]), max_size=4).map(lambda a: [*head, *a])
    ),
    max_size=12,
)
KEYS = st.lists(
    st.tuples(
        st.sampled_from(["key", "space", "end"]),
        st.sampled_from(["c", "r", "s", "v", "m"]),
        st.text(max_size=4),
        PLAIN | st.sampled_from([[3, None], [[[5.0, 2]]], [[["m", None]]], ["1", 7.0], [[], []]]),
    ).map(list),
    max_size=5,
)
_DECLARED = [
    ["space", {"name": "c", "kind": "counter"}],
    ["space", {"name": "r", "kind": "rate", "limit": 5, "span": 9.0}],
    ["space", {"name": "s", "kind": "set"}],
    ["space", {"name": "v", "kind": "value"}],
    ["space", {"name": "m", "kind": "semaphore", "limit": 2}],
]


@given(st.binary(max_size=200))
def test_any_octets_are_rows_or_an_error(octets: bytes) -> None:
    fuzz_protocol(octets)
    fuzz_snapshot(octets)


@given(ROWS)
def test_any_rows_are_done_or_refused(rows: list[list[Any]]) -> None:
    fuzz_protocol(json.dumps(rows).encode())


@given(KEYS)
def test_any_lines_are_loaded_or_refused(rows: list[list[Any]]) -> None:
    fuzz_snapshot(json.dumps([*_DECLARED, *rows]).encode())
    fuzz_snapshot("\n".join(map(json.dumps, [*_DECLARED, *rows])).encode())


@given(st.integers(1, 1 << 40), st.sampled_from(list(OPERATIONS)), st.text(max_size=9), PLAIN)
def test_requests_come_out_as_they_went_in(number: int, code: str, key: str, value: Any) -> None:
    request = Request(number, code, "space", key, (1, "x", None))
    assert request_from_row(json.loads(json.dumps(request_to_row(request)))) == request
    row = json.loads(json.dumps(answer_to_row(number, value)))
    assert json.dumps(answer_from_row(row)) == json.dumps((number, value))


def test_errors_come_out_as_what_they_are() -> None:
    number, error = answer_from_row(answer_to_row(7, StoreFull("full", advice="clear")))
    assert (number, type(error), error.reason, error.advice) == (7, StoreFull, "full", "clear")


@pytest.mark.parametrize("row", [[], [0, "add", "c", "k"], ["1", "add", "c", "k"], [1, "add"], {}, None, [True] * 4])
def test_a_row_nobody_can_be_answered_for_makes_no_sense(row: Any) -> None:
    with pytest.raises(BadRequest):
        request_from_row(row)


SPACES = st.builds(
    Space,
    name=st.from_regex("[a-z][a-z0-9.-]{0,10}", fullmatch=True),
    kind=st.sampled_from(Kind),
    mode=st.sampled_from(Mode),
    keys=st.integers(1, 1000),
    when_full=st.none() | st.just(WhenFull.REFUSE),
    limit=st.integers(1, 100),
    span=st.floats(0.01, 1000),
    kept=st.booleans(),
)


@given(SPACES)
def test_declarations_come_out_as_they_went_in(space: Space) -> None:
    assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space


@pytest.mark.parametrize(
    "declared",
    [
        {},
        {"name": "a"},
        {"name": "a", "kind": "clock"},
        {"name": "a", "kind": "counter", "color": "red"},
        {"name": "a", "kind": "counter", "keys": "5"},
        {"name": "a", "kind": "counter", "keys": True},
        {"name": "a", "kind": "counter", "keys": 0},
        {"name": "a", "kind": "counter", "kept": 1},
        {"name": "a", "kind": "rate", "limit": 5},
        {"name": "a", "kind": "semaphore"},
        {"name": "a", "kind": "semaphore", "limit": 1, "when_full": "forget"},
        {"name": "a", "kind": "rate", "limit": 5, "span": float("nan")},
        {"name": "A", "kind": "counter"},
        {"name": "a" * 41, "kind": "counter"},
        [],
    ],
)
def test_a_declaration_of_another_form_is_refused(declared: Any) -> None:
    with pytest.raises(BadRequest):
        Space.from_json(declared)


def _filled() -> Store:
    store = Store()
    store.declare(Space("c", Kind.COUNTER), 0.0)
    store.declare(Space("passing", Kind.COUNTER, kept=False), 0.0)
    store.declare(Space("m", Kind.SEMAPHORE, limit=2), 0.0)
    for number in range(1200):
        store.perform("w", Request(1, "add", "c", f"key-{number}", (number, 100, False)), 0.0)
    store.perform("w", Request(1, "add", "passing", "k", (1, None, False)), 0.0)
    store.perform("w", Request(1, "acquire", "m", "k", (100, 0)), 0.0)
    store.perform("w", Request(9, "acquire", "m", "k", (100, 0)), 0.0)
    store.perform("w2", Request(9, "acquire", "m", "k", (100, 50)), 0.0)
    return store


def test_the_file_has_what_is_kept_and_time_goes_on_while_nobody_runs() -> None:
    octets = b"".join(lines(_filled(), 5.0, 1e9))
    store = Store()
    assert restore_file(store, octets, 77.0, 1e9 + 20) == 1200
    assert set(store.shelves) == {"c"}
    assert store.perform("w", Request(1, "count", "c", "key-7"), 77.0 + 74.9) == 7
    assert store.perform("w", Request(1, "count", "c", "key-7"), 77.0 + 75.1) == 0


def test_what_is_handed_on_has_everything_and_those_who_wait() -> None:
    state = json.loads(json.dumps(everything(_filled())))
    store = Store()
    restore(store, state["rows"], 0.0)
    store.last_lease = state["lease"]
    assert set(store.shelves) == {"c", "passing", "m"}
    store.forget("w", 1.0)
    (granted,) = store.news()
    assert (granted.holder, granted.request) == ("w2", 9)
    assert granted.lease > 3


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_octet_is_noticed(place: int, change: int) -> None:
    octets = bytearray(_FILE)
    octets[place % len(octets)] ^= change
    if bytes(octets).rstrip(b"\n") == _FILE.rstrip(b"\n"):
        return
    with pytest.raises(UnreadableSnapshot):
        restore_file(Store(), bytes(octets), 0.0, 1e9)


@given(st.integers(0, 10_000))
def test_a_torn_file_is_noticed(length: int) -> None:
    if _FILE[:length].rstrip(b"\n") == _FILE.rstrip(b"\n"):
        return
    with pytest.raises(UnreadableSnapshot):
        restore_file(Store(), _FILE[:length], 0.0, 1e9)


def test_keys_of_any_text_come_through_the_file() -> None:
    store, fresh = Store(), Store()
    store.declare(Space("s", Kind.SET), 0.0)
    keys = ["", "\n", "\u2028", "\udc80", "ü", '"', "\x00"]
    for key in keys:
        assert store.perform("w", Request(1, "join", "s", key, (key, None)), 0.0) is True
    assert restore_file(fresh, b"".join(lines(store, 0.0, 1e9)), 0.0, 1e9) == len(keys)
    assert all(fresh.perform("w", Request(1, "has", "s", key, (key,)), 0.0) for key in keys)


def test_a_file_with_more_than_is_allowed_now_is_loaded_and_nothing_new_comes_in() -> None:
    fresh = Store(most_octets=10_000)
    assert restore_file(fresh, _FILE, 0.0, 1e9) == 1200
    fresh.declare(Space("s", Kind.SET), 0.0)
    assert isinstance(fresh.perform("w", Request(1, "join", "s", "k", ("m", None)), 0.0), StoreFull)


def test_another_version_is_not_read() -> None:
    octets = b"".join(lines(Store(), 0.0, 1e9)).replace(b'"version":1', b'"version":2')
    with pytest.raises(UnreadableSnapshot, match="version 2"):
        restore_file(Store(), octets, 0.0, 1e9)


_FILE = b"".join(lines(_filled(), 0.0, 1e9))
