"""`danelaw reports tls-sent | tls-send-now`: TLS reports of ours."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import output
from danelaw.cli.output import Output, Symbol, moment, printable
from danelaw.cli.reports_page import period
from danelaw.cli.reports_place import directory, place_options, reports_database
from danelaw.queue import id_to_text

if TYPE_CHECKING:
    from danelaw.state.tls_gathering import SentTLSReport, TLSDelivery, TLSGathered


@click.command("tls-sent")
@click.argument("domain", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Lines of each kind.")
@place_options
def tls_sent(
    domain: str | None, limit: int, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool
) -> None:
    """List the TLS reports of yours (RFC 8460): what is counted now, what was sent to whom, and what waits.

    DOMAIN is a policy domain: a recipient's, or the name of a mail host with TLSA records. The JSON form is described
    in docs/schemas/reports-tls-sent.md.
    """
    from danelaw.state import TLSGatheringStore

    wanted = domain.lower().rstrip(".") if domain is not None else None
    place = directory(spool, config_file)
    # A file of an older danelaw gets the tables it has not; where there is no file none is made.
    with reports_database(place, write=(place / "reports.db").exists()) as database:
        store = TLSGatheringStore(database) if database is not None else None
        gathered = [one for one in store.gathered() if wanted in (None, one.domain)][:limit] if store else []
        reports = [(one, store.deliveries(one.number)) for one in store.reports(wanted, limit)] if store else []
    out = output(ascii_only)
    if as_json:
        out.json(
            {
                "schema": "danelaw/reports-tls-sent/1",
                "gathered": [_gathered_object(one) for one in gathered],
                "reports": [_report_object(one, ways) for one, ways in reports],
            }
        )
        return
    _show(out, gathered, reports, time.time())


@click.command("tls-send-now")
@click.argument("domain", required=False)
@place_options
def tls_send_now(
    domain: str | None, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool
) -> None:
    """Let TLS reports that wait go now, for one policy domain or all. A running gateway sends them within seconds.

    Only those of days that are over: a day is reported once, and whole (RFC 8460 §4.1).
    """
    from danelaw.state import TLSGatheringStore

    wanted = domain.lower().rstrip(".") if domain is not None else None
    with reports_database(directory(spool, config_file), write=True) as database:
        assert database is not None
        hurried = TLSGatheringStore(database).hurry(time.time(), wanted)
    out = output(ascii_only)
    if as_json:
        out.json({"schema": "danelaw/reports-tls-send-now/1", "waiting": hurried})
        return
    plural = "" if hurried == 1 else "s"
    out.headline(Symbol.VERIFIED if hurried else Symbol.NONE, f"{hurried} report{plural} to be sent now.")
    out.next("danelaw reports tls-sent")


def _gathered_object(one: TLSGathered) -> dict[str, Any]:
    return {"domain": one.domain, "begin": one.begin, "successful": one.successful, "failed": one.failed}


def _report_object(one: SentTLSReport, ways: Sequence[TLSDelivery]) -> dict[str, Any]:
    counts = {"begin": one.begin, "end": one.until, "successful": one.successful, "failed": one.failed}
    fate = {"tries": one.tries, "ended": one.ended, "outcome": one.outcome or None}
    sent = [
        {
            "uri": way.uri,
            "id": id_to_text(way.queued) if way.queued else None,
            "tries": way.tries,
            "ended": way.ended,
            "outcome": way.outcome or None,
        }
        for way in ways
    ]
    return {"number": one.number, "domain": one.domain} | counts | fate | {"destinations": sent}


def _show(
    out: Output,
    gathered: Sequence[TLSGathered],
    reports: Sequence[tuple[SentTLSReport, Sequence[TLSDelivery]]],
    now: float,
) -> None:
    """Two tables, those that have lines."""
    if not gathered and not reports:
        out.line("No TLS report was made, and nothing is counted for any.")
        out.next("danelaw doctor")
        return
    if gathered:
        out.headline(Symbol.NONE, "Counted for reports of yours: sessions")
        rows = [(one.domain, period(one.begin, one.begin + 86_399), str(one.successful), str(one.failed))
                for one in gathered]  # fmt: skip
        out.table([(Symbol.NONE, row) for row in rows], heads=("POLICY DOMAIN", "DAY", "GOOD", "FAILED"))
        out.line()
    if reports:
        out.headline(Symbol.NONE, "Reports of yours")
        out.table(
            [(_fate(one), (one.domain, period(one.begin, one.until), str(one.successful), str(one.failed),
                           _outcome(one, ways, now))) for one, ways in reports],
            heads=("POLICY DOMAIN", "DAY", "GOOD", "FAILED", "OUTCOME"),
        )  # fmt: skip
    if any(one.ended is None for one, _ in reports):
        out.next("danelaw reports tls-send-now")
        return
    queued = next((way.queued for _, ways in reports for way in ways if way.queued and way.ended is not None), 0)
    out.next(f"danelaw explain {id_to_text(queued)}" if queued else "danelaw doctor")


def _outcome(one: SentTLSReport, ways: Sequence[TLSDelivery], now: float) -> str:
    if one.ended is not None:
        return printable(one.outcome)
    last = next((way.outcome for way in ways if way.ended is None and way.outcome), "")
    waits = (
        "waits to be sent" if not one.tries else f"waits, {one.tries} tries since {moment(one.first_try or now, now)}"
    )
    return f"{waits}: {printable(last)}" if last else waits


def _fate(one: SentTLSReport) -> Symbol:
    if one.ended is None:
        return Symbol.NONE
    return Symbol.VERIFIED if one.outcome.startswith("sent") else Symbol.STOPPED
