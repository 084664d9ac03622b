"""The step that takes in mail to our own address for TLS reports (RFC 8460 §5.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from danelaw.dkim import DKIMOutcome, DKIMVerification
from danelaw.inbound.arrival import Discard, Finding, Hold, Refuse
from danelaw.inbound.reported import Reported, nobody, tls_facts
from danelaw.inbound.steps import Stage, Step
from danelaw.message import scan
from danelaw.smtp import Reply
from danelaw.state import ReportsDatabase, TLSReportArchive, TLSReportIntake
from danelaw.tlsreport import SETTINGS, Attached, Authenticity, authenticity, read_mail, reporting_domain

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Arrival, Ruling
    from danelaw.resolver import Resolver
    from danelaw.smtp import Recipient
    from danelaw.state.tls_report_intake import TakenTLSReport
    from danelaw.telemetry import Metrics

MOST_OCTETS = 24 << 20
"""Octets of a mail that are looked at."""
_LONGEST_REASON = 300
_LATER = Reply.of(451, "4.7.5", "who signed the report cannot be looked up now; try again later")


class TLSReports(Step):
    """Reads reports that are sent to `address`, and keeps those their reporters have signed in the file at `path`; such
    mail goes nowhere else.

    A report without such a signature is ignored, as RFC 8460 §3 demands: its mail is held, as what cannot be read is,
    or discarded where `hold` is False. Where DNS does not say now who signed, its sender is asked to come again. Mail
    that a step before this one holds is left to the operator.
    """

    name = "tls-reports"
    stages = Stage.MESSAGE

    def __init__(
        self,
        address: str,
        path: Path,
        resolver: Resolver,
        metrics: Metrics,
        *,
        ours: Callable[[str], bool],
        keep: float = 90 * 86_400.0,
        hold: bool = True,
        most: int = 200_000,
        shared: bool = False,
        reported: Reported = nobody,
    ) -> None:
        """Reports are forgotten after `keep` seconds, at most about `most` rows of them are kept; `ours` says which
        domains they may be about. With `shared` reports of another kind come to the address too, and mail without any
        TLS report is left to the steps behind. `reported` is told of every report, and says whether it is kept.
        """
        self._address = address.lower()
        self._path = path
        self._resolver = resolver
        self._metrics = metrics
        self._ours = ours
        self._keep = keep
        self._hold = hold
        self._most = most
        self._shared = shared
        self._reported = reported
        self._one_at_a_time = asyncio.Lock()

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Taken in where it is for us; other recipients get it all the same."""
        others = [one for one in arrival.recipients if one.forward_path.mailbox.to_text().lower() != self._address]
        if len(others) == len(arrival.recipients) or arrival.holds:
            return None
        if arrival.content.size > MOST_OCTETS:
            if self._shared:
                return None
            self._metrics.tls_reports_received.add("mail", "unreadable")
            return self._ruling(arrival, others, False, f"a mail of more than {MOST_OCTETS} octets is not read")
        # A large report takes memory while it is read: never several at once.
        async with self._one_at_a_time:
            read = await asyncio.to_thread(lambda: read_mail(b"".join(arrival.content.chunks())))
            if not read and self._shared:
                return None
            return await self._take(arrival, others, read)

    async def _take(self, arrival: Arrival, others: list[Recipient], read: tuple[Attached, ...]) -> Ruling | None:
        count = self._metrics.tls_reports_received
        if not read:
            count.add("mail", "unreadable")
            return self._ruling(arrival, others, False, "no part of the mail looks like a TLS report")
        proofs = await self._authenticity(arrival, read)
        if any(one.undecided for one in proofs):
            return Refuse(_LATER, self.name)
        words: list[str] = []
        kept = False
        for found, proof in zip(read, proofs, strict=True):
            if found.report is not None and not proof.domain:
                count.add("mail", "unproved")
                words.append(f"the report does not count: {proof.reason}")
                continue
            if found.report is not None and not await self._reported(*tls_facts(found.report, proof.domain)):
                count.add("mail", "discarded")
                words.append("discarded by the policy")
                kept = True
                continue
            (taken,) = await asyncio.to_thread(self._keep_one, found, arrival.received_at, proof.domain)
            count.add("mail", taken.result)
            words.append(taken.words)
            kept |= not taken.refusal
        return self._ruling(arrival, others, kept, "; ".join(words))

    def _ruling(self, arrival: Arrival, others: list[Recipient], kept: bool, words: str) -> Ruling | None:
        words = words[:_LONGEST_REASON]
        arrival.findings.append(Finding(self.name, "taken" if kept else "not taken", words))
        if others:
            arrival.recipients[:] = others
            return None
        return Hold(words, self.name) if self._hold and not kept else Discard(words, self.name)

    async def _authenticity(self, arrival: Arrival, read: tuple[Attached, ...]) -> tuple[Authenticity, ...]:
        header = scan(arrival.content.header)
        verification = DKIMVerification(header.pairs, now=arrival.received_at, settings=SETTINGS)
        if verification.needs_body:
            await asyncio.to_thread(_read_body, verification, arrival)
        answers = await self._resolver.run(verification.lookup())
        outcome: DKIMOutcome = verification.conclude(answers)
        reporters = [None if one.report is None else reporting_domain(one.report, header) for one in read]
        proofs = await self._resolver.run(authenticity(outcome, reporters))
        # What cannot be read needs no proof, and asks for no second try.
        return tuple(Authenticity("") if one.report is None else proof for one, proof in zip(read, proofs, strict=True))

    def _keep_one(self, found: Attached, now: float, proved: str) -> tuple[TakenTLSReport, ...]:
        database = ReportsDatabase(self._path)
        try:
            archive = TLSReportArchive(database, most=self._most)
            archive.forget(now - self._keep)
            return TLSReportIntake(archive, self._ours).keep([found], now, via="mail", authenticated=proved)
        finally:
            database.close()


def _read_body(verification: DKIMVerification, arrival: Arrival) -> None:
    for piece in arrival.content.body():
        verification.update(piece)
