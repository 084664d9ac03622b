"""The step that puts in the place of aliases whom they stand for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from danelaw.address import ForwardPath
from danelaw.frontdoor.premises import Premises
from danelaw.inbound.arrival import Finding, Refuse
from danelaw.inbound.steps import Stage, Step
from danelaw.smtp import OriginalRecipient, Recipient, Reply

if TYPE_CHECKING:
    from danelaw.address import Mailbox
    from danelaw.frontdoor.mapfiles import MapFiles
    from danelaw.inbound.arrival import Arrival, Ruling

_TOO_MANY_IN_ALL = Reply.of(452, "4.5.3", "these recipients stand for too many; send to fewer at once")
_SHOWN = 10


class ExpansionStep(Step):
    """After whoever judges the message by its recipients as the client gave them."""

    name = "alias"
    stages = Stage.MESSAGE
    for_trusted = True

    def __init__(self, premises: Premises, maps: MapFiles) -> None:
        self.premises = premises
        self._maps = maps
        self._most = premises.config.aliases.most

    @property
    def idle(self) -> bool:
        """True while the map files only name mailboxes."""
        return not self._maps.current(self.premises.clock()).expands

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Put in the place of each alias whom it stands for, each recipient once."""
        aliases = self._maps.current(self.premises.clock())
        found: dict[Mailbox, Recipient] = {}
        for recipient in arrival.recipients:
            mailbox = recipient.forward_path.mailbox
            entry = aliases.find(mailbox)
            if entry is None or not entry.targets:
                found.setdefault(mailbox, recipient)
                continue
            targets = aliases.expand(mailbox, self._most).mailboxes
            words = ", ".join(target.to_text() for target in targets[:_SHOWN])
            more = f" and {len(targets) - _SHOWN} more" if len(targets) > _SHOWN else ""
            arrival.findings.append(Finding("alias", "expanded", f"{mailbox} stands for {words}{more}"))
            for number, target in enumerate(targets):
                found.setdefault(target, _standing_for(recipient, target, first=number == 0))
        if len(found) > self.premises.config.limits.recipients + self._most:
            return Refuse(_TOO_MANY_IN_ALL)
        arrival.recipients = list(found.values())
        return None


def _standing_for(recipient: Recipient, target: Mailbox, *, first: bool) -> Recipient:
    """What the sender asked for goes on with exactly one of those an alias names (RFC 3461 §5.2.7.2, §5.2.7.3)."""
    if not first:
        return Recipient(ForwardPath(target))
    orcpt = recipient.orcpt
    if orcpt is None and recipient.forward_path.mailbox.is_ascii:
        orcpt = OriginalRecipient("rfc822", recipient.forward_path.mailbox.to_text())
    return replace(recipient, forward_path=ForwardPath(target), orcpt=orcpt)
