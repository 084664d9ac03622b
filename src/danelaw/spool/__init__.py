"""The spool: mail on stable storage before it is acknowledged, and the record of what became of it.

`Spool.open(directory, shard)` takes one shard for this process (a lock file names it) and recovers what a crash
left: claims of the dead process are due again and counted in `recovered`, body files without a row are removed. A
shard is a directory with a SQLite database (write-ahead log, flushed at every COMMIT) and a directory of large
bodies.

Life of a message: `append` returns after the COMMIT that made it durable; many share one COMMIT, and none waits for
a timer. `claim` hands due recipients of a queue to the scheduler; `settle` stores what a delivery changed together
with the attempts, their evidence, and the bounces the outcome calls for, in one transaction. So a message leaves
the queue only delivered, with a bounce on disk, or by an operator's logged act (`danelaw.spool.acts`). Once all its
recipients are final it becomes one compact row of history, kept by age and size.

When a flush fails, the batch is refused (451, or 452 for a full disk), the shard takes no mail, opens its files anew
and resumes by itself. Outcomes of deliveries are facts and survive that; refused mail is removed.

Beside this interface: `danelaw.spool.operations` (`look`, `change`, `operate`: what the control socket and
`danelaw queue` do), `danelaw.spool.view` (reading: lists, one message, who else waits for a host),
`danelaw.spool.attempts` (tries, host records), `danelaw.spool.evidence` (what tries rest on), `danelaw.spool.shards`
(the lock of the whole spool, reading across all shards), `danelaw.spool.database` (`shards`, `open_reader`).
"""

from __future__ import annotations

from danelaw.spool.bodies import BodyWriter
from danelaw.spool.errors import (
    BodyMissing,
    CommitFailed,
    NoSuchMessage,
    SpoolError,
    SpoolFull,
    SpoolLocked,
    SpoolReadOnly,
    SpoolVersion,
)
from danelaw.spool.queues import QueueRow
from danelaw.spool.retention import SpoolSettings
from danelaw.spool.spool import Spool
from danelaw.spool.writer import Appended

__all__ = [
    "Appended",
    "BodyMissing",
    "BodyWriter",
    "CommitFailed",
    "NoSuchMessage",
    "QueueRow",
    "Spool",
    "SpoolError",
    "SpoolFull",
    "SpoolLocked",
    "SpoolReadOnly",
    "SpoolSettings",
    "SpoolVersion",
]
