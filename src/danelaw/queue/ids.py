"""Queue ids: 55-bit integers made by us, ordered by time and unique per shard, written as 11 characters.

Layout, high to low: 40 bits of milliseconds since 2025-01-01 UTC (until 2059), 6 bits of shard, 9 bits of
sequence within the millisecond. Ids made by us let rows be inserted in batches without asking the database
for them, and make the primary key an index on the time of receipt.
"""

from __future__ import annotations

from functools import lru_cache

from danelaw.errors import DanelawError

EPOCH = 1735689600
SHARD_BITS = 6
SEQUENCE_BITS = 9
MAX_SHARD = (1 << SHARD_BITS) - 1
ID_LENGTH = 11
MAX_ID = (1 << 55) - 1
_LOW_BITS = SHARD_BITS + SEQUENCE_BITS
# Lower case only, in ASCII order, so that texts sort like numbers; i l o u are left out: misread or rude.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}


class InvalidQueueId(DanelawError):
    """The text is no queue id."""


class QueueIds:
    """Makes the ids of one shard (0 to 63). `after` is the highest id already used, so that none repeats
    when the clock stepped back between two runs.
    """

    __slots__ = ("_last", "_shard")

    def __init__(self, shard: int, after: int = 0) -> None:
        if not 0 <= shard <= MAX_SHARD:
            raise ValueError(f"shard must be 0 to {MAX_SHARD}, not {shard}")
        self._shard = shard
        last = (after >> _LOW_BITS, after & ((1 << SEQUENCE_BITS) - 1))
        self._last = (last[0] << SEQUENCE_BITS) | last[1]

    def next(self, now: float) -> int:
        """The next id for a message received at `now` (POSIX seconds): above all ids made before."""
        tick = int((now - EPOCH) * 1000) << SEQUENCE_BITS
        last = self._last
        # A full millisecond borrows from the next one; a clock that stepped back goes on from the last id.
        self._last = last = tick if tick > last else last + 1
        low = last & ((1 << SEQUENCE_BITS) - 1)
        return (last >> SEQUENCE_BITS) << _LOW_BITS | self._shard << SEQUENCE_BITS | low


def shard_of(value: int) -> int:
    """The shard that made an id."""
    return value >> SEQUENCE_BITS & MAX_SHARD


def time_of(value: int) -> float:
    """When an id was made, in POSIX seconds; not before the message came, later when the clock had stepped back."""
    return EPOCH + (value >> _LOW_BITS) / 1000


def floor_id(when: float) -> int:
    """The lowest id a message received at `when` (POSIX seconds) can have; 0 before 2025."""
    return max(0, int((when - EPOCH) * 1000)) << _LOW_BITS


@lru_cache(maxsize=4096)
def id_to_text(value: int) -> str:
    """The 11 characters people type; texts sort like the numbers."""
    if not 0 <= value <= MAX_ID:
        raise ValueError(f"{value} is not a queue id")
    pairs = _PAIRS
    return (
        f"{_ALPHABET[value >> 50]}{pairs[value >> 40 & 1023]}{pairs[value >> 30 & 1023]}"
        f"{pairs[value >> 20 & 1023]}{pairs[value >> 10 & 1023]}{pairs[value & 1023]}"
    )


def id_from_text(text: str) -> int:
    """Parse what `id_to_text` wrote. Raises `InvalidQueueId`."""
    if len(text) != ID_LENGTH or any(character not in _VALUES for character in text):
        raise InvalidQueueId(
            f"'{text[:40]}' is not a queue id: they have {ID_LENGTH} characters",
            advice="danelaw queue list",
        )
    value = 0
    for character in text:
        value = value << 5 | _VALUES[character]
    if value > MAX_ID:
        raise InvalidQueueId(f"'{text}' is not a queue id: too large", advice="danelaw queue list")
    return value
