"""Failures of a message with very many recipients, gathered: its sender gets few notices that tell of many (RFC 3464).

Such a message is sent in parts, and each part with a refused recipient would be a notice of its own. So what is to be
said about a recipient is stored together with its end (`Settlement.owed`) and told once nothing more has failed for
some seconds and none of its parts is under way, once enough has come together, or once the sender has waited for long
enough. The notice and the end of what it tells are one transaction: a crash leaves what is owed on disk, from where
the next start takes it, or the notice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING

from danelaw.dsn import Action, Cause, Demander, DSNRecipient, HostTry
from danelaw.queue import Settlement, id_to_text
from danelaw.spool import SpoolError, owed

if TYPE_CHECKING:
    from danelaw.outbound.notices import Notices
    from danelaw.queue import Owed
    from danelaw.spool import Spool
    from danelaw.telemetry import Log

MOST = 10_000
"""Recipients one notice tells of: some megabytes."""
QUIET = 5.0
"""Seconds without a further failure after which a first notice is made; twice as many before each that follows."""
PATIENCE = 60.0
"""Seconds after which a sender hears of a failure although others follow; twice as many before each later notice."""
_LONGEST_QUIET, _LONGEST_PATIENCE = 600.0, 3600.0
_READ_AT_ONCE = 500
_REMEMBERED = 1000
_FIELDS = tuple((field.name, field.default) for field in fields(DSNRecipient))
_OF_TRY = tuple(field.name for field in fields(HostTry))


def to_words(recipient: DSNRecipient) -> str:
    """What a notice says about a recipient, as the spool keeps it."""
    said = {name: value for name, usual in _FIELDS if (value := getattr(recipient, name)) != usual}
    return json.dumps(said, default=_plain)


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else {name: getattr(value, name) for name in _OF_TRY}


def from_words(words: str) -> DSNRecipient:
    """From `to_words`, also that of an earlier danelaw. Raises `DSNError` for what no notice can say."""
    said = json.loads(words)
    said["action"] = Action(said["action"])
    said["cause"] = Cause(said.get("cause", Cause.OTHER.value))
    said["demander"] = Demander(said.get("demander", ""))
    tries = (one | {"cause": Cause(one["cause"])} for one in said.get("tries", ()))
    said["tries"] = tuple(HostTry(**one) for one in tries)
    return DSNRecipient(**said)


@dataclass(slots=True)
class Gathering:
    """What is owed to one sender. Pure: times are seconds of a monotonic clock. `told` counts the notices before."""

    first: float
    last: float
    count: int = 0
    told: int = 0

    def add(self, count: int, now: float) -> None:
        """So many more have failed."""
        self.count += count
        self.last = now

    def due(self, now: float, *, under_way: bool) -> bool:
        """Whether the notice is to be made now. `under_way`: parts of the message are."""
        more = 2.0 ** min(self.told, 16)
        quiet = now - self.last >= min(_LONGEST_QUIET, QUIET * more)
        return (
            self.count >= MOST
            or (quiet and not under_way)
            or now - self.first >= min(_LONGEST_PATIENCE, PATIENCE * more)
        )


class Owing:
    """Asked to `look` every second, told by `stored` of every settlement on disk. `settle` stores a notice,
    `on_the_wire` gives those of some messages that are being delivered.
    """

    def __init__(
        self,
        spool: Spool,
        notices: Notices,
        log: Log,
        *,
        settle: Callable[[Settlement], None],
        on_the_wire: Callable[[Collection[int]], Collection[int]],
    ) -> None:
        self._spool = spool
        self._notices = notices
        self._log = log
        self._settle = settle
        self._on_the_wire = on_the_wire
        self._gatherings: dict[int, Gathering] = {}
        self._before: dict[int, int] = {}
        self._making: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._now = 0.0

    def begin(self, monotonic: float) -> None:
        """At start: what an earlier process left to be told."""
        self._now = monotonic
        self._gatherings = {message: Gathering(monotonic, monotonic) for message in owed.messages(self._spool.reader)}

    def __len__(self) -> int:
        """How many messages have a notice coming."""
        return len(self._gatherings)

    def stored(self, settlement: Settlement) -> None:
        """This is durable now."""
        message = settlement.message.id
        if settlement.owed:
            gathering = self._gatherings.get(message)
            if gathering is None:
                told = self._before.get(message, 0)
                gathering = self._gatherings[message] = Gathering(self._now, self._now, told=told)
            gathering.add(len(settlement.owed), self._now)
        if settlement.told:
            self._made(message, len(settlement.told))

    def look(self, now: float, monotonic: float) -> None:
        """Make the notices that are due."""
        self._now = monotonic
        if not self._gatherings:
            return
        under_way = self._on_the_wire(self._gatherings.keys())
        for message, gathering in self._gatherings.items():
            if message not in self._making and gathering.due(monotonic, under_way=message in under_way):
                self._making.add(message)
                task = asyncio.get_running_loop().create_task(self._tell(message, now))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Make no more; what is owed stays on disk."""
        for task in tuple(self._tasks):
            task.cancel()

    async def _tell(self, message_id: int, now: float) -> None:
        try:
            message = owed.envelope(self._spool.reader, message_id)
            telling = await self._read(message_id)
            if message is None or not telling:
                self._forget(message_id)
                return
            notice = await self._notices.gathered(message, telling, now)
        except Exception as error:  # it stays owed, and is tried again after longer and longer
            reason = error.reason if isinstance(error, SpoolError) else f"{type(error).__name__}: {error}"
            self._log.error("notice-broken", id=id_to_text(message_id), reason=reason)
            self._again(message_id, 0)
            return
        self._settle(Settlement(message, now, notices=(notice,), told=tuple(one.number for one in telling)))

    async def _read(self, message_id: int) -> list[Owed]:
        told: list[Owed] = []
        while len(told) < MOST:
            after = told[-1].number if told else -1
            found = owed.words_of(self._spool.reader, message_id, after, min(_READ_AT_ONCE, MOST - len(told)))
            told += found
            if len(found) < _READ_AT_ONCE:
                break
            await asyncio.sleep(0)
        return told

    def _made(self, message: int, count: int) -> None:
        self._before[message] = self._before.get(message, 0) + 1
        if len(self._before) > _REMEMBERED:
            del self._before[next(iter(self._before))]
        if owed.any_of(self._spool.reader, message):
            self._again(message, MOST if count == MOST else 0)
        else:
            self._forget(message)

    def _again(self, message: int, count: int) -> None:
        self._making.discard(message)
        told = self._gatherings[message].told + 1
        self._gatherings[message] = Gathering(self._now, self._now, count, told)

    def _forget(self, message: int) -> None:
        self._making.discard(message)
        del self._gatherings[message]
