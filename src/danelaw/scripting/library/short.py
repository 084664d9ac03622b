"""Arguments and results in a few words, for traces: a message of 50 MB must not cost 50 MB more to be looked at."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

LONGEST = 160
_MOST_ITEMS = 6
_DEEPEST = 3


def in_short(value: object, *, deep: int = 0) -> str:
    """A value as Python would write it, cut where it is long."""
    if deep > _DEEPEST:
        return "…"
    match value:
        case str() | bytes() | bytearray():
            return _cut(value)
        case None | bool() | int() | float():
            return _limited(repr(value))
        case Mapping():
            pairs = (f"{in_short(key, deep=deep + 1)}: {in_short(one, deep=deep + 1)}" for key, one in value.items())
            return "{" + _listed(pairs, len(value)) + "}"
        case list() | tuple() | set() | frozenset():
            marks = "[]" if isinstance(value, list) else "()" if isinstance(value, tuple) else "{}"
            return marks[0] + _listed((in_short(one, deep=deep + 1) for one in value), len(value)) + marks[1]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value)]
        pairs = (f"{name}={in_short(getattr(value, name), deep=deep + 1)}" for name in fields)
        return f"{type(value).__name__}({_listed(pairs, len(fields))})"
    return type(value).__name__


def _cut(value: str | bytes | bytearray) -> str:
    if len(value) <= LONGEST // 2:
        return repr(value)
    kind = "characters" if isinstance(value, str) else "octets"
    return f"{value[: LONGEST // 2]!r}… ({len(value)} {kind})"


def _limited(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _listed(items: Iterable[str], size: int) -> str:
    shown = [item for _, item in zip(range(_MOST_ITEMS), items, strict=False)]
    if size > len(shown):
        shown.append("…")
    return _limited(", ".join(shown))
