"""Where the mail of a lab is put: what the gateway would have written to its disk, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from danelaw.spool import SpoolSettings

if TYPE_CHECKING:
    from danelaw.queue import QueuedMessage
    from danelaw.spool import Appended, SpoolError

_FIRST_ID = 1 << 54
_EVERYTHING = 1 << 40


class LabSpool:
    """What of `danelaw.spool.Spool` the way of arriving mail uses. `stored` is everything that came, in order; with a
    `fault` nothing can be stored.
    """

    def __init__(self) -> None:
        self.settings = SpoolSettings(inline_limit=_EVERYTHING)
        self.stored: list[tuple[QueuedMessage, bytes]] = []
        self.fault: SpoolError | None = None
        self._last = _FIRST_ID

    def new_id(self) -> int:
        """The next id: the same ones in every run."""
        self._last += 1
        return self._last

    def refusal(self) -> SpoolError | None:
        """Why nothing can be stored."""
        return self.fault

    def append_together_soon(self, items: Sequence[Appended], stored: Callable[[SpoolError | None], None]) -> None:
        """Keep these messages, in the next turn of the event loop as a disk would at the earliest."""

        def keep() -> None:
            if self.fault is None:
                self.stored += [(item.message, item.body or b"") for item in items]
            stored(self.fault)

        asyncio.get_running_loop().call_soon(keep)

    def body_writer(self, number: int, *, examined: bool = False) -> NoReturn:
        """Messages of a lab come whole, however large they are."""
        raise AssertionError("a lab writes no files")

    def body_chunks(self, message: QueuedMessage) -> tuple[bytes, ...]:
        """The octets of a message that was stored."""
        return ({one.id: body for one, body in self.stored}[message.id],)


def as_spool(spool: LabSpool) -> Any:
    """For whoever asks for a whole spool."""
    return spool
