"""`danelaw reports dmarc failures | failure`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import output
from danelaw.cli.output import Output, Symbol, moment, printable
from danelaw.cli.reports_place import directory, place_options, reports_database
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.state.failure_archive import ReceivedFailure


@click.command("failures")
@click.argument("domain", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Lines at most.")
@place_options
def failures(
    domain: str | None, limit: int, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool
) -> None:
    """List the failure reports of others (RFC 9991): single messages that did not pass, newest first."""
    from danelaw.state import FailureArchive

    wanted = domain.lower() if domain is not None else None
    with reports_database(directory(spool, config_file)) as database:
        found = FailureArchive(database).received(wanted, limit) if database is not None else ()
    out = output(ascii_only)
    if as_json:
        lines = [failure_object(one) for one in found]
        out.json({"schema": "danelaw/reports-dmarc-failures/1", "failures": lines})
        return
    show_failures(out, found, time.time())


@click.command("failure")
@click.argument("number", type=click.IntRange(1))
@place_options
def failure(number: int, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Show a failure report of others: whose message failed how, and what is kept of its header."""
    from danelaw.state import FailureArchive

    with reports_database(directory(spool, config_file)) as database:
        found = FailureArchive(database).one(number) if database is not None else None
    if found is None:
        raise DanelawError(f"there is no failure report {number}", advice="danelaw reports dmarc failures")
    out = output(ascii_only)
    if as_json:
        out.json({"schema": "danelaw/reports-dmarc-failure/1"} | failure_object(found) | _details(found))
        return
    show_failure(out, found)


def failure_object(one: ReceivedFailure) -> dict[str, Any]:
    """One line of the list."""
    report = one.report
    return {
        "number": one.number,
        "received_at": one.at,
        "reporter": report.reporter or None,
        "authenticated": one.authenticated or None,
        "domain": report.domain,
        "source_ip": report.source_ip or None,
        "kind": report.kind or None,
        "failed": list(report.failed),
        "delivery": report.delivery or None,
        "incidents": report.incidents,
    }


def _details(one: ReceivedFailure) -> dict[str, Any]:
    report = one.report
    return {
        "authentication_results": report.results or None,
        "arrival_date": report.arrival_date or None,
        "mail_from": report.mail_from,
        "recipients": list(report.recipients),
        "dkim_domain": report.dkim_domain or None,
        "dkim_selector": report.dkim_selector or None,
        "dkim_identity": report.dkim_identity or None,
        "spf_dns": list(report.spf_dns),
        "user_agent": report.user_agent or None,
        "header": report.header.decode("utf-8", "replace"),
        "remarks": list(report.remarks),
    }


def show_failures(out: Output, found: Sequence[ReceivedFailure], now: float) -> None:
    """A table."""
    if not found:
        out.line("There are no failure reports of others.")
        out.next("danelaw reports dmarc list")
        return
    out.table(
        [(Symbol.STOPPED, (str(one.number), one.report.domain, one.report.source_ip or "unknown", _failed(one),
                           one.report.delivery or "unknown", str(one.report.incidents),
                           one.report.reporter or "unknown", moment(one.at, now))) for one in found],
        heads=("NUMBER", "DOMAIN", "CLIENT", "FAILED", "DONE", "MESSAGES", "REPORTER", "CAME"),
    )  # fmt: skip
    out.next("danelaw reports dmarc failure NUMBER")


def show_failure(out: Output, one: ReceivedFailure) -> None:
    """One report."""
    report = one.report
    count = "a message" if report.incidents == 1 else f"{report.incidents} messages"
    out.headline(
        Symbol.STOPPED,
        f"{report.reporter or 'somebody'} about {count} in the name of {report.domain}: {_failed(one)} failed",
    )
    proof = f"The mail it came in passed DMARC for {one.authenticated}"
    facts = (
        ("Client", report.source_ip),
        ("Arrived", report.arrival_date),
        ("Done with it", report.delivery),
        ("Envelope sender", None if report.mail_from is None else f"<{report.mail_from}>"),
        ("Envelope recipients", ", ".join(report.recipients)),
        ("Results", report.results),
        ("Signature", " ".join(filter(None, (report.dkim_domain, report.dkim_selector, report.dkim_identity)))),
        ("SPF", "; ".join(report.spf_dns)),
        ("Written by", report.user_agent),
    )
    out.paragraph(proof if one.authenticated else "Who sent it is not proved")
    for name, value in facts:
        if value:
            out.paragraph(f"{name}: {printable(value)}")
    for remark in report.remarks:
        out.paragraph(f"Odd: {printable(remark)}")
    if report.header:
        out.line()
        for line in report.header.decode("utf-8", "replace").splitlines():
            out.line(f"  {printable(line.expandtabs(4))}")
    out.next(f"danelaw reports dmarc sources {report.domain} --unaligned")


def _failed(one: ReceivedFailure) -> str:
    words = ", ".join(one.report.failed)
    if one.report.kind in ("", "dmarc"):
        return words or "DMARC"
    return f"{one.report.kind} ({words})" if words else one.report.kind
