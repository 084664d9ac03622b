"""`danelaw log`: is the log still what was written, and which head stands for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import output, output_options, spool_and_socket, spool_option
from danelaw.cli.output import Symbol
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.spool.linkcheck import LinkReport

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@click.group()
def command() -> None:
    """The hash-chained log of what was tried: verify it, and print the heads to keep elsewhere."""


@command.command("verify")
@click.option("--head", metavar="HEX", help="A head you kept: it must be in the chain.")
@spool_option
@output_options
def verify(head: str | None, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool) -> int:
    """Walk the kept chain of every shard and name the first break.

    Also beside a running gateway. Exit status: 0 when it holds, 1 when it is broken.
    """
    from danelaw.spool.linkcheck import check_links

    kept = None
    if head is not None:
        if len(head) != 64 or set(head.lower()) - set("0123456789abcdef"):
            raise click.UsageError("--head takes the 64 hexadecimal digits that danelaw log head prints")
        kept = bytes.fromhex(head)
    reports = _each(spool, config_file, lambda connection: check_links(connection, kept))
    met = kept is None or any(report.met for report in reports.values())
    holds = met and all(report.flaw is None for report in reports.values())
    out = output(ascii_only)
    if as_json:
        shards = [{"shard": shard, **_plain(report)} for shard, report in reports.items()]
        out.json({"schema": "danelaw/log-verify/1", "holds": holds, "head_met": met, "shards": shards})
        return int(not holds)
    entries = sum(report.entries for report in reports.values())
    if holds:
        out.headline(Symbol.VERIFIED, f"HOLDS: {_count(entries, 'entry', 'entries')} are what was recorded.")
    elif met:
        out.headline(Symbol.STOPPED, "BROKEN: the log was changed after it was written.")
    else:
        out.headline(Symbol.STOPPED, "BROKEN: the head you gave is in no chain here.")
    out.table([(Symbol.NONE, (f"shard {shard}", _words(report))) for shard, report in reports.items()])
    out.next("danelaw log head" if holds else "restore the spool from a copy, and find out who could write to it")
    return int(not holds)


def _plain(report: LinkReport) -> dict[str, Any]:
    return {
        "links": report.links,
        "entries": report.entries,
        "forgotten": report.forgotten,
        "before_the_chain": report.before_the_chain,
        "first": report.first,
        "last": report.last,
        "head": report.digest.hex(),
        "break": report.flaw
        and {"link": report.flaw.number, "at": report.flaw.at / 1000, "reason": report.flaw.reason},
    }


def _words(report: LinkReport) -> str:
    if report.flaw is not None:
        return f"breaks at link {report.flaw.number}{_when(report.flaw.at)}: {report.flaw.reason}"
    if not report.last:
        return "nothing was recorded yet"
    words = f"links {report.first} to {report.last}, {_count(report.entries, 'entry', 'entries')}"
    if report.forgotten:
        words += f", {report.forgotten} forgotten by purges"
    if report.before_the_chain:
        words += f", {report.before_the_chain} older than the chain"
    return f"{words}; head {report.digest.hex()}"


def _when(at: int) -> str:
    from datetime import UTC, datetime

    return f" of {datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC" if at else ""


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}".replace(",", " ")


@command.command("head")
@click.option("--day", metavar="YYYY-MM-DD", help="The head at the end of a day (UTC); otherwise the latest.")
@click.option("--all", "every", is_flag=True, help="The heads of all days.")
@spool_option
@output_options
def head(
    day: str | None, every: bool, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool
) -> None:
    """Print the head of each shard's chain: the digest that stands for everything recorded up to it.

    Keep it where who runs the gateway cannot change it; docs/receipts.md says what it proves then.
    """
    from danelaw.spool.links import heads

    if day is not None and not _DAY.fullmatch(day):
        raise click.UsageError("--day takes a day such as 2026-11-26")
    found = []
    for shard, known in _each(spool, config_file, heads).items():
        chosen = known if every else [one for one in known if one.day == day] if day else known[-1:]
        found += [{"shard": shard, "day": one.day, "link": one.number, "digest": one.digest.hex()} for one in chosen]
    out = output(ascii_only)
    if as_json:
        out.json({"schema": "danelaw/log-head/1", "heads": found})
        return
    if not found:
        raise DanelawError("nothing was recorded" + (f" on {day}" if day else " yet"), advice="danelaw log head --all")
    out.table(
        [(Symbol.NONE, (str(one["shard"]), one["day"], str(one["link"]), one["digest"])) for one in found],
        heads=("SHARD", "DAY", "LINK", "HEAD"),
    )
    out.next(f"danelaw log verify --head {found[-1]['digest']}")


def _each(spool: Path | None, config_file: Path | None, look: Any) -> dict[int, Any]:
    """What `look` finds in each shard. Raises `SpoolError`."""
    from danelaw.spool import database
    from danelaw.spool.shards import in_each

    directory, _ = spool_and_socket(spool, config_file)
    return dict(zip(database.shards(directory), in_each(directory, look), strict=True))
