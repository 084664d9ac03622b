"""Recorded tries judged again with the code of today: which verdicts this version would change (`danelaw replay`)."""

from __future__ import annotations

import sqlite3
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from danelaw.dnssec import NegativeTrustAnchor, TrustAnchors
from danelaw.queue import Attempt, UnreadableAttempt, id_to_text
from danelaw.receipt import Contradiction, Derived, FormError, Judged, Kind, derive, judge_again, read_basis
from danelaw.spool import database
from danelaw.spool.attempts import Recorded, day_table, day_tables, recorded_in
from danelaw.spool.evidence import evidence_blob
from danelaw.spool.shards import reading

MOST_LISTED = 1000
_BASES = 256
_BLOBS = 4096
_NOT_USED = "not used"
_NOT_REACHED = "not reached"
_OTHERWISE = "evidence says otherwise"


@dataclass(frozen=True, slots=True)
class Change:
    """One try that would be judged otherwise: `before` and `after` are protections, or `not used` for a host that
    nobody connects to; `reason` says why now.
    """

    id: str
    time: float
    destination: str
    host: str
    before: str
    after: str
    reason: str


@dataclass(slots=True)
class Replayed:
    """What came of it. `same` verdicts hold, of which `worded` are only explained in other words; `not_judged` tries
    hold nothing to judge (no host reached, carriers, recorded by an older danelaw), of `forgotten` ones the evidence is
    kept no more. `changes` are counted all in `kinds` (before, after) and listed up to `MOST_LISTED`.
    """

    same: int = 0
    worded: int = 0
    not_judged: int = 0
    forgotten: int = 0
    changed: int = 0
    changes: list[Change] = field(default_factory=list)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def tries(self) -> int:
        """All tries looked at."""
        return self.same + self.not_judged + self.forgotten + self.changed


def replay(
    directory: Path, since: float, anchors: TrustAnchors, negative: Sequence[NegativeTrustAnchor] = ()
) -> Replayed:
    """Judge all tries of a spool since `since` (POSIX seconds) again, with trust anchors and negative ones.

    Reads beside a running gateway, try by try, and remembers what many share only as far as memory is bounded. Raises
    `SpoolError`.
    """
    found = Replayed()
    for shard in database.shards(directory):
        with reading(directory, shard) as connection:
            judge = _Judge(connection, anchors, negative)
            for one in _since(connection, since):
                judge.again(one, since, found)
    return found


def _since(connection: sqlite3.Connection, since: float) -> Iterator[Recorded]:
    for table in day_tables(connection):
        if table >= day_table(since):
            yield from recorded_in(connection, table)


class _Blobs(Mapping[bytes, bytes]):
    """The evidence of a shard, of which the last pieces used stay in memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: OrderedDict[bytes, bytes] = OrderedDict()

    def __getitem__(self, digest: bytes) -> bytes:
        if digest in self._known:
            return self._known[digest]
        blob = evidence_blob(self._connection, digest)
        if blob is None:
            raise KeyError(digest)
        self._known[digest] = blob
        if len(self._known) > _BLOBS:
            self._known.popitem(last=False)
        return blob

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class _Judge:
    def __init__(
        self, connection: sqlite3.Connection, anchors: TrustAnchors, negative: Sequence[NegativeTrustAnchor]
    ) -> None:
        self._blobs = _Blobs(connection)
        self._anchors = anchors
        self._negative = negative
        self._bases: OrderedDict[bytes, Derived | Contradiction] = OrderedDict()

    def again(self, one: Recorded, since: float, found: Replayed) -> None:
        """Judge one try, and count what came of it."""
        try:
            attempt = Attempt.decode(one.record)
        except UnreadableAttempt:
            found.not_judged += 1
            return
        if attempt.time < since:
            return
        if not attempt.basis:
            found.not_judged += 1
            return
        before, (after, reason) = _before(attempt), self._after(attempt)
        if not after:
            found.forgotten += 1
        elif after == before:
            found.same += 1
            found.worded += bool(reason)
        else:
            found.changed += 1
            found.kinds[before, after] += 1
            if len(found.changes) < MOST_LISTED:
                name = id_to_text(one.message)
                found.changes.append(
                    Change(name, attempt.time, attempt.destination, attempt.host, before, after, reason)
                )

    def _after(self, attempt: Attempt) -> tuple[str, str]:
        """The verdict of today and its reason, empty for the same in the same words; no verdict without evidence."""
        try:
            return _verdict(judge_again(attempt, self._derived(attempt.basis), self._blobs))
        except Contradiction as error:
            return ("", error.reason) if error.kind is Kind.EVIDENCE else (_OTHERWISE, error.reason)

    def _derived(self, digest: bytes) -> Derived:
        if digest not in self._bases:
            blob = self._blobs.get(digest)
            try:
                if blob is None:
                    raise Contradiction(Kind.EVIDENCE, "its basis is kept no more")
                self._bases[digest] = derive(read_basis(blob), self._blobs, self._anchors, self._negative)
            except Contradiction as error:
                self._bases[digest] = error
            except FormError as error:
                self._bases[digest] = Contradiction(Kind.EVIDENCE, error.reason)
            if len(self._bases) > _BASES:
                self._bases.popitem(last=False)
        found = self._bases[digest]
        if isinstance(found, Contradiction):
            raise found
        return found


def _before(attempt: Attempt) -> str:
    if attempt.session:
        return attempt.protection
    if not attempt.host:
        return attempt.outcome
    # A host that was not to be used has the reason in its requirement; any other was to be connected to.
    return _NOT_USED if attempt.reason == attempt.requirement and not attempt.address else _NOT_REACHED


def _verdict(judged: Judged) -> tuple[str, str]:
    attempt = judged.attempt
    if judged.requirement is None:
        if judged.derived.undeliverable is not None:
            reason = judged.derived.undeliverable.reason
            return "returned", "" if reason == attempt.reason else reason
        error = judged.derived.error
        return ("waiting", "" if error == attempt.reason else error) if error else ("tried", "there is a host to try")
    wanted = judged.requirement
    worded = "" if wanted.reason == attempt.requirement else wanted.reason
    if judged.session is None or wanted.refusal is not None:
        return (_NOT_USED if wanted.refusal is not None else _NOT_REACHED), worded
    assert judged.judgement is not None
    reason = judged.judgement.reason
    return judged.judgement.protection.value, worded or ("" if _same(attempt, reason) else reason)


def _same(attempt: Attempt, reason: str) -> bool:
    return attempt.reason == reason or attempt.reason.startswith("the connection broke off")
