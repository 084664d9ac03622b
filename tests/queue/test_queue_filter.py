"""The filter language: meaning, agreement of Python and SQL, errors that help."""

from __future__ import annotations

import importlib.util
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danelaw.queue import Filter, FilterError, QueuedMessage, QueuedRecipient, RecipientState, RoutingKey, id_to_text

NOW = 1_795_000_000.0
ID = 7_000_000_000_000_000


def one(
    to: str = "anna@example.org", sender: str = "bob@shop.example", state: int = 0, age: float = 60, size: int = 1000,
    tries: int = 0, reason: str = "", reply: str = "", hop: str = "example.org", tenant: str = "", demand: str = "",
    client: str = "192.0.2.1", message_id: str = "<1@x>", job: str = "", priority: int = 0,
) -> tuple[QueuedMessage, QueuedRecipient]:  # fmt: skip
    key = RoutingKey(hop, demand, tenant, job, priority)
    recipient = QueuedRecipient(0, to, key, tries=tries, state=RecipientState(state), reason=reason, reply=reply)
    message = QueuedMessage(
        ID, NOW - age, NOW + 1e5, sender, (recipient,), size, client_address=client, message_id=message_id
    )
    return message, recipient


def holds(text: str, **fields: object) -> bool:
    return Filter.from_text(text).matches(*one(**fields), NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {}),
        ("all", {}),
        ("to:anna@example.org", {}),
        ("to:<anna@example.org>", {}),
        ("to:*@EXAMPLE.org", {}),
        ("to:?nna@*", {}),
        ("from:<>", {"sender": ""}),
        ('from:""', {"sender": ""}),
        ("state:waiting", {"state": 1}),
        ("state:returned", {"state": 5}),
        ("state:delivered", {"state": 6}),
        ("age>59s age<2m", {}),
        ("age>=1m", {}),
        ("size>0.9k", {}),
        ("size=1000", {}),
        ("tries>3", {"tries": 4}),
        ("host:example.*", {}),
        ("host:[relay.example]:25", {"hop": "[relay.example]:25"}),
        ('reason:"key other than"', {"reason": "shows a key other than promised"}),
        ("reason:greylisted", {"reply": "451 4.7.1 Greylisted, come back"}),
        ("tenant:acme demand:requiretls", {"tenant": "acme", "demand": "requiretls"}),
        ("job:summer-* priority:high", {"job": "summer-26", "priority": 1}),
        ("priority:normal", {}),
        ("client:192.0.2.*", {}),
        ("message-id:<1@x>", {}),
        (f"id:{id_to_text(ID)}", {}),
        ("not to:x@y.example", {}),
        ("to:x@y.example or size>1", {}),
        ("(to:x@y.example or size>1) and not state:held", {}),
        ("NOT (state:held OR state:returned)", {}),
    ],
)
def test_filters_that_hold(text: str, fields: dict[str, object]) -> None:
    assert holds(text, **fields)
    assert not holds(f"not ({text or 'all'})", **fields)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("to:*@example.org", {"to": "anna@sub.example.org"}),
        ("to:anna@example.org state:held", {}),
        ("from:<>", {}),
        ("to:a_na@example.org", {}),
        ("to:a%@example.org", {}),
        ("size>1M", {}),
        ("age>1m", {}),
        ("to:x@y.example or size>1 state:held", {}),
    ],
)
def test_filters_that_do_not_hold(text: str, fields: dict[str, object]) -> None:
    assert not holds(text, **fields)


@pytest.mark.parametrize(
    ("text", "position", "reason", "advice"),
    [
        ("tu:x@y.example", 0, "no field 'tu'", "to:x@y.example"),
        ("state:deferred", 6, "no state 'deferred'", "state:waiting"),
        ("size>1M state:hald", 14, "no state 'hald'", "state:held"),
        ("to:example.org", 3, "no address", "to:*@example.org"),
        ("to:@example.org", 3, "no address", "to:*@example.org"),
        ("anna@example.org", 0, "needs a field", "to:anna@example.org"),
        ("example.org", 0, "no condition", "host:example.org"),
        (id_to_text(ID), 0, "needs a field", f"id:{id_to_text(ID)}"),
        ("age:2h", 0, "needs a comparison", "age>2h"),
        ("age>2y", 4, "units are s m h d w", "age>2h"),
        ("size>big", 5, "no number", "size>1M"),
        ("to>x", 0, "with a colon", "to:x"),
        ("to:", 3, "missing", 'to:""'),
        ("id:abc", 3, "not a queue id", "queue list"),
        ("(state:held", 0, "not closed", None),
        ("state:held)", 10, "without an opening", None),
        ("state:held or", 13, "should follow", None),
        ("or state:held", 0, "should be", None),
        ("()", 1, "missing before", None),
        ("to:a@b\x00", 6, "control characters", None),
    ],
)
def test_errors_say_where_and_what_would_be_right(text: str, position: int, reason: str, advice: str | None) -> None:
    with pytest.raises(FilterError) as caught:
        Filter.from_text(text)
    assert reason in caught.value.reason
    assert f"at character {position + 1} " in caught.value.reason
    assert caught.value.position == position
    assert advice is None or advice in str(caught.value.advice)


def test_depth_and_length_are_bounded() -> None:
    for text in ("(" * 5000, "(" * 40 + "all" + ")" * 40, "not " * 40 + "all"):
        with pytest.raises(FilterError):
            Filter.from_text(text)


def test_asking_for_history_is_noticed() -> None:
    assert Filter.from_text("to:*@x.example (state:held or not state:returned)").finished
    assert not Filter.from_text("state:waiting or state:held").finished
    assert Filter.from_text(" all ").everything
    assert not Filter.from_text("size>0").everything


patterns = st.text("aAb@.*?%_\\ÄäĸK", min_size=1, max_size=6)
quoted = patterns.map(lambda text: '"' + text.replace("\\", "\\\\") + '"')
terms = st.one_of(
    st.tuples(st.sampled_from(["host", "tenant", "job", "demand", "client", "message-id", "reason"]), quoted).map(
        ":".join
    ),
    st.tuples(st.sampled_from(["to:", "from:"]), quoted.map(lambda text: text[0] + "*" + text[1:])).map("".join),
    st.sampled_from(
        [
            "state:waiting",
            "state:held",
            "priority:low",
            "priority:normal",
            "age>60",
            "age<=60s",
            "tries=2",
            "size<1k",
            "all",
        ]
    ),
)
filters = st.recursive(
    terms,
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.tuples(inner, st.sampled_from([" ", " and ", " or "]), inner).map(lambda p: f"({p[0]}{p[1]}{p[2]})"),
    ),
    max_leaves=6,
)
texts = st.text("aAb@.%_\\*?ÄäĸK", max_size=6)


@settings(max_examples=150)
@given(
    filters, texts, texts, st.integers(0, 7), st.sampled_from([0.0, 60.0, 61.5]), st.integers(0, 2000),
    st.integers(0, 3), texts, texts, texts,
)  # fmt: skip
def test_sql_and_python_agree(
    text: str, to: str, sender: str, state: int, age: float, size: int, tries: int, reason: str, hop: str, client: str
) -> None:
    message, recipient = one(to, sender, state, age, size, tries, reason, hop, hop, reason, to, client, sender)
    chosen = Filter.from_text(text)
    condition, parameters = chosen.to_sql(NOW)
    connection = sqlite3.connect(":memory:")
    row = connection.execute(
        f"SELECT {condition} FROM (SELECT ? AS id, ? AS received_at, ? AS reverse_path, ? AS size, ? AS client_address,"
        " ? AS client_helo, ? AS message_id) m, (SELECT ? AS forward_path, ? AS state, ? AS tries, ? AS reason,"
        " ? AS reply) r, (SELECT ? AS next_hop, ? AS demand, ? AS tenant, ? AS job, ? AS priority, '' AS site) q",
        (
            *parameters, message.id, message.received_at, message.reverse_path, message.size, message.client_address,
            message.client_helo, message.message_id, recipient.forward_path, int(recipient.state), recipient.tries,
            recipient.reason, recipient.reply, *recipient.key,
        ),
    ).fetchone()  # fmt: skip
    assert bool(row[0]) == chosen.matches(message, recipient, NOW)


def test_the_fuzz_target_runs_on_samples() -> None:
    path = Path(__file__).parents[2] / "fuzz" / "queue_filter.py"
    spec = importlib.util.spec_from_file_location("fuzz_queue_filter", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for sample in (b"", b"to:*@x.example or (", b"\xff\xfe", b'reason:"a\\', b"not " * 50, b"age>99999999999999d"):
        module.test_one_input(sample)


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    position = 0
    try:
        Filter.from_text(text)
    except FilterError as error:
        position = error.position
    assert 0 <= position <= len(text)
