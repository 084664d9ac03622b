"""The pages of `danelaw reports dmarc`, and their JSON forms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from danelaw.cli.output import Output, Symbol, moment, printable

if TYPE_CHECKING:
    from danelaw.dmarcreport import ReportRecord
    from danelaw.state.report_archive import Received, Source
    from danelaw.state.report_gathering import Gathered, Report


def gathered_object(one: Gathered) -> dict[str, Any]:
    """What is counted for a domain now."""
    return {
        "domain": one.domain,
        "begin": one.begin,
        "end": one.until,
        "records": one.records,
        "messages": one.messages,
    }


def report_object(one: Report) -> dict[str, Any]:
    """A report of ours."""
    period = {"begin": one.begin, "end": one.until, "records": one.records, "messages": one.messages}
    fate = {"tries": one.tries, "ended": one.ended, "outcome": one.outcome or None}
    return {"number": one.number, "domain": one.domain} | period | fate


def received_object(one: Received) -> dict[str, Any]:
    """A report of others."""
    who = {"number": one.number, "received_at": one.at, "org_name": one.org_name, "report_id": one.report_id}
    period = {"domain": one.domain, "begin": one.begin, "end": one.until}
    counts = {"records": one.records, "messages": one.messages, "aligned": one.aligned}
    return who | period | counts | {"authenticated": one.facts.get("authenticated") or None}


def source_object(one: Source) -> dict[str, Any]:
    """Messages of one client with one domain in From."""
    counts = {"aligned": one.aligned, "unaligned": one.unaligned, "reporters": one.reporters}
    return {"source_ip": one.source_ip, "header_from": one.header_from} | counts


def show_list(
    out: Output, gathered: Sequence[Gathered], reports: Sequence[Report], received: Sequence[Received], now: float
) -> None:
    """Three tables, those that have lines."""
    if not gathered and not reports and not received:
        out.line("There are no DMARC reports, and nothing is gathered for any.")
        out.next("danelaw doctor")
        return
    if gathered:
        out.headline(Symbol.NONE, "Gathered for reports of yours")
        rows = [(one.domain, period(one.begin, one.until), str(one.records), str(one.messages)) for one in gathered]
        out.table([(Symbol.NONE, row) for row in rows], heads=("DOMAIN", "PERIOD", "RECORDS", "MESSAGES"))
        out.line()
    if reports:
        out.headline(Symbol.NONE, "Reports of yours")
        out.table(
            [(_fate(one), (str(one.number), one.domain, period(one.begin, one.until), str(one.messages),
                           printable(one.outcome) or "waits to be sent")) for one in reports],
            heads=("NUMBER", "DOMAIN", "PERIOD", "MESSAGES", "OUTCOME"),
        )  # fmt: skip
        out.line()
    if received:
        out.headline(Symbol.NONE, "Reports of others")
        out.table(
            [(_standing(one.messages, one.aligned), (str(one.number), printable(one.org_name)[:40], one.domain,
                                                     period(one.begin, one.until), str(one.messages),
                                                     str(one.aligned), moment(one.at, now))) for one in received],
            heads=("NUMBER", "REPORTER", "DOMAIN", "PERIOD", "MESSAGES", "ALIGNED", "CAME"),
        )  # fmt: skip
    out.next("danelaw reports dmarc show NUMBER" if received else "danelaw reports dmarc send-now DOMAIN")


def show_received(out: Output, report: Received, records: Sequence[ReportRecord]) -> None:
    """One report of others."""
    facts = report.facts
    who = printable(report.org_name) or "somebody"
    out.headline(
        _standing(report.messages, report.aligned),
        f"{who} about {report.domain}: {report.aligned} of {report.messages} messages aligned",
    )
    policy = " ".join(f"{name}={value}" for name, value in facts["policy"].items() if value and name != "domain")
    authenticated = facts.get("authenticated")
    lines = [
        f"Period: {period(report.begin, report.until)}",
        f"Policy they saw: {printable(policy)}",
        f"Report: {printable(report.report_id)}, contact {printable(facts['email'])}",
        f"The mail it came in passed DMARC for {authenticated}" if authenticated else "Who sent it is not proved",
        *(f"They say: {printable(error)}" for error in facts["errors"]),
        *(f"Odd: {printable(remark)}" for remark in facts["remarks"]),
    ]
    for line in lines:
        out.paragraph(line)
    out.line()
    out.table(
        [(_standing(record.count, record.count if record.aligned else 0), _cells(record)) for record in records],
        heads=("CLIENT", "COUNT", "FROM", "DKIM", "SPF", "DONE", "WHY"),
    )
    out.next(f"danelaw reports dmarc sources {report.domain} --unaligned")


def _cells(record: ReportRecord) -> tuple[str, ...]:
    dkim = ", ".join(f"{one.domain}={one.result}" for one in record.signatures[:3]) or "no signature"
    spf = ", ".join(f"{one.domain}={one.result}" for one in record.spf_results) or "none"
    why = ", ".join(f"{one.type} {one.comment}".strip() for one in record.reasons)
    cells = (
        record.source_ip, str(record.count), record.header_from, f"{record.dkim} ({dkim})", f"{record.spf} ({spf})",
        record.disposition, why,
    )  # fmt: skip
    return tuple(printable(cell) for cell in cells)


def show_sources(out: Output, found: Sequence[Source], days: int) -> None:
    """Who sends, added up."""
    if not found:
        out.line(f"No received report of the last {days} days names any such client.")
        out.next("danelaw reports dmarc list")
        return
    out.table(
        [(_standing(one.aligned + one.unaligned, one.aligned),
          (one.source_ip, printable(one.header_from), str(one.aligned), str(one.unaligned), str(one.reporters)))
         for one in found],
        heads=("CLIENT", "FROM", "ALIGNED", "NOT ALIGNED", "REPORTERS"),
    )  # fmt: skip
    out.next("danelaw reports dmarc sources --unaligned")


def period(begin: int, end: int) -> str:
    """A day as a day, other periods from and to, in UTC."""
    try:
        first, last = datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{begin} – {end}"
    if begin % 86_400 == 0 and 86_398 <= end - begin <= 86_400:
        return f"{first:%Y-%m-%d}"
    return f"{first:%Y-%m-%d %H:%M} – {last:%Y-%m-%d %H:%M}"


def _fate(one: Report) -> Symbol:
    if one.ended is None:
        return Symbol.NONE
    return Symbol.VERIFIED if one.outcome.startswith("sent") else Symbol.STOPPED


def _standing(messages: int, aligned: int) -> Symbol:
    return Symbol.VERIFIED if aligned == messages else Symbol.STOPPED if not aligned else Symbol.ENCRYPTED
