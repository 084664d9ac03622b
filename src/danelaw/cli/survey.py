"""`danelaw survey`: how securely the domains of a list, a log or the own history can be reached. Sends nothing."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.cli import check_options
from danelaw.cli.network import network, network_options
from danelaw.cli.options import load_config, output, output_options, spool_option
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from danelaw.cli.check_options import Routes
    from danelaw.cli.survey_input import Reading
    from danelaw.cli.survey_progress import ProgressLine
    from danelaw.config import Config
    from danelaw.outbound.probe import Probed
    from danelaw.outbound.surveying import Courtesy, Ended
    from danelaw.pkix import Roots
    from danelaw.resolver import Resolver, ResolverSettings
    from danelaw.state import SurveyBook

_FORMS = ("auto", "list", "postfix", "exim", "danelaw", "csv")
_CACHE_ENTRIES = 6_000
_CACHE_OCTETS = 8 << 20
_UNFINISHED = 10


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path, allow_dash=True))
@click.option("--history", metavar="TIME", help="Instead of FILE: own recipients of this time, such as 30d.")
@click.option("--form", type=click.Choice(_FORMS), default="auto", help="What FILE is.  [default: found out]")
@click.option("--column", metavar="NAME|N", help="FILE is CSV, and this column holds domains or addresses.")
@click.option(
    "--state",
    "state_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to keep what was found out.  [default: FILE.survey]",
)
@click.option("--again", is_flag=True, help="Forget what was found out, and ask anew.")
@click.option("--no-connect", is_flag=True, help="Ask DNS only: no server is connected to, no policy fetched.")
@click.option(
    "--rate", type=click.FloatRange(1, 100_000), default=500.0, show_default=True, help="Questions to DNS a second."
)
@click.option(
    "--connections", type=click.IntRange(1, 1000), default=64, show_default=True, help="Connections open at once."
)
@click.option(
    "--per-provider", type=click.IntRange(1, 100), default=2, show_default=True, help="Of them, to one provider."
)
@click.option("--budget", metavar="TIME", help="Stop after this time, such as 30m; the same command goes on.")
@click.option(
    "--write",
    "targets",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the result as .csv (one row a domain), .json or .html; repeatable.",
)
@click.option(
    "--compare",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="OLD.json",
    help="Say what changed since a survey that was written as .json.",
)
@click.option("--quiet", is_flag=True, help="No line of progress.")
@click.option(
    "--roots",
    "roots_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CA.pem",
    help="Public CAs to trust, instead of this machine's.",
)
@click.option("--route", "routes", multiple=True, metavar="A:P=A:P", help="Connect elsewhere, for a lab; repeatable.")
@click.option("--timeout", type=click.FloatRange(0.1, 300), default=10.0, show_default=True, help="Seconds to connect.")
@network_options
@spool_option
@output_options
def command(
    file: Path | None,
    history: str | None,
    form: str,
    column: str | None,
    state_file: Path | None,
    again: bool,
    no_connect: bool,
    rate: float,
    connections: int,
    per_provider: int,
    budget: str | None,
    targets: tuple[Path, ...],
    compare: Path | None,
    quiet: bool,
    roots_file: Path | None,
    routes: tuple[str, ...],
    timeout: float,
    servers: tuple[str, ...],
    anchor_file: Path | None,
    at: str | None,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> int:
    """Say how securely the domains in FILE can be reached, by domains, by recipients and by provider. Sends no mail.

    FILE has a domain or an address in each line ("-" is standard input), or is a mail log of Postfix, Exim or danelaw,
    or CSV, plain or gzipped. Each server is connected to once, however many domains it serves. What is found out is
    kept: a survey that was stopped or killed goes on with the same command; one that is done is shown again.

    The JSON form is described in docs/schemas/survey.md, and how it all is meant in docs/survey.md.

    Exit status: 0 done, 10 stopped before the end.
    """
    from danelaw.cli.survey_report import compared, report, writable
    from danelaw.outbound.surveying import Courtesy
    from danelaw.state import SurveyBook

    if (file is None) == (history is None):
        raise click.UsageError("give a FILE, or --history TIME for own mail")
    kinds = [writable(target) for target in targets]
    earlier = compared(compare) if compare is not None else None
    config = check_options.configuration(config_file, usual_place=not servers)
    asked = network(servers, anchor_file, at)
    settings = check_options.resolver_settings(asked, servers, anchor_file, config)
    wanted = Wanted(
        resolver=settings,
        roots=check_options.roots(roots_file, config),
        clock=asked.clock,
        routes=check_options.routes(routes, config),
        config=config,
        connect_seconds=timeout,
        connect=not no_connect,
        courtesy=Courtesy(
            connections=connections,
            per_site=per_provider,
            questions=rate,
            budget=_seconds(budget, "--budget") if budget is not None else None,
        ),
    )
    book = SurveyBook(state_file if state_file is not None else _usual_state(file))
    try:
        if again:
            book.forget()
        reading = _read(book, file, history, form, column, spool, config_file)
        ended = _carry_out(book, wanted, quiet=quiet)
        result = report(book, reading, ended, wanted.clock(), earlier)
        for target, kind in zip(targets, kinds, strict=True):
            result.write(target, kind)
        result.show(output(ascii_only), [str(target) for target in targets], as_json=as_json)
        return 0 if result.complete else _UNFINISHED
    finally:
        book.close()


@dataclass(frozen=True, slots=True)
class Wanted:
    """With which means to examine; `clock` gives the POSIX seconds of judgement."""

    resolver: ResolverSettings
    roots: Roots | None
    clock: Callable[[], float]
    routes: Routes
    config: Config | None
    connect_seconds: float
    connect: bool
    courtesy: Courtesy


def _usual_state(file: Path | None) -> Path:
    if file is None or str(file) == "-":
        return Path("danelaw.survey")
    return file.with_name(f"{file.name}.survey")


def _seconds(text: str, option: str) -> float:
    from danelaw.config.values import parse_duration

    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None


def _read(
    book: SurveyBook,
    file: Path | None,
    history: str | None,
    form: str,
    column: str | None,
    spool: Path | None,
    config_file: Path | None,
) -> Reading:
    from danelaw.cli.survey_input import read_file, read_history

    if file is not None:
        reading = read_file(book, file, form, column)
    else:
        assert history is not None
        directory = spool if spool is not None else load_config(config_file).spool.directory
        reading = read_history(book, directory, time.time() - _seconds(history, "--history"), history)
    _, reading.domains = book.progress()
    if not reading.domains:
        found = reading.extraction
        first = f"; line {found.invalid[0].number}: {found.invalid[0].reason}" if found.invalid else ""
        raise DanelawError(
            f"there is no recipient domain in {reading.source}, read as {reading.form}{first}",
            advice="give a list of domains or addresses, or name the form with --form or --column",
        )
    return reading


def _carry_out(book: SurveyBook, wanted: Wanted, *, quiet: bool) -> Ended:
    """Ask what is open, with a line of progress. Raises `DanelawError` when DNS cannot be asked."""
    from danelaw.cli.survey_progress import ProgressLine
    from danelaw.outbound.surveying import Ended

    done, total = book.progress()
    if done == total:
        return Ended.DONE
    line = ProgressLine(done, total, quiet=quiet)
    try:
        return asyncio.run(_survey(book, wanted, line))
    finally:
        line.end()


async def _survey(book: SurveyBook, wanted: Wanted, line: ProgressLine) -> Ended:
    import signal
    from dataclasses import replace

    from danelaw.cli.check_means import door, sts_store
    from danelaw.outbound.surveying import SurveyRun
    from danelaw.resolver import Resolver
    from danelaw.state import StateDatabase

    # A domain is asked about once; what is asked again and again is little.
    cache = replace(wanted.resolver.cache, entries=_CACHE_ENTRIES, bytes=_CACHE_OCTETS)
    resolver = Resolver(replace(wanted.resolver, cache=cache), clock=wanted.clock)
    remembered = StateDatabase(":memory:")
    store = sts_store(wanted.config, remembered, resolver, wanted.roots, wanted.routes) if wanted.connect else None
    opened = door(wanted.config, wanted.routes, wanted.connect_seconds) if wanted.connect else None
    try:
        await _must_answer(resolver)
        run = SurveyRun(
            book,
            resolver,
            store,
            opened,
            wanted.roots,
            wanted.clock,
            wanted.courtesy,
            lambda probes: _blocked(probes, wanted, resolver),
            line.one_more,
        )
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, run.stop)
        loop.add_signal_handler(signal.SIGTERM, run.stop)
        ended = await run.run()
        if run.blocked is not None:
            book.write_note("blocked", run.blocked)
        if run.defects:
            line.say(f"{len(run.defects)} domains could not be examined, a defect of danelaw: {run.defects[0]}")
        return ended
    finally:
        if store is not None:
            await store.close()
        remembered.close()
        await resolver.close()


async def _must_answer(resolver: Resolver) -> None:
    """A survey through a resolver that cannot carry DNSSEC would say nothing about the domains."""
    found = await resolver.probe()
    if not found.usable:
        worst = max(found.findings, key=lambda one: one.severity, default=None)
        words = (
            f"{worst.server or 'all of them'}: {worst.what}" if worst is not None else "none of them can carry DNSSEC"
        )
        raise DanelawError(
            f"the name servers cannot be used for a survey: {words}", advice=worst.fix if worst else "danelaw doctor"
        )


async def _blocked(probes: Sequence[Probed], wanted: Wanted, resolver: Resolver) -> str | None:
    from danelaw.cli.check_network import blocked
    from danelaw.config import Doctor

    doctor = wanted.config.doctor if wanted.config is not None else Doctor()
    return await blocked(probes, doctor.port25_hosts, resolver, wanted.routes)
