"""Contexts, verdicts and changes as JSON: what a hook outside this process is asked, and what it answers.

    asked     {"version": 1, "point": "rcpt_to", "context": {"now": 1732579200.0, "recipient": "b@example.org", …}}
    answered  {"version": 1, "verdict": {"reject": {"text": "this mailbox is closed", "code": 550}}}

A context is written field by field from its dataclass, so that a new field is there without a line here. The message is
not in it: it goes beside, as octets; `edits` are the changes that hooks before made of it.

An answer has a verdict (null, or none at all: go on) and what the hook wants otherwise; what it leaves out stays.
`notes`, `tags`, `recipients`, `reverse_path`, `handling` and `identity` are the whole new value, `edits` are further
changes of the message, each the name of a method of `Mail` and its arguments. Answers come from outside: they are
read strictly, within limits, and nothing of one that is wrong is carried out.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, NamedTuple

from danelaw.policy.contexts import AuthContext, Context, MessageContext
from danelaw.policy.forms import Form, Given, WireError, edits_from, form_of, hints_of, tagged
from danelaw.policy.library import Library
from danelaw.policy.mail import Edit, Mail
from danelaw.policy.points import POINTS
from danelaw.policy.verdicts import Verdict

VERSION = 1
"""Raised when something changes that a reader must know of; a new field of a context is none."""
LARGEST = 16 << 20
"""Octets of a context or an answer as JSON; files that are attached come in it as base64."""

_BESIDE = frozenset({"library", "mail"})
_EVERYWHERE = ("notes", "tags")


class Asked(NamedTuple):
    """A context as JSON, and the message beside it as the hook is given it."""

    object: dict[str, Any]
    given: Given | None


@dataclass(slots=True, kw_only=True)
class Answer:
    """What a hook outside said. None stands for what it left as it is."""

    verdict: Verdict | None = None
    edits: tuple[Edit, ...] = ()
    changes: dict[str, Any]


@cache
def _context_forms(point: str) -> dict[str, Form]:
    kind = POINTS[point].context
    hints = hints_of(kind)
    return {one.name: form_of(hints[one.name]) for one in fields(kind) if one.name not in _BESIDE}


@cache
def changeable(point: str) -> tuple[str, ...]:
    """The fields of a point's context that a hook may change, `mail` apart."""
    kind = POINTS[point].context
    more: tuple[str, ...] = ()
    if issubclass(kind, MessageContext):
        more = ("recipients", "reverse_path", "handling")
    elif issubclass(kind, AuthContext):
        more = ("identity",)
    return _EVERYWHERE + more


@cache
def _verdict_form(point: str) -> Form:
    return tagged(POINTS[point].verdicts)


def form_for(point: str) -> None:
    """Make the forms of a point now, not when it is first asked about."""
    _context_forms(point)
    for kind in POINTS[point].verdicts:
        form_of(kind)


# asking


def given_of(context: Context) -> Given | None:
    """The message of a context as it is now, None where there is none."""
    mail = getattr(context, "mail", None)
    return Given(mail, len(mail.edits)) if isinstance(mail, Mail) else None


def context_to_object(point: str, context: Context, without: Collection[str] = ()) -> dict[str, Any]:
    """A context as JSON, without some fields. Raises `NoteError` for notes that are too many."""
    forms = _context_forms(point)
    written = {name: form.write(getattr(context, name), None) for name, form in forms.items() if name not in without}
    mail = getattr(context, "mail", None)
    if isinstance(mail, Mail):
        written["edits"] = [list(edit) for edit in mail.edits]
    return {"version": VERSION, "point": point, "context": written}


def context_from_object(asked: Any, library: Library, mail: Mail | None = None) -> Context:
    """The context again, with a library and the message as it came. Raises `WireError`, `MessageError` for edits."""
    point, written = _opened(asked)
    kind = POINTS[point].context
    forms = _context_forms(point)
    edits = edits_from(written.pop("edits", []), "edits")
    unknown = written.keys() - forms.keys()
    if unknown:
        raise WireError(f"the context of {point} has no {min(unknown)!r:.60}")
    values = {name: forms[name].read(one, name, None) for name, one in written.items()}
    if any(one.name == "mail" for one in fields(kind)):
        if mail is None:
            raise WireError(f"{point} comes with a message")
        mail.apply(edits)
        values["mail"] = mail
    try:
        return kind(library=library, **values)
    except TypeError as error:
        raise WireError(f"the context of {point} is not whole: {error}") from None


def _opened(asked: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(asked, dict) or asked.get("version") != VERSION:
        raise WireError(f"this is no question of version {VERSION}")
    point, written = asked.get("point"), asked.get("context")
    if not isinstance(point, str) or point not in POINTS or not isinstance(written, dict):
        raise WireError("a question has a point and a context")
    return point, dict(written)


# answering


def answer_to_object(
    point: str, context: Context, verdict: Any, before: dict[str, Any], given: Given | None
) -> dict[str, Any]:
    """What a hook said and changed: `before` is `changing` of the context before it ran.

    Raises `WireError` for what is no verdict of the point, and for changes that cannot be written down.
    """
    answer: dict[str, Any] = {"version": VERSION}
    if verdict is not None:
        if type(verdict) not in POINTS[point].verdicts:
            raise WireError(f"{verdict!r:.100} is no verdict of {point}")
        answer["verdict"] = _verdict_form(point).write(verdict, given)
    now = changing(point, context)
    answer |= {name: value for name, value in now.items() if value != before[name] or _may_be_changed_inside(value)}
    if given is not None:
        more = given.mail.edits[given.edits :]
        if more:
            answer["edits"] = [list(edit) for edit in more]
        elif given.mail.is_changed and not given.edits:
            raise WireError("a change made by ctx.mail.draft cannot leave this process; use the methods of ctx.mail")
    return answer


def _may_be_changed_inside(value: Any) -> bool:
    """Notes that hold lists or objects, which a hook may have changed in their place."""
    return isinstance(value, dict) and any(isinstance(one, list | dict) for one in value.values())


def changing(point: str, context: Context) -> dict[str, Any]:
    """What may be changed, as it is now."""
    forms = _context_forms(point)
    return {name: forms[name].write(getattr(context, name), None) for name in changeable(point)}


def answer_from_object(point: str, answer: Any, given: Given | None = None) -> Answer:
    """Read an answer. Raises `WireError`, and `MessageError` for a copy of the message that cannot be made."""
    if not isinstance(answer, dict):
        raise WireError("an answer is an object")
    if answer.get("version") != VERSION or type(answer["version"]) is not int:
        raise WireError(f'an answer says "version": {VERSION}')
    names = changeable(point)
    known = {"version", "verdict", *names} | ({"edits"} if given is not None else set())
    unknown = answer.keys() - known
    if unknown:
        raise WireError(f"an answer to {point} has no {min(unknown)!r:.60}; it knows {', '.join(sorted(known))}")
    said = answer.get("verdict")
    verdict = None if said is None else _verdict_form(point).read(said, "verdict", given)
    forms = _context_forms(point)
    changes = {name: forms[name].read(answer[name], name, given) for name in names if name in answer}
    edits = tuple(tuple(edit) for edit in edits_from(answer.get("edits", []), "edits"))
    return Answer(verdict=verdict, edits=edits, changes=changes)


def carry_out(answer: Answer, context: Context) -> None:
    """Change a context as an answer says. Raises `MessageError` for edits that cannot be made."""
    mail = getattr(context, "mail", None)
    if answer.edits and isinstance(mail, Mail):
        mail.apply(answer.edits)
    for name, value in answer.changes.items():
        held = getattr(context, name)
        if name in _EVERYWHERE:
            held.clear()
            held.update(value)
        elif name == "recipients":
            held[:] = value
        else:
            setattr(context, name, value)


# octets


def to_octets(value: Any) -> bytes:
    """JSON in as few octets as it needs. Raises `WireError` above `LARGEST`, and for what is no JSON."""
    try:
        octets = _ENCODER.encode(value).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise WireError(f"this is no JSON: {error}") from None
    if len(octets) > LARGEST:
        raise WireError(f"{len(octets)} octets of JSON; {LARGEST} are allowed")
    return octets


def from_octets(octets: bytes, largest: int = LARGEST) -> Any:
    """Read JSON (RFC 8259). Raises `WireError` for what is none, too long, nested too deep, or has lone surrogates."""
    if len(octets) > largest:
        raise WireError(f"{len(octets)} octets of JSON; {largest} are allowed")
    try:
        value = _DECODER.decode(octets.decode("utf-8"))
        if b"\\ud" in octets or b"\\uD" in octets:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise WireError("this is no UTF-8 (RFC 8259 §8.1)") from None
    except (ValueError, RecursionError) as error:
        raise WireError(f"this is no JSON: {error}") from None
    return value


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder(parse_constant=_no_number)
