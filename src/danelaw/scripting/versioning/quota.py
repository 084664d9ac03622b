"""How many connections a staged version may still have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.scripting.versioning.ledger import Ledger

_LARGEST_BATCH = 50


class Quota:
    """Connections that a trial may still have, over all workers: each takes some at a time and gives them out."""

    __slots__ = ("_batch", "_first", "_ledger", "_left", "_over", "_trial")

    def __init__(self, ledger: Ledger, trial: int, first: int) -> None:
        self._ledger, self._trial, self._first = ledger, trial, first
        self._batch = max(1, min(_LARGEST_BATCH, first // 20))
        self._left = 0
        self._over = False

    def __call__(self) -> bool:
        """Whether there is one more."""
        if not self._left and not self._over:
            try:
                self._left = self._ledger.take(self._trial, self._batch, self._first)
            except DanelawError:
                return False  # asked again for the next connection
            self._over = self._left == 0
        if not self._left:
            return False
        self._left -= 1
        return True
