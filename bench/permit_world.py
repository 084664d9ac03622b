"""A gateway's workers, their supervisor and the lines between them on a virtual clock, to try what limits promise.

Schedulers, gates and the broker are those of the gateway; time, network and processes are played, all drawn from one
seed. Faults: words that come late, lines that break, workers that die, supervisors that are killed or run themselves
anew, limits that change. A second book, kept from what deliveries really do, says whether a limit was exceeded.
"""

from __future__ import annotations

import heapq
import json
import math
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from danelaw.gateway.permit_line import decoded, encoded
from danelaw.queue import HostVerdict, QueuedMessage, QueuedRecipient, RoutingKey, Scheduler, SchedulerSettings, Work
from danelaw.queue.asking import News, Word
from danelaw.queue.broker import PermitBroker
from danelaw.queue.direct import tell
from danelaw.queue.gate import Gate
from danelaw.queue.gate_state import Question
from danelaw.queue.limits import LimitRule, Limits, Subject, subject_of
from danelaw.queue.permits import PermitKey, Refused
from danelaw.queue.rates import Rate

EPOCH = 1_795_000_000.0
IDLE = 5.0
SETTLED = 30.0
"""Seconds after a change of limits within which what was granted under the old ones may still be in use."""
PATIENCE = 300.0


class BrokenPromise(Exception):
    """A limit was exceeded, somebody starves, or permits were lost."""


class Book:
    """What deliveries do at the other side, counted by the rules and nothing else."""

    def __init__(self, rules: tuple[LimitRule, ...]) -> None:
        self.rules = rules
        self.before = rules
        self.changed = -1e9
        self.open: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.sent: dict[tuple[str, tuple[str, ...]], deque[float]] = {}
        self.busy_seconds: Counter[str] = Counter()
        self.busy: Counter[str] = Counter()
        self.messages: Counter[str] = Counter()
        self.watched = False
        self._last = 0.0

    def passes(self, now: float) -> None:
        """Time goes on."""
        if self.watched:
            for name, count in self.busy.items():
                self.busy_seconds[name] += count * (now - self._last)
        self._last = now

    def change(self, rules: tuple[LimitRule, ...], now: float) -> None:
        """Other limits hold from now on."""
        if now < self.changed + SETTLED:  # what was granted under those before may still be in use
            self.before = tuple(map(_larger, self.before, self.rules))
        else:
            self.before = self.rules
        self.rules, self.changed = rules, now

    def connections(self, subject: Subject, change: int, now: float) -> None:
        """A connection is opened (1) or closed (-1)."""
        for rule, earlier in self._matching(subject):
            if rule.connections is None:
                continue
            key = (rule.name, rule.key("use", subject).subject)
            self.open[key] += change
            most = rule.connections
            if now < self.changed + SETTLED:
                most = max(most, earlier.connections or 0)
            if change > 0 and self.open[key] > most:
                raise BrokenPromise(f"{self.open[key]} connections of {key} at {now:.3f}, and {most} are allowed")

    def used(self, subject: Subject, change: int) -> None:
        """A delivery begins (1) or ends (-1)."""
        for rule, _ in self._matching(subject):
            self.busy[rule.name] += change
            if change > 0 and self.watched:
                self.messages[rule.name] += 1

    def message(self, subject: Subject, now: float) -> None:
        """A message is sent."""
        for rule, earlier in self._matching(subject):
            if rule.rate is None:
                continue
            key = (rule.name, rule.key("rate", subject).subject)
            times = self.sent.setdefault(key, deque(maxlen=1000))
            times.append(now)
            most = rule.rate.count
            if now < self.changed + rule.rate.period + SETTLED and earlier.rate is not None:
                most = max(most, earlier.rate.count)
            if len(times) > most and now - times[-most - 1] < rule.rate.period - 1e-6:
                raise BrokenPromise(f"{most + 1} messages of {key} within {now - times[-most - 1]:.3f} s at {now:.3f}")

    def _matching(self, subject: Subject) -> list[tuple[LimitRule, LimitRule]]:
        return [(rule, earlier) for rule, earlier in zip(self.rules, self.before, strict=True) if rule.applies(subject)]


def _larger(one: LimitRule, other: LimitRule) -> LimitRule:
    """What either allows."""
    rates = [rule.rate for rule in (one, other) if rule.rate is not None]
    return replace(
        one,
        connections=max(one.connections or 0, other.connections or 0) or None,
        rate=max(rates, key=lambda rate: rate.count, default=None),
    )


@dataclass(slots=True, eq=False)
class Connection:
    """One to a host; `idle_until` while it is kept."""

    subject: Subject
    slots: tuple[PermitKey, ...]
    idle_until: float = 0.0


@dataclass(slots=True, eq=False)
class Flight:
    """A delivery under way."""

    work: Work
    subject: Subject
    connection: Connection | None = None
    asked: bool = False


@dataclass
class Line:
    """One worker's line: both directions keep their order, and lose everything once it is broken."""

    broken: bool = False
    last: list[float] = field(default_factory=lambda: [0.0, 0.0])


class Shard:
    """What the disk knows: messages by queue, those delivered taken away."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.waiting: dict[int, QueuedMessage] = {}
        self.worker: Worker | None = None


class Worker:
    """One worker: a scheduler and a gate per shard, and a pool of kept connections."""

    def __init__(self, world: World, name: str, rules: tuple[LimitRule, ...]) -> None:
        self.world, self.name, self.rules = world, name, rules
        self.line = Line()
        self.alive, self.retiring = True, False
        self.gates: dict[int, Gate] = {}
        self.schedulers: dict[Shard, Scheduler] = {}
        self.flights: dict[Shard, dict[int, Flight]] = {}
        self.pools: dict[Shard, list[Connection]] = {}
        self.said: list[Word] = []
        self.pumping = False
        self.wake_at = math.inf
        self._gate_number = 0

    # the way to the broker, as `Permits`

    def join(self, gate: Gate) -> int:
        self._gate_number += 1
        self.gates[self._gate_number] = gate
        return self._gate_number

    def leave(self, number: int) -> None:
        self.gates.pop(number, None)

    def look(self) -> float | None:
        return None

    def say(self, word: Word) -> None:
        if not self.said:
            self.world.later(0.0, self._send)
        self.said.append(word)

    def _send(self) -> None:
        words, self.said = self.said, []
        if self.alive:
            self.world.to_supervisor(self, words)

    def hear(self, news: list[News]) -> None:
        if self.alive:
            for one in news:
                tell(self.gates, one, self.say)
            self.pump()

    # mail

    def take(self, shard: Shard) -> None:
        """Work on a shard."""
        world = self.world
        shard.worker = self
        gate = Gate(
            Limits(self.rules), lambda: world.now, lambda: EPOCH + world.now, world.site_of, self, keep=IDLE + 1
        )
        gate.stirred = self.pump
        gate.stock.part = lambda keys: self._part(shard, gate, keys)
        settings = SchedulerSettings(slots=400, first_window=20, destination_concurrency=20, share=1.0, memory=1 << 30)
        self.schedulers[shard] = Scheduler(settings, gate)
        self.flights[shard], self.pools[shard] = {}, []
        for message in shard.waiting.values():
            self.arrived(shard, message)
        self.pump()

    def arrived(self, shard: Shard, message: QueuedMessage) -> None:
        """A message is on disk."""
        now = EPOCH + self.world.now
        assert self.schedulers[shard].admit(message, 100)
        self.schedulers[shard].arrived(message, b"x", 100, now, claimed=True)
        self.pump()

    def pump(self) -> None:
        if not self.pumping and self.alive and not self.retiring:
            self.pumping = True
            self.world.later(0.0, self._pump)

    def _pump(self) -> None:
        self.pumping = False
        if not self.alive or self.retiring:
            return
        world = self.world
        for shard, scheduler in self.schedulers.items():
            for work in scheduler.next_work(EPOCH + world.now):
                flight = Flight(work, world.subject_of(work.key))
                self.flights[shard][work.serial] = flight
                world.later(world.chance.random() * 0.002, lambda s=shard, f=flight: self._connect(s, f))  # type: ignore[misc]
            assert scheduler.gate is not None
            waits = [scheduler.gate.next_wakeup()]
            wakeup = scheduler.next_wakeup()
            waits.append(None if wakeup is None else max(0.001, wakeup - EPOCH - world.now))
            for wait in waits:
                if wait is not None and world.now + wait < self.wake_at:
                    self.wake_at = world.now + wait
                    world.later(wait + world.chance.random() * 0.002, self._wake)

    def _wake(self) -> None:
        self.wake_at = math.inf
        self.pump()

    def _connect(self, shard: Shard, flight: Flight, answer: object = None) -> None:
        """The host is known: ask for what it needs, take a kept connection or open one, and send."""
        if not self.alive:
            return
        gate, world = self._gate(shard), self.world
        work, subject = flight.work, flight.subject
        kept = next((one for one in self.pools[shard] if one.subject == subject), None)
        if not isinstance(answer, Refused):
            new = kept is None and not flight.asked
            answer = gate.connect(work.serial, work.key, subject.mx, subject.remote, "", new=new)
        if isinstance(answer, Question):
            flight.asked, question = True, answer
            answer.answered = lambda: self._connect(shard, flight, question.answer)
            return
        if isinstance(answer, Refused):
            del self.flights[shard][work.serial]
            self.schedulers[shard].postponed(work, answer, EPOCH + world.now)
            self.pump()
            if self.retiring:
                self.end_if_quiet()
            return
        kept = next((one for one in self.pools[shard] if one.subject == subject), None)
        if kept is not None:
            self.pools[shard].remove(kept)
        else:
            slots = gate.allowance(work.key).slots
            self._part(shard, gate, slots)
            kept = Connection(subject, slots)
            world.book.connections(subject, 1, world.now)
        flight.connection = kept
        world.book.used(subject, 1)
        world.book.message(subject, world.now)
        world.later(world.length(), lambda: self._finish(shard, flight))

    def _finish(self, shard: Shard, flight: Flight) -> None:
        if not self.alive:
            return
        world, work = self.world, flight.work
        verdict = world.verdict()
        connection = flight.connection
        assert connection is not None
        world.book.used(flight.subject, -1)
        del self.flights[shard][work.serial]
        if verdict is HostVerdict.GOOD and not self.retiring and world.chance.random() < 0.95:
            connection.idle_until = world.now + IDLE
            self.pools[shard].append(connection)
            world.later(IDLE, lambda: self._close_idle(shard))
        else:
            world.book.connections(flight.subject, -1, world.now)
        scheduler = self.schedulers[shard]
        delivered = verdict is HostVerdict.GOOD
        scheduler.finished(work, verdict, EPOCH + world.now)
        if delivered:
            world.delivered(shard, work)
        elif work.message.id in shard.waiting:
            self.arrived(shard, work.message)
        self.pump()
        if self.retiring:
            self.end_if_quiet()

    def _part(self, shard: Shard, gate: Gate, keys: tuple[PermitKey, ...]) -> None:
        for key in keys:
            idle = [one for one in self.pools[shard] if key in one.slots]
            for one in idle[: max(0, len(idle) - gate.kept(key))]:
                self.pools[shard].remove(one)
                self.world.book.connections(one.subject, -1, self.world.now)

    def _close_idle(self, shard: Shard) -> None:
        if self.alive:
            for one in [one for one in self.pools[shard] if one.idle_until <= self.world.now]:
                self.pools[shard].remove(one)
                self.world.book.connections(one.subject, -1, self.world.now)

    def _gate(self, shard: Shard) -> Gate:
        gate = self.schedulers[shard].gate
        assert gate is not None
        return gate

    # the end

    def cut_off(self) -> None:
        """The line is broken: end in good order."""
        if self.alive:
            for gate in tuple(self.gates.values()):
                gate.cut_off()
            self.retire()

    def retire(self) -> None:
        """Start nothing new and end when all is done."""
        if self.alive and not self.retiring:
            self.retiring = True
            self.world.later(0.001, self.end_if_quiet)

    def end_if_quiet(self) -> None:
        """End when the last delivery has."""
        if self.alive and not any(self.flights.values()):
            self.die()

    def die(self) -> None:
        """End now; what was under way is cut, and the kernel closes the sockets."""
        if not self.alive:
            return
        self.alive = False
        for shard in self.schedulers:
            for flight in self.flights[shard].values():
                if flight.connection is not None:
                    self.world.book.used(flight.subject, -1)
                    self.world.book.connections(flight.subject, -1, self.world.now)
            for one in self.pools[shard]:
                self.world.book.connections(one.subject, -1, self.world.now)
            shard.worker = None
        self.world.ended(self)


class World:
    """One seed's story."""

    def __init__(self, seed: int, *, faults: bool = True) -> None:
        self.chance = random.Random(seed)
        self.faults = faults
        self.now = 0.0
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        chance = self.chance
        self.lengths = chance.choice([(0.05, 0.2), (0.3, 1.0), (0.02, 2.0)])
        self.delay = chance.choice([0.0002, 0.001, 0.004])
        self.sites = chance.randint(1, 2)
        self.rules = self._rules()
        self.book = Book(self.rules)
        self.broker = self.new_broker()
        self.workers: dict[str, Worker] = {}
        self._serial = 0
        self.wanted = chance.randint(1, 4)
        self.shards = [Shard(number) for number in range(self.wanted)]
        self.keys = [RoutingKey(f"d{number}.example") for number in range(chance.randint(2, 8))]
        self.left = 0
        self.total = 0
        self._looking = -1.0
        self.strangers: list[Worker] = []
        self.calm = not faults

    def _rules(self, earlier: tuple[LimitRule, ...] = ()) -> tuple[LimitRule, ...]:
        chance = self.chance
        rate = chance.choice([Rate(chance.randint(3, 60), chance.choice([1, 2, 5])), Rate(chance.randint(30, 200), 10)])
        if earlier:
            rate = Rate(chance.randint(3, 60), earlier[2].rate.period) if earlier[2].rate else rate
        everywhere: tuple[tuple[str, tuple[str, ...]], ...] = (("site", ("s0",)),)
        with_rate = earlier[2].rate is not None if earlier else chance.random() < 0.6
        return (
            LimitRule("site", everywhere, connections=chance.randint(1, 8), adaptive=self.faults),
            LimitRule("each", (("domain", ("*",)),), ("domain",), connections=chance.randint(2, 12), adaptive=False),
            LimitRule(
                "rate", (("domain", ("d1.example", "d2.example")),), rate=rate if with_rate else None,
                recipients=None if with_rate else 100,
            ),
        )  # fmt: skip

    def new_broker(self) -> PermitBroker:
        """A broker for the limits in force, that knows of nothing."""
        limits = Limits(self.rules)
        return PermitBroker(lambda key: limits.ceiling(key, EPOCH + self.now))

    # what the world is like

    def site_of(self, mx: str) -> str:
        """`s0` for most hosts."""
        return "s0" if self.sites == 1 or int(mx.removeprefix("mx")) % 3 else "s1"

    def subject_of(self, key: RoutingKey) -> Subject:
        """The one host of a domain."""
        number = int(key.next_hop.partition(".")[0].removeprefix("d"))
        mx = f"mx{number}"
        return subject_of(key)._replace(site=self.site_of(mx), mx=mx, remote=f"192.0.2.{number}")

    def length(self) -> float:
        """How long a delivery takes."""
        return self.chance.uniform(*self.lengths)

    def verdict(self) -> HostVerdict:
        """How the host takes it."""
        if self.calm:
            return HostVerdict.GOOD
        return self.chance.choices([HostVerdict.GOOD, HostVerdict.THROTTLED, HostVerdict.UNKNOWN], [0.95, 0.02, 0.03])[
            0
        ]

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something then."""
        self._number += 1
        heapq.heappush(self.events, (self.now + seconds, self._number, act))

    # lines

    def _arrives(self, line: Line, way: int) -> float:
        seconds = self.chance.expovariate(1 / self.delay)
        if not self.calm and self.chance.random() < 0.01:
            seconds += self.chance.random()
        line.last[way] = max(line.last[way], self.now + seconds)
        return line.last[way] - self.now

    def to_supervisor(self, worker: Worker, words: list[Word]) -> None:
        """A frame of a worker."""
        frame = json.dumps([encoded(word) for word in words])
        self.later(self._arrives(worker.line, 0), lambda: self._supervisor_hears(worker, frame))

    def _supervisor_hears(self, worker: Worker, frame: str) -> None:
        if worker.line.broken or worker.name not in self.workers:
            return
        words = [decoded(one) for one in json.loads(frame)]
        self.broker.hear(worker.name, words, self.now)  # type: ignore[arg-type]
        self.tell_news()

    def tell_news(self) -> None:
        """What the broker has to say goes out, and its timer is set."""
        for name, news in self.broker.news().items():
            worker = self.workers.get(name)
            if worker is not None and not worker.line.broken:
                self.later(self._arrives(worker.line, 1), lambda w=worker, n=news: self._worker_hears(w, n))  # type: ignore[misc]
        when = self.broker.next_look()
        if when is not None and not self.now <= self._looking <= when:
            self._looking = when
            self.later(max(0.0, when - self.now) + self.chance.random() * 0.001, self._look)

    def _look(self) -> None:
        self._looking = -1.0
        self.broker.look(self.now)
        self.tell_news()

    def _worker_hears(self, worker: Worker, news: list[News]) -> None:
        if not worker.line.broken:
            worker.hear(news)

    # processes

    def hire(self) -> None:
        """As many workers as wanted, one more shard for whoever has fewest."""
        active = [one for one in self.workers.values() if one.alive and not one.retiring]
        while len(active) < self.wanted:
            self._serial += 1
            worker = Worker(self, f"worker-{self._serial}", self.rules)
            self.workers[worker.name] = worker
            active.append(worker)
        for shard in self.shards:
            if shard.worker is None:
                min(active, key=lambda one: len(one.schedulers)).take(shard)

    def ended(self, worker: Worker) -> None:
        """A worker is gone; it is reaped a moment later, and replaced."""
        self.later(self.chance.random() * 0.3, lambda: self._reap(worker))

    def _reap(self, worker: Worker) -> None:
        if self.workers.get(worker.name) is worker:
            del self.workers[worker.name]
            self.broker.forget(worker.name, self.now)
            self.tell_news()
        self._open_if_alone()
        self.later(self.chance.random() * 0.5, self.hire)

    # mail

    def send(self, count: int) -> None:
        """So much new mail, spread unevenly."""
        favourite = self.chance.choice(self.shards)
        for _ in range(count):
            key = self.chance.choice(self.keys)
            shard = favourite if self.chance.random() < 0.7 else self.chance.choice(self.shards)
            self.total += 1
            at = EPOCH + self.now
            recipient = QueuedRecipient(0, "a@b.example", key, due=at)
            message = QueuedMessage(self.total, at, at + 5 * 86400, "s@x.example", (recipient,), 100)
            shard.waiting[self.total] = message
            self.left += 1
            if shard.worker is not None:
                shard.worker.arrived(shard, message)

    def delivered(self, shard: Shard, work: Work) -> None:
        """A message has reached its host, and the disk knows."""
        if shard.waiting.pop(work.message.id, None) is not None:
            self.left -= 1

    # faults

    def fault(self) -> None:
        """Something breaks."""
        if self.calm:
            return
        chance = self.chance
        living = [one for one in self.workers.values() if one.alive]
        match chance.randrange(6):
            case 0 if living:
                chance.choice(living).die()
            case 1 if living:
                self._break(chance.choice(living))
            case 2:
                self._kill_supervisor()
            case 3:
                self._exec()
            case 4:
                self._reload()
            case 5 if living:
                chance.choice(living).retire()
        self.later(chance.expovariate(1 / 4.0), self.fault)

    def _break(self, worker: Worker) -> None:
        worker.line.broken = True
        self.later(self.chance.random() * 0.5, worker.cut_off)

    def _kill_supervisor(self) -> None:
        self.strangers = [one for one in (*self.workers.values(), *self.strangers) if one.alive]
        for worker in self.workers.values():
            self._break(worker)
        self.workers = {}
        self.broker = self.new_broker()
        self.broker.closed = True
        self.book.change(self.rules, self.now)
        for times in self.book.sent.values():
            times.clear()  # counts of rates are in memory, and a supervisor that is killed takes them along
        self._open_if_alone()

    def _open_if_alone(self) -> None:
        if self.broker.closed and not any(one.alive for one in self.strangers):
            self.broker.closed = False
            self.broker.stir(self.now)
            self.tell_news()
            self.later(0.1, self.hire)

    def _exec(self) -> None:
        closed, state = self.broker.closed, json.loads(json.dumps(self.broker.state()))
        self.broker = self.new_broker()
        self.broker.closed = closed
        self.broker.restore(state, self.now)
        self.tell_news()

    def _reload(self) -> None:
        self.rules = self._rules(self.rules)
        limits = Limits(self.rules)
        self.book.change(self.rules, self.now)
        self.broker.renew(lambda key: limits.ceiling(key, EPOCH + self.now), self.now)
        self.tell_news()
        for place, worker in enumerate([one for one in self.workers.values() if one.alive]):
            self.later(0.5 * (place + 1), worker.retire)

    # the story

    def step(self) -> bool:
        """The next event; False when nothing more will happen."""
        if not self.events:
            return False
        when, _, act = heapq.heappop(self.events)
        self.book.passes(when)
        self.now = when
        act()
        return True

    def until(self, seconds: float) -> None:
        """Let time pass."""
        self.later(max(0.0, seconds - self.now), lambda: None)
        while self.now < seconds and self.step():
            pass

    def play(self, messages: int = 250) -> None:
        """Mail, faults, then quiet: everything must have gone out and every permit be back. Raises `BrokenPromise`."""
        self.hire()
        for part in range(5):
            self.later(part * 2.0, lambda: self.send(messages // 5))
        if self.faults:
            self.later(1.0, self.fault)
        self.until(20.0)
        self.calm = True
        self.later(0.0, self.hire)
        rate = self.rules[2].rate
        patience = PATIENCE + (2 * messages * rate.period / rate.count if rate is not None else 0.0)
        while self.left and self.now < patience:
            if not self.step():
                break
        if self.left:
            raise BrokenPromise(f"{self.left} of {self.total} messages wait for ever; {self._words()}")
        self.until(self.now + 4 * IDLE)
        used = [key for key in self.broker.ledger._accounts if self.broker.ledger.in_use(key)]
        if self.broker.held or self.broker.waiting or used:
            raise BrokenPromise(f"permits did not come back: {self.broker.state()}")
        if +self.book.open:
            raise BrokenPromise(f"connections stay open: {self.book.open}")

    def _words(self) -> str:
        gates = [gate for worker in self.workers.values() for gate in worker.gates.values()]
        return f"{self.broker.held} permits out, {self.broker.waiting} in line, {[one.waiting() for one in gates]}"
