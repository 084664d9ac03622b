"""The gate between the scheduler and the permits: which queue may start a delivery, and what it waits for.

A queue under limits needs *slots*, held while a connection is used and while it is kept, and *tokens* of rates, spent
with each message. It asks the broker for what it lacks and waits; what is granted wakes it. After a delivery that went
well the slots stay with the queue for its next message, and with its idle connection, until the broker calls them back
or their turn is over: so the broker is asked once per turn, not once per message. A queue without limits never asks.

The gate is pure and the same whether the broker answers at once (`danelaw.queue.direct`) or over a line.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from danelaw.queue.asking import Ask, Give, Grant, Heard, Name, News, Recall, Waits
from danelaw.queue.direct import DirectPermits
from danelaw.queue.gate_state import NOTHING, GateState, Held, Question, Waiting, reason
from danelaw.queue.limits import USE, Allowance, Limits, subject_of
from danelaw.queue.pages import HostVerdict, VirtualQueue
from danelaw.queue.permits import PermitKey, Refused
from danelaw.queue.stock import Stock
from danelaw.queue.suspended import SUSPENSION, Suspended
from danelaw.queue.values import RoutingKey

if TYPE_CHECKING:
    from danelaw.queue.direct import Permits
    from danelaw.queue.suspensions import Suspension

_LOOKED_AT = 10_000
_MOST_TRIES = 3


class Gate:
    """All limits of one shard. `ticks` is the monotonic clock, `clock` gives POSIX seconds, `site_of` the site of a
    host; `keep` is for how long slots stay with a queue that has nothing to send.

    `stirred` is called when a queue may go on, `part` of the `stock` with the keys of which fewer slots are kept than
    before: no more idle connections may count for them than `kept` says.
    """

    def __init__(
        self,
        limits: Limits,
        ticks: Callable[[], float],
        clock: Callable[[], float],
        site_of: Callable[[str], str],
        permits: Permits | None = None,
        *,
        keep: float = 10.0,
    ) -> None:
        self.limits = limits
        self.ticks = ticks
        self.clock = clock
        self.site_of = site_of
        self.permits = permits or DirectPermits(lambda key: limits.ceiling(key, clock()), ticks)
        self.stirred: Callable[[], None] = lambda: None
        self.suspended: Suspended[GateState] = Suspended(ticks, clock)
        self.stock = Stock(self.permits, ticks, keep)
        self.stock.number = self.permits.join(self)
        self._states: dict[RoutingKey, GateState] = {}
        self._questions: dict[Name, Question] = {}
        self._held: dict[int, Held] = {}
        self._waiting: dict[RoutingKey, GateState] = {}
        self._woken: list[GateState] = []
        self._learned: dict[RoutingKey, str] = {}
        self._limits_any = False  # until a queue is known that a limit names, nothing need be looked at

    # the scheduler asks

    def admits(self, queue: VirtualQueue, holder: int, cap: int) -> bool:
        """True when the queue may start a delivery called `holder` now; otherwise it waits until it is woken. `cap` is
        how many at once the scheduler lets it have.
        """
        state = self._states.get(queue.key)
        if state is None or state.queue is not queue or state.version != self.suspended.version:
            state = self._state(queue)
        if state.free:
            return True
        now = self.ticks()
        if not self._passes(state):
            return False
        wanted, needed = state.needs
        slots, token = self.stock.ready(state, wanted, needed, now)
        if (wanted and slots is None) or (needed and token is None):
            room = min(len(queue.page), queue.limit(cap) - queue.in_flight)
            self.stock.ask(state, () if slots else wanted, () if token else needed, room)
            now = self.ticks()
            slots, token = self.stock.ready(state, wanted, needed, now)
        if (wanted and slots is None) or (needed and (token is None or token.at > now)):
            self._wait(state)
            return False
        held = Held(state, tokens=set(needed), suspended=state.suspended)
        if state.suspended:
            held.serial = getattr(self.suspended.take(holder, state.suspended), "serial", 0)
        if slots is not None:
            self.stock.take_ready(state, slots)
            held.slots.append(slots)
        if token is not None:
            state.tokens.remove(token)
            held.until = token.until
        if state.besides is not NOTHING:
            state.besides, state.version = NOTHING, -1
        state.woken_by = None
        self._held[holder] = held
        return True

    def recipients(self, queue: VirtualQueue) -> int | None:
        """How many recipients one transaction of a queue that was admitted may have; None for any number."""
        return self._states[queue.key].allowance.recipients

    def waits(self, queue: VirtualQueue) -> bool:
        """True while the queue waits for something."""
        state = self._states.get(queue.key)
        return state is not None and state.waits

    def left(self, queue: VirtualQueue) -> None:
        """The queue has nothing to send, or may not: it wants nothing, and others may go instead."""
        state = self._states.get(queue.key)
        if state is None or state.free:
            return
        self._wake(state)
        self.stock.drop(state)
        if state.woken_by is not None:
            self.suspended.stir(state.woken_by)
            state.woken_by = None
        for slots in [one for one in state.slots if one.turn]:
            self.stock.give_kept(state, slots)

    def forget(self, key: RoutingKey) -> None:
        """The queue is evicted from memory."""
        state = self._states.pop(key, None)
        if state is not None:
            self._clear(state)

    def close(self) -> None:
        """The shard is let go: everything goes back."""
        for state in self._states.values():
            self._clear(state)
        for held in self._held.values():
            for slots in held.slots:
                self.stock.give(slots, None)
        self._held.clear()
        self.cut_off()
        self.permits.leave(self.stock.number)

    def woken(self) -> list[VirtualQueue]:
        """Queues that may ask again; call it until it gives none."""
        if not self._limits_any:
            return []
        self.permits.look()
        for state in self.stock.passed(self.ticks()):
            if state.waits and state.parked_on is None:
                self._go_on(state)
        for key, state in self.suspended.woken():
            state.parked_on, state.woken_by = None, key
            self._go_on(state)
        woken, self._woken = self._woken, []
        return [state.queue for state in woken]

    def next_wakeup(self) -> float | None:
        """Seconds until time alone wakes somebody; None when nothing but news does."""
        if not self._limits_any:
            return None
        times = [self.permits.look(), self.suspended.next_wakeup(), self.stock.next_time()]
        when = min((one for one in times if one is not None), default=None)
        return None if when is None else 0.0 if self._woken else max(0.0, when - self.ticks())

    # a delivery goes on

    def connect(
        self, holder: int, key: RoutingKey, mx: str, remote: str, local: str, *, new: bool, ask: bool = True
    ) -> Allowance | Refused | Question:
        """Before a host is used: the permits of the limits that name it, `new` for those of a new connection too.

        When refused, nothing may be sent: give the delivery back with `Scheduler.postponed`. A question is answered
        soon; until then nothing may be sent either. Without `ask` it is refused instead of being put.
        """
        state = self._states[key]
        if state.cleared == (mx, remote, local) and state.version == self.suspended.version:
            return state.allowance
        subject = state.subject
        if (subject.mx, subject.remote, subject.local) != (mx, remote, local):
            site = self.site_of(mx)
            if site != subject.site:
                self._learned[key] = site
            state.subject, state.version = subject._replace(site=site, mx=mx, remote=remote, local=local), -1
        if state.version != self.suspended.version:
            self._resolve(state)
        allowance = state.allowance
        state.cleared = (mx, remote, local) if state.free and not allowance.connect else None
        if state.cleared is not None:
            return allowance
        held = self._held.setdefault(holder, Held(state))
        if state.suspended and not held.suspended:
            taken = self.suspended.take(holder, state.suspended)
            if isinstance(taken, Refused):
                return taken
            held.suspended, held.serial = state.suspended, taken.serial
        if held.until < self.ticks():
            held.tokens.clear()
        has = held.keys
        slots = tuple(one for one in allowance.slots if one not in has)
        tokens = tuple(one for one in allowance.tokens if one not in held.tokens)
        if new:
            tokens += tuple(one for one in allowance.connect if one not in held.tokens)
            held.tokens.difference_update(allowance.connect)
        if not slots and not tokens:
            return allowance
        if not ask:
            return Refused((slots or tokens)[0], None)
        question = Question(holder, Ask(self.stock.name(), state.group, slots, tokens, wait=False), allowance)
        self._put(question)
        return question if question.answer is None else question.answer

    def allowance(self, key: RoutingKey) -> Allowance:
        """What deliveries of a queue to the host chosen last need."""
        return self._states[key].allowance

    def learned(self) -> dict[RoutingKey, str]:
        """Queues whose MX site became known since the last call, to be stored for filters."""
        learned, self._learned = self._learned, {}
        return learned

    def finished(self, holder: int, verdict: HostVerdict) -> None:
        """A delivery is over: its slots go back or stay, and adaptive limits learn from how the host took it."""
        if holder not in self._held:
            return
        # A host that takes no connection (421 in place of a greeting) also says that it is too much.
        good = None if verdict is HostVerdict.UNKNOWN else verdict is HostVerdict.GOOD
        self._finish(holder, good, keeps=bool(good))

    def _finish(self, holder: int, good: bool | None, *, keeps: bool = False) -> None:
        held = self._held.pop(holder, None)
        if held is None:
            return
        state = held.state
        if held.suspended:
            self.suspended.done(holder, held.suspended, held.serial, good)
        now, known = self.ticks(), self._states.get(state.queue.key) is state
        for slots in held.slots:
            if keeps and known and self.stock.stays(state, slots, now):
                if slots.narrow and good:
                    self.permits.say(Heard(slots.number, True))
                self.stock.keep_ready(state, slots, now)
            else:
                self.stock.give(slots, good)
        if state.slots and state.parked_on is None:
            if state.ask is not None and state.ask.slots and state.ask.tokens:
                self.stock.drop(state)  # it has the slots now, and lacks only tokens
            self._wake(state)

    def postponed(self, queue: VirtualQueue, holder: int, refused: Refused) -> None:
        """A delivery was refused on its way: it gives back what it holds, and its queue waits for all of it at once."""
        held = self._held.get(holder)
        state = self._state(queue)
        if held is not None and refused.key.rule != SUSPENSION:
            connect = tuple(one for one in state.allowance.connect if one == refused.key)
            state.besides, state.free = Allowance(slots=tuple(sorted(held.keys)), tokens=connect), False
            # With only tokens lacking, its connection is kept for them, and so are its slots.
            self._finish(holder, None, keeps=refused.key.kind != USE)
        else:
            self._finish(holder, None)

    def give_up(self, question: Question) -> None:
        """Nobody waits for its answer any more."""
        self._questions.pop(question.ask.name, None)

    # news

    def cut_off(self) -> None:
        """No more news will come: deliveries that wait for an answer end, and their mail waits."""
        questions, self._questions = self._questions, {}
        for question in questions.values():
            question.answer = question.refusal
            question.answered()

    def hear(self, news: News) -> None:
        """What the broker says."""
        if isinstance(news, Recall):
            state = self.stock.recalled(news.number)
            if state is not None and state.waits and state.parked_on is None and not state.slots:
                self._go_on(state)  # it waits for tokens only, and has to ask for slots again
            return
        question = self._questions.pop(news.name, None)
        if question is not None:
            self._answer(question, news)
            return
        if isinstance(news, Waits):
            self.stock.refused(news)
            return
        state = self.stock.granted(news)
        if state is not None and state.waits:
            self._go_on(state)

    def matching(self, suspension: Suspension) -> int:
        """How many of the queues known now it names, looked at no further than an act may take."""
        known = islice(self._states.values(), _LOOKED_AT)
        return sum(suspension.names(state.queue.key, state.subject.site) for state in known)

    # people look

    def kept(self, key: PermitKey) -> int:
        """Slots of this key that wait for their next use: as many idle connections may there be."""
        return self.stock.kept[key]

    def waiting(self) -> list[Waiting]:
        """Every queue that waits here, and for what."""
        found = [Waiting(key, self.suspended.reason(name)) for key, name in self.suspended.waiting()]
        now = self.clock()
        return found + [
            Waiting(key, reason(one.why, lambda name: self.limits.ceiling(name, now)))
            for key, one in self._waiting.items()
            if one.parked_on is None
        ]

    # inside: queues

    def _state(self, queue: VirtualQueue) -> GateState:
        state = self._states.get(queue.key)
        if state is None or state.queue is not queue:
            if state is not None:
                self._clear(state)
            state = self._states[queue.key] = GateState(queue, subject_of(queue.key), self.stock.name())
        if state.version != self.suspended.version:
            self._resolve(state)
        return state

    def _resolve(self, state: GateState) -> None:
        state.version = self.suspended.version
        allowance = state.allowance = self.limits.of(state.subject)
        state.suspended = self.suspended.keys(state.queue.key, state.subject.site)
        state.free = not (allowance.slots or allowance.tokens or state.suspended) and state.besides is NOTHING
        self._limits_any |= not state.free or bool(allowance.connect)

    def _passes(self, state: GateState) -> bool:
        """Whether no suspension stops the queue; otherwise it waits for its end."""
        key = self.suspended.closed(state.suspended)
        if key is None:
            return True
        self.left(state.queue)
        state.parked_on = key
        self.suspended.park(key, state.queue.key, state)
        self._wait(state)
        return False

    def _wait(self, state: GateState) -> None:
        state.waits = True
        self._waiting[state.queue.key] = state

    def _wake(self, state: GateState) -> None:
        state.waits = False
        self._waiting.pop(state.queue.key, None)
        key, state.parked_on = state.parked_on, None
        if key is not None:
            self.suspended.unpark(key, state.queue.key)

    def _go_on(self, state: GateState) -> None:
        self._wake(state)
        self._woken.append(state)
        self.stirred()

    def _clear(self, state: GateState) -> None:
        self._wake(state)
        self.stock.drop(state)
        for slots in tuple(state.slots):
            self.stock.give_kept(state, slots)
        state.tokens.clear()

    # inside: questions

    def _put(self, question: Question) -> None:
        self._questions[question.ask.name] = question
        self.permits.say(question.ask)

    def _answer(self, question: Question, news: Grant | Waits) -> None:
        ask, now = question.ask, self.ticks()
        held = self._held.get(question.holder)
        if isinstance(news, Waits):
            question.answer = Refused(news.key, news.retry_at)
        elif held is None or now > news.until:
            if news.number:
                self.permits.say(Give(news.number))
            if held is not None and question.tries < _MOST_TRIES:  # the token came too late to count
                question.tries += 1
                question.ask = ask._replace(name=self.stock.name())
                self._put(question)
                return
            question.answer = question.refusal
        else:
            if ask.slots:
                held.slots.append(self.stock.made(news, ask, held.state, now))
            tokens = [key for key in ask.tokens if key not in question.allowance.connect]
            if tokens:
                held.until = news.until if not held.tokens else min(held.until, news.until)
                held.tokens.update(tokens)
            question.answer = question.allowance
        question.answered()
