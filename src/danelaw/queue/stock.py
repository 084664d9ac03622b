"""What a gate has of permits: ready for its queues, in use by their deliveries, and asked of the broker."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from danelaw.queue.asking import Ask, Drop, Give, Grant, Name, Waits
from danelaw.queue.gate_state import GateState, Slots, Token
from danelaw.queue.permits import PermitKey

if TYPE_CHECKING:
    from danelaw.queue.direct import Permits

TURN = 0.5
"""Seconds a queue may use a permit again and again while others wait for it."""
_MOST_WANTED = 32


class Stock:
    """The permits of one gate. `ticks` is the monotonic clock; `keep` is for how many seconds slots stay with a queue
    that has nothing to send. `part` is called with the keys of which fewer are kept than before, before they go back.
    """

    def __init__(self, permits: Permits, ticks: Callable[[], float], keep: float) -> None:
        self.permits = permits
        self.ticks = ticks
        self.number = 0
        self.part: Callable[[tuple[PermitKey, ...]], None] = lambda keys: None
        self.kept: Counter[PermitKey] = Counter()
        self._keep = keep
        self._serial = 0
        self._asks: dict[Name, GateState] = {}
        self._slots: dict[int, tuple[Slots, GateState]] = {}
        self._timers: list[tuple[float, int, GateState]] = []

    def ready(
        self, state: GateState, wanted: tuple[PermitKey, ...], needed: tuple[PermitKey, ...], now: float
    ) -> tuple[Slots | None, Token | None]:
        """What there is for one delivery; a token may begin to count a moment later."""
        slots = token = None
        while wanted and state.slots and slots is None:
            slots = next((one for one in state.slots if now < one.until and one.covers(wanted)), None)
            if slots is None:
                # What goes back can make room for what was asked for: then that is here when this is done, and nobody
                # will tell of it again.
                for unfit in tuple(state.slots):
                    self.give_kept(state, unfit)
        if needed and state.tokens:
            while state.tokens and (state.tokens[0].until < now or not state.tokens[0].covers(needed)):
                state.tokens.popleft()
            token = state.tokens[0] if state.tokens else None
        return slots, token

    def ask(self, state: GateState, slots: tuple[PermitKey, ...], tokens: tuple[PermitKey, ...], room: int) -> None:
        """Ask the broker for what a queue lacks, in place of what was asked for it before."""
        if not slots and state.slots:
            room = min(room, len(state.slots))
        if state.ask is not None:
            if (state.ask.slots, state.ask.tokens) == (slots, tokens):
                return
            self.drop(state)
        ask = Ask(self.name(), state.group, slots, tokens, max(1, min(room, _MOST_WANTED)))
        state.ask, state.asked, state.why = ask, ask.wanted, None
        self._asks[ask.name] = state
        self.permits.say(ask)

    def drop(self, state: GateState) -> None:
        """A queue wants nothing more."""
        ask, state.ask = state.ask, None
        if ask is not None:
            del self._asks[ask.name]
            self.permits.say(Drop(ask.name))

    def made(self, news: Grant, ask: Ask, state: GateState, now: float) -> Slots:
        """The slots of a grant."""
        slots = Slots(news.number, ask.slots, now + TURN if news.turn else math.inf, news.turn, news.narrow)
        self._slots[news.number] = (slots, state)
        return slots

    def stays(self, state: GateState, slots: Slots, now: float) -> bool:
        """Whether the queue keeps what a delivery of it held."""
        return now < slots.until and (bool(state.queue.page) or not slots.turn) and slots.covers(state.allowance.slots)

    def keep_ready(self, state: GateState, slots: Slots, now: float) -> None:
        """Slots wait for the next use by their queue."""
        slots.lingers = min(slots.until, now + self._keep)
        state.slots.append(slots)
        self.kept.update(slots.keys)
        self.time(state, slots.lingers)

    def take_ready(self, state: GateState, slots: Slots) -> None:
        """They wait no longer."""
        state.slots.remove(slots)
        self.kept.subtract(slots.keys)
        for key in slots.keys:
            if not self.kept[key]:
                del self.kept[key]

    def give_kept(self, state: GateState, slots: Slots) -> None:
        """Slots that wait go back."""
        self.take_ready(state, slots)
        self.give(slots, None)

    def give(self, slots: Slots, good: bool | None) -> None:
        """Slots go back; `good` is how the other side took the last use."""
        del self._slots[slots.number]
        self.part(slots.keys)
        self.permits.say(Give(slots.number, good))

    def recalled(self, number: int) -> GateState | None:
        """Others wait for this permit. Gives the queue that loses what it had ready."""
        slots, state = self._slots.get(number, (None, None))
        if slots is None or state is None:
            return None
        slots.until = -math.inf
        if slots not in state.slots:
            return None
        self.give_kept(state, slots)
        return state

    def granted(self, news: Grant) -> GateState | None:
        """A permit has come. Gives the queue it is for; one that nobody wants any more goes back."""
        state = self._asks.get(news.name)
        if state is None or state.ask is None:
            if news.number:
                self.permits.say(Give(news.number))
            return None
        now, ask = self.ticks(), state.ask
        state.asked -= 1
        if not state.asked:
            del self._asks[news.name]
            state.ask = None
        if ask.slots:
            self.keep_ready(state, self.made(news, ask, state, now), now)
        if ask.tokens:
            state.tokens.append(Token(ask.tokens, news.at, news.until))
            self.time(state, news.at if news.at > now else news.until)
        return state

    def refused(self, news: Waits) -> None:
        """What a queue waits for, for people."""
        state = self._asks.get(news.name)
        if state is not None:
            state.why = news

    def passed(self, now: float) -> list[GateState]:
        """Queues for which something ready begins to count, or has just ceased to."""
        found = []
        while self._timers and self._timers[0][0] <= now:
            state = heapq.heappop(self._timers)[2]
            state.timer = math.inf
            for slots in [one for one in state.slots if one.lingers <= now]:
                self.give_kept(state, slots)
            if state.tokens:
                found.append(state)
            times = [one.lingers for one in state.slots]
            times += [one.at if one.at > now else one.until for one in state.tokens if one.until > now]
            if times:
                self.time(state, min(times))
        return found

    def next_time(self) -> float | None:
        """When `passed` will have something to do."""
        return self._timers[0][0] if self._timers else None

    def next(self) -> int:
        """A number not given before."""
        self._serial += 1
        return self._serial

    def name(self) -> Name:
        """A name not given before."""
        return self.number, self.next()

    def time(self, state: GateState, when: float) -> None:
        """Look at a queue then, if not before."""
        if when < state.timer:
            state.timer = when
            heapq.heappush(self._timers, (when, self.next(), state))
