"""Asking a recipient's next hop whether it would take mail for it: MAIL from nobody, RCPT, and no message.

The way is that of a delivery, judged alike: nobody's name is told to a host that a delivery would not speak to. VRFY is
not used: hardly any server answers it (RFC 5321 §3.5.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from danelaw.address import ForwardPath, ReversePath
from danelaw.outbound.connection import Connection, ConnectionLost
from danelaw.outbound.opening import Door, HostUnusable, open_connection
from danelaw.routing import NextHop, carrier_of
from danelaw.smtp import (
    BodyDue,
    ConnectionClosed,
    Envelope,
    NextHopLacks,
    Recipient,
    RemoteProtocolError,
    Reply,
    ReplyReceived,
    ServiceClosing,
    TransactionRefused,
    Verb,
)
from danelaw.tlspolicy import SenderDemand, judge

if TYPE_CHECKING:
    from danelaw.address import Mailbox
    from danelaw.outbound.destination import HostPlan, Survey, Surveyor
    from danelaw.pkix import Roots
    from danelaw.smtp import Clearance

_MOST_TRIES = 4
_AT_ONCE = 20


class Standing(Enum):
    """`UNSURE`: no server was reached, or none wanted to say."""

    TAKEN = "taken"
    REFUSED = "refused"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class RecipientAnswer:
    """What the next hop says of a recipient; `reply` is its own, None when it said nothing."""

    standing: Standing
    reason: str
    reply: Reply | None = None


class CallAhead:
    """Asks next hops. At most 20 conversations at once; the others wait within their time."""

    def __init__(self, surveyor: Surveyor, door: Door, roots: Roots | None, clock: Callable[[], float]) -> None:
        self._surveyor = surveyor
        self._door = door
        self._roots = roots
        self._clock = clock
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def ask(self, next_hop: str, mailbox: Mailbox, seconds: float) -> RecipientAnswer:
        """Whether a next hop (`routing.NextHop` text form) takes mail for a mailbox. Never raises for what it does."""
        if carrier_of(next_hop) is not None:
            return RecipientAnswer(Standing.UNSURE, f"{next_hop} cannot be asked")
        try:
            async with asyncio.timeout(seconds), self._turns:
                survey = await self._surveyor.survey(NextHop.from_text(next_hop), SenderDemand.NONE, self._clock())
                return await self._ask_hosts(survey, mailbox)
        except TimeoutError:
            return RecipientAnswer(Standing.UNSURE, f"no answer within {seconds:g} s")

    async def _ask_hosts(self, survey: Survey, mailbox: Mailbox) -> RecipientAnswer:
        if survey.undeliverable is not None:
            return RecipientAnswer(Standing.REFUSED, survey.undeliverable.reason)
        answer = RecipientAnswer(Standing.UNSURE, survey.error or "no host could be asked")
        places = [(plan, address) for plan in survey.hosts for address in plan.records.addresses]
        for plan, address in places[:_MOST_TRIES]:
            if plan.requirement.refusal is not None:
                answer = RecipientAnswer(Standing.UNSURE, f"{plan.host}: nothing may be sent there now")
                continue
            answer = await self._ask_address(plan, address, survey.next_hop.port, mailbox)
            if answer.standing is not Standing.UNSURE or answer.reply is not None:
                break
        return answer

    async def _ask_address(self, plan: HostPlan, address: str, port: int, mailbox: Mailbox) -> RecipientAnswer:
        """Once, and where opportunistic TLS broke once more in the clear, as a delivery would."""
        reason = ""
        for without_tls in (False, True):
            try:
                connection, handshake = await open_connection(
                    self._door, plan.host, address, port, plan.requirement, without_tls=without_tls
                )
            except HostUnusable as error:
                return RecipientAnswer(Standing.UNSURE, f"{plan.host}: {error.reason}")
            try:
                judgement = judge(plan.requirement, handshake, self._roots, self._clock())
                if judgement.clearance is not None:
                    return await self._converse(connection, judgement.clearance, mailbox)
                reason = judgement.reason
                if not judgement.retry_clear:
                    break
            except (ConnectionLost, RemoteProtocolError) as error:
                return RecipientAnswer(Standing.UNSURE, f"{plan.host}: {error.reason}")
            finally:
                connection.close()
                self._door.sweep.discard(connection)
        return RecipientAnswer(Standing.UNSURE, f"{plan.host}: {reason}")

    async def _converse(self, connection: Connection, clearance: Clearance, mailbox: Mailbox) -> RecipientAnswer:
        protocol, patience = connection.protocol, self._door.patience
        recipient = Recipient(ForwardPath(mailbox))
        envelope = Envelope(ReversePath(None), (recipient,), smtputf8=not recipient.is_ascii)
        try:
            protocol.mail(clearance, envelope, eight_bit=False, inquiry=True)
        except NextHopLacks as lack:
            return RecipientAnswer(Standing.UNSURE, lack.reason)
        connection.phase = "waiting for the replies to MAIL and RCPT"
        said: Reply | None = None
        while True:
            match await connection.event(patience.command):
                case ReplyReceived() as event:
                    if event.command.verb is Verb.RCPT:
                        said = event.reply
                case BodyDue():
                    protocol.withdraw()
                    await connection.event(patience.command)
                    return RecipientAnswer(Standing.TAKEN, "the next hop takes mail for it")
                case TransactionRefused() as event:
                    return _refused(said, event.reply)
                case ServiceClosing() as event:
                    return RecipientAnswer(Standing.UNSURE, f"the next hop goes away: {event.reply}", event.reply)
                case ConnectionClosed():
                    return RecipientAnswer(Standing.UNSURE, "the next hop closed the connection")
                case other:
                    raise AssertionError(f"unexpected {other!r} within an inquiry")


def _refused(said: Reply | None, decided: Reply) -> RecipientAnswer:
    """Only what was said to RCPT, and for good, speaks of the recipient: MAIL may be refused for our own sake."""
    if said is not None and said is decided and said.is_permanent:
        return RecipientAnswer(Standing.REFUSED, f"the next hop refuses it: {said}", said)
    return RecipientAnswer(Standing.UNSURE, f"the next hop does not say: {decided}", decided)
