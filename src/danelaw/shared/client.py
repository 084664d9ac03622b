"""`SharedStore`: what a process has of shared state. It declares spaces and gives what works on them.

    store = SharedStore(carrier)
    logins = store.counter("logins")
    if await logins.add(client, 1, expires=3600) > 100: …
    per_user = store.rate("per-user", limit=200, span=3600.0, mode=Mode.LEASED)
    if not (taken := await per_user.take(user)): …taken.retry_after…

Whoever drives it calls `flush` every `leased.FLUSH_SECONDS` while anything is leased.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict, Unpack

from danelaw.shared.carrier import Carrier
from danelaw.shared.errors import BadRequest, StoreFull, WrongKind
from danelaw.shared.exact import Exact, ExactCounter, ExactRate, ExactSemaphore, ExactSet, ExactValue, Teller
from danelaw.shared.interface import Counter, Rate, Semaphore, Set, Value
from danelaw.shared.leased import LeasedCounter
from danelaw.shared.remembered import LeasedSet, LeasedValue
from danelaw.shared.spaces import MOST_SPACES, Kind, Mode, Space, WhenFull
from danelaw.shared.tokens import LeasedRate


class CounterSettings(TypedDict, total=False):
    """Fields of `Space` that make sense for counters."""

    mode: Mode
    keys: int
    when_full: WhenFull | None
    kept: bool


class RateSettings(CounterSettings, total=False):
    """And for rates: events per `span` seconds."""

    limit: int
    span: float


class SetSettings(CounterSettings, total=False):
    """And for sets."""

    members: int
    fresh_for: float


class ValueSettings(CounterSettings, total=False):
    """And for values."""

    fresh_for: float


class SemaphoreSettings(TypedDict, total=False):
    """For semaphores."""

    keys: int
    limit: int
    lease: float


_EXACT: dict[Kind, type[Exact]] = {
    Kind.COUNTER: ExactCounter, Kind.RATE: ExactRate, Kind.SET: ExactSet, Kind.VALUE: ExactValue,
    Kind.SEMAPHORE: ExactSemaphore,
}  # fmt: skip
_LEASED: dict[Kind, type[Exact]] = {
    Kind.COUNTER: LeasedCounter, Kind.RATE: LeasedRate, Kind.SET: LeasedSet, Kind.VALUE: LeasedValue,
}  # fmt: skip


class SharedStore:
    """The store as one process sees it. Spaces are declared once; asking for one again by its name gives the same."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self._spaces: dict[str, Space] = {}
        self._known: set[str] = set()
        self._made: dict[tuple[str, bool], Exact] = {}
        self._given: dict[tuple[str, Kind], Any] = {}
        self._leasing: Callable[[], None] = lambda: None

    # what works on spaces

    def counter(self, name: str, **settings: Unpack[CounterSettings]) -> Counter:
        """The counters of this name. Raises `WrongKind`, `BadRequest`, `StoreFull`, as all of these."""
        found: Counter = self._get(name, Kind.COUNTER, settings)
        return found

    def rate(self, name: str, **settings: Unpack[RateSettings]) -> Rate:
        """The rates of this name; the first time with their `limit` and `span`."""
        found: Rate = self._get(name, Kind.RATE, settings)
        return found

    def set(self, name: str, **settings: Unpack[SetSettings]) -> Set:
        """The sets of this name."""
        found: Set = self._get(name, Kind.SET, settings)
        return found

    def value(self, name: str, **settings: Unpack[ValueSettings]) -> Value:
        """The values of this name."""
        found: Value = self._get(name, Kind.VALUE, settings)
        return found

    def semaphore(self, name: str, **settings: Unpack[SemaphoreSettings]) -> Semaphore:
        """The semaphores of this name; the first time with their `limit`."""
        found: Semaphore = self._get(name, Kind.SEMAPHORE, settings)
        return found

    def declare(self, space: Space) -> None:
        """Use a space with these settings from now on, in this process and, from its next use, in the store. Raises
        `WrongKind` when it is known as another kind, `StoreFull` for one space too many.
        """
        before = self._spaces.get(space.name)
        if before == space:
            return
        if before is not None and before.kind is not space.kind:
            raise WrongKind(f"space {space.name} is a {before.kind}, not a {space.kind}")
        if before is None and len(self._spaces) >= MOST_SPACES:
            raise StoreFull(f"there are {MOST_SPACES} spaces of shared state already")
        self._spaces[space.name] = space
        self._known.discard(space.name)
        self._given.pop((space.name, space.kind), None)
        for leased in (False, True):
            made = self._made.get((space.name, leased))
            if made is not None:
                made.renew(space)

    @property
    def spaces(self) -> tuple[Space, ...]:
        """All that were declared here."""
        return tuple(self._spaces.values())

    def calls(self) -> dict[str, dict[str, int]]:
        """By space: how many calls were answered here (`local`), and how many went to the store (`asked`)."""
        found: dict[str, dict[str, int]] = {}
        for (name, _), one in self._made.items():
            counts = found.setdefault(name, {"local": 0, "asked": 0})
            local, asked = one.calls
            counts["local"] += local
            counts["asked"] += asked
        return found

    # what is leased

    def when_leasing(self, told: Callable[[], None]) -> None:
        """`told` is called when there are leased spaces, now or later: then `flush` is needed."""
        self._leasing = told
        if any(leased for _, leased in self._made):
            told()

    def flush(self) -> None:
        """Tell the store what leased counters were added to, and give back tokens that were not used in time."""
        for one in tuple(self._made.values()):
            if isinstance(one, LeasedCounter | LeasedRate):
                one.flush()

    @property
    def settled(self) -> bool:
        """Whether the store knows all that was added here."""
        return all(one.settled for one in self._made.values() if isinstance(one, LeasedCounter))

    @property
    def lost(self) -> int:
        """What was added to leased counters, and whose telling was not answered, so that it may be lost."""
        return sum(one.lost for one in self._made.values() if isinstance(one, LeasedCounter))

    # inside

    def _get(self, name: str, kind: Kind, settings: Any) -> Any:
        if self._given.get((name, kind)) == settings:
            settings = None  # said before, and not otherwise since
        known = self._spaces.get(name)
        if known is None or settings:
            try:
                self.declare(Space(name, kind, **(settings or {})))
                self._given[name, kind] = settings or {}
            except TypeError as error:
                raise BadRequest(f"space {name}: {error}") from None
            known = self._spaces[name]
        if known.kind is not kind:
            raise WrongKind(f"space {name} is a {known.kind}, not a {kind}")
        found = self._made.get((name, known.leased))
        if found is None:
            make = (_LEASED if known.leased else _EXACT)[known.kind]
            found = self._made[name, known.leased] = make(Teller(known, self.carrier, self._known))
            if known.leased:
                self._leasing()
        return found
