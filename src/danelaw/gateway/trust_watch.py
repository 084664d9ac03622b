"""Looks at the members of trust groups again and again, a few at a time, and tells what changed."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from danelaw.address import Domain, Mailbox
from danelaw.errors import DanelawError
from danelaw.gateway.trust_alert import alert
from danelaw.outbound.membercheck import look
from danelaw.queue import QueuedMessage, QueuedRecipient
from danelaw.routing import NextHop
from danelaw.state import FILE_NAME, StateDatabase, TrustStore
from danelaw.tlspolicy import SenderDemand
from danelaw.trustgroup import Observation, Standing, TrustGroup, Watch, follow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from danelaw.gateway.gateway import Gateway
    from danelaw.state.trust import Member, Told

LOOK_SECONDS = 5.0
AT_ONCE = 4
"""Members looked at side by side: theirs are other people's servers."""
_COUNT_SECONDS = 60.0
_MET_WITHIN = 60.0
_LISTED_WITHIN = 3600.0
"""When members are looked at first."""
_KEEP_LEFT_SECONDS = 30 * 86_400.0
_MOST_MET = 10_000
_MOST_KNOWN = 200_000


class TrustWatch:
    """Every process runs one; the shared store gives each look, and each alert, to one of them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._roll = gateway.parts.trust
        self._store = TrustStore(StateDatabase(gateway.config.spool.directory / FILE_NAME))
        self._met: dict[tuple[str, str], None] = {}
        self._known: set[tuple[str, str]] = set()
        self._listed: tuple[TrustGroup, ...] = ()
        self._counted = float("-inf")
        self._roll.met = self.met

    def met(self, group: TrustGroup, domain: Domain) -> None:
        """Mail went to a member, or came from one: it is watched too. Costs two look-ups in memory."""
        key = (group.name, domain.ascii)
        if key not in self._known and len(self._met) < _MOST_MET:
            self._met[key] = None

    async def keep(self) -> None:
        """Until cancelled: whoever is due."""
        try:
            while True:
                try:
                    await self.look()
                except DanelawError as error:
                    self._gateway.log.error("trust", reason=error.reason, advice=error.advice)
                except Exception as error:  # the next look must come
                    self._gateway.log.error("trust", reason=f"{type(error).__name__}: {error}")
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._store.close()

    async def look(self) -> None:
        """Take in new members, look at those that are due, tell what changed."""
        now = self._gateway.clock()
        await self._take_in(now)
        while self._roll.groups:
            claimed = [member for member in (self._store.claim(now) for _ in range(AT_ONCE)) if member is not None]
            if not claimed:
                break
            await asyncio.gather(*(self._examine(member, now) for member in claimed))
        await self._tell_all()
        if now - self._counted >= _COUNT_SECONDS:
            self._counted = now
            self._count()

    async def _take_in(self, now: float) -> None:
        groups = self._roll.groups
        path = self._gateway.config.spool.directory / FILE_NAME
        watched = [group for group in groups if watches(group)]
        if groups != self._listed:
            listed = {group.name: sorted(one for one in group.members if not one.startswith(".")) for group in watched}
            await asyncio.to_thread(take_in, path, listed, now, _LISTED_WITHIN)
            self._listed = groups
            self._known.clear()
        if not self._met:
            return
        met, self._met = self._met, {}
        by_group = {group.name: [domain for name, domain in met if name == group.name] for group in watched}
        await asyncio.to_thread(take_in, path, by_group, now, _MET_WITHIN)
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        self._known.update(met)

    async def _examine(self, member: Member, now: float) -> None:
        """One look at one member."""
        group, domain = self._roll.group(member.group), Domain.from_text(member.domain)
        if group is None or not group.active(now) or not watches(group):
            self._store.drop(member.group, member.domain)
            return
        membership = await self._roll.membership(domain, group)
        if membership.standing is Standing.NOT_MEMBER and group.scheme is None:
            self._store.drop(member.group, member.domain)
            return
        if membership.standing is Standing.UNKNOWN:
            found = Observation.UNKNOWN, membership.reason
        elif membership.standing is Standing.NOT_MEMBER:
            found = Observation.LEFT, membership.reason
        elif group.exempts(domain):
            found = Observation.UNKNOWN, "exempt: nothing is demanded"
        else:
            parts = self._gateway.parts
            survey = await parts.surveyor.survey(NextHop.from_text(domain.ascii), SenderDemand.NONE, now)
            found = await look(survey, parts.door, parts.workshop.roots, self._gateway.clock)
        self._believe(group, member, *found)

    def _believe(self, group: TrustGroup, member: Member, found: Observation, reason: str) -> None:
        now = self._gateway.clock()
        watch = Watch(every=group.verify_every)
        record, change = follow(member.record, found, reason[:1000], now, watch, spread(member.domain))
        number = self._store.keep(group.name, member.domain, record, change)
        if change is None or number is None:
            return
        gateway = self._gateway
        gateway.metrics.trust_changes.add(group.name, change.now.value)
        tell = gateway.log.error if change.breach else gateway.log.event
        tell(
            f"trust-{_EVENTS[change.now]}",
            group=group.name,
            domain=member.domain,
            before=change.before.value if change.before is not None else None,
            change=number,
            reason=change.reason,
        )

    async def _tell_all(self) -> None:
        """To hooks and by mail, changes that nobody was told yet; also those of a process that died before it could."""
        for told in self._store.untold():
            if not self._store.take_to_tell(told.number):
                continue
            try:
                await self._tell(told)
            except BaseException:
                self._store.give_back(told.number)
                raise

    async def _tell(self, told: Told) -> None:
        group, scripts = self._roll.group(told.group), self._gateway.parts.scripts
        if scripts is not None:
            await scripts.reported("trust", told.group, facts_of(told))
        if group is not None and group.alert:
            await self._post(told, group)

    async def _post(self, told: Told, group: TrustGroup) -> None:
        """Into the queue like any mail. The Message-ID names the change, so that a second copy is known as one."""
        gateway = self._gateway
        workshop, spool, now = gateway.parts.workshop, gateway.parts.spool, gateway.clock()
        message_id = f"<trust-{told.number}-{int(told.change.at)}@{gateway.config.hostname}>"
        content = alert(told, group, sender=gateway.config.bounce_from, message_id=message_id, date=now)
        key = workshop.relay.key(Mailbox.from_text(group.alert).domain, "")
        recipients = (QueuedRecipient(0, group.alert, key, "NEVER", due=now),)
        kind = "7BIT" if content.isascii() else "8BITMIME"
        message = QueuedMessage(
            spool.new_id(), now, workshop.schedule.expires(now), "", recipients, len(content), 1,
            body_kind=kind, client_helo="trust-alert", message_id=message_id,
        )  # fmt: skip
        await spool.append(message, content)
        gateway.parts.engine.arrived(message, content, False)
        gateway.log.event("trust-alert", id=message.id_text, group=group.name, domain=told.domain, to=group.alert)

    def _count(self) -> None:
        """The numbers of the groups there are; and what nobody needs any more goes."""
        known = [group.name for group in self._roll.groups]
        self._store.forget(known, self._gateway.clock() - _KEEP_LEFT_SECONDS)
        counts = self._store.counts()
        for name in known:
            for standing in ("", *(one.value for one in (Observation.KEPT, Observation.BROKEN, Observation.LEFT))):
                self._gateway.metrics.trust_members.set(float(counts.get((name, standing), 0)), name, standing or "new")


def facts_of(told: Told) -> dict[str, object]:
    """A change as report hooks are told it."""
    change = told.change
    return {
        "domain": told.domain,
        "before": change.before.value if change.before is not None else "new",
        "now": change.now.value,
        "at": change.at,
        "reason": change.reason,
        "change": told.number,
    }


_EVENTS = {
    Observation.BROKEN: "breach",
    Observation.KEPT: "kept",
    Observation.LEFT: "left",
    Observation.UNKNOWN: "unknown",
}


def watches(group: TrustGroup) -> bool:
    """Whether there is anything to look at: what servers must prove."""
    return group.send is not SenderDemand.NONE


def spread(domain: str) -> float:
    """A number from 0 to 1 by name, the same each time, so that looks at many members are kept apart."""
    return zlib.crc32(domain.encode()) / 0xFFFFFFFF


def take_in(path: Path, members: Mapping[str, Sequence[str]], now: float, within: float) -> None:
    """Watch these names of each group, the first time within so many seconds. For a thread, through a connection of its
    own: with long lists it takes a while.
    """
    store = TrustStore(StateDatabase(path))
    try:
        for group, domains in members.items():
            if domains:
                store.meet(group, domains, now, spread, within)
    finally:
        store.close()
