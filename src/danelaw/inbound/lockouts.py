"""Failed logins: each makes the next answer slower, and too many shut the door for a time.

Counted for each client network and for each name, known or not, in the ledger that all processes share. A name that is
locked out can still log in from networks where it did before, so that nobody locks others out by guessing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from danelaw.inbound.ledger import ERRORS, Ceiling, Ledger
from danelaw.smtp import Reply

CEILING = "failed logins"
LOCKED = Reply.of(454, "4.7.0", "too many failed logins; try again later")
_MOST_DOUBLINGS = 4
_MOST_KNOWN = 10_000


@dataclass(slots=True)
class Lockouts:
    """`ticks` gives nanoseconds on the monotonic clock; `delay` is in seconds, `nanoseconds` how long a door is shut.

    `reached(ceiling, whose, of)` is told of each door that is shut.
    """

    book: Ledger
    ticks: Callable[[], int]
    client: Ceiling | None
    user: Ceiling | None
    nanoseconds: int
    delay: float
    reached: Callable[[str, str, int], None] = lambda ceiling, whose, of: None
    _known: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)

    def refusal(self, network: str, user: str) -> Reply | None:
        """Whether this name may be tried from there at all."""
        now = self.ticks()
        if self.client is not None and self.book.refused(self.book.row(_of_client(network), now), now):
            return LOCKED
        if self.user is None or not user or self.at_home(network, user):
            return None
        return LOCKED if self.book.refused(self.book.row(_of_user(user), now), now) else None

    def failed(self, network: str, user: str) -> float:
        """One more failure; gives for how many seconds to wait before the client is told. `user` is empty where the
        client did not come to say who it is.
        """
        level = self._count(_of_client(network), self.client, network)
        if user:
            level = max(level, self._count(_of_user(user), self.user, user))
        return self.delay * float(1 << min(max(level - 1, 0), _MOST_DOUBLINGS))

    def at_home(self, network: str, user: str) -> bool:
        """Whether this name has logged in from there before."""
        return (user.casefold(), network) in self._known

    def passed(self, network: str, user: str) -> None:
        """A login that was right: that name is at home there."""
        self._known[user.casefold(), network] = None
        self._known.move_to_end((user.casefold(), network))
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    def _count(self, key: str, ceiling: Ceiling | None, whose: str) -> int:
        if ceiling is None:
            return 1
        book, now = self.book, self.ticks()
        row = book.row(key, now)
        if not book.take(row, ERRORS, ceiling, now):
            book.refuse(row, now + self.nanoseconds)
            self.reached(CEILING, whose, ceiling.count)
        return book.level(row, ERRORS, ceiling, now)


def _of_client(network: str) -> str:
    return f"logins {network}"


def _of_user(user: str) -> str:
    return f"user {user.casefold()}"
