"""`danelaw reports dmarc list | show | sources | failures | failure | ingest | send-now`; `danelaw reports` itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from danelaw.cli.options import load_config, output
from danelaw.cli.output import Symbol
from danelaw.cli.reports_failures import failure, failures
from danelaw.cli.reports_place import directory, place_options, read_file, reports_database
from danelaw.cli.reports_tls import tls
from danelaw.cli.reports_tls_sent import tls_send_now, tls_sent
from danelaw.errors import DanelawError

DAY = 86_400.0
_LARGEST_FILE = 64 << 20


@click.group(no_args_is_help=True)
def command() -> None:
    """Reports about mail: those that are gathered and sent, and those that others sent to you."""


@command.group(no_args_is_help=True)
def dmarc() -> None:
    """DMARC reports (RFC 9990, RFC 9991): what you report to others, and what they report about your domains."""


@dmarc.command("list")
@click.argument("domain", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Lines of each kind.")
@place_options
def list_(
    domain: str | None, limit: int, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool
) -> None:
    """List what is gathered for reports of yours, what became of them, and the reports of others, newest first.

    The JSON form is described in docs/schemas/reports-dmarc.md.
    """
    from danelaw.cli.reports_page import gathered_object, received_object, report_object, show_list
    from danelaw.state import GatheringStore, ReportArchive

    wanted = domain.lower() if domain is not None else None
    with reports_database(directory(spool, config_file)) as database:
        store = GatheringStore(database) if database is not None else None
        gathered = [one for one in store.gathered() if wanted in (None, one.domain)][:limit] if store else []
        reports = list(store.reports(wanted, limit)) if store else []
        received = list(ReportArchive(database).received(wanted, limit)) if database is not None else []
    out = output(ascii_only)
    if as_json:
        out.json(
            {
                "schema": "danelaw/reports-dmarc-list/1",
                "gathered": [gathered_object(one) for one in gathered],
                "reports": [report_object(one) for one in reports],
                "received": [received_object(one) for one in received],
            }
        )
        return
    show_list(out, gathered, reports, received, time.time())


command.add_command(tls)
command.add_command(tls_sent)
command.add_command(tls_send_now)
dmarc.add_command(failures)
dmarc.add_command(failure)


@dmarc.command()
@click.argument("number", type=click.IntRange(1))
@click.option("--unaligned", is_flag=True, help="Only what did not pass DMARC.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=200, show_default=True, help="Records at most.")
@place_options
def show(
    number: int,
    unaligned: bool,
    limit: int,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Show a received report: who reports what about which of your domains, record by record, the largest first."""
    from danelaw.cli.reports_page import received_object, show_received
    from danelaw.state import ReportArchive

    with reports_database(directory(spool, config_file)) as database:
        archive = ReportArchive(database) if database is not None else None
        report = archive.one_received(number) if archive is not None else None
        if archive is None or report is None:
            raise DanelawError(f"there is no report {number}", advice="danelaw reports dmarc list")
        records = archive.received_records(number, unaligned=unaligned, most=limit)
    out = output(ascii_only)
    if as_json:
        found = {"schema": "danelaw/reports-dmarc-show/1"} | received_object(report)
        out.json(found | dict(report.facts) | {"records": [record.as_object() for record in records]})
        return
    show_received(out, report, records)


@dmarc.command()
@click.argument("domain", required=False)
@click.option("--unaligned", is_flag=True, help="Only clients whose mail did not pass DMARC.")
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="How far back.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Lines at most.")
@place_options
def sources(
    domain: str | None,
    unaligned: bool,
    days: int,
    limit: int,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Add up received reports by client and domain in From: who sends in your name, and does it pass?"""
    from danelaw.cli.reports_page import show_sources, source_object
    from danelaw.state import ReportArchive

    wanted = domain.lower() if domain is not None else None
    with reports_database(directory(spool, config_file)) as database:
        since = time.time() - days * DAY
        archive = ReportArchive(database) if database is not None else None
        found = archive.sources(wanted, since, unaligned=unaligned, most=limit) if archive is not None else ()
    out = output(ascii_only)
    if as_json:
        lines = [source_object(one) for one in found]
        out.json({"schema": "danelaw/reports-dmarc-sources/1", "days": days, "sources": lines})
        return
    show_sources(out, found, days)


@dmarc.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--whole-header", is_flag=True, help="Keep all of the failed message's header, and all addresses.")
@place_options
def ingest(
    files: tuple[Path, ...],
    whole_header: bool,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Take in reports of others: mail, XML, gzip or zip files, `-` for standard input. One that is here stays once.

    Of failure reports what identifies persons is left out, unless `[reports] failure_header` says otherwise.
    """
    from danelaw.state import FailureArchive, ReportArchive, ReportIntake

    place = directory(spool, config_file)
    results: list[dict[str, Any]] = []
    with reports_database(place, write=True) as database:
        assert database is not None
        whole = whole_header or _keeps_whole_headers(spool, config_file)
        intake = ReportIntake(ReportArchive(database), FailureArchive(database, whole_header=whole))
        for file in files:
            taken = intake.ingest(read_file(file, _LARGEST_FILE), time.time())
            if not taken:
                results.append({"file": str(file), "number": None, "refusal": "it holds no DMARC report"})
            for one in taken:
                what = {
                    "kind": one.kind,
                    "number": one.number,
                    "domain": one.report.domain if one.report is not None else None,
                    "refusal": one.refusal or None,
                    "words": one.words,
                }
                results.append({"file": str(file)} | what)
    out = output(ascii_only)
    if as_json:
        out.json({"schema": "danelaw/reports-dmarc-ingest/1", "files": results})
    else:
        for result in results:
            symbol = Symbol.STOPPED if result["refusal"] else Symbol.VERIFIED
            out.headline(symbol, f"{result['file']}: {result['refusal'] or result['words']}")
        out.next("danelaw reports dmarc list")
    if any(result["refusal"] for result in results):
        raise click.exceptions.Exit(1)


@dmarc.command("send-now")
@click.argument("domain", required=False)
@place_options
def send_now(domain: str | None, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """End the period that is gathered now, for one domain or all, and let its reports go; those that wait go too.

    A running gateway sends them within seconds. What comes later in the same period makes another report.
    """
    from danelaw.state import GatheringStore

    wanted = domain.lower() if domain is not None else None
    with reports_database(directory(spool, config_file), write=True) as database:
        assert database is not None
        store, now = GatheringStore(database), time.time()
        made = store.complete(now, now, domain=wanted, early=True)
        hurried = store.hurry(now, wanted)
    out = output(ascii_only)
    if as_json:
        out.json({"schema": "danelaw/reports-dmarc-send-now/1", "made": made, "waiting": hurried})
        return
    plural = "" if hurried == 1 else "s"
    out.headline(
        Symbol.VERIFIED if hurried else Symbol.NONE, f"{hurried} report{plural} to be sent, {made} of them new."
    )
    out.next("danelaw reports dmarc list")


def _keeps_whole_headers(spool: Path | None, config_file: Path | None) -> bool:
    """A spool that is named has no configuration beside it."""
    return spool is None and load_config(config_file).reports.failure_header == "whole"
