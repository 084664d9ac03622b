"""What authentication found, on its way to reports: counted in memory, written in batches beside the mail."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.authentication import is_listed
from danelaw.dmarcreport import Observation, failures, observed
from danelaw.dmarcreport.allowance import Allowance
from danelaw.errors import DanelawError
from danelaw.state import GatheringStore, ReportsDatabase
from danelaw.state.report_gathering import Key, record_text
from danelaw.state.reports_database import FILE_NAME

if TYPE_CHECKING:
    from danelaw.authentication import Decision, Verdicts
    from danelaw.config import Config
    from danelaw.dkim import SigningKey
    from danelaw.dmarcreport import Failure
    from danelaw.inbound.arrival import Arrival
    from danelaw.telemetry import Log, Metrics

_MOST_PENDING = 20_000
_MOST_FAILURES = 100


@dataclass(frozen=True, slots=True)
class Failed:
    """A failure to report; `header` is the message's, `incidents` counts those like it."""

    failure: Failure
    verdicts: Verdicts
    decision: Decision
    header: bytes
    arrived: float
    incidents: int


class Reporting:
    """Takes what `Origin` found about each message; on the message's path it costs one addition to a dictionary."""

    def __init__(self, config: Config, log: Log, metrics: Metrics, key: SigningKey) -> None:
        """`key` signs what is sent."""
        self._section = section = config.reports
        self._log = log
        self._metrics = metrics
        self._counted: Counter[tuple[int, Observation]] = Counter()
        self._own = section.own_addresses
        self._interval = int(section.interval.total_seconds())
        self._allowance = Allowance(section.failure_rate, section.failure_rate_total)
        self.key = key
        self.path = config.spool.directory / FILE_NAME
        self.failures: asyncio.Queue[Failed] = asyncio.Queue(_MOST_FAILURES)
        """What `Reporter` is to tell at once."""

    def __call__(self, arrival: Arrival, verdicts: Verdicts, decision: Decision) -> None:
        """One message. Mail to our own addresses for reports is never reported on: reports about bounces of reports
        would go to and fro for ever.
        """
        recipients = {one.forward_path.mailbox.to_text().lower() for one in arrival.recipients}
        domain = verdicts.dmarc.policy_domain
        if recipients <= self._own or not domain or is_listed(domain, self._section.never):
            return
        if self._section.send:
            self._count(arrival, verdicts, decision)
        # A report tells of the message in a message of its own, which nobody protects as its sender asks (RFC 8689 §6).
        if self._section.failure and not arrival.envelope.requiretls:
            self._tell(arrival, verdicts, decision, domain)

    def _count(self, arrival: Arrival, verdicts: Verdicts, decision: Decision) -> None:
        observation = observed(verdicts, decision)
        if observation is None:
            return
        begin = int(arrival.received_at) // self._interval * self._interval
        key = (begin, observation)
        if key not in self._counted and len(self._counted) >= _MOST_PENDING:
            self._metrics.dmarc_report_messages.add("dropped")
            return
        self._counted[key] += 1

    def _tell(self, arrival: Arrival, verdicts: Verdicts, decision: Decision, domain: str) -> None:
        for failure in failures(verdicts):
            incidents = self._allowance.take(f"{domain} {failure.kind}", arrival.received_at)
            if not incidents or self.failures.full():
                self._metrics.dmarc_reports.add("failure", "suppressed")
                continue
            self.failures.put_nowait(
                Failed(failure, verdicts, decision, arrival.content.header, arrival.received_at, incidents)
            )

    async def flush(self) -> None:
        """Write what was counted since the last time, in a thread."""
        counted, self._counted = self._counted, Counter()
        if not counted:
            return
        try:
            await asyncio.to_thread(self._write, counted)
        except DanelawError as error:
            self._counted.update(counted)
            self._log.error("dmarc-report", reason=error.reason, advice=error.advice)

    def close(self) -> None:
        """Write the rest."""
        counted, self._counted = self._counted, Counter()
        if counted:
            try:
                self._write(counted)
            except DanelawError as error:
                self._log.error("dmarc-report", reason=error.reason, advice=error.advice)

    def _write(self, counted: Counter[tuple[int, Observation]]) -> None:
        keys: Counter[Key] = Counter()
        for (begin, seen), count in counted.items():
            until = begin + self._interval - 1
            keys[Key(begin, until, seen.policy_domain, seen.published, record_text(seen.record))] += count
        database = ReportsDatabase(self.path)
        try:
            dropped = GatheringStore(database, most=self._section.max_records).gather(keys)
        finally:
            database.close()
        self._metrics.dmarc_report_messages.add("counted", by=keys.total() - dropped)
        if dropped:
            self._metrics.dmarc_report_messages.add("dropped", by=dropped)
