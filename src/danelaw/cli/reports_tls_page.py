"""The pages of `danelaw reports tls`, and their JSON forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from danelaw.cli.output import Output, Symbol, moment, number, printable
from danelaw.cli.reports_page import period
from danelaw.tlsreport import Explanation, PolicyType, explained

if TYPE_CHECKING:
    from danelaw.state.tls_report_archive import ReceivedTLSReport
    from danelaw.state.tls_report_sums import DaySum, DomainSum, FailureSum, ReporterSum

_POLICIES = {"tlsa": "DANE", "sts": "MTA-STS", "no-policy-found": "no policy"}
_SHOWN_DAYS = 7
_SHOWN_FAILURES = 10
_SHOWN_REPORTERS = 10
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class Summary:
    """What reports come to whose periods ended after `since` (POSIX seconds), about one `domain` or all."""

    since: float
    domain: str | None
    domains: tuple[DomainSum, ...] = ()
    failures: tuple[FailureSum, ...] = ()
    reporters: tuple[ReporterSum, ...] = ()
    days: tuple[DaySum, ...] = ()

    @property
    def sessions(self) -> int:
        """All of them."""
        return sum(one.successful + one.failed for one in self.domains)

    @property
    def failed(self) -> int:
        """Those that failed."""
        return sum(one.failed for one in self.domains)


def summary_object(found: Summary) -> dict[str, Any]:
    """The JSON form."""
    return {
        "schema": "danelaw/reports-tls/1",
        "since": found.since,
        "domain": found.domain,
        "sessions": found.sessions,
        "failed": found.failed,
        "domains": [asdict(one) for one in found.domains],
        "failures": [asdict(one) | asdict(_explained(one)) for one in found.failures],
        "reporters": [asdict(one) | {"authenticated": one.authenticated or None} for one in found.reporters],
        "days": [asdict(one) for one in found.days],
    }


def received_object(one: ReceivedTLSReport) -> dict[str, Any]:
    """One report of others, as far as it is about one domain."""
    return asdict(one) | {"authenticated": one.authenticated or None}


def show_summary(out: Output, found: Summary) -> None:
    """Sessions by domain, the largest failures, who says so, and how it went day by day."""
    if not found.domains:
        _show_nothing(out, found)
        return
    out.headline(Symbol.STOPPED if found.failed else Symbol.VERIFIED, _answer(found))
    out.line()
    out.table(
        [
            (
                Symbol.STOPPED if one.failed else Symbol.VERIFIED,
                (one.domain, _POLICIES[one.policy_type], number(one.successful + one.failed), number(one.failed),
                 number(one.reports), number(one.proved)),
            )
            for one in found.domains
        ],
        heads=("YOUR DOMAIN OR HOST", "POLICY", "SESSIONS", "FAILED", "REPORTS", "SIGNED"),
    )  # fmt: skip
    if found.failures:
        out.line()
        _failures(out, found.failures[:_SHOWN_FAILURES])
    out.line()
    out.table(
        [
            (
                Symbol.STOPPED if one.failed else Symbol.VERIFIED,
                (printable(one.organization)[:_LONGEST_NAME] or "(no name)", one.authenticated or "nobody",
                 number(one.successful + one.failed), number(one.failed), _day(one.last)),
            )
            for one in found.reporters[:_SHOWN_REPORTERS]
        ],
        heads=("REPORTER", "SIGNED BY", "SESSIONS", "FAILED", "LAST DAY"),
    )  # fmt: skip
    out.line()
    days = " · ".join(
        f"{_day(one.begin)} {number(one.failed)} of {number(one.successful + one.failed)}"
        for one in found.days[-_SHOWN_DAYS:]
    )
    out.paragraph(f"Failed by day: {days}", hang=15)
    out.next("danelaw reports tls --failures" if found.failures else "danelaw reports tls list")


def show_failures(out: Output, found: Summary) -> None:
    """Every kind of failure with its words, its reason and what to do."""
    if not found.failures:
        if found.domains:
            out.headline(Symbol.STOPPED if found.failed else Symbol.VERIFIED, _answer(found))
            out.next("danelaw reports tls list")
        else:
            _show_nothing(out, found)
        return
    out.headline(Symbol.STOPPED, _answer(found))
    for one in found.failures:
        words = _explained(one)
        out.line()
        server = f"{one.mx} of {one.domain}" if one.mx and one.mx != one.domain else one.domain
        count = "1 session" if one.count == 1 else f"{number(one.count)} sessions"
        out.headline(Symbol.STOPPED, f"{server}: {words.words}: {count}, {_POLICIES[one.policy_type]}")
        told = "1 reporter" if one.reporters == 1 else f"{one.reporters} reporters"
        out.paragraph(f"{one.result_type}, told by {told}, last for {_day(one.last)}")
        if one.reason:
            out.paragraph(f"They say: {printable(one.reason)}", hang=2)
        out.paragraph(f"Do: {words.advice}", hang=4)
    out.next(f"danelaw check {found.failures[0].domain}")


def show_received(out: Output, found: Sequence[ReceivedTLSReport], now: float) -> None:
    """A table, newest first."""
    if not found:
        out.line("There are no TLS reports of others.")
        out.next("danelaw doctor")
        return
    out.table(
        [
            (
                Symbol.STOPPED if one.failed else Symbol.VERIFIED,
                (str(one.number), printable(one.organization)[:_LONGEST_NAME], one.domain,
                 period(one.begin, one.until), number(one.successful + one.failed), number(one.failed), one.via,
                 one.authenticated or "nobody", moment(one.at, now)),
            )
            for one in found
        ],
        heads=("NUMBER", "REPORTER", "DOMAIN", "PERIOD", "SESSIONS", "FAILED", "CAME BY", "SIGNED BY", "CAME"),
    )  # fmt: skip
    out.next("danelaw reports tls")


def _show_nothing(out: Output, found: Summary) -> None:
    about = f" about {found.domain}" if found.domain else ""
    out.line(f"Nobody has reported on TLS{about} since {_day(int(found.since))}.")
    out.paragraph("Reports come once a TXT record at _smtp._tls. of each domain and mail host asks for them.", indent=0)
    out.next("danelaw publish plan")


def _answer(found: Summary) -> str:
    who = len({one.organization for one in found.reporters})
    said = "one organization says" if who == 1 else f"{who} organizations say"
    if not found.failed:
        return f"All {number(found.sessions)} sessions with your servers went well, {said}."
    share = 100 * found.failed / found.sessions
    shown = "less than 0.1" if share < 0.1 else f"{share:.1f}"
    return f"{number(found.failed)} of {number(found.sessions)} sessions with your servers failed ({shown} %), {said}."


def _failures(out: Output, failures: Sequence[FailureSum]) -> None:
    out.table(
        [
            (
                Symbol.STOPPED,
                (one.mx or "(not told)", one.domain, number(one.count), _day(one.last), _explained(one).words),
            )
            for one in failures
        ],
        heads=("SERVER", "FOR", "FAILED", "LAST DAY", "WHY"),
    )


def _explained(one: FailureSum) -> Explanation:
    return explained(one.result_type, PolicyType(one.policy_type))


def _day(posix: int) -> str:
    try:
        return datetime.fromtimestamp(posix, UTC).strftime("%Y-%m-%d")
    except (OverflowError, ValueError, OSError):
        return str(posix)
