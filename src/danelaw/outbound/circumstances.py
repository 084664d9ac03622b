"""What a notice tells about one destination besides the end of a recipient: each host's last try, since when it fails.

Read from the spool: the message's own tries, those of its destination while it fails for everybody, and how its hosts
have been doing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.dsn import Action, Cause, Demander, DSNRecipient, HostTry
from danelaw.queue import Attempt, QueuedRecipient, RecipientState, RoutingKey, UnreadableAttempt
from danelaw.routing import NextHop, carrier_of
from danelaw.spool.attempts import attempts_of, host_record
from danelaw.spool.trouble import trouble_of

if TYPE_CHECKING:
    import sqlite3

    from danelaw.outbound.outcome import RecipientOutcome

ROUND = 7200.0
"""Seconds before the newest try within which tries are of the same round over the hosts."""
_MOST_TRIES = 8
_ACTIONS = {
    RecipientState.FAILED: Action.FAILED,
    RecipientState.EXPIRED: Action.FAILED,
    RecipientState.RELAYED: Action.RELAYED,
    RecipientState.QUEUED: Action.DELAYED,
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """`tries` are the last at each host, newest round only; times in POSIX seconds."""

    tries: tuple[HostTry, ...] = ()
    demander: Demander = Demander.NOBODY
    failing_since: float | None = None
    worked_until: float | None = None

    @property
    def cause(self) -> Cause:
        """What decided: the first finding that DNS or the network cannot be blamed for, else the first."""
        causes = [one.cause for one in self.tries]
        return next((one for one in causes if not one.may_pass), causes[0] if causes else Cause.OTHER)

    @classmethod
    def of_tries(cls, tries: Sequence[Attempt]) -> Circumstances:
        """Of the tries of one delivery, as it ended just now."""
        return cls(_last_round(tries), _demander(tries))


NOTHING = Circumstances()


def from_spool(connection: sqlite3.Connection, message: int, key: RoutingKey) -> Circumstances:
    """Of mail that waits, or waited until now, for a destination."""
    try:
        tries = [one for one in attempts_of(connection, message) if one.destination == key.next_hop]
    except UnreadableAttempt:
        tries = []
    trouble = trouble_of(connection, key.next_hop, key.demand)
    if trouble is not None:
        tries += trouble.tries
    found = _last_round(tries)
    since = trouble.since if trouble is not None else None
    return Circumstances(found, _demander(tries), since, _worked_until(connection, found, since))


def _last_round(tries: Sequence[Attempt]) -> tuple[HostTry, ...]:
    """The newest try at each host and address that ended badly, in the order they were made."""
    newest = max((one.time for one in tries), default=0.0)
    latest: dict[tuple[str, str], Attempt] = {}
    for one in sorted(tries, key=lambda item: item.time):
        if one.outcome != "delivered" and one.time >= newest - ROUND and (one.host or one.cause):
            latest.pop((one.host, one.address), None)
            latest[one.host, one.address] = one
    if any(host for host, _ in latest):  # a look-up that failed in between is no host
        latest = {place: one for place, one in latest.items() if place[0]}
    return tuple(host_try(one) for one in list(latest.values())[-_MOST_TRIES:])


def host_try(attempt: Attempt) -> HostTry:
    """A recorded try as a notice tells of it."""
    return HostTry(
        host=attempt.host,
        when=attempt.time,
        cause=cause_from(attempt.cause),
        address=attempt.address,
        tls=attempt.tls_version,
        detail=attempt.reason,
        reply=attempt.reply,
    )


def _demander(tries: Iterable[Attempt]) -> Demander:
    """Whoever demanded something last; what DNS did not say counts only where it never said anything."""
    said = [Demander(one.demander) for one in tries if one.demander in _DEMANDERS]
    known = [one for one in said if one is not Demander.UNKNOWN]
    return (known or said or [Demander.NOBODY])[-1]


_DEMANDERS = frozenset(one.value for one in Demander if one.value)
_ON_THE_WAY = frozenset(list(Cause)[: list(Cause).index(Cause.LOOP)])
_CAUSES = {one.value: one for one in Cause}


def cause_from(word: str) -> Cause:
    """The cause of a recorded word; one that is not known is `OTHER`."""
    return _CAUSES.get(word, Cause.OTHER)


def _worked_until(connection: sqlite3.Connection, tries: Iterable[HostTry], since: float | None) -> float | None:
    """When these hosts last took mail, if that was before they failed: a provider's may work for other domains."""
    if since is None:
        return None
    records = (host_record(connection, name) for name in {one.host for one in tries if one.host})
    times = [one.last_success for one in records if one is not None and one.last_success is not None]
    latest = max(times, default=None)
    return latest if latest is not None and latest <= since else None


def described(
    queued: QueuedRecipient,
    end: RecipientOutcome,
    around: Circumstances,
    now: float,
    *,
    retry_until: float | None = None,
    over: float | None = None,
) -> DSNRecipient:
    """What a notice says about one recipient. `over` are the seconds after which it was given up."""
    cause = cause_from(end.cause) if end.cause else Cause.OTHER
    if not end.cause and end.state is not RecipientState.RELAYED:
        cause = around.cause
    told = end.state is not RecipientState.RELAYED
    last = now if end.host else None
    if last is None and over is None and around.tries and retry_until is not None:
        last = around.tries[-1].when
    return DSNRecipient(
        address=queued.forward_path,
        action=_ACTIONS[end.state],
        status=end.status,
        reason="; ".join(word for word in (end.notice, end.reason, end.text) if word) or "the next server refused it",
        orcpt=queued.orcpt or None,
        remote_mta=end.host or None,
        diagnostic=end.reply or None,
        last_attempt=last,
        will_retry_until=retry_until,
        destination=_destination(queued, cause),
        cause=cause,
        demander=around.demander if told else Demander.NOBODY,
        tries=around.tries if told else (),
        failing_since=around.failing_since if told else None,
        worked_until=around.worked_until if told else None,
        over=over,
        remark=end.text,
    )


def _destination(queued: QueuedRecipient, cause: Cause) -> str:
    """Whom a cause is about: the recipient's domain, or for what happened on the way the next hop, where that is
    another.
    """
    if cause in _ON_THE_WAY and carrier_of(queued.key.next_hop) is None:
        hop = NextHop.from_text(queued.key.next_hop)
        return hop.domain.to_unicode() if hop.domain is not None else str(hop.address)
    return queued.forward_path.rpartition("@")[2]
