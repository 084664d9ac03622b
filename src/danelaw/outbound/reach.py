"""Which addresses did not answer lately, so that a dead first host does not cost every message its time-out."""

from __future__ import annotations

from collections import OrderedDict

_FIRST_SECONDS = 60.0
_LONGEST_SECONDS = 900.0
_MEMORY = 10_000


class Reachability:
    """Remembers addresses that took no connection: for a minute, doubling up to a quarter of an hour.

    A silent address is passed over only while another one of the destination can be tried; when none is left, all are
    tried, so that nothing waits because of memory alone (RFC 5321 §5.1). Order and demands stay what they are.
    """

    def __init__(self) -> None:
        self._silent: OrderedDict[tuple[str, int], tuple[float, float]] = OrderedDict()

    def silent(self, address: str, port: int, now: float) -> bool:
        """True while an address is to be passed over; `now` in POSIX seconds."""
        known = self._silent.get((address, port))
        # Before it failed at all: the clock stepped back since.
        return known is not None and known[0] - known[1] <= now < known[0]

    def failed(self, address: str, port: int, now: float) -> None:
        """An address took no connection."""
        known = self._silent.pop((address, port), None)
        pause = _FIRST_SECONDS if known is None else min(known[1] * 2, _LONGEST_SECONDS)
        self._silent[address, port] = (now + pause, pause)
        if len(self._silent) > _MEMORY:
            self._silent.popitem(last=False)

    def answered(self, address: str, port: int) -> None:
        """An address took a connection."""
        if self._silent:
            self._silent.pop((address, port), None)
