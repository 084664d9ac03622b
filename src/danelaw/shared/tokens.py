"""A leased rate: the process holds tokens, which the store counts as used at the last moment they may be used."""

from __future__ import annotations

from collections import OrderedDict

from danelaw.shared.errors import BadRequest
from danelaw.shared.exact import ExactRate, Teller
from danelaw.shared.interface import Taken
from danelaw.shared.leased import STALE_SECONDS
from danelaw.shared.window import SLOTS

TOKEN_SECONDS = 1.0
"""How long tokens may be used, where the span is not too short for it."""
_MOST_KEYS = 10_000
_MOST_TOKENS = 10_000


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
        if type(number) is not int or number < 1:
            raise BadRequest("a rate takes a whole number of events, 1 at least")
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
