"""Answers as octets: any of them is a result or an error in words; edits leave a header a header."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.filters import (
    Action,
    FilterResult,
    RemoveField,
    ReplaceHeader,
    Rule,
    ServerAddress,
    Thresholds,
    Verdict,
    combined,
    edited_content_header,
    new_body,
)
from danelaw.filters.editing import without_named
from danelaw.milter import AddHeader, ChangeHeader, ReplaceBody
from fuzz.filters_answers import test_one_input

HEADER = b"X-A: 1\r\nX-B: 2\r\nx-a: 3\r\nX-A: 4\r\n"
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=400))
def test_any_octets_are_a_result_or_an_error(data: bytes) -> None:
    test_one_input(data)


@given(
    st.sampled_from(["no action", "reject", "rewrite subject", "soft reject"]),
    st.dictionaries(st.sampled_from(["score", "symbols", "milter", "subject", "dkim-signature", "messages"]), JSON),
    st.dictionaries(
        st.sampled_from(["add_headers", "remove_headers", "add_rcpt", "change_from"]),
        JSON | st.dictionaries(st.sampled_from(["X-A", "X-B", "a b"]), JSON, max_size=3),
    ),
)
def test_any_json_of_rspamd_is_a_result_or_an_error(action: str, more: dict[str, object], milter: object) -> None:
    test_one_input(b"\x04" + json.dumps({"action": action, "milter": milter} | more).encode())


@pytest.mark.parametrize(
    ("edit", "header"),
    [
        (RemoveField(b"X-A"), b"X-B: 2\r\n"),
        (RemoveField(b"x-a", 1), b"X-B: 2\r\nx-a: 3\r\nX-A: 4\r\n"),
        (RemoveField(b"x-a", 3), b"X-A: 1\r\nX-B: 2\r\nx-a: 3\r\n"),
        (RemoveField(b"x-a", -1), b"X-A: 1\r\nX-B: 2\r\nx-a: 3\r\n"),
        (RemoveField(b"x-a", -4), HEADER),
        (RemoveField(b"x-a", 4), HEADER),
        (RemoveField(b"X-C"), HEADER),
        (ReplaceHeader(b"X-New: 1\n\nbody: no\n"), b"X-New: 1\r\nbody: no\r\n"),
    ],
)
def test_edits_beyond_those_of_milters(edit: RemoveField, header: bytes) -> None:
    assert edited_content_header(HEADER, [edit]) == header


def test_edits_are_carried_out_in_their_order() -> None:
    edits = (ChangeHeader(1, b"X-A", b"new"), RemoveField(b"X-A", 1), AddHeader(b"X-A", b"last"))
    assert edited_content_header(HEADER, edits) == b"X-B: 2\r\nx-a: 3\r\nX-A: 4\r\nX-A: last\r\n"


def test_a_new_body_has_line_ends_of_smtp_wherever_its_pieces_were_cut() -> None:
    pieces = [ReplaceBody(b"one\r"), ReplaceBody(b"\ntwo\nthree\r"), ReplaceBody(b"four")]
    assert new_body(pieces) == b"one\r\ntwo\r\nthree\r\nfour"
    assert new_body([]) is None
    assert new_body([ReplaceBody(b"")]) == b""


def test_fields_are_removed_by_name_or_beginning() -> None:
    assert without_named(b"X-Spam-Flag: a\r\n\tb\r\nX-Spamming: c\r\nX-V: d\r\n", ("x-spam-*", "X-V")) == (
        b"X-Spamming: c\r\n", ("X-Spam-Flag", "X-V"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:783", ServerAddress("127.0.0.1", 783)),
        ("[::1]:783", ServerAddress("::1", 783)),
        ("rspamd", ServerAddress("rspamd", 11333)),
        ("unix:/run/x.sock", ServerAddress("", 0, "/run/x.sock")),
        ("/run/x.sock", ServerAddress("", 0, "/run/x.sock")),
    ],
)
def test_addresses_of_servers_are_read(text: str, address: ServerAddress) -> None:
    assert ServerAddress.from_text(text, 11333) == address
    assert ServerAddress.from_text(str(address), 1) == address


def result(name: str, verdict: Verdict, score: float | None = None) -> FilterResult:
    return FilterResult(name, verdict, "why", score)


@pytest.mark.parametrize(
    ("results", "action", "because"),
    [
        ([], Action.PASS, None),
        ([("a", Verdict.CLEAN), ("b", Verdict.TAG)], Action.TAG, "b"),
        ([("a", Verdict.HOLD), ("b", Verdict.TAG)], Action.HOLD, "a"),
        ([("a", Verdict.FAILED), ("b", Verdict.FOUND)], Action.REFUSE, "b"),
        ([("a", Verdict.DISCARD), ("b", Verdict.DEFER)], Action.DEFER, "b"),
        ([("lax", Verdict.FAILED), ("lax", Verdict.TOO_LARGE)], Action.PASS, None),
        ([("lax", Verdict.GREYLIST)], Action.DEFER, "lax"),
    ],
)
def test_the_sharpest_verdict_counts(results: list[tuple[str, Verdict]], action: Action, because: str | None) -> None:
    rules = {"a": Rule(), "b": Rule(), "lax": Rule(on_failure="accept", on_greylist="defer")}
    judgement = combined([result(name, verdict) for name, verdict in results], rules, Thresholds())
    assert judgement.action is action
    assert (judgement.because.filter if judgement.because else None) == because


def test_sums_reach_the_bounds_people_write() -> None:
    results = [result("a", Verdict.CLEAN, 0.1), result("b", Verdict.CLEAN, 0.2)]
    assert combined(results, {}, Thresholds(tag=0.3)).action is Action.TAG
    assert combined(results, {}, Thresholds(refuse=0.31)).action is Action.PASS
