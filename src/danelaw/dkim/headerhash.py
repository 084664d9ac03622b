"""Which header fields a signature covers, and the hash over them (RFC 6376 §3.7, §5.4.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

from danelaw.dkim.canonical import Canonicalization, canonical_field
from danelaw.dkim.taglist import without_value

HeaderField: TypeAlias = "tuple[bytes, bytes]"


class HeaderFields:
    """The header of one message: (name, raw octets) of every field, top first.

    Canonical forms are kept, so that several signatures over one message canonicalize each field once.
    """

    __slots__ = ("_by_name", "_relaxed", "fields")

    def __init__(self, fields: Iterable[HeaderField]) -> None:
        self.fields = tuple(fields)
        self._by_name: dict[bytes, list[int]] = {}
        for index, (name, _) in enumerate(self.fields):
            self._by_name.setdefault(name.rstrip(b" \t").lower(), []).append(index)
        self._relaxed: dict[int, bytes] = {}

    def indices(self, name: bytes) -> list[int]:
        """Where fields of a name stand, top first; the name in lower case."""
        return self._by_name.get(name, [])

    def selected(self, names: Iterable[str], without: int | None = None) -> list[int]:
        """The fields h= names: of a name that stands several times the lowest first, each once (RFC 6376 §5.4.2).

        `without` is the signature itself, which its h= never means (§3.7).
        """
        left: dict[bytes, list[int]] = {}
        found = []
        for name in _in_small_letters(tuple(names)):
            stack = left.get(name)
            if stack is None:
                stack = self._by_name.get(name)
                if stack is None:
                    continue
                stack = left[name] = [index for index in stack if index != without]
            if stack:
                found.append(stack.pop())
        return found

    def canonical(self, index: int, how: Canonicalization) -> bytes:
        """A field in canonical form."""
        name, raw = self.fields[index]
        if how is Canonicalization.SIMPLE:
            return canonical_field(name, raw, how)
        found = self._relaxed.get(index)
        if found is None:
            found = self._relaxed[index] = canonical_field(name, raw, how)
        return found

    def digest(
        self, names: Iterable[str], how: Canonicalization, own: HeaderField, without: int | None = None
    ) -> bytes:
        """SHA-256 over the fields of h= and the signature field `own` without its b= (RFC 6376 §3.7)."""
        covered = [self.canonical(index, how) for index in self.selected(names, without)]
        covered.append(unsigned_form(own, how))
        return hashlib.sha256(b"".join(covered)).digest()


@lru_cache(maxsize=1_024)  # most signers always sign the same fields
def _in_small_letters(names: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(":".join(names).lower().encode("utf-8").split(b":"))


def unsigned_form(own: HeaderField, how: Canonicalization) -> bytes:
    """A signature field with the value of b= deleted, canonical, without the final CRLF (RFC 6376 §3.7)."""
    name, raw = own
    colon = raw.index(b":") + 1
    stripped = raw[:colon] + without_value(raw[colon:].removesuffix(b"\r\n"), b"b")
    return canonical_field(name, stripped, how).removesuffix(b"\r\n")
