"""Spaces that a process answers from what it holds, within stated bounds.

**Counter**: adds are kept here and told to the store within `FLUSH_SECONDS`; sums are at most `STALE_SECONDS` behind
the others'. A key used seldom is asked for each time. A process that is killed loses what it had not told.
**Rate**: the process holds tokens, which the store counts as used at the last moment they may be used; so there are
never more than the limit, and a little fewer when tokens lie where nobody uses them. They go back after
`TOKEN_SECONDS`. **Set, value**: answers are remembered for the space's `fresh_for`; changes go to the store at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from danelaw.shared.errors import NoSuchSpace, SharedStateError
from danelaw.shared.exact import ExactCounter, ExactRate, ExactSet, ExactValue, Teller, value_from_text
from danelaw.shared.interface import JSON, Taken
from danelaw.shared.window import SLOTS

FLUSH_SECONDS = 0.1
STALE_SECONDS = 0.2
TOKEN_SECONDS = 1.0
_MOST_KEYS = 10_000
_MOST_TOKENS = 10_000


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
        self._teller.local += 1
        share.by += by
        share.expires, share.prolong = expires, share.prolong or prolong
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
                self._teller.say(
                    "add", key, share.flying, share.expires, share.prolong, done=self._told(key, share, now)
                )
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


class _Tokens:
    """Tokens of one key, to be used until `until`, and how many are needed in such a time."""

    __slots__ = ("before", "coming", "left", "needed", "refused", "refused_until", "retry_at", "since", "slot", "until")

    def __init__(self, now: float) -> None:
        self.left = self.slot = self.coming = 0
        self.until = self.refused_until = self.retry_at = 0.0
        self.refused = 0
        self.needed = self.before = 0
        self.since = now

    def need(self, number: int, now: float, seconds: float) -> None:
        """So many more are needed."""
        if now - self.since >= seconds:
            self.before = self.needed if now - self.since < 2 * seconds else 0
            self.needed, self.since = 0, now
        self.needed += number

    def wanted(self, number: int) -> int:
        """How many to ask for when `number` are missing: what a time like the last one takes, and half again."""
        likely = max(self.needed, self.before)
        return max(number, min(_MOST_TOKENS, likely + likely // 2) - self.coming)


class LeasedRate(ExactRate):
    """`Rate`, leased."""

    __slots__ = ("_tokens",)

    def __init__(self, teller: Teller) -> None:
        super().__init__(teller)
        self._tokens: OrderedDict[tuple[str, int | None], _Tokens] = OrderedDict()

    async def take(self, key: str, number: int = 1, *, limit: int | None = None) -> Taken:
        """Use tokens held here, or ask for some."""
        now = self._teller.carrier.now()
        held = self._tokens.get((key, limit))
        if held is None:
            if len(self._tokens) >= _MOST_KEYS:
                self._give_back(*self._tokens.popitem(last=False))
            held = self._tokens[key, limit] = _Tokens(now)
        held.need(number, now, self._seconds)
        if held.left >= number and now < held.until:
            held.left -= number
            self._teller.local += 1
            return Taken(True, 0.0)
        if now < held.refused_until and number >= held.refused:
            self._teller.local += 1
            return Taken(False, held.retry_at - now)
        return await self._ask(key, number, limit, held)

    async def clear(self, key: str) -> None:
        """Forget the events of a key, and tokens held here."""
        for one in [one for one in self._tokens if one[0] == key]:
            del self._tokens[one]
        await super().clear(key)

    def flush(self) -> None:
        """Give back what was not used in time."""
        now = self._teller.carrier.now()
        for one, held in tuple(self._tokens.items()):
            if now >= held.until and now >= held.refused_until and not held.coming:
                self._give_back(one, held)
                if now - held.since > 2 * self._seconds:
                    del self._tokens[one]

    @property
    def _seconds(self) -> float:
        """How long tokens may be used."""
        return min(TOKEN_SECONDS, self._teller.space.span / SLOTS)

    async def _ask(self, key: str, number: int, limit: int | None, held: _Tokens) -> Taken:
        asked_at, seconds, wanted = self._teller.carrier.now(), self._seconds, held.wanted(number)
        held.coming += wanted
        try:
            got, retry_after, slot = await self._teller.ask("allot", key, number, wanted, limit, seconds)
        finally:
            held.coming -= wanted
        if not got:
            if retry_after is not None:
                held.retry_at = asked_at + retry_after
                held.refused_until, held.refused = min(held.retry_at, asked_at + STALE_SECONDS), number
            return Taken(False, retry_after)
        if slot != held.slot:
            self._give_back((key, limit), held)
        # Of those of one slot the first to end says when.
        held.until = min(held.until, asked_at + seconds) if held.left else asked_at + seconds
        held.left += got - number
        held.slot = slot
        return Taken(True, 0.0)

    def _give_back(self, one: tuple[str, int | None], held: _Tokens) -> None:
        left, held.left = held.left, 0
        if left:
            self._teller.say("unused", one[0], left, held.slot, done=lambda result: None)


class _Remembered:
    """Answers that are fresh enough, by key and member."""

    __slots__ = ("_answers", "_fresh_for")

    def __init__(self, fresh_for: float) -> None:
        self._answers: OrderedDict[tuple[str, str | None], tuple[Any, float]] = OrderedDict()
        self._fresh_for = fresh_for

    def get(self, key: str, member: str | None, now: float) -> tuple[Any, float] | None:
        found = self._answers.get((key, member))
        return found if found is not None and now - found[1] <= self._fresh_for else None

    def keep(self, key: str, member: str | None, answer: Any, asked_at: float) -> None:
        self._answers[key, member] = (answer, asked_at)
        self._answers.move_to_end((key, member))
        if len(self._answers) > _MOST_KEYS:
            self._answers.popitem(last=False)

    def drop(self, key: str, member: str | None = None) -> None:
        self._answers.pop((key, member), None)

    def drop_key(self, key: str) -> None:
        for one in [one for one in self._answers if one[0] == key]:
            del self._answers[one]


class LeasedSet(ExactSet):
    """`Set`, leased: `contains` is answered from memory; the rest is exact."""

    __slots__ = ("_seen",)

    def __init__(self, teller: Teller) -> None:
        super().__init__(teller)
        self._seen = _Remembered(teller.space.fresh_for)

    async def add(self, key: str, member: str, *, expires: float | None = None) -> bool:
        """True when it is new."""
        try:
            return await super().add(key, member, expires=expires)
        finally:
            self._seen.drop(key, member)  # an answer from before came first, whatever became of this

    async def remove(self, key: str, member: str) -> bool:
        """True when it was there."""
        try:
            return await super().remove(key, member)
        finally:
            self._seen.drop(key, member)

    async def contains(self, key: str, member: str) -> bool:
        """Whether it was there lately."""
        now = self._teller.carrier.now()
        seen = self._seen.get(key, member, now)
        if seen is not None:
            self._teller.local += 1
            return bool(seen[0])
        found = await super().contains(key, member)
        self._seen.keep(key, member, found, now)
        return found

    async def clear(self, key: str) -> None:
        """Remove all."""
        try:
            await super().clear(key)
        finally:
            self._seen.drop_key(key)


class LeasedValue(ExactValue):
    """`Value`, leased: `get` is answered from memory; the rest is exact."""

    __slots__ = ("_seen",)

    def __init__(self, teller: Teller) -> None:
        super().__init__(teller)
        self._seen = _Remembered(teller.space.fresh_for)

    async def get(self, key: str, default: JSON = None) -> JSON:
        """What was there lately."""
        now = self._teller.carrier.now()
        seen = self._seen.get(key, None, now)
        if seen is None:
            seen = (await self._teller.ask("read", key), now)
            self._seen.keep(key, None, *seen)
        else:
            self._teller.local += 1
        return value_from_text(seen[0], default)

    async def put(self, key: str, value: JSON, *, expires: float | None = None) -> None:
        """Put it there."""
        try:
            await super().put(key, value, expires=expires)
        finally:
            self._seen.drop(key)

    async def compare_and_set(self, key: str, expected: JSON, value: JSON, *, expires: float | None = None) -> bool:
        """Put it in place of what is expected only."""
        try:
            return await super().compare_and_set(key, expected, value, expires=expires)
        finally:
            self._seen.drop(key)

    async def clear(self, key: str) -> None:
        """Forget a key."""
        try:
            await super().clear(key)
        finally:
            self._seen.drop(key)
