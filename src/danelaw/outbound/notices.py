"""Notices to senders: which outcome calls for one, and the notice as a message of its own (RFC 3461 §5-6)."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from danelaw.address import Mailbox
from danelaw.demanding import FIELD_NAME
from danelaw.dsn import (
    DSN,
    Asked,
    Cause,
    Demander,
    DSNError,
    DSNRecipient,
    HostTry,
    Texts,
    Told,
    build,
    envelope_of,
    redacted,
    seven_bit,
    shipped,
    told,
)
from danelaw.outbound import owing
from danelaw.outbound.circumstances import NOTHING, Circumstances, described, from_spool
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
    from collections.abc import Iterable, Iterator, Mapping

    from danelaw.address import AddressLiteral, Domain
    from danelaw.outbound.outcome import Outcome
    from danelaw.queue import Attempt, RetrySchedule
    from danelaw.spool import Spool
    from danelaw.telemetry import Log, Metrics

_DEMANDS = {
    SenderDemand.ENCRYPTED: Demander.ENCRYPTED,
    SenderDemand.VERIFIED: Demander.VERIFIED,
    SenderDemand.DANE: Demander.DANE,
    SenderDemand.REQUIRETLS_DANE: Demander.DANE,
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
# What the way back lacks, by status, and a word for the form in which the notice passes without it.
_REDACTED, _IN_SEVEN_BITS = "redacted", "in-seven-bits"
_OTHER_FORMS = ((_REQUIRETLS_UNMET, _REDACTED), (_CONVERSION_REQUIRED, _IN_SEVEN_BITS))


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
        languages: Sequence[Texts] = (),
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
        self._languages = tuple(languages) or (shipped("en"),)

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
        around = Circumstances.of_tries(outcome.attempts)
        return self._notice(message, [described(queued, end, around, now) for queued, end in about], about, now)

    def _another_form(
        self, message: QueuedMessage, ends: Mapping[int, RecipientOutcome], now: float
    ) -> tuple[QueuedMessage, bytes] | None:
        """A notice must not be lost because its way back lacks what it needs: without REQUIRETLS it goes redacted
        (RFC 8689 §5), without 8BITMIME in seven bits (RFC 6152 §3).
        """
        for lack, what in _OTHER_FORMS:
            redact = what is _REDACTED
            concerned = tuple(
                replace(
                    queued, key=queued.key._replace(demand="") if redact else queued.key,
                    due=now, tries=0, reply="", reason="", changed_at=0.0,
                )
                for queued in message.recipients
                if queued.number in ends and ends[queued.number].status in lack
            )  # fmt: skip
            if not concerned or (redact and not _answers(message)):
                continue
            try:
                content = b"".join(self._spool.body_chunks(message))
                content = redacted(content, self._languages) if redact else seven_bit(content)
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
                    requiretls=message.requiretls and not redact,
                    body_kind=message.body_kind if not content.isascii() else "7BIT",
                ),
                content,
            )  # fmt: skip
        return None

    def expiry(self, message: QueuedMessage, now: float) -> Settlement:
        """The lifetime is over: every open recipient fails, and the sender hears why."""
        told_now, results = [], []
        over = now - message.received_at
        for queued in message.recipients:
            why = queued.reason or self._queue_reason(queued.key) or "the destination could not be reached"
            reason = f"it could not be delivered for {shipped('en').span(over)}; last: {why}"
            results.append(
                RecipientResult(queued.number, RecipientState.EXPIRED, 0.0, queued.tries, queued.reply, reason)
            )
            told_now.append((queued, _expired(queued, reason)))
        about = [
            described(queued, end, around, now, over=over)
            for (queued, end), around in zip(told_now, self._around(message), strict=True)
        ]
        if self.owes(message):
            return Settlement(message, now, tuple(results), owed=_owed(told_now, about))
        if message.requiretls and not message.reverse_path:
            # RFC 8689 §5: that nobody could find out whether the way back is fit for REQUIRETLS must not lose a notice.
            ends = {queued.number: replace(end, status=_UNKNOWN_WAY) for queued, end in told_now}
            again = self._another_form(message, ends, now)
            if again is not None:
                return Settlement(message, now, tuple(results), notices=(again,))
        return Settlement(message, now, tuple(results), notices=self._notice(message, about, told_now, now))

    def operator(self, message: QueuedMessage, now: float) -> Settlement:
        """An operator returns these recipients' mail: the notice to the sender, or what is owed to it."""
        reason = "the postmaster of this gateway returned it"
        told_now = [
            (queued, replace(_failed(queued, reason), cause=Cause.OPERATOR.value)) for queued in message.recipients
        ]
        if self.owes(message):
            return Settlement(message, now, owed=self.owed(message, told_now, now))
        about = [
            described(queued, end, around, now)
            for (queued, end), around in zip(told_now, self._around(message), strict=True)
        ]
        return Settlement(message, now, notices=self._notice(message, about, told_now, now))

    def delay(self, message: QueuedMessage, now: float) -> Settlement:
        """The message waits for long: tell the sender once, where wanted (RFC 3461 §4.1 DELAY)."""
        told_now = []
        for queued in message.recipients:
            why = queued.reason or self._queue_reason(queued.key) or "the destination could not be reached yet"
            told_now.append((queued, _waiting(queued, why)))
        about = [
            described(queued, end, around, now, retry_until=message.expires)
            for (queued, end), around in zip(told_now, self._around(message), strict=True)
        ]
        return Settlement(message, now, notices=self._notice(message, about, told_now, now), notified=True)

    def owes(self, message: QueuedMessage) -> bool:
        """Whether failures of this message are gathered (`danelaw.outbound.owing`) before its sender is told."""
        return message.recipient_count > MANY and bool(message.reverse_path)

    def owed(
        self,
        message: QueuedMessage,
        about: Iterable[tuple[QueuedRecipient, RecipientOutcome]],
        now: float,
        tries: Sequence[Attempt] = (),
    ) -> tuple[Owed, ...]:
        """What the sender is to be told about these recipients later, together with others."""
        ends = list(about)
        around = Circumstances.of_tries(tries)
        return _owed(ends, [described(queued, end, around, now) for queued, end in ends])

    def _around(self, message: QueuedMessage) -> Iterator[Circumstances]:
        """What to tell besides of each recipient, in their order; those of one queue share it."""
        known: dict[RoutingKey, Circumstances] = {}
        for queued in message.recipients:
            found = known.get(queued.key)
            if found is None:
                found = known[queued.key] = self._look(message, queued.key)
            yield found

    def _look(self, message: QueuedMessage, key: RoutingKey) -> Circumstances:
        try:
            return from_spool(self._spool.reader, message.id, key)
        except (SpoolError, sqlite3.Error) as error:  # a notice with less in it is better than none
            self._log.warning("notice-short", id=message.id_text, reason=f"{error}")
            return NOTHING

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
            ret_full=False if demand is not Demander.NOBODY else {"FULL": True, "HDRS": False}.get(message.ret),
            requiretls=message.requiretls,
            demand=demand,
            asked=_asked(message) if demand is not Demander.NOBODY else Asked.GATEWAY,
            # To an ASCII address the way back need not know SMTPUTF8: addresses are encoded then (RFC 6533 §3).
            smtputf8=not message.reverse_path.isascii(),
        )
        return notice, self._spool.new_id(), self._token()

    def _written(self, notice: DSN, token: str, now: float) -> bytes:
        return build(notice, date=now, message_id=f"<{token}@{self._hostname}>", boundary=f"=_{token}",
                     languages=self._languages)  # fmt: skip

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


def _demand_of(message: QueuedMessage) -> Demander:
    """What is demanded for a message besides REQUIRETLS."""
    demands = (SenderDemand.from_word(key.demand) for key in message.keys)
    return next((_DEMANDS[demand] for demand in demands if demand in _DEMANDS), Demander.NOBODY)


def _asked(message: QueuedMessage) -> Asked:
    """Where it was demanded: the original's header does not show it any more."""
    for step, _, reason in json.loads(message.findings or "[]"):
        if step == "demand":
            return Asked.FIELD if FIELD_NAME in reason else Asked.ADDRESS
    return Asked.GATEWAY


def _owed(ends: Iterable[tuple[QueuedRecipient, RecipientOutcome]], about: Iterable[DSNRecipient]) -> tuple[Owed, ...]:
    """What is to be told later. Of recipients with the same tries the first has them: there may be thousands."""
    found = []
    told_of: set[tuple[HostTry, ...]] = set()
    for (queued, end), one in zip(ends, about, strict=True):
        if end.state in _ENDED and told(one.action, queued.notify or None, null_reverse_path=False) is Told.SENDER:
            short = replace(one, tries=()) if one.tries in told_of else one
            told_of.add(one.tries)
            found.append(Owed(queued.number, owing.to_words(short)))
    return tuple(found)


def _failed(queued: QueuedRecipient, reason: str) -> RecipientOutcome:
    return RecipientOutcome(queued.number, RecipientState.FAILED, "5.7.1", queued.reply, reason)


def _expired(queued: QueuedRecipient, reason: str) -> RecipientOutcome:
    return RecipientOutcome(queued.number, RecipientState.EXPIRED, "5.4.7", queued.reply, reason)


def _waiting(queued: QueuedRecipient, reason: str) -> RecipientOutcome:
    return RecipientOutcome(queued.number, RecipientState.QUEUED, "4.4.7", queued.reply, reason)
