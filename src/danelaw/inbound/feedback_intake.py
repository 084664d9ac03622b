"""The step that takes in what comes back to us: complaints of feedback loops and delivery reports of others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from danelaw.feedback import FeedbackError, read_complaint, read_notice
from danelaw.inbound.arrival import Discard, Finding, Hold
from danelaw.inbound.reported import Reported, authenticated, complaint_facts, nobody, notice_facts
from danelaw.inbound.steps import Stage, Step

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Arrival, Ruling
    from danelaw.smtp import Recipient
    from danelaw.telemetry import Log, Metrics

MOST_OCTETS = 24 << 20
"""Octets of a mail that are looked at."""


class FeedbackIntake(Step):
    """Reads mail to `addresses`, and to what has `+` and a detail behind their local-parts, and tells `reported` what
    it says: `arf` for a complaint (RFC 5965), `dsn` for a delivery report (RFC 3464), `bounce` for any other mail with
    the null reverse-path to an address with a detail, which says by itself whose mail came back. Such mail goes
    nowhere else. What is none of these is held, or discarded where `hold` is False.
    """

    name = "feedback"
    stages = Stage.MESSAGE

    def __init__(
        self,
        addresses: Iterable[str],
        metrics: Metrics,
        log: Log,
        reported: Reported = nobody,
        *,
        hold: bool = True,
    ) -> None:
        self._addresses = frozenset(one.lower() for one in addresses)
        self._metrics = metrics
        self._log = log
        self._reported = reported
        self._hold = hold
        self._one_at_a_time = asyncio.Lock()

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Taken in where it is for us; other recipients get it all the same."""
        ours: list[Recipient] = []
        others: list[Recipient] = []
        for one in arrival.recipients:
            address = one.forward_path.mailbox.to_text()
            (ours if self._is_ours(address) else others).append(one)
        if not ours or arrival.holds:
            return None
        words = ""
        for one in ours:
            words = await self._take(arrival, one.forward_path.mailbox.to_text())
        arrival.findings.append(Finding(self.name, "taken" if words else "unreadable", words))
        if others:
            arrival.recipients[:] = others
            return None
        if words or not self._hold:
            return Discard(words or "neither a complaint nor a delivery report", self.name)
        return Hold("neither a complaint nor a delivery report", self.name)

    def _is_ours(self, address: str) -> bool:
        local, at, domain = address.lower().rpartition("@")
        return f"{local.partition('+')[0]}{at}{domain}" in self._addresses or address.lower() in self._addresses

    async def _take(self, arrival: Arrival, address: str) -> str:
        """What there was, in words; empty for nothing."""
        try:
            kind, reporter, facts = await self._read(arrival, address)
        except FeedbackError as error:
            self._log.warning("feedback", to=address, reason=error.reason)
            kind = ""
        if not kind:
            self._metrics.feedback.add("unknown", "unreadable")
            return ""
        kept = await self._reported(kind, reporter, facts)
        self._metrics.feedback.add(kind, "received" if kept else "discarded")
        self._log.event("feedback", kind=kind, reporter=reporter or None, to=address)
        return f"{kind} of {reporter or 'somebody'} to {address}"

    async def _read(self, arrival: Arrival, address: str) -> tuple[str, str, dict[str, object]]:
        proved = authenticated(arrival)
        if arrival.content.size <= MOST_OCTETS:
            # A large mail takes memory while it is read: never several at once.
            async with self._one_at_a_time:
                octets = b"".join(arrival.content.chunks())
                complaint = await asyncio.to_thread(read_complaint, octets)
                notice = None if complaint is not None else await asyncio.to_thread(read_notice, octets)
            if complaint is not None:
                return "arf", complaint.reporter, complaint_facts(complaint, address, proved)
            if notice is not None:
                return "dsn", notice.reporting_mta, notice_facts(notice, address, proved)
        if arrival.reverse_path.mailbox is None and "+" in address:
            return "bounce", "", {"to": address, "authenticated": proved}
        return "", "", {}
