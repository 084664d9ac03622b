"""Mail of users by an author in a member's domain: inside TLS, and signed by that domain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from danelaw.dkim import DKIMOutcome, DKIMResult, DKIMVerification
from danelaw.inbound.arrival import Finding, Refuse
from danelaw.inbound.signing import header_of, only_author
from danelaw.inbound.steps import Stage, Step
from danelaw.inbound.trust import MOST_AUTHORS, TOO_MANY_AUTHORS, domains_of, strip, unknown_membership
from danelaw.message import author_addresses
from danelaw.smtp import Reply
from danelaw.trustgroup import Standing
from danelaw.trustgroup.receiving import signed_by, tls_suffices

if TYPE_CHECKING:
    from danelaw.address import Domain
    from danelaw.inbound.arrival import Arrival, Ruling
    from danelaw.resolver import Resolver
    from danelaw.state.trust_roll import TrustRoll
    from danelaw.trustgroup import TrustGroup

_NAME = "trust-submission"
_FLOOR = "1.2"


class TrustSubmissionStep(Step):
    """Asked about users. Where a key of ours will sign, there is nothing to verify; else the signature the message came
    with must hold, since receivers who are members refuse what is not signed. Of several authors each one counts, as
    it does there.
    """

    name = _NAME
    stages = Stage.MESSAGE
    for_strangers = False
    for_users = True

    def __init__(
        self,
        roll: TrustRoll,
        resolver: Resolver,
        signs: Collection[Domain],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`signs` are the domains whose mail is signed here; `clock` gives POSIX seconds."""
        self._roll = roll
        self._resolver = resolver
        self._signs = signs
        self._clock = clock

    @property
    def idle(self) -> bool:
        """True where no group has anything to do with mail of users."""
        return not any(group.submission or group.header for group in self._roll.groups)

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Remove fields that only we may write, then ask for TLS and a signature where a group wants them."""
        now = self._clock()
        strip(arrival, (group.header for group in self._roll.groups))
        groups = [group for group in self._roll.groups if group.submission and group.active(now)]
        if not groups:
            return None
        fields = header_of(arrival)
        authors = domains_of(author_addresses((one.name, one.raw) for one in fields.fields))
        if len(authors) > MOST_AUTHORS:
            return Refuse(TOO_MANY_AUTHORS, _NAME)
        signs = only_author(fields)
        outcome: DKIMOutcome | None = None
        for author in authors:
            group = await self._demanding(author, now, groups)
            if isinstance(group, Refuse):
                return group
            if group is None:
                continue
            if not tls_suffices(_FLOOR, arrival.client.tls):
                words = f"mail of trust group {group.name} is taken inside TLS {_FLOOR} or later only"
                return Refuse(Reply.of(550, "5.7.10", words), _NAME)
            if author == signs and author in self._signs:
                continue
            outcome = outcome or await self._verified(arrival)
            refusal = _unsigned(arrival, author, group.name, outcome)
            if refusal is not None:
                return refusal
        return None

    async def _demanding(self, author: Domain, now: float, groups: Iterable[TrustGroup]) -> TrustGroup | Refuse | None:
        """The first group that demands something of this author."""
        for belonging in await self._roll.belongings(author, now, groups):
            standing = belonging.membership.standing
            if standing is Standing.UNKNOWN:
                return Refuse(unknown_membership(belonging), _NAME)
            if standing is Standing.MEMBER and not belonging.group.exempts(author):
                return belonging.group
        return None

    async def _verified(self, arrival: Arrival) -> DKIMOutcome:
        verification = DKIMVerification(header_of(arrival).pairs, now=self._clock())
        if verification.needs_body:
            if arrival.content.in_memory:
                _read(verification, arrival)
            else:
                await asyncio.to_thread(_read, verification, arrival)
        return verification.conclude(await self._resolver.run(verification.lookup()))


def _unsigned(arrival: Arrival, author: Domain, group: str, outcome: DKIMOutcome) -> Refuse | None:
    """None where a signature of the author's domain holds."""
    good = signed_by(author, outcome.verdicts)
    if good is not None:
        arrival.findings.append(Finding(_NAME, "signed", f"by {good.domain}, key {good.selector}"))
        return None
    own = [one for one in outcome.verdicts if one.domain.lower() == author.ascii]
    if any(one.result is DKIMResult.TEMPERROR for one in own):
        words = f"the DKIM key of {author} cannot be looked up now; try again later"
        return Refuse(Reply.of(451, "4.7.1", words), _NAME)
    why = own[0].reason if own else "it has no such signature"
    words = f"mail of trust group {group} must have a DKIM signature of {author}: {ascii(why)[1:-1][:200]}"
    return Refuse(Reply.of(550, "5.7.1", words), _NAME)


def _read(verification: DKIMVerification, arrival: Arrival) -> None:
    for piece in arrival.content.body():
        verification.update(piece)
