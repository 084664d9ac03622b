"""Values and JSON, each by its declared type: what leaves the process and what comes back is described only once.

`form_of` makes a `Form` from an annotation: plain values, `Literal`, options, tuples, lists, sets, mappings, octets
(in base64), dataclasses field by field, and unions of dataclasses, written as `{"maildir": {"path": …}}`. Reading is
strict: a field too many, a number where a text belongs, or a dataclass that refuses its values is a `WireError` that
names the place. Nothing is ever made that the annotation does not say.
"""

from __future__ import annotations

import base64
import binascii
import collections.abc
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union

from danelaw.errors import DanelawError
from danelaw.policy.notes import Notes

if TYPE_CHECKING:
    from danelaw.policy.mail import Mail


class WireError(DanelawError):
    """What came from outside is not what was agreed; the reason names the place in it."""


class Given(NamedTuple):
    """The message as a hook was given it, and how many edits it had: a copy is written as the edits made since."""

    mail: Mail
    edits: int


class Form(NamedTuple):
    """How one type goes into JSON and comes back. `read` is told the place, for errors, and both the message."""

    write: Callable[[Any, Given | None], Any]
    read: Callable[[Any, str, Given | None], Any]


@cache
def form_of(annotation: Any) -> Form:
    """The form of a type. Raises `TypeError` for one that has none."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if origin is Literal:
        return Form(_as_it_is, _one_of(arguments))
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin in (tuple, list, set, frozenset, collections.abc.Sequence):
        if origin is tuple and (len(arguments) != 2 or arguments[1] is not Ellipsis):
            raise TypeError(f"{annotation} is no tuple of any length")
        return _many(origin, form_of(arguments[0]))
    if origin in (dict, collections.abc.Mapping) and arguments[0] is str:
        return _mapping(form_of(arguments[1]))
    if isinstance(annotation, type):
        if issubclass(annotation, Enum):
            return Form(lambda value, given: value.value, _enum(annotation))
        if issubclass(annotation, str):
            return Form(lambda value, given: str(value), lambda obj, place, given: annotation(_text(obj, place)))
        if is_dataclass(annotation):
            found = [one for one in fields(annotation) if one.init]
            needed = {one.name for one in found if one.default is MISSING and one.default_factory is MISSING}
            return _record(annotation, [one.name for one in found], needed)
        if issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
            names: tuple[str, ...] = annotation._fields
            return _record(annotation, names, set(names) - set(getattr(annotation, "_field_defaults", ())))
    raise TypeError(f"{annotation} has no form in JSON")


def hints_of(thing: Any) -> dict[str, Any]:
    """The types of a class's fields, or of a function's arguments and result (`return`)."""
    from danelaw.policy import library
    from danelaw.policy.mail import Mail

    return typing.get_type_hints(thing, localns={"JSON": Any, "Mail": Mail, "Library": library.Library})


# plain values


def _as_it_is(value: Any, given: Given | None) -> Any:
    return value


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise WireError(f"{place} is a text, not {_kind(value)}")
    return value


def _read_text(value: Any, place: str, given: Given | None) -> str:
    return _text(value, place)


def _integer(value: Any, place: str, given: Given | None) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise WireError(f"{place} is a whole number of 64 bits, not {_kind(value)}")
    return value


def _number(value: Any, place: str, given: Given | None) -> float:
    if type(value) not in (int, float) or not abs(value) < 1e300 or not math.isfinite(value):
        raise WireError(f"{place} is a number, not {_kind(value)}")
    return float(value)


def _switch(value: Any, place: str, given: Given | None) -> bool:
    if not isinstance(value, bool):
        raise WireError(f"{place} is true or false, not {_kind(value)}")
    return value


def _nothing(value: Any, place: str, given: Given | None) -> None:
    if value is not None:
        raise WireError(f"{place} is null, not {_kind(value)}")


def _octets(value: Any, place: str, given: Given | None) -> bytes:
    try:
        return base64.b64decode(_text(value, place), validate=True)
    except (binascii.Error, ValueError):
        raise WireError(f"{place} is no base64") from None


def _moment(value: Any, place: str, given: Given | None) -> datetime:
    try:
        return datetime.fromisoformat(_text(value, place))
    except ValueError:
        raise WireError(f"{place} is no moment of ISO 8601") from None


def _read_notes(value: Any, place: str, given: Given | None) -> Notes:
    return Notes(_object(value, place))


def _write_mail(mail: Mail, given: Given | None) -> list[list[str]]:
    if given is None or not mail.is_of(given.mail):
        raise WireError("the mail of a copy is made by ctx.mail.copy()")
    return [list(edit) for edit in mail.edits[given.edits :]]


def _read_mail(value: Any, place: str, given: Given | None) -> Mail:
    if given is None:
        raise WireError(f"{place}: there is no message here")
    mail = given.mail.copy()
    mail.apply(edits_from(value, place))
    return mail


def edits_from(value: Any, place: str) -> list[list[str]]:
    """Edits of a message: lists of texts. Raises `WireError`."""
    for edit in _list(value, place):
        if not isinstance(edit, list) or not edit or not all(isinstance(one, str) for one in edit):
            raise WireError(f'{place} are lists of texts, ["set", "Subject", "hello"]')
    return value  # type: ignore[no-any-return]


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), f"{value!r:.40}")


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WireError(f"{place} is an object, not {_kind(value)}")
    return value


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise WireError(f"{place} is a list, not {_kind(value)}")
    return value


_PLAIN: dict[Any, Form] = {
    str: Form(_as_it_is, _read_text),
    int: Form(_as_it_is, _integer),
    float: Form(_as_it_is, _number),
    bool: Form(_as_it_is, _switch),
    type(None): Form(_as_it_is, _nothing),
    bytes: Form(lambda value, given: base64.b64encode(value).decode("ascii"), _octets),
    datetime: Form(lambda value, given: value.isoformat(), _moment),
    Any: Form(_as_it_is, lambda value, place, given: value),
    object: Form(_as_it_is, lambda value, place, given: value),
    Notes: Form(lambda value, given: value.to_object(), _read_notes),
}


# values made of others


def _one_of(words: tuple[Any, ...]) -> Callable[[Any, str, Given | None], Any]:
    def read(value: Any, place: str, given: Given | None) -> Any:
        if not any(type(value) is type(word) and value == word for word in words):
            raise WireError(f"{place} is one of {', '.join(map(repr, words))}")
        return value

    return read


def _enum(kind: type[Enum]) -> Callable[[Any, str, Given | None], Enum]:
    def read(value: Any, place: str, given: Given | None) -> Enum:
        try:
            return kind(value)
        except ValueError:
            raise WireError(f"{place} is one of {', '.join(repr(one.value) for one in kind)}") from None

    return read


def _many(origin: Any, inner: Form) -> Form:
    make = {collections.abc.Sequence: tuple}.get(origin, origin)

    def write(value: Any, given: Given | None) -> list[Any]:
        return [inner.write(one, given) for one in (sorted(value) if isinstance(value, set | frozenset) else value)]

    def read(value: Any, place: str, given: Given | None) -> Any:
        return make(inner.read(one, f"{place}[{at}]", given) for at, one in enumerate(_list(value, place)))

    return Form(write, read)


def _mapping(inner: Form) -> Form:
    def write(value: Mapping[str, Any], given: Given | None) -> dict[str, Any]:
        return {name: inner.write(one, given) for name, one in value.items()}

    def read(value: Any, place: str, given: Given | None) -> dict[str, Any]:
        return {name: inner.read(one, f"{place}.{name:.40}", given) for name, one in _object(value, place).items()}

    return Form(write, read)


def _union(kinds: tuple[Any, ...]) -> Form:
    real = tuple(kind for kind in kinds if kind is not type(None))
    optional = len(real) < len(kinds)
    if len(real) == 1:
        form = form_of(real[0])
    elif all(is_dataclass(kind) for kind in real):
        form = tagged(real)
    elif set(real) == {str, bytes}:
        form = Form(_write_text_or_octets, _read_text_or_octets)
    elif set(real) <= {str, int, float, bool}:
        form = Form(_as_it_is, _scalar)
    else:
        raise TypeError(f"{kinds} have no form in JSON")
    return _optional(form) if optional else form


def _write_text_or_octets(value: str | bytes, given: Given | None) -> Any:
    return value if isinstance(value, str) else {"octets": _PLAIN[bytes].write(value, given)}


def _read_text_or_octets(value: Any, place: str, given: Given | None) -> str | bytes:
    if isinstance(value, dict) and value.keys() == {"octets"}:
        return _octets(value["octets"], place, given)
    return _text(value, place)


def _scalar(value: Any, place: str, given: Given | None) -> Any:
    if isinstance(value, list | dict):
        raise WireError(f"{place} is one value, not {_kind(value)}")
    return value


def tagged(kinds: tuple[type, ...]) -> Form:
    """The form of one of several dataclasses: `{"reject": {"text": "no"}}`, or `"accept"` with nothing to say."""
    forms = {kind.__name__.lower(): form_of(kind) for kind in kinds}

    def write(value: Any, given: Given | None) -> dict[str, Any]:
        word = type(value).__name__.lower()
        return {word: forms[word].write(value, given)}

    def read(value: Any, place: str, given: Given | None) -> Any:
        word, inner = (value, {}) if isinstance(value, str) else _only(value, place)
        if word not in forms:
            raise WireError(f"{place}: {word!r:.60} is none of {', '.join(forms) or 'no words'}")
        return forms[word].read(inner, f"{place}.{word}", given)

    return Form(write, read)


def _only(value: Any, place: str) -> tuple[str, Any]:
    if len(_object(value, place)) != 1:
        raise WireError(f"{place} has one name and what belongs to it")
    return next(iter(value.items()))  # type: ignore[no-any-return]


def _record(kind: Any, names: Iterable[str], needed: set[str]) -> Form:
    """A dataclass or named tuple, as an object of its fields."""
    from danelaw.policy.mail import Mail

    hints = hints_of(kind)
    mail_form = Form(_write_mail, _read_mail)
    forms = {name: _optional(mail_form) if hints[name] == Mail | None else form_of(hints[name]) for name in names}

    def write(value: Any, given: Given | None) -> dict[str, Any]:
        return {name: form.write(getattr(value, name), given) for name, form in forms.items()}

    def read(value: Any, place: str, given: Given | None) -> Any:
        found = _object(value, place)
        unknown = found.keys() - forms.keys()
        if unknown:
            raise WireError(f"{place} has no {min(unknown)!r:.60}; it knows {', '.join(forms)}")
        missing = needed - found.keys()
        if missing:
            raise WireError(f"{place} has no {min(missing)!r}")
        arguments = {name: forms[name].read(one, f"{place}.{name}", given) for name, one in found.items()}
        try:
            return kind(**arguments)
        except DanelawError as error:
            raise WireError(f"{place}: {error.reason}") from None

    return Form(write, read)


def _optional(form: Form) -> Form:
    return Form(
        lambda value, given: None if value is None else form.write(value, given),
        lambda value, place, given: None if value is None else form.read(value, place, given),
    )
