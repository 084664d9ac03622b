"""What leaves the process comes back the same, and what comes from outside is read strictly."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from danelaw.errors import DanelawError
from danelaw.policy import (
    POINTS,
    Address,
    Carry,
    Copy,
    Handling,
    Hold,
    Library,
    Maildir,
    MessageContext,
    Notes,
    Pipe,
    Queue,
    Redirect,
    Reject,
    Verdict,
    wire,
)
from danelaw.policy.facts import Client
from danelaw.policy.forms import Given, WireError, form_of, hints_of
from danelaw.policy.mail import Mail
from fuzz import policy_wire

LIBRARY = cast(Library, SimpleNamespace())
MESSAGE = b"From: a@example.org\r\nSubject: hello\r\n\r\nbody\r\n"

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WORD = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(1 << 40), 1 << 40),
    float: st.floats(-1e12, 1e12),
    bool: st.booleans(),
    Address: st.builds("{}@{}.example".format, WORD, WORD).map(Address),
    Notes: st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-9, 9) | TEXT, max_size=3).map(Notes),
    Handling: st.builds(
        Handling, demand=st.sampled_from(["", "dane"]), priority=st.sampled_from([-1, 0, 1]), tenant=WORD
    ),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any values of a type."""
    if kind in PLAIN:
        return PLAIN[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return st.sampled_from(arguments)
    if type(None) in arguments:
        (inner,) = (one for one in arguments if one is not type(None))
        return st.none() | values(inner)
    if origin in (tuple, list):
        return st.lists(values(arguments[0]), max_size=3).map(cast(Callable[..., Any], origin))
    if origin is set:
        return st.sets(WORD, max_size=3)
    if origin is dict:
        return st.dictionaries(TEXT, TEXT | st.integers(-9, 9), max_size=3)
    assert is_dataclass(kind)
    return st.builds(kind, **{one.name: values(hints_of(kind)[one.name]) for one in fields(kind)})


def contexts(point: str) -> st.SearchStrategy[Any]:
    kind = POINTS[point].context
    more: dict[str, st.SearchStrategy[Any]] = {"library": st.just(LIBRARY)}
    for one in fields(kind):
        if one.name == "mail":
            more["mail"] = st.builds(lambda: Mail(lambda: MESSAGE))
        elif one.name != "library":
            more[one.name] = values(hints_of(kind)[one.name])
    return st.builds(kind, **more)


RECIPIENTS = st.lists(PLAIN[Address], min_size=1, max_size=3).map(tuple)
VERDICTS: dict[str, st.SearchStrategy[Any]] = {
    "Reject": st.builds(Reject, TEXT, st.sampled_from([550, 554])),
    "Redirect": st.builds(Redirect, RECIPIENTS),
    "Hold": st.builds(Hold, TEXT, st.none() | st.floats(1, 1e6)),
    "Queue": st.lists(
        st.builds(Copy, RECIPIENTS, handling=PLAIN[Handling], hold=st.none() | st.builds(Hold, TEXT)),
        min_size=1,
        max_size=3,
    ).map(lambda copies: Queue(tuple(copies))),
    "Carry": st.builds(Carry, st.builds(Maildir, TEXT) | st.builds(Pipe, st.lists(TEXT).map(tuple))),
}


@pytest.mark.parametrize("point", POINTS)
def test_every_field_of_every_context_travels_and_comes_back(point: str) -> None:
    @settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
    @given(contexts(point))
    def come_back(context: Any) -> None:
        asked = wire.from_octets(wire.to_octets(wire.context_to_object(point, context)))
        again = wire.context_from_object(asked, LIBRARY, Mail(lambda: MESSAGE))
        assert type(again) is type(context)
        for one in fields(context):
            if one.name not in ("mail", "library", "notes"):
                assert getattr(again, one.name) == getattr(context, one.name)
        assert dict(again.notes) == dict(context.notes)

    come_back()


@pytest.mark.parametrize("point", POINTS)
def test_no_field_of_a_context_is_forgotten(point: str) -> None:
    kind = POINTS[point].context
    beside = {"library", "mail"}
    context = SimpleNamespace(**{one.name: None for one in fields(kind)})
    assert set(wire._context_forms(point)) | beside >= {one.name for one in fields(kind)}
    needed = {one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING} - beside
    for name in needed:
        with pytest.raises(WireError, match="not whole"):
            wire.context_from_object(
                {"version": 1, "point": point, "context": {}}, LIBRARY, cast(Mail, Mail(lambda: MESSAGE))
            )
        assert hasattr(context, name)


@pytest.mark.parametrize(
    ("point", "kind"), [(one.name, kind) for one in POINTS.values() for kind in one.verdicts], ids=str
)
def test_every_verdict_of_every_point_comes_back(point: str, kind: type) -> None:
    strategy = VERDICTS.get(
        kind.__name__, st.builds(kind, reason=TEXT) if kind.__name__ == "Discard" else st.builds(kind)
    )

    @settings(max_examples=20, deadline=None)
    @given(strategy)
    def come_back(verdict: Verdict) -> None:
        written = wire.to_octets({"version": 1, "verdict": form_of(kind | type(None)).write(verdict, None)})
        tagged = {"version": 1, "verdict": {kind.__name__.lower(): json.loads(written)["verdict"]}}
        assert wire.answer_from_object(point, tagged).verdict == verdict

    come_back()


def message_context() -> MessageContext:
    return MessageContext(
        now=1.0,
        policy="v",
        library=LIBRARY,
        client=Client("192.0.2.1", 25),
        reverse_path=Address("a@example.org"),
        id="1",
        mail=Mail(lambda: MESSAGE),
        recipients=[Address("b@example.org")],
        size=len(MESSAGE),
    )


def test_what_a_hook_changes_elsewhere_is_changed_here() -> None:
    here = message_context()
    here.mail.add("X-Before", "hook")
    given_here = wire.given_of(here)
    asked = wire.from_octets(wire.to_octets(wire.context_to_object("end_of_data", here)))
    there = cast(MessageContext, wire.context_from_object(asked, LIBRARY, Mail(lambda: MESSAGE)))
    before, given_there = wire.changing("end_of_data", there), wire.given_of(there)
    early = there.mail.copy()
    early.add("X-Copy", "early")
    there.mail.set("Subject", "changed")
    there.recipients.append(Address("c@example.org"))
    there.notes["n"] = [1, {"two": None}]
    there.tags.add("seen")
    verdict = Queue((Copy(("d@example.org",), mail=early), Copy(tuple(there.recipients))))
    written = wire.answer_to_object("end_of_data", there, verdict, before, given_there)
    assert "reverse_path" not in written
    answer = wire.answer_from_object("end_of_data", wire.from_octets(wire.to_octets(written)), given_here)
    wire.carry_out(answer, here)
    assert (here.mail.subject, here.mail.first("X-Before")) == ("changed", "hook")
    assert here.recipients == ["b@example.org", "c@example.org"]
    assert (dict(here.notes), here.tags) == ({"n": [1, {"two": None}]}, {"seen"})
    copy = cast(Queue, answer.verdict).copies[0].mail
    assert copy is not None
    assert (copy.first("X-Copy"), copy.first("X-Before"), copy.subject) == ("early", "hook", "hello")


def test_a_change_that_cannot_travel_is_no_silent_loss() -> None:
    context = message_context()
    before, start = wire.changing("end_of_data", context), wire.given_of(context)
    context.mail.draft.add_field(b"X-Draft: yes\r\n")
    with pytest.raises(WireError, match="draft"):
        wire.answer_to_object("end_of_data", context, None, before, start)
    stranger = Queue((Copy(("b@example.org",), mail=Mail(lambda: MESSAGE)),))
    with pytest.raises(WireError, match=r"ctx\.mail\.copy"):
        wire.answer_to_object("end_of_data", message_context(), stranger, before, start)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("no", "an answer is an object"),
        ({}, '"version": 1'),
        ({"version": True}, '"version": 1'),
        ({"version": 1, "verdict": "allow"}, "'allow' is none of accept, reject"),
        ({"version": 1, "verdict": {"accept": {}, "reject": {}}}, "one name"),
        ({"version": 1, "verdict": {"reject": {"code": "550"}}}, r"verdict\.reject\.code is a whole number"),
        ({"version": 1, "verdict": {"reject": {"code": 250}}}, "250 is not a 5xx reply"),
        ({"version": 1, "verdict": {"reject": {"why": "x"}}}, "has no 'why'"),
        ({"version": 1, "verdict": "discard"}, "has no 'reason'"),
        ({"version": 1, "size": 3}, "no 'size'"),
        ({"version": 1, "recipients": "b@example.org"}, "recipients is a list"),
        ({"version": 1, "handling": {"demand": "none"}}, "is no demand"),
        ({"version": 1, "edits": [["set", 3]]}, "lists of texts"),
        ({"version": 1, "notes": []}, "notes is an object"),
    ],
)
def test_answers_are_read_strictly(answer: Any, reason: str) -> None:
    mail = Mail(lambda: MESSAGE)
    with pytest.raises(WireError, match=reason):
        wire.answer_from_object("end_of_data", answer, Given(mail, 0))


@pytest.mark.parametrize(
    "octets",
    [b"", b"{", b'{"a": NaN}', b'"\\ud800"', b"\xff", b"[" * 100_000, b'"' + b"a" * 200 + b'"'],
    ids=["empty", "open", "nan", "surrogate", "latin", "deep", "long"],
)
def test_octets_that_are_no_json_are_told(octets: bytes) -> None:
    with pytest.raises(WireError):
        wire.from_octets(octets, 150_000 if octets[:1] == b"[" else 200)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT | st.sampled_from(["accept", "reject", "queue", "hold"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["version", "verdict", "edits", "recipients", "reject", "queue", "copies", "to", "notes"]
                ),
                inner,
            )
        ),
    ).map(lambda value: json.dumps({"version": 1, "verdict": value, "edits": value}).encode())
)
def test_anything_from_outside_is_an_answer_or_an_error(data: bytes) -> None:
    policy_wire.test_one_input(data)


def test_errors_are_of_one_kind() -> None:
    assert issubclass(WireError, DanelawError)


def test_a_list_in_a_note_can_be_changed_in_its_place() -> None:
    here, there = message_context(), message_context()
    for context in (here, there):
        context.notes["seen"] = [1]
    before, start = wire.changing("end_of_data", there), wire.given_of(there)
    cast(list[int], there.notes["seen"]).append(2)
    wire.carry_out(
        wire.answer_from_object("end_of_data", wire.answer_to_object("end_of_data", there, None, before, start), start),
        here,
    )
    assert here.notes["seen"] == [1, 2]
