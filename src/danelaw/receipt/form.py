"""Reading and writing JSON of which there is exactly one form: octets that say the same are the same octets.

Written with sorted keys, without white space, in ASCII. Reading refuses what two programs could read differently: keys
that stand twice, NaN, any other spelling of the same value; and what costs too much: size, depth, long numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from danelaw.errors import DanelawError

MOST_DEPTH = 16
_END_OF_TIME = 253_402_300_800
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode
_indented = json.JSONEncoder(sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False).encode


class FormError(DanelawError, ValueError):
    """Octets that are not what they should be."""


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one form of a value, without white space."""
    return _encode(value).encode("ascii")


def indented(value: Mapping[str, Any]) -> bytes:
    """The one form for files that people look at: a line per value, indented by one blank, with a final line end."""
    return _indented(value).encode("ascii") + b"\n"


def parse(octets: bytes, most: int) -> dict[str, Any]:
    """Read a JSON object of at most `most` octets. Raises `FormError`."""
    if len(octets) > most:
        raise FormError(f"{len(octets)} octets are more than the {most} that can be read")
    try:
        value = json.loads(octets.decode("ascii"), object_pairs_hook=_pairs, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise FormError("there are octets outside ASCII") from None
    except FormError:
        raise
    except RecursionError:
        raise FormError(f"it is nested more than {MOST_DEPTH} deep") from None
    except ValueError as error:
        raise FormError(f"it is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise FormError("it is JSON, but no object")
    if _too_deep(value):
        raise FormError(f"it is nested more than {MOST_DEPTH} deep")
    return value


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
        if not level:
            return False
    return True


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise FormError(f"the key {twice[:60]!r} stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise FormError(f"{name} is no number")


class Fields:
    """The members of an object, each taken as what it must be. Every method raises `FormError`."""

    __slots__ = ("_taken", "values", "where")

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values = values
        self.where = where
        self._taken: set[str] = set()

    def take(self, name: str) -> Any:
        """A member of any kind."""
        if name not in self.values:
            raise FormError(f"{self.where} has no {name!r}")
        self._taken.add(name)
        return self.values[name]

    def done(self) -> None:
        """Nothing may be left that nobody looked at."""
        left = sorted(set(self.values) - self._taken)
        if left:
            raise FormError(f"{self.where} has {left[0][:60]!r}, which means nothing")

    def is_none(self, name: str) -> bool:
        """Whether the member is null."""
        return self.take(name) is None

    def text(self, name: str) -> str:
        """A text."""
        return self._of(name, str)  # type: ignore[no-any-return]

    def text_or_none(self, name: str) -> str | None:
        """A text, or null."""
        return None if self.is_none(name) else self.text(name)

    def truth(self, name: str) -> bool:
        """True or false."""
        return self._of(name, bool)  # type: ignore[no-any-return]

    def integer(self, name: str) -> int:
        """A whole number from 0 below 2^63."""
        value = self.take(name)
        if type(value) is not int or not 0 <= value < 1 << 63:
            raise FormError(f"{name!r} of {self.where} is no whole number")
        return value

    def number(self, name: str) -> float:
        """A time in POSIX seconds."""
        return time_in(self.take(name), f"{name!r} of {self.where}")

    def members(self, name: str, most: int) -> list[Any]:
        """A list of at most `most` members."""
        value = self._of(name, list)
        if len(value) > most:
            raise FormError(f"{name!r} of {self.where} has more than {most} members")
        return value  # type: ignore[no-any-return]

    def inner(self, name: str) -> dict[str, Any]:
        """An object."""
        return self._of(name, dict)  # type: ignore[no-any-return]

    def inner_or_none(self, name: str) -> dict[str, Any] | None:
        """An object, or null."""
        return None if self.is_none(name) else self.inner(name)

    def digest(self, name: str) -> bytes:
        """A SHA-256 in lower-case hexadecimal."""
        return digest_of(self.take(name), f"{name!r} of {self.where}")

    def digests(self, name: str, most: int = 4096) -> list[bytes]:
        """A list of them."""
        return [digest_of(value, f"{name!r} of {self.where}") for value in self.members(name, most)]

    def _of(self, name: str, kind: type) -> Any:
        value = self.take(name)
        if type(value) is not kind:
            raise FormError(f"{name!r} of {self.where} is no {_KINDS[kind]}")
        return value


_KINDS = {str: "text", bool: "true or false", list: "list", dict: "object"}


def time_in(value: Any, what: str) -> float:
    """A time in POSIX seconds, from 1970 to the year 9999. Raises `FormError`."""
    if type(value) not in (int, float) or not 0 <= value < _END_OF_TIME:
        raise FormError(f"{what} is no number that can be a time")
    return float(value)


def digest_of(value: Any, what: str) -> bytes:
    """Read a SHA-256 in lower-case hexadecimal. Raises `FormError`."""
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise FormError(f"{what} is no SHA-256 in hexadecimal")
    return bytes.fromhex(value)


def check_form(value: Mapping[str, Any], octets: bytes, write: Callable[[Mapping[str, Any]], bytes], what: str) -> None:
    """Raises `FormError` when octets are not what `write` makes of their value."""
    try:
        same = write(value) == octets
    except ValueError as error:
        raise FormError(f"{what} holds what is no value: {error}") from None
    if not same:
        raise FormError(f"{what} is not in its one form")


def read_object(octets: bytes, most: int, form: str) -> Fields:
    """Read an object in its one form, whose member `form` must be `form`. Raises `FormError`."""
    value = parse(octets, most)
    fields = Fields(value, f"what should be {form}")
    if fields.text("form") != form:
        raise FormError(f"the form is {str(value['form'])[:60]!r}, and {form} is what can be read")
    check_form(value, octets, canonical, f"what should be {form}")
    return fields
