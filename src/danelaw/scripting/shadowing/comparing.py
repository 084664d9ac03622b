"""What two versions of a policy made of the same step, compared: verdict, recipients, sender, edits, handling, notes,
tags.

Pure, and used by shadows on live mail and by replays of recorded mail alike. What is compared is what a step changed,
not what was there before it, so that one difference is told once and not again at every later step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from danelaw.policy import JSON, Context, Handling, MessageContext, Queue, Redirect, Verdict
from danelaw.policy.handling import USUAL
from danelaw.policy.mail import Edit

LONGEST_DETAIL = 200
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Before:
    """A context before the hooks of a step: what they start from."""

    recipients: tuple[str, ...] = ()
    reverse_path: str = ""
    edits: int = 0
    notes: Mapping[str, JSON] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()

    @classmethod
    def of(cls, context: Context) -> Before:
        """Take it down."""
        notes, tags = dict(context.notes), frozenset(context.tags)
        if not isinstance(context, MessageContext):
            return cls(notes=notes, tags=tags)
        return cls(tuple(context.recipients), context.reverse_path, len(context.mail.edits), notes, tags)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the hooks of one step have said and changed. `failed` is True where the verdict stands for a failure."""

    point: str
    verdict: Verdict | None = None
    hook: str = ""
    failed: bool = False
    offered: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    reverse_path: str | None = None
    edits: tuple[Edit, ...] = ()
    handling: Handling = USUAL
    notes: Mapping[str, JSON] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, point: str, verdict: Verdict | None, hook: str, before: Before, context: Context, *, failed: bool = False
    ) -> Outcome:
        """What a context has become since `before`."""
        notes = {
            name: context.notes.get(name)
            for name in {*before.notes, *context.notes}
            if before.notes.get(name) != context.notes.get(name)
        }
        tags = before.tags ^ frozenset(context.tags)
        if not isinstance(context, MessageContext):
            return cls(point, verdict, hook, failed, notes=notes, tags=tags)
        sender = None if context.reverse_path == before.reverse_path else str(context.reverse_path)
        return cls(
            point, verdict, hook, failed, before.recipients, tuple(context.recipients), sender,
            context.mail.edits[before.edits :], context.handling, notes, tags,
        )  # fmt: skip


class Difference(NamedTuple):
    """One difference: at which step, what (`verdict`, `recipients`, `sender`, `edit`, `handling`, `note`, `tag`), what
    the one and the other did in a few words that many messages share, and the details of this one.
    """

    point: str
    what: str
    ours: str
    theirs: str
    detail: str = ""


def compare(ours: Outcome, theirs: Outcome) -> tuple[Difference, ...]:
    """What differs between two outcomes of one step."""
    return tuple(_differences(ours, theirs))


def _differences(ours: Outcome, theirs: Outcome) -> Iterator[Difference]:
    point = ours.point
    if (ours.verdict, ours.failed) != (theirs.verdict, theirs.failed):
        one, other = _short(ours), _short(theirs)
        if one == other:
            one, other = f"{one} ({ours.hook})", f"{other} in other words ({theirs.hook})"
        yield Difference(point, "verdict", one, other, _cut(f"{_whole(ours)} / {_whole(theirs)}"))
    if ours.failed or theirs.failed:
        return  # what a failed step would have changed is nobody's intention
    yield from _recipients(ours, theirs)
    if ours.reverse_path != theirs.reverse_path:
        was, is_ = (NOTHING if one.reverse_path is None else "changed" for one in (ours, theirs))
        detail = _cut(f"{ours.reverse_path} / {theirs.reverse_path}")
        yield Difference(point, "sender", was, was + " otherwise" if was == is_ else is_, detail)
    yield from _edits(ours, theirs)
    if ours.handling != theirs.handling:
        mine, its = ours.handling.to_object(), theirs.handling.to_object()
        for name in sorted(mine.keys() | its.keys()):
            if mine.get(name) != its.get(name):
                yield Difference(point, "handling", f"{name}={mine.get(name, '')}", f"{name}={its.get(name, '')}")
    for name in sorted(ours.notes.keys() | theirs.notes.keys()):
        if (name in ours.notes, ours.notes.get(name)) != (name in theirs.notes, theirs.notes.get(name)):
            was, is_ = (name if name in one.notes else NOTHING for one in (ours, theirs))
            detail = _cut(f"{ours.notes.get(name)!r} / {theirs.notes.get(name)!r}")
            yield Difference(point, "note", was, was + " otherwise" if was == is_ else is_, detail)
    for tag in sorted(ours.tags ^ theirs.tags):
        was, is_ = (tag if tag in one.tags else NOTHING for one in (ours, theirs))
        yield Difference(point, "tag", was, is_)


def _recipients(ours: Outcome, theirs: Outcome) -> Iterator[Difference]:
    common = {*ours.offered} & {*theirs.offered}
    one, other = (
        (tuple(sorted({*it.recipients} - {*it.offered})), tuple(sorted(common - {*it.recipients})))
        for it in (ours, theirs)
    )
    if one != other:
        was, is_ = (f"{len(added)} added, {len(gone)} removed" for added, gone in (one, other))
        detail = _cut(f"{_named(one)} / {_named(other)}")
        yield Difference(ours.point, "recipients", was, "others" if was == is_ else is_, detail)


def _edits(ours: Outcome, theirs: Outcome) -> Iterator[Difference]:
    if ours.edits == theirs.edits:
        return
    one, other = list(ours.edits), list(theirs.edits)
    for edit in ours.edits:
        if edit in other:
            other.remove(edit)
            one.remove(edit)
    if not one and not other:
        words = ", ".join(map(edit_words, ours.edits))
        yield Difference(ours.point, "edit", "the same edits", "in another order", _cut(words))
    while one or other:
        mine = one.pop(0) if one else None
        twin = next((edit for edit in other if mine is not None and edit[:2] == mine[:2]), None)
        if twin is None and mine is None:
            twin = other[0]
        if twin is not None:
            other.remove(twin)
        was, is_ = (NOTHING if edit is None else edit_name(edit) for edit in (mine, twin))
        said = (NOTHING if edit is None else edit_words(edit) for edit in (mine, twin))
        yield Difference(ours.point, "edit", was, was + " otherwise" if was == is_ else is_, _cut(" / ".join(said)))


def edit_name(edit: Edit) -> str:
    """An edit in words that many messages share: what is done to which field or part."""
    return f"{edit[0]} {edit[1]}" if edit[0] in _NAMED and len(edit) > 1 else edit[0]


_NAMED = frozenset({"add", "append", "set", "remove", "remove_part", "replace_part", "replace_part_by_text"})


def edit_words(edit: Edit) -> str:
    """An edit with what is put in."""
    return f"{edit_name(edit)}: {' '.join(edit[2 if edit[0] in _NAMED else 1 :])[:80]}".removesuffix(": ")


def _short(outcome: Outcome) -> str:
    if outcome.failed:
        return "failed"
    verdict = outcome.verdict
    if verdict is None:
        return "none"
    code = getattr(verdict, "code", None)
    word = type(verdict).__name__.lower()
    return f"{word} {code}" if code else word


def _whole(outcome: Outcome) -> str:
    match outcome.verdict:
        case None:
            return "none"
        case Redirect(to):
            words = ", ".join(to)
        case Queue(copies):
            words = f"{len(copies)} copies: " + "; ".join(", ".join(one.to) for one in copies)
        case verdict:
            named = (getattr(verdict, name, None) for name in ("text", "reason", "next_hop", "carrier", "bounce_class"))
            words = next((str(one) for one in named if one), "")
    return f"{outcome.hook} {_short(outcome)}: {words}".removesuffix(": ").strip()


def _named(change: tuple[tuple[str, ...], tuple[str, ...]]) -> str:
    added, gone = change
    return " ".join([*(f"+{one}" for one in added), *(f"-{one}" for one in gone)]) or NOTHING


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_DETAIL else text[: LONGEST_DETAIL - 1] + "…"
