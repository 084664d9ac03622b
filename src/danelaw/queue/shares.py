"""A number that several parties divide by demand, and never exceed: the slots of `[delivery]` over shards. Pure.

Each party says what it could use and what it may be using; it is told a share. A party keeps what it was told until it
has said that it uses less: so one shrinks, and says so, before another grows. Whoever is dead is asked nothing: `leave`
frees what it had.

What is wanted is divided max-min fair: nobody gets more while another who wants it has less. What nobody wants is
divided equally and may be used without a word, so that shares are spoken of when demand moves, never per message. Where
there is less than one for each, parties take turns.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

P = TypeVar("P", bound=Hashable)
TURN = 0.5
"""Seconds a party may use its share when there is not one for everybody."""
RESERVE = 0.04
"""The part of the total that is kept for parties without demand, so that their first mail need not wait."""


class Told(NamedTuple, Generic[P]):
    """Tell `party` its share. It says `order` when it says what it uses, so that it is known what it had heard."""

    party: P
    order: int
    share: int


@dataclass(slots=True)
class _Account:
    wanted: int = 0
    using: int = 0
    told: int = 0
    order: int = 0
    unheard: list[tuple[int, int]] = field(default_factory=list)
    since: float = -math.inf  # the time at which it last got anything, or lost all

    @property
    def held(self) -> int:
        """The most that may be in use now."""
        return max(self.using, *(share for _, share in self.unheard)) if self.unheard else self.using


class Shares(Generic[P]):
    """The shares of `total`. While `closed` nobody gets more: parties of another ledger may still be at work. Times are
    seconds of one clock that never goes back; call `settle` four times a second, and when something happened.
    """

    def __init__(self, total: int, *, reserve: float = RESERVE, least: int = 0) -> None:
        """`reserve` of the total is kept for those without demand, or `least` for each of them, if there is so much."""
        self.total = total
        self.closed = False
        self._reserve, self._least = reserve, least
        self._accounts: dict[P, _Account] = {}  # in the order of turns

    def __contains__(self, party: P) -> bool:
        return party in self._accounts

    # what happens

    def join(self, party: P) -> None:
        """One more party, that uses nothing before it is told to; no effect for one that is known."""
        if party not in self._accounts:
            self._accounts[party] = _Account()

    def leave(self, party: P) -> None:
        """A party uses nothing, and never will: it is dead, or has let go."""
        self._accounts.pop(party, None)

    def hear(self, party: P, order: int, wanted: int, using: int) -> None:
        """A party had heard this order, could use so many, and is using, or free to use, so many."""
        account = self._accounts.get(party)
        if account is None:
            return
        account.wanted, account.using = max(0, wanted), max(0, using)
        account.unheard = [one for one in account.unheard if one[0] > order]

    def settle(self, now: float) -> list[Told[P]]:
        """Divide anew; gives what to tell, in this order."""
        if not self._accounts:
            return []
        self._take_turns(now)
        accounts = list(self._accounts.items())
        needed = divided(self.total, self._wishes())
        aims = [
            need + more for need, more in zip(needed, equally(self.total - sum(needed), len(accounts)), strict=True)
        ]
        if not self._is_due(needed, aims):
            return []
        told = [
            self._tell(party, account, aim, now)
            for (party, account), aim in zip(accounts, aims, strict=True)
            if aim < account.told
        ]
        if self.closed:
            return told
        free = self.total - self.held
        # Who lacks what it needs comes before who would get what nobody needs.
        for goals in (needed, aims):
            for place in sorted(range(len(accounts)), key=lambda one: accounts[one][1].told):
                party, account = accounts[place]
                share = min(goals[place], account.held + max(0, free))
                if share > account.told:
                    before = account.held
                    told.append(self._tell(party, account, share, now))
                    free -= account.held - before
                if account.told < goals[place]:
                    # What others gave up and still use is for this one, and not theirs again.
                    return told
        return told

    # looking

    @property
    def held(self) -> int:
        """What all together may be using now; above the total only after that was lowered."""
        return sum(account.held for account in self._accounts.values())

    def of(self, party: P) -> int:
        """What a party may be using now."""
        account = self._accounts.get(party)
        return 0 if account is None else account.held

    def parties(self) -> tuple[P, ...]:
        """Who is known."""
        return tuple(self._accounts)

    def state(self) -> list[list[Any]]:
        """Everything, as JSON has it, for the ledger that follows."""
        return [[party, one.wanted, one.held, one.told, one.order] for party, one in self._accounts.items()]

    def restore(self, state: Iterable[tuple[P, int, int, int, int]]) -> None:
        """What `state` gave, parties made of what JSON made of them."""
        for party, wanted, held, told, order in state:
            self._accounts[party] = _Account(wanted, told=told, order=order, unheard=[(order, held)])

    # inside

    def _wishes(self) -> list[int]:
        accounts = self._accounts.values()
        least = max(int(self.total * self._reserve), min(self.total, self._least * len(accounts))) // len(accounts)
        return [max(account.wanted, least) for account in accounts]

    def _take_turns(self, now: float) -> None:
        """Where there is not one for everybody: who has a turn first, then who waits, the longest first."""
        if sum(account.wanted > 0 for account in self._accounts.values()) <= self.total:
            return

        def place(item: tuple[P, _Account]) -> tuple[int, float]:
            account = item[1]
            if not account.told:
                return 1, account.since
            return (0 if now - account.since < TURN else 2), account.since

        self._accounts = dict(sorted(self._accounts.items(), key=place))

    def _is_due(self, needed: Sequence[int], aims: Sequence[int]) -> bool:
        """Whether somebody lacks something: else all may stay as it is, and nobody is told anything."""
        if self.held > self.total:
            return True
        return any(
            account.told < need or account.told < (aim + 1) // 2
            for account, need, aim in zip(self._accounts.values(), needed, aims, strict=True)
        )

    def _tell(self, party: P, account: _Account, share: int, now: float) -> Told[P]:
        if bool(share) is not bool(account.told):
            account.since = now
        account.order += 1
        account.told = share
        account.unheard.append((account.order, share))
        return Told(party, account.order, share)


def divided(total: int, wanted: Sequence[int]) -> list[int]:
    """Max-min fair: as many as wanted, and where that is too much, nobody more than another that wants it. Of what
    cannot be divided the first get one more.
    """
    given = [0] * len(wanted)
    left = max(0, total)
    open_ = [place for place, want in enumerate(wanted) if want > 0]
    while open_ and left:
        each = left // len(open_)
        if not each:
            for place in open_[:left]:
                given[place] += 1
            break
        for place in open_:
            more = min(each, wanted[place] - given[place])
            given[place] += more
            left -= more
        open_ = [place for place in open_ if given[place] < wanted[place]]
    return given


def equally(total: int, parts: int) -> list[int]:
    """So many parts, as equal as whole numbers can be."""
    each, more = divmod(max(0, total), parts)
    return [each + (place < more) for place in range(parts)]
