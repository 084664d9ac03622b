"""The queue: what waits, for whom, until when, and what goes next. Pure: time and chance are arguments.

A *message* (`QueuedMessage`) has recipients; each has a `RoutingKey`. Recipients with equal keys form one *queue* and
travel together. `Scheduler` decides which message of which queue may use the next outbound slot; it knows queues by
their next wake-up and messages only by page. `RetrySchedule` says when a failed recipient is tried again, when its
sender is told, and when it is given up (RFC 5321 §4.5.4.1). Every try is an `Attempt`; what a delivery changed is a
`Settlement`, stored in one transaction by `danelaw.spool`. `Filter` is the language in which people name messages:

    to:*@example.org from:bob@shop.example state:waiting age>2h not reason:"greylisted*"

The driver's loop around the scheduler:

    straight = scheduler.admit(message, len(body))        # may it stay in memory, claimed for this process?
    spool.append_soon(message, body, stored, claimed=straight)
    # in `stored`: answer the client, then
    scheduler.arrived(message, body if straight else None, len(body), now, claimed=straight)
    # or after an error: if straight: scheduler.abandoned(message, len(body))

    for key, wanted in scheduler.refills(now):
        scheduler.refilled(key, *spool.claim(key, wanted, now), now)
    for work in scheduler.next_work(now):                 # each holds one outbound slot
        …deliver work.message, then…
        sleep = scheduler.finished(work, HostVerdict.GOOD, now, spread=random())
        if sleep: spool.save_queue(*sleep)
        spool.settle_soon(settlement, lambda error: scheduler.deferred(work.key, due, now))
    if gone := scheduler.surrendered():                   # the queue went to sleep
        spool.release(gone, lambda: scheduler.returned(gone, now))
    timer at scheduler.next_wakeup(); every few seconds: scheduler.overdue, spool.expired, spool.late, spool.sweep
"""

from __future__ import annotations

from danelaw.queue.attempt import Attempt, RecordReason, UnreadableAttempt
from danelaw.queue.custody import DELIVERY, OPERATOR, Custody, HeldBy, findings_text
from danelaw.queue.evidence import named_by
from danelaw.queue.filter import Filter, FilterError
from danelaw.queue.ids import MAX_SHARD, InvalidQueueId, QueueIds, floor_id, id_from_text, id_to_text, shard_of
from danelaw.queue.pages import HostVerdict, SchedulerSettings, Sleep, VirtualQueue, Work
from danelaw.queue.results import Move, Owed, RecipientResult, Settlement
from danelaw.queue.schedule import InvalidSchedule, RetrySchedule
from danelaw.queue.scheduler import Scheduler
from danelaw.queue.values import QueuedMessage, QueuedRecipient, RecipientState, RoutingKey

__all__ = [
    "DELIVERY",
    "MAX_SHARD",
    "OPERATOR",
    "Attempt",
    "Custody",
    "Filter",
    "FilterError",
    "HeldBy",
    "HostVerdict",
    "InvalidQueueId",
    "InvalidSchedule",
    "Move",
    "Owed",
    "QueueIds",
    "QueuedMessage",
    "QueuedRecipient",
    "RecipientResult",
    "RecipientState",
    "RecordReason",
    "RetrySchedule",
    "RoutingKey",
    "Scheduler",
    "SchedulerSettings",
    "Settlement",
    "Sleep",
    "UnreadableAttempt",
    "VirtualQueue",
    "Work",
    "findings_text",
    "floor_id",
    "id_from_text",
    "id_to_text",
    "named_by",
    "shard_of",
]
