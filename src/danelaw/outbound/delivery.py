"""One delivery: a message, its recipients for one next hop, and the hosts of that next hop in their order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from danelaw.outbound.account import Account
from danelaw.outbound.checkpoint import LimitReached
from danelaw.outbound.opening import HostUnusable, close, open_connection
from danelaw.outbound.outcome import Outcome
from danelaw.outbound.pool import OpenConnection
from danelaw.outbound.steps import USUAL, Way
from danelaw.outbound.transmission import Transmission, transmit
from danelaw.queue import RecipientState
from danelaw.queue.gate_state import Question
from danelaw.queue.pages import HostVerdict, Work
from danelaw.smtp import EnhancedStatusCode
from danelaw.tlspolicy import Handshake, Judgement, TLSRPTResult, conclude, judge, refused

if TYPE_CHECKING:
    from danelaw.outbound.courier import Courier
    from danelaw.outbound.destination import HostPlan, Survey
    from danelaw.queue.limits import Allowance

# A member looked up on its Enum class costs eight times a global in Python 3.11, and these are on the hot path.
_HOST_VERDICT_DOWN = HostVerdict.DOWN
_HOST_VERDICT_GOOD = HostVerdict.GOOD
_HOST_VERDICT_THROTTLED = HostVerdict.THROTTLED


class Tour:
    """The way of one message along the hosts of its destination."""

    __slots__ = (
        "_account",
        "_courier",
        "_heard",
        "_judgements",
        "_lacking",
        "_next",
        "_passed_over",
        "_plans",
        "_survey",
        "_throttled",
        "_unreached",
        "_way",
        "_work",
    )

    def __init__(
        self, courier: Courier, work: Work, survey: Survey, started: float, outcome: Outcome, way: Way = USUAL
    ) -> None:
        self._courier = courier
        self._work = work
        self._survey = survey
        self._account = Account(courier, work, survey, started, outcome)
        self._plans = self._hosts_to_try()
        self._next = 0
        self._judgements: list[Judgement] = []
        self._unreached = 0
        self._lacking = 0
        self._heard = False
        self._passed_over: list[tuple[HostPlan, str]] = []
        self._throttled = False
        self._way = way

    async def run(self) -> Outcome:
        """Visit hosts in MX order while recipients are open (FIELD rule 2: never reordered to prefer DANE).

        Those that `took_over` has heard of already are not visited again.
        """
        still_open = self._account.open
        while still_open and self._next < len(self._plans):
            plan = self._plans[self._next]
            self._next += 1
            try:
                await self._visit(plan)
            except LimitReached:
                if not self._heard:
                    raise
                break  # one host was heard already: what is still open waits as it said
        for plan, address in self._passed_over:
            if self._heard or not still_open:
                break
            await self._try_address(plan, address)
        if not self._heard and still_open:
            await self._nobody_took_it()
            return self._account.outcome
        return self.ended()

    def ended(self) -> Outcome:
        """The outcome of a tour on which a host was heard."""
        outcome = self._account.outcome
        if self._heard:
            outcome.verdict = _HOST_VERDICT_THROTTLED if self._throttled else _HOST_VERDICT_GOOD
        if self._lacking and self._lacking == len(self._plans):
            self._all_lack()
        return outcome

    @property
    def complete(self) -> bool:
        """Every recipient has an end."""
        return not self._account.open

    def _hosts_to_try(self) -> tuple[HostPlan, ...]:
        """The hosts to try; those at or after ourselves would loop (RFC 5321 §5.1)."""
        plans = self._survey.ordered(self._courier.shuffle)  # type: ignore[arg-type]
        if self._courier.own_names and self._survey.next_hop.mx:
            own = [plan.preference for plan in plans if plan.host.ascii in self._courier.own_names]
            if own:
                plans = tuple(plan for plan in plans if plan.preference < min(own))
        return plans

    async def _nobody_took_it(self) -> None:
        outcome = self._account.outcome
        if not self._plans and self._survey.hosts:
            self._account.fail_all("5.4.6", "the destination's mail servers lead back to this gateway")
            return
        conclusion = conclude(
            self._survey.demand, self._judgements, unreached=self._unreached, group=self._survey.groups.demand
        )
        outcome.reason = conclusion.reason
        if conclusion.bounce and await self._another_policy():
            outcome.reason = "the MTA-STS policy has just changed, so it is tried again with the new one"
        elif conclusion.bounce:
            self._account.fail_all(EnhancedStatusCode(*conclusion.status).to_text(), conclusion.reason)
            return
        outcome.verdict = _HOST_VERDICT_DOWN
        if outcome.attempts and (self._throttled or not self._judgements):
            outcome.reason = f"{conclusion.reason}; last: {outcome.attempts[-1].reason}"

    async def _another_policy(self) -> bool:
        """The look that must come before mail is returned under a policy (RFC 8461 §5.1 step 3)."""
        return await self._courier.surveyor.recheck(self._survey.next_hop, self._survey.demand, self._courier.clock())

    def _all_lack(self) -> None:
        """No host of the destination offers what the message needs: whom it was kept for gets it never."""
        outcome = self._account.outcome
        for number in tuple(self._account.open):
            kept = outcome.recipients[number]
            self._account.returned(replace(kept, state=RecipientState.FAILED))

    # one host

    async def _visit(self, plan: HostPlan) -> None:
        requirement = plan.requirement
        if requirement.refusal is not None:
            judgement = refused(requirement)
            if self._courier.sessions is not None:
                self._courier.sessions(judgement, None, self._work.message, self._courier.clock())
            self._judgements.append(judgement)
            self._account.unreached(plan, "", judgement.reason, judgement=judgement)
            return
        addresses = self._addresses(plan)
        if not addresses:
            self._unreached += 1
            self._account.unreached(plan, "", "the host has no address this gateway may use")
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
        own = ["ipv6" if ":" in address else "ipv4" for address in self._way.local]
        return [
            address for family in self._courier.families if not own or family in own for address in by_family[family]
        ]

    async def _try_address(self, plan: HostPlan, address: str) -> bool:
        """Whether this host has had its say, so that its other addresses need not be tried."""
        courier = self._courier
        mx, source = plan.host.ascii, self._local(plan, address)
        allowance = courier.checkpoint.passes(self._work, mx, address, source)
        if isinstance(allowance, Question):
            allowance = await courier.checkpoint.admitted(self._work, mx, address, source, allowance)
        kept = self._kept(plan)
        while True:
            if kept is not None:
                opened, judgement = kept
            else:
                opening = courier.checkpoint.passes(self._work, mx, address, source, new=True)
                if isinstance(opening, Question):
                    await courier.checkpoint.admitted(self._work, mx, address, source, opening, new=True)
                fresh = await self._fresh(plan, address)
                if fresh is None:
                    return False
                opened, judgement = fresh
                await self._still_passes(plan, address, opened, allowance)
            courier.checkpoint.mark(opened, allowance)
            courier.metrics.outbound_connections.add("opened" if kept is None else "reused")
            courier.reach.answered(address, self._survey.next_hop.port)
            try:
                sent = await self._send(opened, judgement)
            except BaseException:  # cancelled, or the body cannot be read: half a message must not be ended politely
                close(courier.door, opened.connection)
                raise
            if kept is not None and not sent.answered and (sent.lost is not None or sent.closing):
                close(courier.door, opened.connection)
                kept = None
                continue  # the server closed the kept connection meanwhile; nothing was said on it
            self._take_over(plan, opened, judgement, sent)
            return True

    async def _still_passes(self, plan: HostPlan, address: str, opened: OpenConnection, allowance: Allowance) -> None:
        """Opening took time, and tokens of rates do not keep: where there is no other, the connection waits for it."""
        checkpoint = self._courier.checkpoint
        try:
            answer = checkpoint.passes(self._work, plan.host.ascii, address, opened.local)
            if isinstance(answer, Question):
                await checkpoint.admitted(self._work, plan.host.ascii, address, opened.local, answer)
        except LimitReached:
            checkpoint.mark(opened, allowance)
            self._put_back(plan, opened)
            raise
        except BaseException:
            close(self._courier.door, opened.connection)
            raise

    def _kept(self, plan: HostPlan) -> tuple[OpenConnection, Judgement] | None:
        """A kept connection to this host, judged anew."""
        courier, requirement = self._courier, plan.requirement
        while True:
            kept = courier.pool.take(self._work.key.next_hop, requirement, self._way)
            if kept is None:
                return None
            if not courier.door.addresses.moved or kept.local == self._local(plan, kept.handshake.address):
                break
            kept.connection.close()  # this destination is to hear from another address of ours now
        judgement = kept.judged(requirement, courier.roots, courier.clock())
        if judgement.clearance is not None:
            return kept, judgement
        close(courier.door, kept.connection)
        return None

    async def _fresh(self, plan: HostPlan, address: str) -> tuple[OpenConnection, Judgement] | None:
        """A new connection with its verdict; None, with the reason written down, when nothing may be sent there."""
        courier = self._courier
        try:
            opened, judgement, handshake = await self._judged(plan, address)
        except HostUnusable as error:
            courier.metrics.outbound_connections.add("unreachable")
            if error.reply is None:
                courier.reach.failed(address, self._survey.next_hop.port, courier.clock())
            self._unreached += 1
            self._throttled |= error.throttled
            if error.reply is not None and not error.reply.is_positive:
                local = self._local(plan, address)
                meaning = courier.answers.heard(error.reply, plan.host.ascii, self._work.key, local)
                courier.metrics.bounces.add(meaning.bounce_class.name, by=len(self._account.open))
            self._account.unreached(plan, address, error.reason, reply=str(error.reply or ""))
            return None
        if opened is not None:
            return opened, judgement
        courier.metrics.outbound_connections.add("tls-failed")
        self._judgements.append(judgement)
        self._account.unreached(plan, address, judgement.reason, judgement=judgement, handshake=handshake)
        return None

    async def _judged(self, plan: HostPlan, address: str) -> tuple[OpenConnection | None, Judgement, Handshake]:
        """A new connection with its verdict, None in its place when nothing may be sent."""
        courier, requirement = self._courier, plan.requirement
        next_hop = self._survey.next_hop
        without_tls = False
        failed: tuple[TLSRPTResult, ...] = ()
        while True:
            local = self._local(plan, address)
            connection, handshake = await open_connection(
                courier.door, plan.host, address, next_hop.port, requirement,
                without_tls=without_tls, next_hop=self._work.key.next_hop, way=self._way,
            )  # fmt: skip
            now = courier.clock()
            judgement = judge(requirement, handshake, courier.roots, now)
            if courier.sessions is not None:
                courier.sessions(judgement, handshake, self._work.message, now)
            if without_tls:
                judgement = replace(judgement, tlsrpt=failed)  # the attempt tells how TLS failed before
            if judgement.clearance is not None:
                return OpenConnection(connection, handshake, local=local), judgement, handshake
            close(courier.door, connection)
            if not judgement.retry_clear or without_tls:
                return None, judgement, handshake
            without_tls, failed = True, judgement.tlsrpt

    def _local(self, plan: HostPlan, address: str) -> str:
        """Our address for a connection there."""
        return self._courier.door.from_here(address, self._work.key.next_hop, plan.host.ascii, self._way).address or ""

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
            tuple(self._account.open.values()),
            body,
            self._courier.door.patience,
            screened=work.body is not None,
        )

    def _take_over(self, plan: HostPlan, opened: OpenConnection, judgement: Judgement, sent: Transmission) -> None:
        """Note what a host said, and keep or close the connection."""
        self._heard = True
        self._lacking += sent.lacking
        best = self._account.answered(plan, opened, judgement, sent)
        if sent.lost is None and not sent.closing:
            self._courier.pool.give(self._work.key.next_hop, plan.requirement, opened, self._way)
            self._throttled |= best is not None and best.code == 421
        else:
            close(self._courier.door, opened.connection)
            self._throttled |= sent.closing or (best is not None and best.code == 421)

    def _put_back(self, plan: HostPlan, unused: OpenConnection) -> None:
        self._courier.pool.put_back(self._work.key.next_hop, plan.requirement, unused, self._way)

    # without a task: `danelaw.outbound.express`

    def at_once(self) -> tuple[OpenConnection, Judgement] | None:
        """A kept connection, cleared, on which the message can go to its first host without waiting for anything."""
        plan = self._plans[0] if self._plans else None
        if plan is None or plan.requirement.refusal is not None:
            return None
        kept = self._kept(plan)
        if kept is None:
            return None
        opened = kept[0]
        try:
            address = opened.handshake.address
            source = self._local(plan, address)
            allowance = self._courier.checkpoint.passes(self._work, plan.host.ascii, address, source, ask=False)
            assert not isinstance(allowance, Question)
        except LimitReached:
            self._put_back(plan, opened)
            return None
        self._courier.checkpoint.mark(opened, allowance)
        return kept

    def took_over(self, opened: OpenConnection, judgement: Judgement, sent: Transmission) -> None:
        """What the first host said over the connection that `at_once` gave."""
        courier = self._courier
        courier.metrics.outbound_connections.add("reused")
        courier.reach.answered(opened.handshake.address, self._survey.next_hop.port)
        self._next = 1
        self._take_over(self._plans[0], opened, judgement, sent)
