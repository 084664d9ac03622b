"""What is written down while one message is delivered: the end of each recipient, each try, log lines, numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.dsn import Cause
from danelaw.outbound.causes import of_class, of_lack
from danelaw.outbound.outcome import Outcome, RecipientOutcome
from danelaw.outbound.record import attempt_of
from danelaw.queue import QueuedRecipient, RecipientState
from danelaw.smtp import Reply
from danelaw.telemetry import Columns, Kind

if TYPE_CHECKING:
    from danelaw.outbound.answers import Meaning
    from danelaw.outbound.courier import Courier
    from danelaw.outbound.destination import HostPlan, Survey
    from danelaw.outbound.pool import OpenConnection
    from danelaw.outbound.transmission import Transmission
    from danelaw.queue.pages import Work
    from danelaw.tlspolicy import Handshake, Judgement

# A member looked up on its Enum class costs eight times a global in Python 3.11, and these are on the hot path.
_DELIVERED = RecipientState.DELIVERED
_FAILED = RecipientState.FAILED
_HELD = RecipientState.HELD
_QUEUED = RecipientState.QUEUED
_RELAYED = RecipientState.RELAYED
_KINDS = {
    "id": Kind.OWN,
    "to": Kind.FREE,
    "host": Kind.OWN,
    "address": Kind.OWN,
    "protection": Kind.FREE,
    "tls": Kind.OWN,
    "delay": Kind.NUMBER,
    "reply": Kind.FREE,
}
_DELIVERED_COLUMNS = Columns(**_KINDS)
# The last one tells that REQUIRETLS mail went on without the extension, by an override.
_DEMANDED_COLUMNS = Columns(**_KINDS, demand=Kind.OWN, extension=Kind.FREE)


class Account:
    """The account of one delivery. `open` are the recipients without an end, by number; `outcome` is what it fills."""

    __slots__ = (
        "_courier",
        "_last_meaning",
        "_last_reply",
        "_local",
        "_started",
        "_survey",
        "_work",
        "open",
        "outcome",
    )

    def __init__(self, courier: Courier, work: Work, survey: Survey, started: float, outcome: Outcome) -> None:
        self._courier = courier
        self._work = work
        self._survey = survey
        self._started = started
        self._last_reply: tuple[Reply | None, str] = (None, "")
        self._last_meaning: tuple[Reply, Meaning] | None = None
        self._local = ""
        self.outcome = outcome
        self.open: dict[int, QueuedRecipient] = {item.number: item for item in work.message.recipients}

    def unreached(
        self, plan: HostPlan, address: str, reason: str, *, reply: str = "", judgement: Judgement | None = None,
        handshake: Handshake | None = None, cause: Cause | None = None,
    ) -> None:  # fmt: skip
        """A try that sent nothing: no connection, or a `judgement` without clearance."""
        self._attempt(plan, address, judgement, handshake, "waiting", reply, reason, tuple(self.open), cause)

    def returned(self, end: RecipientOutcome) -> None:
        """One recipient can never get it."""
        self._log_return(self.open[end.number], end.host, end.reason, None)
        self._end(end)

    def fail_all(self, status: str, reason: str, cause: Cause | None = None) -> None:
        """Nobody who is still open can get it; absent `cause`, the tries say why."""
        word = "" if cause is None else cause.value
        for recipient in tuple(self.open.values()):
            self._end(RecipientOutcome(recipient.number, _FAILED, status, "", reason, cause=word))
            self._log_return(recipient, "", reason, None)

    def answered(
        self, plan: HostPlan, opened: OpenConnection, judgement: Judgement, sent: Transmission
    ) -> Reply | None:
        """A host was asked to take the message: note what it said of each recipient; returns the best of it."""
        recipients = tuple(self.open.values())
        self._local = opened.local
        best: Reply | None = None
        for recipient in recipients:
            reply = sent.replies.get(recipient.number)
            if reply is None:
                self._unanswered(plan, recipient, sent)
            elif reply.code < 400:
                best = reply
                self._delivered(plan, recipient, reply, sent, judgement, opened)
            else:
                best = reply if best is None else best
                self._refused(plan, recipient, reply, sent, judgement)
        if best is not None and best.code < 400:
            word = "delivered"
        else:
            ends = self.outcome.recipients
            word = "waiting" if any(ends[one.number].state in (_QUEUED, _HELD) for one in recipients) else "returned"
        self._attempt(
            plan,
            opened.handshake.address,
            judgement,
            opened.handshake,
            word,
            "" if best is None else self._told(best),
            _lost_words(sent) if sent.lost else judgement.reason,
            tuple([one.number for one in recipients]),
            None if word == "delivered" else self._cause(recipients),
        )
        if word == "delivered" and len(recipients) > 1:
            taken = {number for number, reply in sent.replies.items() if reply.code < 400}
            self.outcome.attempts[-1].refused = tuple([n.number for n in recipients if n.number not in taken])
        return best

    def _cause(self, recipients: tuple[QueuedRecipient, ...]) -> Cause | None:
        """What went wrong for the first of them, as its end says."""
        said = next((word for one in recipients if (word := self.outcome.recipients[one.number].cause)), "")
        return Cause(said) if said else None

    # one recipient

    def _delivered(
        self,
        plan: HostPlan,
        recipient: QueuedRecipient,
        reply: Reply,
        sent: Transmission,
        judgement: Judgement,
        opened: OpenConnection,
    ) -> None:
        courier, message = self._courier, self._work.message
        state = _RELAYED if recipient.number in sent.relayed else _DELIVERED
        told = self._told(reply)
        host = plan.host.ascii
        self._end(RecipientOutcome(recipient.number, state, "2.0.0", told, judgement.reason, host))
        delay = courier.clock() - message.received_at
        protection = judgement.protection.value
        courier.metrics.outbound_recipients.add("delivered", protection)
        courier.metrics.outbound_bytes.add(by=message.size)
        courier.metrics.delivery_seconds.observe(delay)
        values = (
            message.id_text,
            recipient.forward_path,
            host,
            opened.handshake.address,
            protection,
            opened.handshake.version,
            round(delay, 3),
            told,
        )
        demand = self._work.key.demand
        if not demand:
            courier.log.row("delivered", _DELIVERED_COLUMNS, *values)
            return
        lacked = judgement.without_extension
        courier.metrics.came_of(demand, "delivered without the extension" if lacked else "delivered")
        courier.log.row("delivered", _DEMANDED_COLUMNS, *values, demand, "not offered" if lacked else None)

    def _refused(
        self, plan: HostPlan, recipient: QueuedRecipient, reply: Reply, sent: Transmission, judgement: Judgement
    ) -> None:
        host, number = plan.host.ascii, recipient.number
        if sent.lacking:
            # Another host of the destination may offer what the message needs: `Tour` decides when all were asked.
            words = f"{host} cannot take it: {reply.text}"
            cause = of_lack(reply).value
            self._keep(RecipientOutcome(number, _QUEUED, _status(reply, "4.0.0"), "", words, host, cause=cause))
        else:
            self._refused_by_reply(host, recipient, reply, judgement)

    def _refused_by_reply(self, host: str, recipient: QueuedRecipient, reply: Reply, judgement: Judgement) -> None:
        """The reply's bounce class decides whether it is tried again, when, and what the sender reads."""
        meaning = self._meaning_of(reply, host)
        one, number, said = meaning.bounce_class, recipient.number, str(reply)
        cause = of_class(one).value
        if meaning.hold:
            words = f"held for the postmaster; {host} refused it: {reply}"
            self._end(RecipientOutcome(number, _HELD, _status(reply, "4.0.0"), said, words, host, bounce=one.name))
            self._courier.log.event(
                "held",
                id=self._work.message.id_text,
                to=recipient.forward_path,
                host=host,
                bounce=one.name,
                reason=said,
            )
        elif meaning.again:
            words = f"{host} {'refused it' if reply.is_permanent else 'asks to try again later'}: {reply}"
            status = _status(reply, "4.0.0")
            self._keep(
                RecipientOutcome(
                    number,
                    _QUEUED,
                    status,
                    said,
                    words,
                    host,
                    one.notice,
                    one.advice,
                    meaning.wait,
                    one.name,
                    cause=cause,
                )
            )
        else:
            words = f"{host} refused it: {reply}"
            status = _status(reply, "5.0.0")
            self._end(
                RecipientOutcome(
                    number, _FAILED, status, said, words, host, one.notice, one.advice, bounce=one.name, cause=cause
                )
            )
            self._log_return(recipient, host, words, judgement, one.name)

    def _meaning_of(self, reply: Reply, host: str) -> Meaning:
        """One reply to all recipients of a message is one complaint; each recipient is counted all the same."""
        if self._last_meaning is None or self._last_meaning[0] is not reply:
            self._last_meaning = reply, self._courier.answers.heard(reply, host, self._work.key, self._local)
        meaning = self._last_meaning[1]
        self._courier.metrics.bounces.add(meaning.bounce_class.name)
        return meaning

    def _unanswered(self, plan: HostPlan, recipient: QueuedRecipient, sent: Transmission) -> None:
        end = RecipientOutcome(
            recipient.number, _QUEUED, "4.4.2", "", _lost_words(sent), plan.host.ascii, cause=Cause.BROKE_OFF.value
        )
        if sent.body_sent:  # the host may have it: nobody else gets it now
            self._end(end)
        else:
            self._keep(end)

    def _end(self, end: RecipientOutcome) -> None:
        self.outcome.recipients[end.number] = end
        self.open.pop(end.number, None)

    def _keep(self, end: RecipientOutcome) -> None:
        """Temporary: remember the reason, and let the next host try."""
        self.outcome.recipients[end.number] = end
        self.outcome.reason = end.reason

    def _told(self, reply: Reply) -> str:
        """A reply as one line; a server mostly says the same to all recipients of a message."""
        if self._last_reply[0] is not reply:
            self._last_reply = reply, reply.to_text()
        return self._last_reply[1]

    def _log_return(
        self, recipient: QueuedRecipient, host: str, reason: str, judgement: Judgement | None, bounce: str = ""
    ) -> None:
        protection = judgement.protection.value if judgement is not None else "nothing sent"
        demand = self._work.key.demand
        self._courier.metrics.outbound_recipients.add("returned", protection)
        self._courier.metrics.came_of(demand, "returned")
        self._courier.log.event(
            "returned", id=self._work.message.id_text, to=recipient.forward_path, host=host or None,
            bounce=bounce or None, demand=demand or None, reason=reason,
        )  # fmt: skip

    # one try

    def _attempt(
        self,
        plan: HostPlan,
        address: str,
        judgement: Judgement | None,
        handshake: Handshake | None,
        outcome: str,
        reply: str,
        reason: str,
        recipients: tuple[int, ...],
        cause: Cause | None,
    ) -> None:
        """Write one try down, with the two records that name what proves it."""
        courier = self._courier
        now = courier.clock()
        known, facts = courier.ledger.of_survey(self._survey, now)
        blobs, session = known.due, b""
        if handshake is not None:
            shown = courier.ledger.of_session(handshake, plan.requirement, courier.roots, now)
            blobs, session = blobs + shown.due, shown.record
        if judgement is not None and judgement.tlsrpt:
            for result in judgement.tlsrpt:
                if result.result_type is not None:
                    courier.metrics.outbound_tls_failures.add(result.result_type)
        if blobs:
            self.outcome.evidence.extend(blobs)
        self.outcome.attempts.append(
            attempt_of(
                started=self._started,
                ended=now,
                survey=self._survey,
                plan=plan,
                recipients=recipients,
                address=address,
                judgement=judgement,
                handshake=handshake,
                outcome=outcome,
                reply=reply,
                reason=reason,
                facts=facts,
                cause=cause,
                basis=known.record,
                session=session,
            )
        )
        if outcome == "waiting":
            courier.metrics.outbound_recipients.add(
                "waiting", judgement.protection.value if judgement else "nothing sent"
            )
            courier.metrics.came_of(self._work.key.demand, "waiting")
            courier.log.event(
                "waiting",
                id=self._work.message.id_text,
                host=plan.host.ascii,
                address=address or None,
                demand=self._work.key.demand or None,
                reason=reason or reply,
            )
        self._started = now


def _status(reply: Reply, otherwise: str) -> str:
    return reply.enhanced.to_text() if reply.enhanced is not None else otherwise


def _lost_words(sent: Transmission) -> str:
    if sent.body_sent:
        return f"the connection broke off after the whole message was sent ({sent.lost}); it may arrive twice"
    return f"the connection broke off: {sent.lost}"
