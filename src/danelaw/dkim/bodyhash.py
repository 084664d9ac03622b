"""SHA-256 over canonical bodies, for all signatures of a message in one pass (RFC 6376 §3.7).

A body is canonicalized once per way of canonicalization however many signatures there are, and hashed once too: a
hash over the first l= octets is the state of the one running hash at that point.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from danelaw.dkim.canonical import BodyCanonicalizer, Canonicalization, Octets

BodyPart: TypeAlias = "tuple[Canonicalization, int | None]"


class BodyDigest(NamedTuple):
    """`digest` over the part asked for, None when the body is shorter than l=; `octets` of the whole canonical body."""

    digest: bytes | None
    octets: int


class _RunningHash:
    """One SHA-256 that notes its state at certain lengths."""

    __slots__ = ("_hash", "_marks", "octets", "states")

    def __init__(self, marks: Iterable[int]) -> None:
        self._hash = hashlib.sha256()
        self._marks = sorted(set(marks), reverse=True)
        self.octets = 0
        self.states: dict[int | None, bytes] = {}
        self._note()

    def update(self, data: Octets) -> None:
        if not self._marks:
            self._hash.update(data)
            self.octets += len(data)
            return
        view = memoryview(data)
        while self._marks and self.octets + len(view) >= self._marks[-1]:
            part = self._marks[-1] - self.octets
            self._hash.update(view[:part])
            self.octets += part
            view = view[part:]
            self._note()
        self._hash.update(view)
        self.octets += len(view)

    def finish(self) -> None:
        self.states[None] = self._hash.digest()

    def _note(self) -> None:
        while self._marks and self._marks[-1] == self.octets:
            self.states[self._marks.pop()] = self._hash.digest()


class BodyHashes:
    """Hashes of several parts of one body; `update` with its pieces, then `finish`."""

    __slots__ = ("_wanted", "_ways")

    def __init__(self, wanted: Iterable[BodyPart]) -> None:
        self._wanted = tuple(dict.fromkeys(wanted))
        self._ways: dict[Canonicalization, tuple[BodyCanonicalizer, _RunningHash]] = {}
        for how in dict.fromkeys([how for how, _ in self._wanted]):
            running = _RunningHash([length for way, length in self._wanted if way is how and length is not None])
            self._ways[how] = BodyCanonicalizer(how, running.update), running

    def update(self, data: Octets) -> None:
        """Take the next piece of the body."""
        for canonicalizer, _ in self._ways.values():
            canonicalizer.update(data)

    def finish(self) -> Mapping[BodyPart, BodyDigest]:
        """The digests by what was wanted."""
        for canonicalizer, running in self._ways.values():
            canonicalizer.finish()
            running.finish()
        digests = {}
        for part in self._wanted:
            how, length = part
            running = self._ways[how][1]
            digests[part] = BodyDigest(running.states.get(length), running.octets)
        return digests
