"""Mail from members of trust groups shows what the group demands, or its breach is ruled on; others may not pose."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from danelaw.address import Domain, DomainError
from danelaw.inbound.arrival import Finding, Hold, Refuse
from danelaw.inbound.steps import Stage, Step
from danelaw.message import field, without_fields
from danelaw.smtp import Reply
from danelaw.trustgroup import Breach, Kept, ReceivedJudgement, Standing, judge_received

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Arrival, Ruling
    from danelaw.message import Authors
    from danelaw.state.trust_roll import Belonging, TrustRoll
    from danelaw.telemetry import Metrics
    from danelaw.trustgroup import TrustGroup

_NAME = "trust"
_LONGEST_REASON = 300
MOST_AUTHORS = 8
"""Domains in From that are looked up; mail has one, and a crowd would only hide one among the others."""
TOO_MANY_AUTHORS = Reply.of(554, "5.6.0", "the From field names too many domains")
_NOT_TEXT = re.compile(r"[^\x20-\x7e]")


class TrustStep(Step):
    """Asked about mail from outside, behind `Origin`, whose verdicts it goes by.

    Fields that say what a message is to a group are removed first, whoever wrote them. Then each author's domain is
    looked up in each group. Where DNS cannot say whether it is a member the client comes again.
    """

    name = _NAME
    stages = Stage.MESSAGE

    def __init__(self, roll: TrustRoll, metrics: Metrics, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives POSIX seconds."""
        self._roll = roll
        self._metrics = metrics
        self._clock = clock

    @property
    def idle(self) -> bool:
        """True where no group looks at mail that comes in."""
        return not any(map(_examines, self._roll.groups))

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Strip, look up, judge, write the fields; the strictest ruling of all groups counts."""
        now = self._clock()
        groups = [group for group in self._roll.groups if _examines(group)]
        strip(arrival, (group.header for group in groups))
        found: list[tuple[TrustGroup, Standing, ReceivedJudgement | None]] = []
        for group in groups:
            if not group.active(now):
                continue
            outcome = await self._stands(arrival, group, now)
            if isinstance(outcome, Refuse):
                self._count(group, "unknown" if outcome.reply.is_temporary else "breach")
                return outcome
            found.append((group, *outcome))
        rulings = [self._ruled(arrival, group, standing, judgement) for group, standing, judgement in found]
        return min((one for one in rulings if one is not None), key=_strictness, default=None)

    async def _stands(
        self, arrival: Arrival, group: TrustGroup, now: float
    ) -> tuple[Standing, ReceivedJudgement | None] | Refuse:
        """How a message stands to a group: by the worst of its authors' domains that are members."""
        worst: tuple[Standing, ReceivedJudgement | None] = (Standing.NOT_MEMBER, None)
        authors = authors_of(arrival)
        if len(authors) > MOST_AUTHORS and group.receive.demands:
            return Refuse(TOO_MANY_AUTHORS, _NAME)
        for author in authors[:MOST_AUTHORS]:
            (belonging,) = await self._roll.belongings(author, now, (group,))
            if belonging.membership.standing is Standing.UNKNOWN:
                return Refuse(unknown_membership(belonging), _NAME)
            if belonging.membership.standing is Standing.NOT_MEMBER or group.exempts(author):
                continue
            assert arrival.verdicts is not None
            judgement = judge_received(group.receive, author, arrival.client.tls, arrival.verdicts)
            if worst[1] is None or _ORDER[judgement.kept] < _ORDER[worst[1].kept]:
                worst = Standing.MEMBER, judgement
        return worst

    def _ruled(
        self, arrival: Arrival, group: TrustGroup, standing: Standing, judgement: ReceivedJudgement | None
    ) -> Ruling | None:
        """Count it, note it, write the field; what is to happen to the message."""
        if judgement is None:
            self._count(group, "non-member")
            _write(arrival, group, "non-member")
            return None
        reason = judgement.reason[:_LONGEST_REASON]
        self._count(group, {Kept.KEPT: "member", Kept.BROKEN: "breach", Kept.UNDECIDED: "undecided"}[judgement.kept])
        if judgement.kept is Kept.KEPT:
            arrival.findings.append(Finding(f"{_NAME}:{group.name}", "member", reason))
            _write(arrival, group, "member")
            return None
        word = "breach" if judgement.kept is Kept.BROKEN else "undecided"
        arrival.findings.append(Finding(f"{_NAME}:{group.name}", word, reason))
        _write(arrival, group, "breach" if group.says_breach else "non-member")
        if judgement.kept is Kept.UNDECIDED:
            return Refuse(Reply.of(451, "4.7.1", f"trust group {group.name}: {_plain(reason)}; try again later"), _NAME)
        words = f"mail of a member of trust group {group.name} must show more: {_plain(reason)}"
        match group.on_breach:
            case Breach.REFUSE:
                return Refuse(Reply.of(550, "5.7.10" if judgement.no_tls else "5.7.1", words), _NAME)
            case Breach.DEFER:
                return Refuse(Reply.of(451, "4.7.10" if judgement.no_tls else "4.7.1", words), _NAME)
            case Breach.HOLD:
                return Hold(f'breach of trust group "{group.name}": {reason}', _NAME)
            case Breach.TAG:
                return None

    def _count(self, group: TrustGroup, result: str) -> None:
        self._metrics.trust_messages.cell(group.name, result).value += 1


_ORDER = {Kept.BROKEN: 0, Kept.UNDECIDED: 1, Kept.KEPT: 2}


def authors_of(arrival: Arrival) -> tuple[Domain, ...]:
    """The domains of a message's authors, of those that can be read."""
    return domains_of(arrival.verdicts.authors) if arrival.verdicts is not None else ()


def domains_of(authors: Authors) -> tuple[Domain, ...]:
    """The domains that can be read, each once."""
    found: list[Domain] = []
    for text in authors.domains:
        try:
            found.append(Domain.from_text(text))
        except DomainError:
            continue
    return tuple(dict.fromkeys(found))


def strip(arrival: Arrival, names: Iterable[str]) -> None:
    """Remove what claims to be ours; the content stays the same object where nothing does, as in most mail."""
    wanted = [name.encode("ascii") for name in names if name]
    header = arrival.content.header
    kept = without_fields(header, wanted)
    if len(kept) != len(header):
        arrival.content = arrival.content.with_header(kept)


def _write(arrival: Arrival, group: TrustGroup, word: str) -> None:
    if group.header:
        arrival.added.append(field(group.header, word))


def _examines(group: TrustGroup) -> bool:
    return group.receive.demands or bool(group.header)


def unknown_membership(belonging: Belonging) -> Reply:
    """What a client is told where DNS cannot say whether an author's domain is a member."""
    membership = belonging.membership
    words = f"whether {membership.domain} is a member of trust group {belonging.group.name} cannot be known now"
    return Reply.of(451, "4.4.3", f"{words}: {_plain(membership.reason)[:_LONGEST_REASON]}; try again later")


def _strictness(ruling: Ruling) -> int:
    if isinstance(ruling, Refuse):
        return 0 if ruling.reply.code >= 500 else 1
    return 2


def _plain(text: str) -> str:
    """Words of others in a reply: one line of ASCII."""
    return _NOT_TEXT.sub("?", text)
