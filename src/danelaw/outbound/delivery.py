"""One delivery: a message, its recipients for one next hop, and the hosts of that next hop in their order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from danelaw.outbound.opening import HostUnusable, close, open_connection
from danelaw.outbound.outcome import Outcome, RecipientOutcome
from danelaw.outbound.pool import OpenConnection
from danelaw.outbound.record import attempt_of
from danelaw.outbound.transmission import Transmission, transmit
from danelaw.queue import QueuedRecipient, RecipientState
from danelaw.queue.pages import HostVerdict, Work
from danelaw.smtp import EnhancedStatusCode, Reply
from danelaw.tlspolicy import Handshake, Judgement, conclude, judge, refused

if TYPE_CHECKING:
    from danelaw.outbound.courier import Courier
    from danelaw.outbound.destination import HostPlan, Survey

# A member looked up on its Enum class costs eight times a global in Python 3.11, and these are on the hot path.
_HOST_VERDICT_DOWN = HostVerdict.DOWN
_HOST_VERDICT_GOOD = HostVerdict.GOOD
_HOST_VERDICT_THROTTLED = HostVerdict.THROTTLED
_RECIPIENT_STATE_DELIVERED = RecipientState.DELIVERED
_RECIPIENT_STATE_FAILED = RecipientState.FAILED
_RECIPIENT_STATE_QUEUED = RecipientState.QUEUED
_RECIPIENT_STATE_RELAYED = RecipientState.RELAYED
_MAX_HOSTS_TRIED = 10


class Tour:
    """The way of one message along the hosts of its destination."""

    def __init__(self, courier: Courier, work: Work, survey: Survey, started: float, outcome: Outcome) -> None:
        self._courier = courier
        self._work = work
        self._survey = survey
        self._started = started
        self._recipients: dict[int, QueuedRecipient] = {item.number: item for item in work.message.recipients}
        self._open = self._recipients.copy()
        self._last_reply: tuple[Reply | None, str] = (None, "")
        self._judgements: list[Judgement] = []
        self._unreached = 0
        self._heard = False
        self._passed_over: list[tuple[HostPlan, str]] = []
        self._throttled = False
        self._last_handshake: Handshake | None = None
        self._outcome = outcome

    async def run(self) -> Outcome:
        """Visit hosts in MX order while recipients are open (FIELD rule 2: never reordered to prefer DANE)."""
        plans = self._hosts_to_try()
        for plan in plans:
            if not self._open:
                break
            await self._visit(plan)
        for plan, address in self._passed_over:
            if self._heard or not self._open:
                break
            await self._try_address(plan, address)
        outcome = self._outcome
        if self._heard:
            outcome.verdict = _HOST_VERDICT_THROTTLED if self._throttled else _HOST_VERDICT_GOOD
        elif self._open:
            await self._nobody_took_it(bool(plans))
        return outcome

    def _hosts_to_try(self) -> tuple[HostPlan, ...]:
        """The hosts to try; those at or after ourselves would loop (RFC 5321 §5.1)."""
        plans = self._survey.ordered(self._courier.shuffle)  # type: ignore[arg-type]
        own = [plan.preference for plan in plans if plan.host.ascii in self._courier.own_names]
        if own and self._survey.next_hop.mx:
            plans = tuple(plan for plan in plans if plan.preference < min(own))
        return plans[:_MAX_HOSTS_TRIED]

    async def _nobody_took_it(self, any_host: bool) -> None:
        outcome = self._outcome
        if not any_host and self._survey.hosts:
            self._fail_all("5.4.6", "the destination's mail servers lead back to this gateway")
            return
        conclusion = conclude(self._survey.demand, self._judgements, unreached=self._unreached)
        outcome.reason = conclusion.reason
        if conclusion.bounce and await self._another_policy():
            outcome.reason = "the MTA-STS policy has just changed, so it is tried again with the new one"
        elif conclusion.bounce:
            self._fail_all(EnhancedStatusCode(*conclusion.status).to_text(), conclusion.reason)
            return
        outcome.verdict = _HOST_VERDICT_DOWN
        if outcome.attempts and (self._throttled or not self._judgements):
            outcome.reason = f"{conclusion.reason}; last: {outcome.attempts[-1].reason}"

    async def _another_policy(self) -> bool:
        """The look that must come before mail is returned under a policy (RFC 8461 §5.1 step 3)."""
        return await self._courier.surveyor.recheck(self._survey.next_hop, self._survey.demand, self._courier.clock())

    def _fail_all(self, status: str, reason: str) -> None:
        for number in tuple(self._open):
            self._end(RecipientOutcome(number, _RECIPIENT_STATE_FAILED, status, "", reason))
            self._log_end("returned", number, "", reason, None)

    # one host

    async def _visit(self, plan: HostPlan) -> None:
        requirement = plan.requirement
        if requirement.refusal is not None:
            judgement = refused(requirement)
            self._judgements.append(judgement)
            self._note(plan, "", judgement, reason=judgement.reason)
            return
        addresses = self._addresses(plan)
        if not addresses:
            self._unreached += 1
            self._note(plan, "", None, reason="the host has no address this gateway may use")
        now, port = self._courier.clock(), self._survey.next_hop.port
        for address in addresses:
            if self._courier.reach.silent(address, port, now):
                self._passed_over.append((plan, address))
            elif await self._try_address(plan, address):
                return

    def _addresses(self, plan: HostPlan) -> list[str]:
        by_family: dict[str, list[str]] = {"ipv6": [], "ipv4": []}
        for address in plan.records.addresses:
            by_family["ipv6" if ":" in address else "ipv4"].append(address)
        return [address for family in self._courier.families for address in by_family[family]]

    async def _try_address(self, plan: HostPlan, address: str) -> bool:
        """Whether this host has had its say, so that its other addresses need not be tried."""
        courier, requirement = self._courier, plan.requirement
        key = self._work.key.next_hop
        kept = courier.pool.take(key, requirement)
        while True:
            reused = kept is not None
            try:
                opened, judgement = await self._judged(plan, address, kept)
            except HostUnusable as error:
                courier.metrics.outbound_connections.add("unreachable")
                if error.reply is None:
                    courier.reach.failed(address, self._survey.next_hop.port, courier.clock())
                self._unreached += 1
                self._throttled |= error.throttled
                self._note(plan, address, None, reply=str(error.reply or ""), reason=error.reason)
                return False
            if opened is None:
                courier.metrics.outbound_connections.add("tls-failed")
                self._judgements.append(judgement)
                self._note(plan, address, judgement, reason=judgement.reason)
                return False
            courier.metrics.outbound_connections.add("reused" if reused else "opened")
            courier.reach.answered(address, self._survey.next_hop.port)
            try:
                sent = await self._send(opened, judgement)
            except BaseException:  # cancelled, or the body cannot be read: half a message must not be ended politely
                close(courier.door, opened.connection)
                raise
            if reused and not sent.answered and (sent.lost is not None or sent.closing):
                close(courier.door, opened.connection)
                kept = None
                continue  # the server closed the kept connection meanwhile; nothing was said on it
            self._take_over(plan, opened, judgement, sent)
            return True

    async def _judged(
        self, plan: HostPlan, address: str, kept: OpenConnection | None
    ) -> tuple[OpenConnection | None, Judgement]:
        """A connection with its verdict, None in its place when nothing may be sent. A kept one is judged anew."""
        courier, requirement = self._courier, plan.requirement
        if kept is not None:
            judgement = kept.judged(requirement, courier.roots, courier.clock())
            if judgement.clearance is not None:
                return kept, judgement
            close(courier.door, kept.connection)
        without_tls = False
        while True:
            connection, handshake = await open_connection(
                courier.door, plan.host, address, self._survey.next_hop.port, requirement, without_tls=without_tls
            )
            judgement = judge(requirement, handshake, courier.roots, courier.clock())
            if judgement.clearance is not None:
                return OpenConnection(connection, handshake), judgement
            close(courier.door, connection)
            if not judgement.retry_clear or without_tls:
                self._last_handshake = handshake
                return None, judgement
            without_tls = True

    async def _send(self, opened: OpenConnection, judgement: Judgement) -> Transmission:
        work = self._work
        assert judgement.clearance is not None
        body: bytes | Iterable[bytes]
        if work.body is not None:
            body = work.body
        elif work.message.body_file is None:
            body = self._courier.spool.read_body(work.message)
        else:
            body = self._courier.spool.body_chunks(work.message)
        return await transmit(
            opened.connection,
            judgement.clearance,
            work.message,
            tuple(self._open.values()),
            body,
            self._courier.door.patience,
        )

    # what came of it

    def _take_over(self, plan: HostPlan, opened: OpenConnection, judgement: Judgement, sent: Transmission) -> None:
        courier = self._courier
        concerned = tuple(self._open)
        best: Reply | None = None
        self._heard = True
        for number in concerned:
            reply = sent.replies.get(number)
            best = reply if best is None or (reply is not None and reply.is_positive) else best
            self._end_of_recipient(plan, number, reply, sent, judgement, opened)
        self._throttled |= sent.closing or (best is not None and best.code == 421)
        if sent.lost is None and not sent.closing:
            courier.pool.give(self._work.key.next_hop, plan.requirement, opened)
        else:
            close(courier.door, opened.connection)
        delivered = best is not None and best.is_positive
        waiting = any(
            number in self._open or self._outcome.recipients[number].state is _RECIPIENT_STATE_QUEUED
            for number in concerned
        )
        self._note(
            plan,
            opened.handshake.address,
            judgement,
            opened=opened,
            outcome="delivered" if delivered else "waiting" if waiting else "returned",
            reply="" if best is None else self._told(best),
            reason=_lost_words(sent) if sent.lost else judgement.reason,
            recipients=concerned,
        )

    def _end_of_recipient(
        self,
        plan: HostPlan,
        number: int,
        reply: Reply | None,
        sent: Transmission,
        judgement: Judgement,
        opened: OpenConnection,
    ) -> None:
        host = plan.host.ascii
        if reply is None:
            lost = _lost_words(sent)
            end = RecipientOutcome(number, _RECIPIENT_STATE_QUEUED, "4.4.2", "", lost, host)
            self._end(end) if sent.body_sent else self._keep(end)
        elif reply.is_positive:
            state = _RECIPIENT_STATE_RELAYED if number in sent.relayed else _RECIPIENT_STATE_DELIVERED
            end = RecipientOutcome(number, state, "2.0.0", self._told(reply), judgement.reason, host)
            self._end(end)
            self._count_delivery(end, judgement, opened)
        elif reply.is_permanent:
            words = f"{host} cannot take it: {reply.text}" if sent.lacking else f"{host} refused it: {reply}"
            said = "" if sent.lacking else str(reply)
            self._end(RecipientOutcome(number, _RECIPIENT_STATE_FAILED, _status(reply, "5.0.0"), said, words, host))
            self._log_end("returned", number, host, words, judgement)
        else:
            words = f"{host} asks to try again later: {reply}"
            self._keep(
                RecipientOutcome(number, _RECIPIENT_STATE_QUEUED, _status(reply, "4.0.0"), str(reply), words, host)
            )

    def _end(self, end: RecipientOutcome) -> None:
        self._outcome.recipients[end.number] = end
        self._open.pop(end.number, None)

    def _keep(self, end: RecipientOutcome) -> None:
        """Temporary: remember the reason, and let the next host try."""
        self._outcome.recipients[end.number] = end
        self._outcome.reason = end.reason

    def _told(self, reply: Reply) -> str:
        """A reply as one line; a server mostly says the same to all recipients of a message."""
        if self._last_reply[0] is not reply:
            self._last_reply = reply, reply.to_text()
        return self._last_reply[1]

    def _count_delivery(self, end: RecipientOutcome, judgement: Judgement, opened: OpenConnection) -> None:
        courier, message = self._courier, self._work.message
        now = courier.clock()
        protection = judgement.protection.value
        courier.metrics.outbound_recipients.add("delivered", protection)
        courier.metrics.outbound_bytes.add(by=message.size)
        courier.metrics.delivery_seconds.observe(now - message.received_at)
        courier.log.event(
            "delivered",
            id=message.id_text,
            to=self._recipients[end.number].forward_path,
            host=end.host,
            address=opened.handshake.address,
            protection=protection,
            tls=opened.handshake.version,
            delay=round(now - message.received_at, 3),
            reply=end.reply,
        )

    def _log_end(self, name: str, number: int, host: str, reason: str, judgement: Judgement | None) -> None:
        protection = judgement.protection.value if judgement is not None else "nothing sent"
        self._courier.metrics.outbound_recipients.add(name, protection)
        self._courier.log.event(
            name,
            id=self._work.message.id_text,
            to=self._recipients[number].forward_path,
            host=host or None,
            reason=reason,
        )

    def _note(
        self,
        plan: HostPlan,
        address: str,
        judgement: Judgement | None,
        *,
        opened: OpenConnection | None = None,
        outcome: str = "waiting",
        reply: str = "",
        reason: str = "",
        recipients: tuple[int, ...] | None = None,
    ) -> None:
        """Write one try down, with the digests of what proves it."""
        courier = self._courier
        now = courier.clock()
        handshake = opened.handshake if opened is not None else self._last_handshake
        self._last_handshake = None
        digests, blobs, facts = courier.ledger.of_survey(self._survey, now)
        if handshake is not None and handshake.chain:
            more, new = courier.ledger.of_chain(handshake.chain, now)
            digests, blobs = digests + more, blobs + new
        if judgement is not None:
            for result in judgement.tlsrpt:
                if result.result_type is not None:
                    courier.metrics.outbound_tls_failures.add(result.result_type)
        self._outcome.evidence.extend(blobs)
        self._outcome.attempts.append(
            attempt_of(
                started=self._started,
                ended=now,
                survey=self._survey,
                plan=plan,
                recipients=tuple(self._open) if recipients is None else recipients,
                address=address,
                judgement=judgement,
                handshake=handshake,
                outcome=outcome,
                reply=reply,
                reason=reason,
                evidence=digests,
                facts=facts,
            )
        )
        if outcome == "waiting":
            courier.metrics.outbound_recipients.add(
                "waiting", judgement.protection.value if judgement else "nothing sent"
            )
            courier.log.event(
                "waiting",
                id=self._work.message.id_text,
                host=plan.host.ascii,
                address=address or None,
                reason=reason or reply,
            )
        self._started = now


def _status(reply: Reply, otherwise: str) -> str:
    return reply.enhanced.to_text() if reply.enhanced is not None else otherwise


def _lost_words(sent: Transmission) -> str:
    if sent.body_sent:
        return f"the connection broke off after the whole message was sent ({sent.lost}); it may arrive twice"
    return f"the connection broke off: {sent.lost}"
