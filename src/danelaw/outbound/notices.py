"""Notices to senders: which outcome calls for one, and the notice as a message of its own (RFC 3461 §5-6)."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from danelaw.address import Mailbox
from danelaw.dsn import DSN, Action, DSNError, DSNRecipient, Told, build, envelope_of, redacted, seven_bit, told
from danelaw.outbound import owing
from danelaw.outbound.outcome import RecipientOutcome
from danelaw.queue import (
    Owed,
    QueuedMessage,
    QueuedRecipient,
    RecipientResult,
    RecipientState,
    RoutingKey,
    Settlement,
    id_to_text,
)
from danelaw.requiretls import ENCRYPTION_NEEDED, SUPPORT_REQUIRED
from danelaw.smtp import EnhancedStatusCode
from danelaw.spool import SpoolError
from danelaw.telemetry.collector import REST
from danelaw.tlspolicy import SenderDemand

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from danelaw.address import AddressLiteral, Domain
    from danelaw.outbound.outcome import Outcome
    from danelaw.queue import RetrySchedule
    from danelaw.spool import Spool
    from danelaw.telemetry import Log, Metrics

_ACTIONS = {
    RecipientState.FAILED: Action.FAILED,
    RecipientState.EXPIRED: Action.FAILED,
    RecipientState.RELAYED: Action.RELAYED,
    RecipientState.QUEUED: Action.DELAYED,
}
_DEMANDS = {
    SenderDemand.ENCRYPTED: "it was to travel only through TLS",
    SenderDemand.VERIFIED: "it was to travel only through TLS with a server proved to be the recipient's",
    SenderDemand.DANE: "it was to travel only where DANE proves the server",
    SenderDemand.REQUIRETLS_DANE: "it was to travel only where DANE proves the server",
}
_ENDED = frozenset({RecipientState.FAILED, RecipientState.EXPIRED, RecipientState.RELAYED})
NOTICE = "notice"
"""In place of a client's EHLO name, for what is made here."""
MANY = 200
"""Failures of a message with more recipients are gathered into few notices."""
_AT_A_TURN = 200
_MOST_ORIGINAL = 65_536
_REQUIRETLS_UNMET = frozenset(EnhancedStatusCode(*status).to_text() for status in (SUPPORT_REQUIRED, ENCRYPTION_NEEDED))
_UNKNOWN_WAY = EnhancedStatusCode(*ENCRYPTION_NEEDED).to_text()
_CONVERSION_REQUIRED = frozenset({"5.6.1", "5.6.3"})  # RFC 3463 §3.7: media not supported; conversion required
# What the way back lacks, by status; a word for the log; and the form in which the notice passes without it.
_OTHER_FORMS: tuple[tuple[frozenset[str], str, Callable[[bytes], bytes]], ...] = (
    (_REQUIRETLS_UNMET, "redacted", redacted),
    (_CONVERSION_REQUIRED, "in-seven-bits", seven_bit),
)


class Notices:
    """Makes notices and the settlements that store them together with what they tell."""

    def __init__(
        self,
        hostname: str,
        spool: Spool,
        schedule: RetrySchedule,
        next_hop: Callable[[Domain | AddressLiteral], str],
        queue_reason: Callable[[RoutingKey], str],
        log: Log,
        metrics: Metrics,
        *,
        sender_address: str = "",
        token: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._hostname = hostname
        self._spool = spool
        self._schedule = schedule
        self._next_hop = next_hop
        self._queue_reason = queue_reason
        self._log = log
        self._metrics = metrics
        self._token = token
        self._sender_address = sender_address

    def for_outcome(
        self, message: QueuedMessage, outcome: Outcome, now: float
    ) -> tuple[tuple[QueuedMessage, bytes], ...]:
        """The notice one delivery calls for: failures, and relays to hosts without DSN; none for the rest."""
        ends = outcome.recipients
        if not message.reverse_path:
            again = self._another_form(message, ends, now)
            if again is not None:
                return (again,)
        about = [
            (queued, ends[queued.number])
            for queued in message.recipients
            if queued.number in ends and ends[queued.number].state in (RecipientState.FAILED, RecipientState.RELAYED)
        ]
        return self._notice(message, [self._recipient(queued, end, now) for queued, end in about], about, now)

    def _another_form(
        self, message: QueuedMessage, ends: Mapping[int, RecipientOutcome], now: float
    ) -> tuple[QueuedMessage, bytes] | None:
        """A notice must not be lost because its way back lacks what it needs: without REQUIRETLS it goes redacted
        (RFC 8689 §5), without 8BITMIME in seven bits (RFC 6152 §3).
        """
        for lack, what, form in _OTHER_FORMS:
            concerned = tuple(
                replace(
                    queued, key=queued.key._replace(demand="") if form is redacted else queued.key,
                    due=now, tries=0, reply="", reason="", changed_at=0.0,
                )
                for queued in message.recipients
                if queued.number in ends and ends[queued.number].status in lack
            )  # fmt: skip
            if not concerned or (form is redacted and not _answers(message)):
                continue
            try:
                content = form(b"".join(self._spool.body_chunks(message)))
            except (DSNError, SpoolError) as error:
                self._log.warning(f"notice-not-{what}", id=message.id_text, reason=error.reason)
                continue
            number = self._spool.new_id()
            self._log.event(f"notice-{what}", id=message.id_text, again=id_to_text(number))
            return (
                replace(
                    message, id=number, received_at=now, expires=self._schedule.expires(now), recipients=concerned,
                    size=len(content), recipient_count=len(concerned), body_file=None, notified=False,
                    custody=None, findings="", context="",
                    requiretls=message.requiretls and form is not redacted,
                    body_kind=message.body_kind if not content.isascii() else "7BIT",
                ),
                content,
            )  # fmt: skip
        return None

    def expiry(self, message: QueuedMessage, now: float) -> Settlement:
        """The lifetime is over: every open recipient fails, and the sender hears why."""
        told_now, results = [], []
        for queued in message.recipients:
            why = queued.reason or self._queue_reason(queued.key) or "the destination could not be reached"
            reason = f"it could not be delivered for {_span(now - message.received_at)}; last: {why}"
            results.append(
                RecipientResult(queued.number, RecipientState.EXPIRED, 0.0, queued.tries, queued.reply, reason)
            )
            told_now.append((queued, _expired(queued, reason)))
        if self.owes(message):
            return Settlement(message, now, tuple(results), owed=self.owed(message, told_now, now))
        if message.requiretls and not message.reverse_path:
            # RFC 8689 §5: that nobody could find out whether the way back is fit for REQUIRETLS must not lose a notice.
            ends = {queued.number: replace(end, status=_UNKNOWN_WAY) for queued, end in told_now}
            again = self._another_form(message, ends, now)
            if again is not None:
                return Settlement(message, now, tuple(results), notices=(again,))
        about = [self._recipient(queued, end, now) for queued, end in told_now]
        return Settlement(message, now, tuple(results), notices=self._notice(message, about, told_now, now))

    def operator(self, message: QueuedMessage, now: float) -> Settlement:
        """An operator returns these recipients' mail: the notice to the sender, or what is owed to it."""
        reason = "the postmaster of this gateway returned it"
        told_now = [
            (queued, RecipientOutcome(queued.number, RecipientState.FAILED, "5.7.1", queued.reply, reason))
            for queued in message.recipients
        ]
        if self.owes(message):
            return Settlement(message, now, owed=self.owed(message, told_now, now))
        about = [self._recipient(queued, end, now) for queued, end in told_now]
        return Settlement(message, now, notices=self._notice(message, about, told_now, now))

    def delay(self, message: QueuedMessage, now: float) -> Settlement:
        """The message waits for long: tell the sender once, where wanted (RFC 3461 §4.1 DELAY)."""
        told_now = []
        for queued in message.recipients:
            why = queued.reason or self._queue_reason(queued.key) or "the destination could not be reached yet"
            told_now.append((queued, _waiting(queued, why)))
        about = [self._recipient(queued, end, now, retry_until=message.expires) for queued, end in told_now]
        return Settlement(message, now, notices=self._notice(message, about, told_now, now), notified=True)

    def owes(self, message: QueuedMessage) -> bool:
        """Whether failures of this message are gathered (`danelaw.outbound.owing`) before its sender is told."""
        return message.recipient_count > MANY and bool(message.reverse_path)

    def owed(
        self, message: QueuedMessage, about: Iterable[tuple[QueuedRecipient, RecipientOutcome]], now: float
    ) -> tuple[Owed, ...]:
        """What the sender is to be told about these recipients later, together with others."""
        return tuple(
            Owed(queued.number, owing.to_words(self._recipient(queued, end, now)))
            for queued, end in about
            if end.state in _ENDED
            and told(_ACTIONS[end.state], queued.notify or None, null_reverse_path=False) is Told.SENDER
        )

    async def gathered(self, message: QueuedMessage, owed: Iterable[Owed], now: float) -> tuple[QueuedMessage, bytes]:
        """One notice about many recipients. It is written in a thread: that may take a second."""
        REST.begin()
        recipients = []
        for count, one in enumerate(owed, 1):
            recipients.append(owing.from_words(one.words))
            if count % _AT_A_TURN == 0:
                await asyncio.sleep(0)
        for action, times in Counter(one.action for one in recipients).items():
            self._metrics.notices.add(action.value, by=times)
        notice, number, token = self._prepared(message, tuple(recipients))
        content = await asyncio.to_thread(self._written, notice, token, now)
        return self._posted(message, notice, number, token, content, now)

    def _recipient(
        self, queued: QueuedRecipient, end: RecipientOutcome, now: float, *, retry_until: float | None = None
    ) -> DSNRecipient:
        return DSNRecipient(
            address=queued.forward_path,
            action=_ACTIONS[end.state],
            status=end.status,
            reason="; ".join(word for word in (end.notice, end.reason, end.text) if word)
            or "the next server refused it",
            orcpt=queued.orcpt or None,
            remote_mta=end.host or None,
            diagnostic=end.reply or None,
            last_attempt=now if end.host else None,
            will_retry_until=retry_until,
        )

    def _notice(
        self,
        message: QueuedMessage,
        recipients: list[DSNRecipient],
        about: Iterable[tuple[QueuedRecipient, RecipientOutcome]],
        now: float,
    ) -> tuple[tuple[QueuedMessage, bytes], ...]:
        null = not message.reverse_path
        wanted = []
        for recipient, (queued, _) in zip(recipients, about, strict=True):
            who = told(recipient.action, queued.notify or None, null_reverse_path=null)
            if who is Told.SENDER:
                wanted.append(recipient)
            elif who is Told.POSTMASTER:
                self._log.warning("double-bounce", id=message.id_text, to=queued.forward_path, reason=recipient.reason)
        if not wanted:
            return ()
        for recipient in wanted:
            self._metrics.notices.add(recipient.action.value)
        return (self._build(message, tuple(wanted), now),)

    def _build(
        self, message: QueuedMessage, recipients: tuple[DSNRecipient, ...], now: float
    ) -> tuple[QueuedMessage, bytes]:
        notice, number, token = self._prepared(message, recipients)
        return self._posted(message, notice, number, token, self._written(notice, token, now), now)

    def _prepared(self, message: QueuedMessage, recipients: tuple[DSNRecipient, ...]) -> tuple[DSN, int, str]:
        demand = _demand_of(message)
        notice = DSN(
            reporting_mta=self._hostname,
            sender_address=self._sender_address,
            to=message.reverse_path,
            recipients=recipients,
            original=self._original(message),
            arrival=message.received_at,
            envid=message.envid or None,
            ret_full=False if demand else {"FULL": True, "HDRS": False}.get(message.ret),
            requiretls=message.requiretls,
            demand=demand,
            # To an ASCII address the way back need not know SMTPUTF8: addresses are encoded then (RFC 6533 §3).
            smtputf8=not message.reverse_path.isascii(),
        )
        return notice, self._spool.new_id(), self._token()

    def _written(self, notice: DSN, token: str, now: float) -> bytes:
        return build(notice, date=now, message_id=f"<{token}@{self._hostname}>", boundary=f"=_{token}")

    def _posted(
        self, message: QueuedMessage, notice: DSN, number: int, token: str, content: bytes, now: float
    ) -> tuple[QueuedMessage, bytes]:
        envelope = envelope_of(notice, content)
        domain = Mailbox.from_text(message.reverse_path).domain
        demand = "requiretls" if envelope.requiretls else ""
        recipient = QueuedRecipient(0, envelope.to, RoutingKey(self._next_hop(domain), demand), "NEVER", due=now)
        return (
            QueuedMessage(
                number,
                now,
                self._schedule.expires(now),
                "",
                (recipient,),
                len(content),
                body_kind="8BITMIME" if envelope.eight_bit else "7BIT",
                smtputf8=envelope.smtputf8,
                requiretls=envelope.requiretls,
                client_helo=NOTICE,
                message_id=f"<{token}@{self._hostname}>",
            ),
            content,
        )

    def _original(self, message: QueuedMessage) -> bytes:
        """The message, or its beginning when it is larger than a notice would return."""
        octets = b""
        try:
            for chunk in self._spool.body_chunks(message):
                octets += chunk
                if len(octets) > _MOST_ORIGINAL:
                    break
        except SpoolError:
            return b"\r\n"
        return octets


def _answers(message: QueuedMessage) -> bool:
    """Whether it is an answer to mail under REQUIRETLS, made here or by others; what an operator forwards is none."""
    return message.requiretls and (message.client_address != "" or message.client_helo == NOTICE)


def _demand_of(message: QueuedMessage) -> str:
    """What is demanded for a message besides REQUIRETLS, and by whom, in words for its sender."""
    demands = (SenderDemand.from_word(key.demand) for key in message.keys)
    words = next((_DEMANDS[demand] for demand in demands if demand in _DEMANDS), "")
    return f"{words}; {_who_asked(message)}" if words else ""


def _who_asked(message: QueuedMessage) -> str:
    for step, _, reason in json.loads(message.findings or "[]"):
        if step == "demand":
            return str(reason).replace("the sender", "you").replace("the recipient's", "a recipient's")
    return "a rule or script of this gateway asks for that"


def _span(seconds: float) -> str:
    """A time in the unit people would use."""
    for unit, words in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.3g} {words}"
    return f"{max(seconds, 1.0):.0f} seconds"


def _expired(queued: QueuedRecipient, reason: str) -> RecipientOutcome:
    return RecipientOutcome(queued.number, RecipientState.EXPIRED, "5.4.7", queued.reply, reason)


def _waiting(queued: QueuedRecipient, reason: str) -> RecipientOutcome:
    return RecipientOutcome(queued.number, RecipientState.QUEUED, "4.4.7", queued.reply, reason)
