"""Sends TLS reports when their day is over, to whoever the policy domain names (RFC 8460 §3, §4.1, §5).

Nothing is sent twice. A report is made once for a day and domain, and nothing is added to it. By mail: its queue id is
written down before it is given to the queue, so that who goes on after a crash finds out whether the queue has it. By
HTTPS nobody can know what became of a request that was not answered: it is posted again, octet for octet the same under
the same report-id, by which the receiver knows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from danelaw.address import Domain
from danelaw.dkim import DEFAULT_HEADERS, SignSettings
from danelaw.errors import DanelawError
from danelaw.gateway.report_posting import ReportPosting, guarded, with_store
from danelaw.gateway.tls_counting import KIND
from danelaw.net.post import PostError, post
from danelaw.queue import id_to_text, shard_of
from danelaw.spool.database import DATABASE_NAME, open_reader, shard_directory
from danelaw.spool.view import is_known
from danelaw.state import ReportsDatabase, TLSGatheringStore
from danelaw.state.tls_gathering import DAY, SentTLSReport, TLSDelivery
from danelaw.tlspolicy import SenderDemand
from danelaw.tlsreport import (
    MEDIA_TYPE,
    Destination,
    ReportMail,
    TLSReport,
    compress,
    fitted,
    lookup_record,
    report_id,
    submitter,
    to_json,
)
from danelaw.tlsreport.mail import SIGNED_FIELDS

if TYPE_CHECKING:
    from danelaw.gateway.gateway import Gateway
    from danelaw.gateway.tls_counting import TLSCounting

T = TypeVar("T")
LOOK_SECONDS = 5.0
GRACE_SECONDS = 600.0
"""So long after its end a day may still be counted: what a worker could not write is written later."""
SPREAD_SECONDS = 14_400
"""Up to so much later, by name: else every gateway would report to the large domains at the same moment (§4.1)."""
FIRST_RETRY_SECONDS = 300.0
GIVE_UP_SECONDS = 86_400.0
"""So long after the first try a report is tried again (§5.5)."""
_AT_ONCE = 8
_FORGET_SECONDS = 3600.0


class TLSReporter:
    """Every process runs one; the shared store gives each report to one of them."""

    def __init__(self, gateway: Gateway, counting: TLSCounting) -> None:
        self._gateway = gateway
        self._counting = counting
        self._section = section = gateway.config.reports
        self._contact = section.contact or section.tls_sender_address
        self._submitter = submitter(self._contact)
        settings = SignSettings(headers=(*DEFAULT_HEADERS, *SIGNED_FIELDS))
        self._posting = ReportPosting(gateway, counting.key, KIND, section.tls_sender_address, settings)
        self._forgot = float("-inf")

    async def keep(self) -> None:
        """Until cancelled: what is due, every few seconds."""
        while True:
            await guarded(self._gateway.log, KIND, self.look)
            await asyncio.sleep(LOOK_SECONDS)

    async def keep_counting(self) -> None:
        """Until cancelled: what was counted goes to the file, also while reports wait for DNS."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await guarded(self._gateway.log, KIND, self._counting.flush)

    async def look(self) -> None:
        """Write down what was counted, and look after every report that is due."""
        await self._counting.flush()
        now = self._gateway.clock()
        if now - self._forgot >= _FORGET_SECONDS:
            self._forgot = now
            before = now - self._section.keep.total_seconds()
            await self._stored(lambda store: store.forget(before))
        await self._stored(lambda store: store.complete(now - GRACE_SECONDS, self._due))
        while reports := await self._stored(functools.partial(_claimed, now=self._gateway.clock())):
            # The time anew for each: many reports take longer than a lease lasts.
            work = (functools.partial(self._look_after, one, self._gateway.clock()) for one in reports)
            await asyncio.gather(*(guarded(self._gateway.log, KIND, one) for one in work))

    def _due(self, begin: int, domain: str) -> float:
        return begin + DAY + GRACE_SECONDS + zlib.crc32(f"{self._submitter} {domain}".encode()) % SPREAD_SECONDS

    async def _look_after(self, report: SentTLSReport, now: float) -> None:
        """Everything that can be done for one report now; one that fails in ways nobody thought of has an end too."""
        try:
            await self._send(report, now)
        except Exception as error:
            if _too_late(report.first_try, now):
                outcome = f"given up: {error}"
                await self._stored(lambda store: store.finish(report, outcome, now))
            else:
                await self._stored(lambda store: store.postpone(report.number, _next_try(report, now)))
            raise

    async def _send(self, report: SentTLSReport, now: float) -> None:
        deliveries = await self._stored(lambda store: store.deliveries(report.number))
        if not deliveries:
            uris = await self._destinations(report, now)
            if uris is None:
                return
            deliveries = await self._stored(lambda store: store.address(report.number, uris))
        whole = await self._report(report)
        for delivery in deliveries:
            if delivery.ended is None:
                await self._deliver(report, delivery, whole, now)
        await self._conclude(report, now)

    async def _destinations(self, report: SentTLSReport, now: float) -> Sequence[str] | None:
        """Who asked for it; None when the report ends here or waits for DNS."""
        gateway = self._gateway
        wanted = await gateway.parts.resolver.run(lookup_record(Domain.from_text(report.domain)))
        if wanted.undecided and not _too_late(report.first_try, now):
            gateway.log.event("tls-report-waits", domain=report.domain, report=report.number, reason=wanted.reason)
            await self._stored(lambda store: store.postpone(report.number, _next_try(report, now)))
            return None
        for refused in wanted.record.refused if wanted.record is not None else ():
            gateway.metrics.tls_reports_sent.add("nobody", "refused")
            gateway.log.event("tls-report-refused", domain=report.domain, to=refused.uri, reason=refused.reason)
        if wanted.record is not None and wanted.record.destinations:
            return [one.uri for one in wanted.record.destinations]
        gateway.metrics.tls_reports_sent.add("nobody", "given-up" if wanted.undecided else "unwanted")
        reason = wanted.reason or "the record names no destination that can be used"
        await self._stored(lambda store: store.finish(report, f"nobody may be sent it: {reason}", now))
        return None

    async def _report(self, report: SentTLSReport) -> TLSReport:
        results = await self._stored(lambda store: store.results(report.begin, report.domain))
        whole = TLSReport(
            organization=self._section.organization or str(self._gateway.config.hostname),
            contact=self._contact,
            report_id=report_id(report.domain, report.begin, self._submitter),
            begin=report.begin,
            end=report.until,
            policies=results,
        )
        return await asyncio.to_thread(fitted, whole, self._section.max_size)

    async def _deliver(self, report: SentTLSReport, delivery: TLSDelivery, whole: TLSReport, now: float) -> None:
        """One try at one destination."""
        gateway, destination = self._gateway, Destination.from_uri(delivery.uri)
        way = "mail" if destination.mailbox else "https"
        try:
            if destination.mailbox:
                outcome = await self._by_mail(report, delivery, destination.mailbox, whole, now)
            else:
                outcome = await self._by_https(delivery, destination, whole, now)
        except DanelawError as error:
            gateway.metrics.tls_reports_sent.add(way, "failed")
            gateway.log.event(
                "tls-report-waits", domain=report.domain, report=report.number, to=delivery.uri, reason=error.reason
            )
            reason = error.reason
            await self._stored(lambda store: store.note(delivery, reason))
            return
        await self._stored(lambda store: store.end(delivery, outcome, now), durable=True)
        gateway.metrics.tls_reports_sent.add(way, "sent")
        gateway.log.event(
            "tls-report", domain=report.domain, to=delivery.uri, report=report.number, successful=report.successful,
            failed=report.failed, reason=outcome,
        )  # fmt: skip

    async def _by_mail(
        self, report: SentTLSReport, delivery: TLSDelivery, address: str, whole: TLSReport, now: float
    ) -> str:
        """Into the queue, once, and out of it whatever DANE or MTA-STS say (§3)."""
        if delivery.queued and await asyncio.to_thread(self._was_queued, delivery.queued):
            return f"sent to {address} as {id_to_text(delivery.queued)}"
        number = self._gateway.parts.spool.new_id()
        await self._stored(lambda store: store.begin(delivery, number, now), durable=True)
        mail = ReportMail(sender=self._section.tls_sender_address, to=address, domain=report.domain)
        message_id = f"<{whole.report_id}>"
        boundary = f"=_{secrets.token_hex(16)}"

        def made() -> bytes:
            return self._posting.signed(mail.build(whole, date=now, message_id=message_id, boundary=boundary), now)

        content = await asyncio.to_thread(made)
        queued = await self._posting.post(
            content, message_id, (address,), now, demand=SenderDemand.TLS_REQUIRED_NO, lifetime=GIVE_UP_SECONDS,
            number=number,
        )  # fmt: skip
        return f"sent to {address} as {queued}"

    def _was_queued(self, number: int) -> bool:
        directory = shard_directory(self._gateway.config.spool.directory, shard_of(number))
        connection = open_reader(directory / DATABASE_NAME)
        try:
            with contextlib.closing(connection):
                return is_known(connection, number)
        except sqlite3.Error as error:
            raise DanelawError(f"whether the report is in the queue cannot be read: {error}") from None

    async def _by_https(self, delivery: TLSDelivery, destination: Destination, whole: TLSReport, now: float) -> str:
        gateway = self._gateway
        await self._stored(lambda store: store.begin(delivery, 0, now), durable=True)
        roots = gateway.parts.workshop.roots
        if roots is None:
            raise PostError("no public CAs are known")
        posted = await post(
            destination.uri, Domain.from_text(destination.host), destination.port, compress(to_json(whole)), MEDIA_TYPE,
            resolver=gateway.parts.resolver, roots=roots, routes=gateway.config.lab.dial,
        )  # fmt: skip
        doubt = f"; {posted.doubt}" if posted.doubt else ""
        return f"sent to {destination.uri} with HTTP status {posted.status}{doubt}"

    async def _conclude(self, report: SentTLSReport, now: float) -> None:
        """End a report that has reached everybody, or was tried long enough; else try again later."""
        deliveries = await self._stored(lambda store: store.deliveries(report.number))
        waiting = [one for one in deliveries if one.ended is None]
        if waiting and not _too_late(report.first_try, now):
            await self._stored(lambda store: store.postpone(report.number, _next_try(report, now)))
            return
        for one in waiting:
            way = "https" if one.uri.lower().startswith("https:") else "mail"
            self._gateway.metrics.tls_reports_sent.add(way, "given-up")
            words = f"given up: {one.uri}: {one.outcome or 'it could not be handed over'}"
            self._gateway.log.event(
                "tls-report-given-up", domain=report.domain, report=report.number, to=one.uri, reason=one.outcome
            )
            await self._stored(functools.partial(_end, delivery=one, outcome=words, now=now))
        ended = await self._stored(lambda store: store.deliveries(report.number))
        outcome = "; ".join(sorted((one.outcome for one in ended), key=lambda text: not text.startswith("sent")))
        await self._stored(lambda store: store.finish(report, outcome, now), durable=True)

    async def _stored(self, work: Callable[[TLSGatheringStore], T], *, durable: bool = False) -> T:
        most = self._section.max_records

        def run(database: ReportsDatabase) -> T:
            return work(TLSGatheringStore(database, most=most))

        return await with_store(self._counting.path, run, durable=durable)


def _end(store: TLSGatheringStore, delivery: TLSDelivery, outcome: str, now: float) -> None:
    store.end(delivery, outcome, now)


def _claimed(store: TLSGatheringStore, now: float) -> list[SentTLSReport]:
    """As many reports as are looked after side by side."""
    found = (store.claim(now) for _ in range(_AT_ONCE))
    return [report for report in found if report is not None]


def _too_late(first_try: float | None, now: float) -> bool:
    return first_try is not None and now - first_try >= GIVE_UP_SECONDS


def _next_try(report: SentTLSReport, now: float) -> float:
    """Twice as long after each try (§5.5), and once more at the end."""
    later = now + FIRST_RETRY_SECONDS * (1 << min(report.tries - 1, 10))
    last = (now if report.first_try is None else report.first_try) + GIVE_UP_SECONDS
    return max(min(later, last), now + 1.0)
