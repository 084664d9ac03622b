"""`danelaw reports tls [list | ingest]`."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from danelaw.cli.options import output
from danelaw.cli.output import Symbol
from danelaw.cli.reports_place import directory, place_options, read_file, reports_database
from danelaw.errors import DanelawError

_LARGEST_FILE = 24 << 20


@click.group("tls", invoke_without_command=True)
@click.option("--since", default="30d", show_default=True, help="How far back: 7d, 24h, or a day as 2026-11-20.")
@click.option("--domain", help="Only this domain of yours, or this mail host.")
@click.option("--failures", "only_failures", is_flag=True, help="Every kind of failure, and what to do about it.")
@click.option("--proved", is_flag=True, help="Only reports that their reporters have signed.")
@place_options
@click.pass_context
def tls(
    context: click.Context,
    since: str,
    domain: str | None,
    only_failures: bool,
    proved: bool,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """What others report about TLS with your servers (RFC 8460): sessions, failures, what to do, who says so.

    A period counts when it ended after `--since`. Counts are those of reporters: nothing here checks them. The JSON
    form is described in docs/schemas/reports-tls.md.
    """
    if context.invoked_subcommand is not None:
        return
    from danelaw.cli.reports_tls_page import Summary, show_failures, show_summary, summary_object
    from danelaw.state import TLSReportSums

    now = time.time()
    begin = moment_of(since, now)
    wanted = domain.lower().rstrip(".") if domain is not None else None
    with reports_database(directory(spool, config_file)) as database:
        found = Summary(begin, wanted)
        if database is not None:
            sums = TLSReportSums(database, domain=wanted, since=begin, proved=proved)
            found = Summary(begin, wanted, sums.domains(), sums.failures(), sums.reporters(), sums.days())
    out = output(ascii_only)
    if as_json:
        out.json(summary_object(found))
    elif only_failures:
        show_failures(out, found)
    else:
        show_summary(out, found)


@tls.command("list")
@click.argument("domain", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Lines at most.")
@place_options
def list_(
    domain: str | None, limit: int, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool
) -> None:
    """List the reports of others that came, newest first: whose, how they came, and whether their reporter signed."""
    from danelaw.cli.reports_tls_page import received_object, show_received
    from danelaw.state import TLSReportArchive

    wanted = domain.lower().rstrip(".") if domain is not None else None
    with reports_database(directory(spool, config_file)) as database:
        found = TLSReportArchive(database).received(wanted, most=limit) if database is not None else ()
    out = output(ascii_only)
    if as_json:
        lines = [received_object(one) for one in found]
        out.json({"schema": "danelaw/reports-tls-list/1", "received": lines})
        return
    show_received(out, found, time.time())


@tls.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@place_options
def ingest(
    files: tuple[Path, ...], spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool
) -> None:
    """Take in reports of others: mail, JSON or gzip files, `-` for standard input. One that is here stays once.

    Whoever calls this answers for them: they may be about any domain, and no signature is looked at.
    """
    from danelaw.state import TLSReportArchive, TLSReportIntake
    from danelaw.state.tls_report_intake import read_tls_reports

    results: list[dict[str, Any]] = []
    with reports_database(directory(spool, config_file), write=True) as database:
        assert database is not None
        intake = TLSReportIntake(TLSReportArchive(database))
        for file in files:
            taken = intake.keep(read_tls_reports(read_file(file, _LARGEST_FILE)), time.time(), via="file")
            if not taken:
                results.append({"file": str(file), "result": "unreadable", "words": "it holds no TLS report"})
            for one in taken:
                found = {"result": one.result, "numbers": one.numbers, "words": one.words}
                remarks = list(one.report.remarks) if one.report is not None else []
                results.append({"file": str(file)} | found | {"remarks": remarks})
    out = output(ascii_only)
    if as_json:
        out.json({"schema": "danelaw/reports-tls-ingest/1", "files": results})
    else:
        for result in results:
            symbol = Symbol.VERIFIED if result["result"] in ("received", "duplicate") else Symbol.STOPPED
            out.headline(symbol, f"{result['file']}: {result['words']}")
            for remark in result.get("remarks", ()):
                out.paragraph(f"Odd: {remark}")
        out.next("danelaw reports tls")
    if any(result["result"] == "unreadable" for result in results):
        raise click.exceptions.Exit(1)


def moment_of(text: str, now: float) -> float:
    """POSIX seconds of `7d`, `24h` before now, or of a day in UTC. Raises `DanelawError`."""
    from danelaw.config.values import parse_duration

    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
        return now - parse_duration(text).total_seconds()
    except ValueError:
        raise DanelawError(f"{text!r} is no time", advice="write --since 7d, or --since 2026-11-20") from None
