"""TLS reports of others taken in, by mail, by HTTPS and from files: what is about our domains goes into the archive."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from danelaw.state.tls_report_archive import TLSReportArchive
from danelaw.tlsreport import Attached, ReportError, TLSReport, looks_like_mail, read_file, read_mail

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class TakenTLSReport:
    """What became of one report: `numbers` here by domain, None for a domain that was reported on before. `refusal`
    says why nothing of it is kept; `unread` is set where that is because it cannot be read.
    """

    name: str
    report: TLSReport | None
    numbers: dict[str, int | None]
    refusal: str = ""
    unread: bool = False

    @property
    def result(self) -> str:
        """`received`, `duplicate`, `refused` or `unreadable`."""
        if self.refusal:
            return "unreadable" if self.unread else "refused"
        return "received" if any(one is not None for one in self.numbers.values()) else "duplicate"

    @property
    def words(self) -> str:
        """What happened, as half a sentence."""
        if self.report is None or self.refusal:
            return self.refusal
        who = self.report.organization[:80] or self.report.contact[:80] or "somebody"
        names = list(self.numbers)
        about = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        kept = [str(number) for number in self.numbers.values() if number is not None]
        seen = f"report {', '.join(kept[:_SHOWN])}" if kept else "here already"
        return f"{seen}: {who} about {about}"


def read_tls_reports(octets: bytes) -> tuple[Attached, ...]:
    """What a mail or a file holds; nothing where no part of it looks like a report."""
    if looks_like_mail(octets):
        return read_mail(octets)
    try:
        return (Attached("", read_file(octets)),)
    except ReportError as error:
        return (Attached("", None, error.reason),)


class TLSReportIntake:
    """Keeps of each report what is about `ours`: domains for which that function is true, all of them without it."""

    def __init__(self, archive: TLSReportArchive, ours: Callable[[str], bool] = lambda domain: True) -> None:
        self._archive = archive
        self._ours = ours

    def keep(
        self, found: Iterable[Attached], now: float, *, via: str, authenticated: str = "", client: str = ""
    ) -> tuple[TakenTLSReport, ...]:
        """Keep what was read. Raises `StateError`."""
        return tuple(self._keep(one, now, via, authenticated, client) for one in found)

    def _keep(self, found: Attached, now: float, via: str, authenticated: str, client: str) -> TakenTLSReport:
        report = found.report
        if report is None:
            return TakenTLSReport(found.name, None, {}, found.refusal, unread=True)
        about = tuple(one for one in report.policies if self._ours(one.policy.domain))
        if not about:
            names = ", ".join(dict.fromkeys(one.policy.domain for one in report.policies[:_SHOWN]))
            return TakenTLSReport(found.name, report, {}, f"it is about {names[:200]}, and that is none of our domains")
        ours = replace(report, policies=about)
        numbers = self._archive.receive(ours, now, via=via, authenticated=authenticated, client=client)
        return TakenTLSReport(found.name, ours, numbers)
