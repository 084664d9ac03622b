"""The first step of mail from outside: who really sent it, and what its owner and we want done with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, TypeAlias

from danelaw.arc import ChainStatus
from danelaw.authentication import (
    Action,
    Cause,
    Decision,
    DispositionSettings,
    Examination,
    ExaminationSettings,
    Memory,
    Transaction,
    Verdicts,
    disposition,
)
from danelaw.authres import without_claims, without_claims_among
from danelaw.inbound.arrival import Finding, Hold, Refuse
from danelaw.inbound.steps import Stage, Step
from danelaw.smtp import Reply
from danelaw.spf import SPFResult

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Arrival, Ruling
    from danelaw.message import Header
    from danelaw.resolver import Resolver
    from danelaw.telemetry import Metrics

Report: TypeAlias = "Callable[[Arrival, Verdicts, Decision], None]"
_NAME = "origin"
_LONGEST_REASON = 400
_HEADER_TOO_LARGE = Reply.of(552, "5.3.4", "the header of the message has too many fields")


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginSettings:
    """`authserv_id` is the name our results carry (RFC 8601 §2.5)."""

    authserv_id: str
    examination: ExaminationSettings = field(default_factory=ExaminationSettings)
    disposition: DispositionSettings = field(default_factory=DispositionSettings)


class Origin(Step):
    """Finds out where a message comes from, says so in its header, and refuses or holds it by policy.

    Fields from outside that carry our authserv-id are removed first, wherever they stand (RFC 8601 §5).
    """

    name = _NAME
    stages = Stage.MESSAGE

    def __init__(
        self, resolver: Resolver, settings: OriginSettings, metrics: Metrics, report: Report | None = None
    ) -> None:
        """`report` is told about each message, before anything happens to it; it must not wait."""
        self._resolver = resolver
        self._settings = settings
        self._metrics = metrics
        self._report = report
        self._memory = Memory()

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Examine, record, write our field; refuse or hold by the decision."""
        settings = self._settings
        examination = Examination(
            arrival.content.header,
            _transaction(arrival),
            now=arrival.received_at,
            settings=settings.examination,
            memory=self._memory,
        )
        if examination.too_large:
            return Refuse(_HEADER_TOO_LARGE, _NAME)
        if examination.needs_body:
            if arrival.content.in_memory:
                _read(examination, arrival)
            else:
                await asyncio.to_thread(_read, examination, arrival)
        verdicts = await self._resolver.run(examination.inquire())
        arrival.verdicts = verdicts
        decision = disposition(verdicts, settings.disposition, arrival.received_at)
        self._count(verdicts, decision)
        if self._report is not None:
            self._report(arrival, verdicts, decision)
        arrival.findings.extend(_findings(verdicts, decision))
        _without_claims(arrival, examination.header, settings.authserv_id)
        arrival.added.append(verdicts.to_authentication_results(settings.authserv_id).to_bytes())
        return _ruling(decision, verdicts)

    def _count(self, verdicts: Verdicts, decision: Decision) -> None:
        results = self._metrics.authentication_results
        for method, result in (
            ("spf", verdicts.spf.result.value),
            ("dkim", verdicts.dkim.result.value),
            ("arc", verdicts.arc.status.value),
            ("dmarc", verdicts.dmarc.result.value),
        ):
            results.cell(method, result).value += 1
        self._metrics.authentication_decisions.cell(decision.action.value, decision.cause.value).value += 1


def _transaction(arrival: Arrival) -> Transaction:
    path = arrival.envelope.reverse_path
    mail_from = "" if path.mailbox is None else path.mailbox.to_text()
    return Transaction(_parsed(arrival.client.address), arrival.client.helo, mail_from)


@lru_cache(maxsize=1_024)
def _parsed(address: str) -> IPv4Address | IPv6Address:
    return ip_address(address.partition("%")[0])


def _read(examination: Examination, arrival: Arrival) -> None:
    for piece in arrival.content.body():
        examination.update(piece)


def _without_claims(arrival: Arrival, header: Header, authserv_id: str) -> None:
    """Remove what claims to be ours; the content stays the same object where nothing does, as in most mail."""
    octets = arrival.content.header
    kept = without_claims(header, (authserv_id,))
    rest = octets[len(header.raw) :]
    if rest:
        # Behind text that is no field there is more, which belongs to the body for us and to the header for others.
        rest = without_claims_among(rest, (authserv_id,))
    if len(kept) + len(rest) != len(octets):
        arrival.content = arrival.content.with_header(kept + rest)


def _findings(verdicts: Verdicts, decision: Decision) -> Iterator[Finding]:
    spf, arc, dmarc = verdicts.spf, verdicts.arc, verdicts.dmarc
    yield _finding(spf.result.value, f"SPF of {spf.sender}: {spf.reason}")
    for verdict in verdicts.signatures:
        yield _finding(verdict.result.value, f"DKIM of {verdict.domain or 'a broken field'}: {verdict.reason}")
    if arc.status is not ChainStatus.NONE:
        yield _finding(arc.status.value, f"ARC: {arc.reason}")
    yield _finding(dmarc.result.value, f"DMARC of {dmarc.domain or 'no author'}: {dmarc.reason}")
    if decision.cause is not Cause.NOTHING:
        yield _finding(decision.action.value, decision.reason)


def _finding(result: str, reason: str) -> Finding:
    return Finding(_NAME, result, reason[:_LONGEST_REASON])


def _ruling(decision: Decision, verdicts: Verdicts) -> Ruling | None:
    if decision.action is Action.QUARANTINE:
        return Hold(decision.reason[:_LONGEST_REASON], _NAME)
    if decision.action is Action.ACCEPT:
        return None
    return Refuse(_reply(decision, verdicts), _NAME)


def _reply(decision: Decision, verdicts: Verdicts) -> Reply:
    """What the client is told (RFC 9989 §7.2 wants the word DMARC in it; RFC 7372 §3.2 for SPF)."""
    domain = verdicts.dmarc.domain
    if decision.action is Action.DEFER:
        return Reply.of(451, "4.7.1", f"DMARC of {domain} cannot be decided now, since DNS fails; try again later")
    if decision.cause is Cause.AUTHOR:
        return Reply.of(
            554, "5.6.0", f"the message has no proper author: {ascii(verdicts.fault or verdicts.dmarc.reason)[1:-1]}"
        )
    if decision.cause is Cause.SPF:
        assert verdicts.spf.result is SPFResult.FAIL
        words = f"SPF: {verdicts.transaction.ip} may not send mail of {verdicts.spf.domain}"
        explains = verdicts.spf.explains
        return Reply.of(550, "5.7.23", f"{words}\n{explains}" if explains else words)
    return Reply.of(550, "5.7.1", f"refused by the DMARC policy for {domain}: nothing shows that it comes from there")
