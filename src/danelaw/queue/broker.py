"""The broker of permits: one for a whole gateway, whatever the number of its workers. Pure.

It keeps the ledger and, for each key without room, the line of requests that wait for it: first come, first served, and
nobody overtakes. A request has a permit of all its keys or of none; while it lacks one it waits in the line of the
first key without room, and holds nothing. When room comes, the head of the line is granted its permit and told:
nobody asks twice, and no room lies idle while somebody waits for it. Who wants several gets one at a time, in turns.

A permit that nobody else wants stays with its queue from message to message, and with the connection that is kept for
it; the first who must wait calls it back. While others wait, it stays for one turn. So a busy queue costs no words per
message, and no place is lost to one who does not use it.

Permits belong to a *holder*, which is a worker, until it gives them back or is dead. A broken line to a worker gives
nobody room: only its death does.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from danelaw.queue.asking import Ask, Drop, Give, Grant, Heard, Name, News, Recall, Waits, Word
from danelaw.queue.permits import Ceiling, PermitKey, PermitLedger, Refused

AHEAD = 0.02
"""How long before its time a token is told of, so that it can be used in time in another process."""
FOR_EVER = 1e18


@dataclass(slots=True, eq=False)
class _Request:
    holder: str
    ask: Ask
    wanted: int
    parked_on: PermitKey | None = None
    told: PermitKey | None = None

    @property
    def keys(self) -> tuple[PermitKey, ...]:
        return self.ask.slots + self.ask.tokens


@dataclass(slots=True, eq=False)
class _Permit:
    number: int
    holder: str
    group: Name
    slots: tuple[PermitKey, ...]
    serial: int


class PermitBroker:
    """All permits and all who wait. `ceiling` says what a key allows; times are monotonic seconds.

    `timers` is empty while time lets nobody in. While `closed`, requests wait and nothing is granted: workers of
    another broker may still be at work.
    """

    def __init__(self, ceiling: Callable[[PermitKey], Ceiling], *, ahead: float = AHEAD) -> None:
        self.ceiling = ceiling
        self.ledger = PermitLedger(lambda key: self.ceiling(key))
        self.closed = False
        self._ahead = ahead
        self._number = 0
        self._permits: dict[int, _Permit] = {}
        self._requests: dict[tuple[str, Name], _Request] = {}
        self._lines: dict[PermitKey, OrderedDict[tuple[str, Name], _Request]] = {}
        self._kept: dict[PermitKey, dict[int, _Permit]] = {}
        self._stirred: dict[PermitKey, None] = {}
        self.timers: list[tuple[float, PermitKey]] = []
        self._timed: dict[PermitKey, float] = {}
        self._news: dict[str, list[News]] = {}

    # what holders say

    def hear(self, holder: str, words: Iterable[Word], now: float) -> None:
        """Do as a holder says; what it and others are to be told is in `news`."""
        for word in words:
            match word:
                case Ask():
                    self._ask(_Request(holder, word, word.wanted), now)
                case Drop(name):
                    self._withdraw(holder, name)
                case Give(number, good):
                    self._give(holder, number, good, now)
                case Heard(number, good):
                    permit = self._permits.get(number)
                    if permit is not None and permit.holder == holder:
                        self._answered(permit, good)
        self._serve(now)

    def forget(self, holder: str, now: float) -> None:
        """A holder is dead: what it held is free, what it asked for is void."""
        for request in [one for one in self._requests.values() if one.holder == holder]:
            self._withdraw(holder, request.ask.name)
        for permit in [one for one in self._permits.values() if one.holder == holder]:
            self._give(holder, permit.number, None, now)
        self._news.pop(holder, None)
        self._serve(now)

    def news(self) -> dict[str, list[News]]:
        """What to tell whom since the last call."""
        news, self._news = self._news, {}
        return news

    # what time and the operator do

    def look(self, now: float) -> None:
        """Serve those whom time alone lets in."""
        while self.timers and self.timers[0][0] <= now:
            _, key = heapq.heappop(self.timers)
            self._timed.pop(key, None)
            self._stirred[key] = None
        self._serve(now)

    def next_look(self) -> float | None:
        """When to `look` if nothing else happens; None when only a release lets anybody in."""
        while self.timers and self.timers[0][1] not in self._lines:
            self._timed.pop(heapq.heappop(self.timers)[1], None)
        return self.timers[0][0] if self.timers else None

    def renew(self, ceiling: Callable[[PermitKey], Ceiling], now: float) -> None:
        """Other limits hold from now on, for what is held too: of a key with less room nothing is granted until enough
        has come back.
        """
        self.ceiling = ceiling
        for key in [one for one in self._kept if self.ledger.in_use(one) > self.ledger.allowed(one)]:
            self._recall(key)
        self.stir(now)

    def stir(self, now: float) -> None:
        """Look at every line again."""
        self.timers.clear()
        self._timed.clear()
        self._stirred.update(dict.fromkeys(self._lines))
        self._serve(now)

    # handing on, and looking

    @property
    def held(self) -> int:
        """Permits out now."""
        return len(self._permits)

    @property
    def waiting(self) -> int:
        """Requests in line."""
        return len(self._requests)

    def state(self) -> dict[str, Any]:
        """Everything, as JSON has it, for the broker of the program that follows in this process."""
        return {
            "number": self._number,
            "permits": [[one.number, one.holder, one.group, one.slots] for one in self._permits.values()],
            "requests": [[one.holder, one.ask, one.wanted] for one in self._requests.values()],
            "used": self.ledger.used(),
        }

    def restore(self, state: dict[str, Any], now: float) -> None:
        """What `state` gave; to be called on a new broker."""
        for key, full_at, window in state["used"]:
            self.ledger.restore(_key(key), full_at, window)
        for number, holder, group, slots in state["permits"]:
            keys = tuple(map(_key, slots))
            serial = self.ledger.hold(number, keys)
            self._hold(_Permit(number, holder, (group[0], group[1]), keys, serial), turn=False)
        self._number = state["number"]
        for holder, (name, group, slots, tokens, _, wait), wanted in state["requests"]:
            ask = Ask(tuple(name), tuple(group), tuple(map(_key, slots)), tuple(map(_key, tokens)), wanted, wait)
            self._ask(_Request(holder, ask, wanted), now)
        self._serve(now)

    # inside

    def _ask(self, request: _Request, now: float) -> None:
        self._withdraw(request.holder, request.ask.name)
        if request.ask.wait:
            self._requests[request.holder, request.ask.name] = request
        self._place(request, now, overtakes=False)

    def _place(self, request: _Request, now: float, *, overtakes: bool) -> None:
        """Grant what is wanted, or put it in line. Who was at the head of a line is not sent to the end of another
        that has room: two lines could send their heads to each other.
        """
        ahead = self._ahead if request.ask.wait else 0.0
        while request.wanted > 0:
            key = None if overtakes else self._line(request)
            if key is None:
                self._number += 1
                answer = self.ledger.acquire(self._number, request.keys, now, ahead)
                if not isinstance(answer, Refused):
                    self._granted(request, answer.serial, answer.at)
                    overtakes = False
                    continue
                key, retry_at = answer.key, answer.retry_at
            else:
                retry_at = None
            self._refused(request, key, retry_at, now)
            return
        self._requests.pop((request.holder, request.ask.name), None)

    def _line(self, request: _Request) -> PermitKey | None:
        """The first key others wait for."""
        return request.keys[0] if self.closed else next((key for key in request.keys if key in self._lines), None)

    def _granted(self, request: _Request, serial: int, at: float) -> None:
        request.wanted -= 1
        ask, number = request.ask, self._number
        graces = [rate.grace for key in ask.tokens if (rate := self.ceiling(key).rate) is not None]
        turn = any(key in self._lines for key in ask.slots)
        if ask.slots:
            self._hold(_Permit(number, request.holder, ask.group, ask.slots, serial), turn=turn)
        if ask.tokens:
            self.ledger.release(number, ask.tokens, at)
        narrow = any(self.ledger.narrow(key) for key in ask.slots)
        until = at + min(graces, default=math.inf) if graces else FOR_EVER
        self._tell(request.holder, Grant(ask.name, number if ask.slots else 0, at, until, turn, narrow))

    def _hold(self, permit: _Permit, *, turn: bool) -> None:
        self._permits[permit.number] = permit
        if not turn:
            for key in permit.slots:
                self._kept.setdefault(key, {})[permit.number] = permit

    def _refused(self, request: _Request, key: PermitKey, retry_at: float | None, now: float) -> None:
        if request.told != key:
            request.told = key
            allowed = self.ledger.allowed(key)
            self._tell(
                request.holder, Waits(request.ask.name, key, 0 if allowed == math.inf else int(allowed), retry_at)
            )
        if not request.ask.wait:
            return
        request.parked_on = key
        self._lines.setdefault(key, OrderedDict())[request.holder, request.ask.name] = request
        self._stirred[key] = None
        self._recall(key, request.holder, request.ask.group)

    def _recall(self, key: PermitKey, holder: str = "", group: Name = (0, 0)) -> None:
        """Call back what is kept of a key somebody waits for, except what his own queue keeps."""
        for permit in list(self._kept.get(key, {}).values()):
            if (permit.holder, permit.group) != (holder, group):
                self._unkeep(permit)
                self._tell(permit.holder, Recall(permit.group[0], permit.number))

    def _unkeep(self, permit: _Permit) -> None:
        for key in permit.slots:
            kept = self._kept.get(key, {})
            if kept.pop(permit.number, None) is not None and not kept:
                del self._kept[key]

    def _give(self, holder: str, number: int, good: bool | None, now: float) -> None:
        permit = self._permits.get(number)
        if permit is None or permit.holder != holder:
            return
        del self._permits[number]
        self._unkeep(permit)
        if good is not None:
            self._answered(permit, good)
        self.ledger.release(number, permit.slots, now)
        self._stirred.update(dict.fromkeys(permit.slots))

    def _answered(self, permit: _Permit, good: bool) -> None:
        wider = self.ledger.answered(permit.slots, permit.serial, good=good)
        self._stirred.update(dict.fromkeys(wider))
        for key in permit.slots if not good else ():
            if self.ledger.in_use(key) > self.ledger.allowed(key):
                self._recall(key)

    def _withdraw(self, holder: str, name: Name) -> None:
        request = self._requests.pop((holder, name), None)
        if request is not None:
            self._unpark(request)

    def _unpark(self, request: _Request) -> None:
        key, request.parked_on = request.parked_on, None
        if key is not None:
            line = self._lines[key]
            del line[request.holder, request.ask.name]
            if not line:
                del self._lines[key]
            else:
                self._stirred[key] = None

    def _serve(self, now: float) -> None:
        if self.closed:
            return
        while self._stirred:
            key = next(iter(self._stirred))
            del self._stirred[key]
            while key in self._lines:
                if not self.ledger.free(key, now, self._ahead):
                    self._time(key, now)
                    break
                request = next(iter(self._lines[key].values()))
                self._unpark(request)
                self._place(request, now, overtakes=True)

    def _time(self, key: PermitKey, now: float) -> None:
        """Where time makes room for those who wait, look again shortly before."""
        room = self.ledger.room_at(key, now)
        when = math.inf if room is None else room - self._ahead * 0.75
        if when < self._timed.get(key, math.inf):
            self._timed[key] = when
            heapq.heappush(self.timers, (when, key))

    def _tell(self, holder: str, news: News) -> None:
        self._news.setdefault(holder, []).append(news)


def _key(value: Any) -> PermitKey:
    rule, kind, subject = value
    return PermitKey(rule, kind, tuple(subject))
