"""Look-ups that were made before: what DNS said then is compared, not worked through again.

A look-up is a function of the answers it is sent. So one that begins as an earlier one did, and is sent the very same
`Answer` objects (a resolver's cache gives them until they expire), asks the same questions and ends the same way.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from operator import is_
from typing import Generic, NamedTuple, TypeVar

from danelaw.dnsdata.answer import Answer
from danelaw.dnsdata.question import Lookup, Question

T = TypeVar("T")
MOST_ANSWERS = 12
"""Answers of one look-up that are kept: they stay in memory with all their evidence."""


class _Heard(NamedTuple):
    questions: tuple[Question, ...]
    answers: tuple[Answer, ...]


class Recollection(Generic[T]):
    """The ends of look-ups by a key, at most `most` of them; those not needed for the longest time go.

    `keeps` says of a result whether it depends on nothing but the key and the answers. Results are shared, so they must
    not change.
    """

    __slots__ = ("_keeps", "_known", "_most")

    def __init__(self, most: int, keeps: Callable[[T], bool] = lambda result: True) -> None:
        self._most = most
        self._keeps = keeps
        self._known: OrderedDict[Hashable, tuple[tuple[_Heard, ...], T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def recall(self, key: Hashable, begin: Callable[[], Lookup[T]]) -> Lookup[T]:
        """The look-up that `begin` gives, or its end without it when every answer is the one it had before."""
        known = self._known.get(key)
        said: list[_Heard] = []
        if known is not None:
            heard, result = known
            for before in heard:
                answers = yield before.questions
                said.append(_Heard(before.questions, answers))
                if not _same(answers, before.answers):
                    break
            else:
                self._known.move_to_end(key)
                return result
        result = yield from self._through(begin(), said)
        if self._keeps(result) and sum(len(one.answers) for one in said) <= MOST_ANSWERS:
            self._known[key] = (tuple(said), result)
            self._known.move_to_end(key)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        else:
            self._known.pop(key, None)
        return result

    def _through(self, lookup: Lookup[T], said: list[_Heard]) -> Lookup[T]:
        """To the end, first with what was said already; all that is said is added to that."""
        try:
            questions = next(lookup)
            for one in tuple(said):
                questions = lookup.send(one.answers)
            while True:
                answers = yield questions
                said.append(_Heard(questions, answers))
                questions = lookup.send(answers)
        except StopIteration as stop:
            result: T = stop.value
            return result


def _same(answers: tuple[Answer, ...], before: tuple[Answer, ...]) -> bool:
    return all(map(is_, answers, before))
