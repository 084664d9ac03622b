"""Call-ahead for scripts: whether a next hop takes mail for a recipient, asked by RCPT and remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.address import Mailbox
from danelaw.caches import Cache
from danelaw.errors import DanelawError
from danelaw.outbound.callahead import CallAhead, Standing
from danelaw.policy import LibraryError, RecipientAnswer
from danelaw.routing import NextHop
from danelaw.scripting.driving import in_task
from danelaw.scripting.library.call import library_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from danelaw.address import AddressLiteral, Domain
    from danelaw.config.recipients import CallAhead as Settings

CACHE = "call-ahead"


class _Unsure(Exception):
    """No answer to be kept."""

    def __init__(self, answer: RecipientAnswer) -> None:
        super().__init__(answer.reply)
        self.answer = answer


class GatewayCallAhead:
    """`policy.library.CallAhead`. `next_hop_of` a domain is where the gateway would send; what next hops take or refuse
    is remembered in `answers`, whose times are those of `[call_ahead]`; that they do not say is not.
    """

    def __init__(
        self,
        asking: CallAhead,
        next_hop_of: Callable[[Domain | AddressLiteral], str],
        settings: Settings,
        answers: Cache[RecipientAnswer],
    ) -> None:
        self._asking = asking
        self._next_hop_of = next_hop_of
        self._seconds = settings.timeout.total_seconds()
        self._answers = answers

    @library_call("callahead.verify")
    async def verify(self, address: str, next_hop: str = "") -> RecipientAnswer:
        """What is remembered, or what the next hop says now."""
        try:
            mailbox = Mailbox.from_text(address)
            hop = NextHop.from_text(next_hop).to_text() if next_hop else self._next_hop_of(mailbox.domain)
        except DanelawError as error:
            raise LibraryError(error.reason, advice=error.advice) from None
        await in_task()
        try:
            return await self._answers.get((hop, mailbox), lambda: self._ask(hop, mailbox))
        except _Unsure as unsure:
            return unsure.answer

    async def _ask(self, hop: str, mailbox: Mailbox) -> RecipientAnswer:
        said = await self._asking.ask(hop, mailbox, self._seconds)
        reply = said.reason if said.reply is None else str(said.reply)
        if said.standing is Standing.TAKEN:
            return RecipientAnswer("accepted", reply)
        if said.standing is Standing.REFUSED:
            return RecipientAnswer("refused", reply)
        raise _Unsure(RecipientAnswer("unknown", reply))


def is_refused(answer: RecipientAnswer) -> bool:
    """What counts as negative among the answers that are remembered."""
    return answer.answer == "refused"
