"""Spaces that a process answers from what it holds, within stated bounds; here counters.

**Counter**: adds are kept here and told to the store within `FLUSH_SECONDS`; sums are at most `STALE_SECONDS` behind
the others'. A key used seldom is asked for each time. A process that is killed loses what it had not told.
**Rate**: the process holds tokens, which the store counts as used at the last moment they may be used; so there are
never more than the limit, and a little fewer when tokens lie where nobody uses them; they go back after a second
(`tokens`). **Set, value**: answers are remembered for the space's `fresh_for`; changes go to the store at once
(`remembered`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from danelaw.shared.errors import BadRequest, NoSuchSpace, SharedStateError
from danelaw.shared.exact import ExactCounter, Teller

FLUSH_SECONDS = 0.1
STALE_SECONDS = 0.2
_MOST_KEYS = 10_000


class _Share:
    """One key's part of a counter: the sum as the store told it, what is on the way there, and what is not yet."""

    __slots__ = ("asked_at", "by", "expires", "flying", "known", "prolong")

    def __init__(self, known: int, asked_at: float) -> None:
        self.known = known
        self.asked_at = asked_at
        self.by = 0
        self.flying = 0
        self.expires: float | None = None
        self.prolong = False

    @property
    def total(self) -> int:
        return self.known + self.flying + self.by


class LeasedCounter(ExactCounter):
    """`Counter`, leased."""

    __slots__ = ("_shares", "lost")

    def __init__(self, teller: Teller) -> None:
        super().__init__(teller)
        self._shares: OrderedDict[str, _Share] = OrderedDict()
        self.lost = 0

    @property
    def settled(self) -> bool:
        """Whether the store knows all."""
        return not any(share.by or share.flying for share in self._shares.values())

    async def add(self, key: str, by: int = 1, *, expires: float | None = None, prolong: bool = False) -> int:
        """Add here; give the sum as far as it is known."""
        share = self._fresh(key)
        if share is None:
            asked_at = self._teller.carrier.now()
            return self._learn(key, await super().add(key, by, expires=expires, prolong=prolong), asked_at)
        if type(by) is not int or not (expires is None or (type(expires) in (int, float) and expires > 0)):
            raise BadRequest("a counter takes whole numbers, and expires is seconds above zero")
        self._teller.local += 1
        share.by += by
        if prolong or not share.prolong:
            share.expires, share.prolong = expires, prolong
        return share.total

    async def get(self, key: str) -> int:
        """The sum as far as it is known."""
        share = self._fresh(key)
        if share is None:
            asked_at = self._teller.carrier.now()
            return self._learn(key, await super().get(key), asked_at)
        self._teller.local += 1
        return share.total

    async def clear(self, key: str) -> None:
        """Forget a key, and what was added here."""
        self._shares.pop(key, None)
        await super().clear(key)

    def flush(self) -> None:
        """Tell what was added, and forget keys nobody used lately."""
        now = self._teller.carrier.now()
        for key, share in tuple(self._shares.items()):
            if share.flying:
                continue
            if share.by:
                share.flying, share.by = share.by, 0
                told = self._told(key, share, now)
                try:
                    self._teller.say("add", key, share.flying, share.expires, share.prolong, done=told)
                except BadRequest as error:  # a sum too large for one add
                    told(error)
                share.prolong = False
            elif now - share.asked_at > STALE_SECONDS:
                del self._shares[key]

    def _fresh(self, key: str) -> _Share | None:
        share = self._shares.get(key)
        if share is None or self._teller.carrier.now() - share.asked_at > STALE_SECONDS:
            return None
        return share

    def _learn(self, key: str, total: int, asked_at: float) -> int:
        share = self._shares.get(key)
        if share is None:
            if len(self._shares) < _MOST_KEYS:
                self._shares[key] = _Share(total, asked_at)
            return total
        if not share.flying and asked_at >= share.asked_at:
            share.known, share.asked_at = total, asked_at
        return total + share.by

    def _told(self, key: str, share: _Share, asked_at: float) -> Callable[[Any], None]:
        def done(result: Any) -> None:
            told, share.flying = share.flying, 0
            if not isinstance(result, SharedStateError):
                share.known, share.asked_at = result, asked_at
            elif isinstance(result, NoSuchSpace):
                self._teller.forget()
                share.by += told
            else:
                # Told twice would be worse than lost: no answer may also mean that it was done.
                self.lost += told + share.by
                share.by = 0
                if self._shares.get(key) is share:
                    del self._shares[key]

        return done
