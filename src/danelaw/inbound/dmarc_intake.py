"""The step that takes in mail to our own address for DMARC reports."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from danelaw.inbound.arrival import Discard, Finding, Hold
from danelaw.inbound.reported import Reported, authenticated, dmarc_facts, nobody
from danelaw.inbound.steps import Stage, Step
from danelaw.state import FailureArchive, ReportArchive, ReportIntake, ReportsDatabase
from danelaw.state.report_intake import Found, read_reports

if TYPE_CHECKING:
    from pathlib import Path

    from danelaw.inbound.arrival import Arrival, Ruling
    from danelaw.state.report_intake import Taken
    from danelaw.telemetry import Metrics

MOST_OCTETS = 24 << 20
"""Octets of a mail that are looked at."""
_LONGEST_REASON = 300


class DMARCIntake(Step):
    """Reads reports that are sent to `address`, and keeps them in the file at `path`; such mail goes nowhere else.

    What cannot be read is held, or discarded where `hold` is False. Mail that a step before this one holds is left to
    the operator: who forges reports has nothing to say here.
    """

    name = "reports"
    stages = Stage.MESSAGE

    def __init__(
        self,
        address: str,
        path: Path,
        metrics: Metrics,
        *,
        keep: float = 90 * 86_400.0,
        hold: bool = True,
        most: int = 200_000,
        most_failures: int = 10_000,
        whole_header: bool = False,
        reported: Reported = nobody,
    ) -> None:
        """Reports are forgotten after `keep` seconds; at most about `most` records of aggregate reports are kept, and
        `most_failures` failure reports, of these the `whole_header` of the failed message where that is wanted.
        `reported` is told of every report, and says whether it is kept.
        """
        self._address = address.lower()
        self._path = path
        self._metrics = metrics
        self._keep = keep
        self._hold = hold
        self._most = most
        self._most_failures = most_failures
        self._whole_header = whole_header
        self._reported = reported
        self._one_at_a_time = asyncio.Lock()

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Taken in where it is for us; other recipients get it all the same."""
        others = [one for one in arrival.recipients if one.forward_path.mailbox.to_text().lower() != self._address]
        if len(others) == len(arrival.recipients) or arrival.holds:
            return None
        taken, words = await self._take(arrival)
        words = words[:_LONGEST_REASON]
        arrival.findings.append(Finding(self.name, "taken" if taken else "unreadable", words))
        if others:
            arrival.recipients[:] = others
            return None
        return Hold(words, self.name) if self._hold and not taken else Discard(words, self.name)

    async def _take(self, arrival: Arrival) -> tuple[bool, str]:
        """Whether there was a report, and what there was."""
        count = self._metrics.dmarc_reports
        if arrival.content.size > MOST_OCTETS:
            count.add("aggregate", "unreadable")
            return False, f"a mail of more than {MOST_OCTETS} octets is not read as DMARC reports"
        # A large report takes memory while it is read: never several at once.
        async with self._one_at_a_time:
            read = await asyncio.to_thread(lambda: read_reports(b"".join(arrival.content.chunks())))
            wanted = [one for one in read if await self._is_wanted(one, authenticated(arrival))]
            found = await asyncio.to_thread(self._keep_all, wanted, arrival)
        for one in found:
            result = "unreadable" if one.report is None else "duplicate" if one.number is None else "received"
            count.add(one.kind, result)
        if not read:
            count.add("aggregate", "unreadable")
            return False, "no part of the mail looks like a DMARC report"
        words = [one.words for one in found]
        words += [f"{len(read) - len(wanted)} discarded by the policy"] if len(wanted) < len(read) else []
        return any(one.report is not None for one in read), "; ".join(words)

    async def _is_wanted(self, found: Found, proved: str) -> bool:
        if found.report is None or await self._reported(*dmarc_facts(found.report, proved)):
            return True
        self._metrics.dmarc_reports.add(found.kind, "discarded")
        return False

    def _keep_all(self, found: list[Found], arrival: Arrival) -> tuple[Taken, ...]:
        database = ReportsDatabase(self._path)
        try:
            intake = ReportIntake(
                ReportArchive(database, most=self._most),
                FailureArchive(database, most=self._most_failures, whole_header=self._whole_header),
            )
            intake.forget(arrival.received_at - self._keep)
            return intake.keep(found, arrival.received_at, authenticated(arrival))
        finally:
            database.close()
