"""The step that knows who our recipients are: map files, and who must be asked whether they exist."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.address import Domain
from danelaw.config.ways import Ways
from danelaw.frontdoor.premises import Premises
from danelaw.frontdoor.remembered import Remembered
from danelaw.inbound.steps import Stage, Step
from danelaw.outbound.callahead import RecipientAnswer, Standing
from danelaw.smtp import Reply

if TYPE_CHECKING:
    from danelaw.address import Mailbox, ReversePath
    from danelaw.frontdoor.mapfiles import MapFiles
    from danelaw.inbound.arrival import Client
    from danelaw.smtp import Recipient

_MOST = 50_000
_UNSURE_SECONDS = 60.0
_UNKNOWN = Reply.of(550, "5.1.1", "no such mailbox here")
_TOO_MANY = Reply.of(550, "5.4.6", "this alias leads to too many recipients, or to itself")
_CANNOT_SAY = Reply.of(450, "4.1.1", "whether this mailbox exists cannot be said now; try again later")


@dataclass(frozen=True, slots=True)
class Verifier:
    """Somebody who can be asked whether a mailbox exists, and how long to believe it, in seconds."""

    ask: Callable[[Mailbox], Awaitable[RecipientAnswer]]
    remember_known: float
    remember_unknown: float
    accepts_unsure: bool
    close: Callable[[], None] = lambda: None


class RecipientStep(Step):
    """Refuses recipients that do not exist, and aliases that cannot be followed."""

    name = "recipient"
    stages = Stage.RECIPIENT
    for_trusted = True

    def __init__(
        self,
        premises: Premises,
        maps: MapFiles,
        verifiers: Mapping[str, Verifier],
        *,
        also_known: Callable[[Mailbox], bool] = lambda mailbox: False,
    ) -> None:
        """`verifiers` by the word in `[[domain]] verify`; `also_known` are mailboxes of our own making."""
        self.premises = premises
        self.maps = maps
        self._verifiers = verifiers
        self._also_known = also_known
        self._ways = Ways(premises.config)
        self._most = premises.config.aliases.most
        self._answers: Remembered[tuple[str, Mailbox], RecipientAnswer] = Remembered(_MOST)
        self._asking: dict[tuple[str, Mailbox], asyncio.Task[RecipientAnswer]] = {}

    def close(self) -> None:
        """End connections to directories."""
        for verifier in self._verifiers.values():
            verifier.close()

    async def recipient(self, client: Client, reverse_path: ReversePath, recipient: Recipient) -> Reply | None:
        """Refuse who does not exist, and aliases that cannot be followed."""
        mailbox = recipient.forward_path.mailbox
        aliases = self.maps.current(self.premises.clock())
        entry = aliases.find(mailbox)
        if entry is not None:
            self._count("map", "known")
            return None if aliases.expand(mailbox, self._most).complete else _TOO_MANY
        own = self._ways.own(mailbox.domain.ascii) if isinstance(mailbox.domain, Domain) else None
        if own is None or mailbox.localpart.content.lower() == "postmaster" or self._also_known(mailbox):
            return None
        if own.verify != "none":
            return await self._verify(own.verify, mailbox)
        if own.recipients is None:
            return None
        self._count("map", "unknown")
        return _UNKNOWN

    async def _verify(self, source: str, mailbox: Mailbox) -> Reply | None:
        verifier = self._verifiers[source]
        key = (source, mailbox)
        now = self.premises.clock()
        answer = self._answers.get(key, now)
        if answer is None:
            task = self._asking.get(key)
            if task is None:
                task = asyncio.ensure_future(verifier.ask(mailbox))
                self._asking[key] = task
                task.add_done_callback(lambda _: self._asking.pop(key, None))
            answer = await asyncio.shield(task)
            seconds = {
                Standing.TAKEN: verifier.remember_known,
                Standing.REFUSED: verifier.remember_unknown,
                Standing.UNSURE: min(verifier.remember_unknown, _UNSURE_SECONDS),
            }[answer.standing]
            self._answers.put(key, answer, now + seconds)
        self._count(source, {"taken": "known", "refused": "unknown"}.get(answer.standing.value, "unsure"))
        if answer.standing is Standing.TAKEN:
            return None
        if answer.standing is Standing.REFUSED:
            return _as_refused(answer.reply)
        self.premises.log.warning("recipient", to=mailbox.to_text(), source=source, reason=answer.reason)
        return None if verifier.accepts_unsure else _CANNOT_SAY

    def _count(self, source: str, result: str) -> None:
        self.premises.metrics.recipients_verified.add(source, result)


def _as_refused(reply: Reply | None) -> Reply:
    """The next hop's own words, where it spoke."""
    if reply is None:
        return _UNKNOWN
    words = " ".join(reply.text.split())[:200].encode("ascii", "replace").decode()
    enhanced = "" if reply.enhanced is None else reply.enhanced.to_text()
    if not enhanced.startswith("5."):
        enhanced = "5.1.1"
    return Reply.of(550, enhanced, f"the mailbox's own server refuses it: {words}")
