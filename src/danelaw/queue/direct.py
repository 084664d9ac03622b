"""A broker in the same process as all its gates: what a gate says is answered before it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from danelaw.queue.broker import PermitBroker

if TYPE_CHECKING:
    from danelaw.queue.asking import News, Word
    from danelaw.queue.gate import Gate
    from danelaw.queue.permits import Ceiling, PermitKey

_HERE = ""


class Permits(Protocol):
    """How a gate reaches the broker. News come to `Gate.hear`, before `say` returns or later."""

    def join(self, gate: Gate) -> int:
        """One more gate; gives its number."""

    def leave(self, number: int) -> None:
        """A gate is no more."""

    def say(self, word: Word) -> None:
        """Tell the broker."""

    def look(self) -> float | None:
        """Do what time asks for; when it will do so again (monotonic seconds)."""


class DirectPermits:
    """The broker called directly, for a gateway in one process. `ticks` is the monotonic clock."""

    def __init__(self, ceiling: Callable[[PermitKey], Ceiling], ticks: Callable[[], float]) -> None:
        self.broker = PermitBroker(ceiling, ahead=0.0)
        self._ticks = ticks
        self._gates: dict[int, Gate] = {}
        self._last = 0
        self._said: list[Word] = []
        self._busy = False

    def join(self, gate: Gate) -> int:
        """One more gate; gives its number."""
        self._last += 1
        self._gates[self._last] = gate
        return self._last

    def leave(self, number: int) -> None:
        """A gate is no more."""
        self._gates.pop(number, None)

    def say(self, word: Word) -> None:
        """Tell the broker; all it has to say about it is heard when this returns, unless it is said while hearing."""
        self._said.append(word)
        if not self._busy:
            self._settle()

    def look(self) -> float | None:
        """Serve those whom time lets in; when it will again."""
        if not self.broker.timers:
            return None
        when = self.broker.next_look()
        if when is not None and when <= self._ticks():
            self.broker.look(self._ticks())
            self._settle()
            when = self.broker.next_look()
        return when

    def _settle(self) -> None:
        self._busy = True
        try:
            news: list[News] = self.broker.news().get(_HERE, [])
            while self._said or news:
                for one in news:
                    tell(self._gates, one, self.say)
                said, self._said = self._said, []
                self.broker.hear(_HERE, said, self._ticks())
                news = self.broker.news().get(_HERE, [])
        finally:
            self._busy = False


def tell(gates: dict[int, Gate], news: News, say: Callable[[Word], None]) -> None:
    """Pass one piece of news to its gate; a permit for a gate that is no more goes back."""
    from danelaw.queue.asking import Give, Grant, Recall

    number = news.gate if isinstance(news, Recall) else news.name[0]
    gate = gates.get(number)
    if gate is not None:
        gate.hear(news)
    elif isinstance(news, Grant) and news.number:
        say(Give(news.number))
