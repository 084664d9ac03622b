"""Trying a stored message in a lab, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from danelaw.outbound.outcome import Outcome, settlement_of
from danelaw.outbound.steps import USUAL, Way
from danelaw.policy import Address
from danelaw.queue import RecipientState
from danelaw.queue.pages import HostVerdict, Work

if TYPE_CHECKING:
    from danelaw.queue import Attempt, QueuedMessage, RoutingKey
    from danelaw.testing.fate import Stored
    from danelaw.testing.premises import Premises

Word: TypeAlias = Literal["delivered", "waiting", "returned", "held"]
MOST_MOVES = 10
_WORDS: dict[RecipientState, Word] = {
    RecipientState.DELIVERED: "delivered",
    RecipientState.RELAYED: "delivered",
    RecipientState.FAILED: "returned",
    RecipientState.HELD: "held",
}


@dataclass(frozen=True, slots=True)
class End:
    """What became of one recipient at a try. `again_in` is seconds until the next one, None where there is none;
    `tries` are those that count; `notice` is what hooks added to the words for the sender.
    """

    address: Address
    outcome: Word
    reply: str = ""
    reason: str = ""
    bounce_class: str = ""
    again_in: float | None = None
    tries: int = 0
    notice: str = ""


@dataclass(slots=True, eq=False)
class Tried:
    """One try of a message: the `ends` of its recipients, the hosts that were tried, how it went (`ways`: next hop,
    local address, HELO name, certificate), and the next hops it was moved to before.
    """

    ends: dict[str, End] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    ways: tuple[tuple[str, Way], ...] = ()
    moved_to: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """The one word for all recipients. Raises `AssertionError` where they differ."""
        words = {one.outcome for one in self.ends.values()}
        if len(words) != 1:
            raise AssertionError(f"the recipients have different ends: {', '.join(map(str, self.ends.values()))}")
        return words.pop()

    @property
    def end(self) -> End:
        """That of the first recipient."""
        return next(iter(self.ends.values()))

    @property
    def next_hop(self) -> str:
        """Where it was tried, empty where nothing was sent."""
        return self.ways[-1][0] if self.ways else ""

    @property
    def way(self) -> Way:
        """How it was sent."""
        return self.ways[-1][1] if self.ways else USUAL


async def deliver(premises: Premises, stored: Stored) -> Tried:
    """Try what is due of a message, and bring it up to date."""
    tried = Tried()
    before = len(premises.courier.ways)
    for _ in range(MOST_MOVES):
        keys = {one.key for one in stored.message.recipients if one.state is RecipientState.QUEUED}
        keys -= {one.key for one in stored.message.recipients if one.forward_path in tried.ends}
        if not keys:
            break
        await _try(premises, stored, min(keys), tried)
    tried.ways = tuple(premises.courier.ways[before:])
    return tried


async def _try(premises: Premises, stored: Stored, key: RoutingKey, tried: Tried) -> None:
    message, now = stored.message, premises.fake.clock()
    mine = tuple(one for one in message.recipients if one.key == key and one.state is RecipientState.QUEUED)
    work = Work(key, replace(message, recipients=mine), stored.octets, message.expires, now, False)
    outcome = await premises.courier.deliver(work, Outcome())
    tried.attempts += tuple(outcome.attempts)
    moves = {one.number: one.key for one in outcome.moves}
    for one in mine:
        if one.number in moves:
            one.key = moves[one.number]
    if moves:
        tried.moved_to += tuple(dict.fromkeys(key.next_hop for key in moves.values()))
    if outcome.context is not None:
        stored.message = replace(message, context=outcome.context)
    _settle(premises, work, outcome, tried, moved=set(moves))


def _settle(premises: Premises, work: Work, outcome: Outcome, tried: Tried, *, moved: set[int]) -> None:
    """As it would be written down, with the pauses of the schedule and no chance in them."""
    now = premises.fake.clock()
    if outcome.verdict is HostVerdict.DOWN:
        wait = premises.schedule.wait(1, 0.5)
        for one in work.message.recipients:
            one.reason, one.due = outcome.reason, now + wait
            tried.ends[one.forward_path] = End(
                Address(one.forward_path), "waiting", "", outcome.reason, again_in=wait, tries=one.tries
            )
        return
    settlement = settlement_of(work, outcome, premises.schedule, _NoNotices(), now, lambda: 0.5)  # type: ignore[arg-type]
    assert settlement is not None
    results = {one.number: one for one in settlement.results}
    for one in work.message.recipients:
        result = results[one.number]
        one.state, one.due, one.tries = result.state, result.due, result.tries
        one.reply, one.reason = result.reply, result.reason
        if one.number in moved:
            continue
        end = outcome.recipients.get(one.number)
        tried.ends[one.forward_path] = End(
            Address(one.forward_path),
            _WORDS.get(result.state, "waiting"),
            result.reply,
            result.reason,
            "" if end is None else end.bounce,
            result.due - now if result.state is RecipientState.QUEUED else None,
            result.tries,
            "" if end is None else end.text,
        )


class _NoNotices:
    """Notices to senders are none of a policy's business."""

    def owes(self, message: QueuedMessage) -> bool:
        return False

    def for_outcome(self, message: QueuedMessage, outcome: Outcome, now: float) -> tuple[()]:
        return ()
