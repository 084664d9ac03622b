"""Sends reports: aggregate ones when their period is over, failure reports at once (RFC 9990 §3.5, RFC 9991)."""

from __future__ import annotations

import asyncio
import functools
import secrets
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from danelaw import __version__
from danelaw.address import Domain
from danelaw.dkim import SignSettings
from danelaw.dmarc import DMARCRecord
from danelaw.dmarcreport import (
    AggregateReport,
    FailureMail,
    ReportMail,
    ReportRecord,
    confirm,
    published_policy,
    report_id,
    to_xml,
)
from danelaw.gateway.report_posting import ReportPosting, guarded, with_store
from danelaw.state import GatheringStore, ReportsDatabase

if TYPE_CHECKING:
    from danelaw.dmarcreport import Destinations
    from danelaw.gateway.gateway import Gateway
    from danelaw.gateway.reporting import Failed, Reporting
    from danelaw.state.report_gathering import Report

T = TypeVar("T")
LOOK_SECONDS = 5.0
GRACE_SECONDS = 600.0
"""So long after its end a period may still be counted: large messages take their time."""
SPREAD_SECONDS = 1800
"""Up to so much later, by name: else every gateway would send to the large collectors at the same moment."""
RETRY_SECONDS = 3600.0
MOST_TRIES = 24
_AT_ONCE = 8
_FORGET_SECONDS = 3600.0
_GENERATOR = f"danelaw {__version__}"


class Reporter:
    """Every process runs one; the shared store gives each report to one of them."""

    def __init__(self, gateway: Gateway, reporting: Reporting) -> None:
        self._gateway = gateway
        self._reporting = reporting
        self._section = gateway.config.reports
        self._submitter = str(gateway.config.hostname)
        self._sender = self._section.sender_address
        self._posting = ReportPosting(gateway, reporting.key, "dmarc-report", self._sender, SignSettings())
        self._wait = GRACE_SECONDS + zlib.crc32(self._submitter.encode()) % SPREAD_SECONDS
        self._forgot = float("-inf")

    async def keep(self) -> None:
        """Until cancelled: what is due, every few seconds."""
        while True:
            await self._guarded(self.look)
            await asyncio.sleep(LOOK_SECONDS)

    async def keep_counting(self) -> None:
        """Until cancelled: what was counted goes to the file, also while reports wait for DNS."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._guarded(self._reporting.flush)

    async def keep_telling(self) -> None:
        """Until cancelled: failures, as they come."""
        while True:
            failed = await self._reporting.failures.get()
            await self._guarded(functools.partial(self.tell, failed))

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        await guarded(self._gateway.log, "dmarc-report", work)

    async def look(self) -> None:
        """Write down what was counted, and send every report that is due."""
        await self._reporting.flush()
        now = self._gateway.clock()
        if now - self._forgot >= _FORGET_SECONDS:
            self._forgot = now
            before = now - self._section.keep.total_seconds()
            await self._stored(lambda database: GatheringStore(database).forget(before))
        await self._stored(lambda database: GatheringStore(database).complete(now - self._wait, now))
        while reports := await self._stored(self._claimed):
            # The time anew for each: many reports take longer than a lease lasts.
            work = (functools.partial(self._look_after, one, self._gateway.clock()) for one in reports)
            await asyncio.gather(*map(self._guarded, work))

    def _claimed(self, database: ReportsDatabase) -> list[Report]:
        """As many reports as are sent side by side."""
        store, now = GatheringStore(database), self._gateway.clock()
        found = (store.claim(now) for _ in range(_AT_ONCE))
        return [report for report in found if report is not None]

    async def _look_after(self, report: Report, now: float) -> None:
        """Send a report; one that cannot be made waits for its next try, and is leased to nobody meanwhile."""
        try:
            await self._send(report, now)
        except Exception:
            later = now + RETRY_SECONDS
            await self._stored(lambda database: GatheringStore(database).postpone(report.number, later))
            raise

    async def _send(self, report: Report, now: float) -> None:
        gateway = self._gateway
        if report.tries > MOST_TRIES:
            gateway.metrics.dmarc_reports.add("aggregate", "given-up")
            outcome = f"given up: it could not be made in {MOST_TRIES} tries"
            await self._stored(lambda database: GatheringStore(database).finish(report.number, outcome, now))
            return
        record = DMARCRecord.from_text(report.policy)
        found = await gateway.parts.resolver.run(confirm(Domain.from_text(report.domain), record.rua))
        if found.undecided and report.tries < MOST_TRIES:
            reason = found.undecided[0].reason
            gateway.log.event("dmarc-report-waits", domain=report.domain, report=report.number, reason=reason)
            await self._stored(lambda database: GatheringStore(database).postpone(report.number, now + RETRY_SECONDS))
            return
        self._say_refused(report.domain, found)
        if not found.addresses:
            gateway.metrics.dmarc_reports.add("aggregate", "given-up" if found.undecided else "refused")
            outcome = "nobody may be sent it: " + (_first_reason(found) or "the record names no address")
            await self._stored(lambda database: GatheringStore(database).finish(report.number, outcome, now))
            return
        records = await self._stored(lambda database: GatheringStore(database).records(report.number))
        content, ident = await asyncio.to_thread(self._aggregate, report, record, records, found.addresses, now)
        queued = await self._posting.post(content, ident, found.addresses, now)
        outcome = f"sent to {', '.join(found.addresses)} as {queued}"
        await self._stored(lambda database: GatheringStore(database).finish(report.number, outcome, now))
        gateway.metrics.dmarc_reports.add("aggregate", "sent")
        gateway.log.event(
            "dmarc-report", id=queued, domain=report.domain, to=" ".join(found.addresses), report=report.number,
            records=report.records, messages=report.messages,
        )  # fmt: skip

    def _aggregate(
        self, report: Report, record: DMARCRecord, records: tuple[ReportRecord, ...], to: tuple[str, ...], now: float
    ) -> tuple[bytes, str]:
        """The signed mail and its Message-ID, which names the report, so that a second copy is known as one."""
        ident = report_id(report.domain, report.begin, report.number, self._submitter)
        whole = AggregateReport(
            org_name=self._section.organization or self._submitter,
            email=self._section.contact or self._sender,
            report_id=ident,
            begin=report.begin,
            end=report.until,
            policy=published_policy(report.domain, record),
            records=records,
            errors=record.faults,
            generator=_GENERATOR,
        )
        mail = ReportMail(submitter=self._submitter, sender=self._sender, to=to)
        boundary, message_id = f"=_{secrets.token_hex(16)}", f"<{ident}>"
        fitting = fitted(whole, self._section.max_size)
        return self._posting.signed(
            mail.build(fitting, date=now, message_id=message_id, boundary=boundary), now
        ), message_id

    async def tell(self, failed: Failed) -> None:
        """One failure report, where its destinations agreed."""
        gateway, dmarc = self._gateway, failed.verdicts.dmarc
        assert dmarc.record is not None
        now = gateway.clock()
        domain = Domain.from_text(dmarc.policy_domain)
        found = await gateway.parts.resolver.run(confirm(domain, dmarc.record.ruf, tag="ruf"))
        self._say_refused(dmarc.policy_domain, found)
        if not found.addresses:
            gateway.metrics.dmarc_reports.add("failure", "given-up" if found.undecided else "refused")
            return
        token = secrets.token_hex(16)
        message_id = f"<{token}@{self._submitter}>"
        mail = FailureMail(
            reporter=self._submitter, sender=self._sender, to=found.addresses, user_agent=_GENERATOR.replace(" ", "/")
        )
        content = mail.build(
            failed.failure, failed.verdicts, failed.decision, failed.header, arrived=failed.arrived,
            incidents=failed.incidents, date=now, message_id=message_id, boundary=f"=_{token}",
        )  # fmt: skip
        signed = await asyncio.to_thread(self._posting.signed, content, now)
        queued = await self._posting.post(signed, message_id, found.addresses, now)
        gateway.metrics.dmarc_reports.add("failure", "sent")
        gateway.log.event(
            "dmarc-failure-report", id=queued, domain=dmarc.policy_domain, to=" ".join(found.addresses),
            kind=failed.failure.kind,
        )  # fmt: skip

    def _say_refused(self, domain: str, found: Destinations) -> None:
        for one in found.refused:
            self._gateway.log.event("dmarc-report-refused", domain=domain, to=one.address, reason=one.reason)

    async def _stored(self, work: Callable[[ReportsDatabase], T]) -> T:
        return await with_store(self._reporting.path, work)


def fitted(report: AggregateReport, most: int) -> AggregateReport:
    """The report, or as many of its records, the most frequent first, as give an XML file of at most so many octets."""
    fitting = report
    while len(fitting.records) > 1 and (size := len(to_xml(fitting))) > most:
        kept = report.records[: max(1, len(fitting.records) * most * 9 // (size * 10))]
        left = sum(record.count for record in report.records) - sum(record.count for record in kept)
        words = f"{len(report.records) - len(kept)} records of {left} messages are left out, since they are too many"
        fitting = replace(report, records=kept, errors=(*report.errors, words))
    return fitting


def _first_reason(found: Destinations) -> str:
    return next((one.reason for one in (*found.refused, *found.undecided)), "")
