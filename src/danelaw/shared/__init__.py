"""What policy scripts share across workers: counters, rates, sets, small values and semaphores. Pure.

A *space* (`Space`) has a name, a kind and limits; in it each *key* holds a sum, the events of a span, members, a JSON
value, or leases. One `Store` has them all; it is asked by *holders*, one operation after the other, and knows no clock:
every call brings the time. Whoever asks has a `SharedStore`, whose calls are typed (`Counter`, `Rate`, `Set`, `Value`,
`Semaphore`), and which reaches the store through a `Carrier`: directly (`DirectCarrier`), or over the lines between the
processes of a gateway, as rows of JSON (`protocol`).

A space is *exact*, each operation being one round trip, or *leased*: then a process answers from what it holds, within
bounds that `leased` states. Keys expire; a full space refuses new keys or forgets the one used least recently. `lines`
and `restore_file` are the file that outlives restarts.

    store = Store()
    store.declare(Space("logins", Kind.COUNTER), now)
    store.perform("worker-1", Request(1, "add", "logins", "192.0.2.7", (1, 3600, False)), now)    # 1
"""

from __future__ import annotations

from danelaw.shared.carrier import Carrier
from danelaw.shared.client import SharedStore
from danelaw.shared.direct import HERE, DirectCarrier
from danelaw.shared.errors import (
    BadRequest,
    NoSuchSpace,
    NotAcquired,
    SharedStateError,
    StoreFull,
    StoreUnavailable,
    WrongKind,
)
from danelaw.shared.interface import JSON, Counter, Held, Rate, Semaphore, Set, Taken, Value
from danelaw.shared.leased import FLUSH_SECONDS, STALE_SECONDS
from danelaw.shared.operations import LATER
from danelaw.shared.protocol import MOST_AT_ONCE, Request
from danelaw.shared.snapshot import UnreadableSnapshot, everything, lines, restore, restore_file
from danelaw.shared.spaces import MOST_SPACES, Kind, Mode, Space, WhenFull
from danelaw.shared.store import MOST_OCTETS, Store

__all__ = [
    "FLUSH_SECONDS",
    "HERE",
    "JSON",
    "LATER",
    "MOST_AT_ONCE",
    "MOST_OCTETS",
    "MOST_SPACES",
    "STALE_SECONDS",
    "BadRequest",
    "Carrier",
    "Counter",
    "DirectCarrier",
    "Held",
    "Kind",
    "Mode",
    "NoSuchSpace",
    "NotAcquired",
    "Rate",
    "Request",
    "Semaphore",
    "Set",
    "SharedStateError",
    "SharedStore",
    "Space",
    "Store",
    "StoreFull",
    "StoreUnavailable",
    "Taken",
    "UnreadableSnapshot",
    "Value",
    "WhenFull",
    "WrongKind",
    "everything",
    "lines",
    "restore",
    "restore_file",
]
