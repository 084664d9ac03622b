"""`danelaw survey`: how securely the domains of a list, a log or the own history can be reached. Sends nothing."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli import check_options
from danelaw.cli.network import network, network_options
from danelaw.cli.options import load_config, output, output_options, seconds, spool_option
from danelaw.cli.survey_options import Given, survey_options
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from danelaw.cli.check_options import Routes
    from danelaw.cli.survey_input import Reading
    from danelaw.cli.survey_progress import ProgressLine
    from danelaw.config import Config
    from danelaw.outbound.courtesy import Courtesy
    from danelaw.outbound.probe import Probed
    from danelaw.outbound.surveying import Ended
    from danelaw.pkix import Roots
    from danelaw.resolver import Resolver, ResolverSettings
    from danelaw.state import SurveyBook

_CACHE_ENTRIES = 6_000
_CACHE_OCTETS = 8 << 20
_UNFINISHED = 10


@click.command()
@survey_options
@network_options
@spool_option
@output_options
def command(**options: Any) -> int:
    """Say how securely the domains in FILE can be reached, by domains, by recipients and by provider. Sends no mail.

    FILE has a domain or an address in each line ("-" is standard input), or is a mail log of Postfix, Exim or danelaw,
    or CSV, plain or gzipped. Each server is connected to once, however many domains it serves. What is found out is
    kept: a survey that was stopped or killed goes on with the same command; one that is done is shown again.

    The JSON form is described in docs/schemas/survey.md, and how it all is meant in docs/survey.md.

    Exit status: 0 done, 10 stopped before the end.
    """
    from danelaw.cli.survey_report import compared, report, writable
    from danelaw.state import SurveyBook

    given = Given(**options)
    if (given.file is None) == (given.history is None):
        raise click.UsageError("give a FILE, or --history TIME for own mail")
    kinds = [writable(target) for target in given.targets]
    earlier = compared(given.compare) if given.compare is not None else None
    wanted = _wanted(given)
    book = SurveyBook(given.usual_state)
    try:
        if given.again:
            book.forget()
        reading = _read(book, given)
        ended = _carry_out(book, wanted, quiet=given.quiet)
        result = report(book, reading, ended, wanted.clock(), earlier)
        for target, kind in zip(given.targets, kinds, strict=True):
            result.write(target, kind)
        result.show(output(given.ascii_only), [str(target) for target in given.targets], as_json=given.as_json)
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


def _wanted(given: Given) -> Wanted:
    from danelaw.outbound.courtesy import Courtesy

    config = check_options.configuration(given.config_file, usual_place=not given.servers)
    asked = network(given.servers, given.anchor_file, given.at)
    return Wanted(
        resolver=check_options.resolver_settings(asked, given.servers, given.anchor_file, config),
        roots=check_options.roots(given.roots_file, config),
        clock=asked.clock,
        routes=check_options.routes(given.routes, config),
        config=config,
        connect_seconds=given.timeout,
        connect=not given.no_connect,
        courtesy=Courtesy(
            connections=given.connections,
            per_site=given.per_provider,
            questions=given.rate,
            budget=seconds(given.budget, "--budget") if given.budget is not None else None,
        ),
    )


def _read(book: SurveyBook, given: Given) -> Reading:
    from danelaw.cli.survey_input import read_file, read_history

    if given.file is not None:
        reading = read_file(book, given.file, given.form, given.column)
    else:
        assert given.history is not None
        directory = given.spool if given.spool is not None else load_config(given.config_file).spool.directory
        reading = read_history(book, directory, time.time() - seconds(given.history, "--history"), given.history)
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
    from dataclasses import replace

    from danelaw.cli.check_means import door, sts_store
    from danelaw.cli.interrupting import interrupted_by_signals
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
            _site_of(wanted.config),
        )
        with interrupted_by_signals(run.stop):
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


def _site_of(config: Config | None) -> Callable[[str], str]:
    from danelaw.config.limiting import site_roll

    return site_roll(config.sites.file if config is not None else None).of_host


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
