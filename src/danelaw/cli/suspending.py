"""`danelaw queue suspend | resume | suspensions | sites`: what goes nowhere for a while, and the sites limits know."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from danelaw.cli.options import ask_gateway, config_option, load_config, output, output_options, spool_option
from danelaw.cli.output import Symbol, moment
from danelaw.errors import DanelawError


def _running(spool: Path | None, config_file: Path | None, operation: str, arguments: dict[str, Any]) -> Any:
    """Only the running gateway knows its suspensions."""

    def absent(directory: Path) -> Any:
        raise DanelawError(
            f"no gateway runs on {directory}, so nothing is sent in any case", advice="danelaw serve, then try again"
        )

    return ask_gateway(spool, config_file, f"queue.{operation}", arguments, absent)


@click.command()
@click.argument("filter_words", nargs=-1, required=True, metavar="FILTER...")
@click.option("--for", "length", required=True, metavar="TIME", help="How long: 30m, 4h, 2d. It ends by itself.")
@click.option("--because", "why", default="", metavar="TEXT", help="The reason, for whoever wonders.")
@spool_option
@output_options
def suspend(
    filter_words: tuple[str, ...],
    length: str,
    why: str,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Send nothing for a while to the queues FILTER names: site:google, host:example.org, tenant:news.

    Mail is accepted and waits; what is on the wire ends normally. Afterwards one message probes before others follow.
    """
    from danelaw.config import parse_duration

    try:
        seconds = parse_duration(length).total_seconds()
    except ValueError as error:
        raise click.UsageError(f"--for: {error}") from None
    arguments = {"filter": " ".join(filter_words), "seconds": seconds, "why": why}
    made = _running(spool, config_file, "suspend", arguments)
    out = output(ascii_only)
    if as_json:
        out.json(made)
        return
    out.headline(Symbol.STOPPED, f"suspended: {made['filter']}, until {moment(made['until'], time.time())}.")
    if not made["queues"]:
        out.paragraph(
            "No queue known now is meant by it. Queues are named by their next hop: behind a smarthost or a route that "
            "is what you set there, not the recipient's domain."
        )
    out.next(f"danelaw queue resume '{made['filter']}'")


@click.command()
@click.argument("filter_words", nargs=-1, metavar="[FILTER]...")
@click.option("--all", "everything", is_flag=True, help="End every suspension.")
@spool_option
@output_options
def resume(
    filter_words: tuple[str, ...],
    everything: bool,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """End the suspension or slow-down with exactly this FILTER now, without a probe."""
    text = " ".join(filter_words)
    if bool(text) == everything:
        raise click.UsageError("name the FILTER of one suspension, or say --all")
    ended = _running(spool, config_file, "resume", {"filter": text})["ended"]
    out = output(ascii_only)
    if as_json:
        out.json({"ended": ended})
    elif ended:
        out.headline(Symbol.VERIFIED, f"{ended} ended.")
        out.next("danelaw queue list")
    else:
        out.headline(Symbol.NONE, "there is no such suspension or slow-down; nothing was changed")
        out.next("danelaw queue suspensions")


@click.command()
@spool_option
@output_options
def suspensions(spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List suspensions, slow-downs and moves to other addresses, and the queues that wait for them or for limits."""
    found = _running(spool, config_file, "suspensions", {})
    out = output(ascii_only)
    if as_json:
        out.json(found)
        return
    now = time.time()
    out.line(
        f"{len(found['suspensions'])} suspended, {len(found['slow_downs'])} slowed down, "
        f"{len(found['waiting'])} queues waiting for these or a limit"
    )
    rows = [
        (Symbol.STOPPED, (one["filter"], moment(one["until"], now), f"{one['because']} ({one['who']})"))
        for one in found["suspensions"]
    ]
    rows += [
        (
            Symbol.NONE,
            (f"{one['filter']} at {one['share']:.0%}", moment(one["until"], now), f"{one['because']} ({one['who']})"),
        )
        for one in found["slow_downs"]
    ]
    rows += [
        (
            Symbol.NONE,
            (f"{one['of']}:{one['name']} not from {one['address']}", moment(one["until"], now), one["because"]),
        )
        for one in found["moves"]
    ]
    rows += [(Symbol.NONE, (one["queue"], "", one["reason"])) for one in found["waiting"][:100]]
    if rows:
        out.table(rows, heads=("WHAT", "UNTIL", "WHY"))
    out.next("danelaw queue resume FILTER" if found["suspensions"] or found["slow_downs"] else "danelaw queue list")


@click.command()
@click.argument("host", required=False)
@config_option
@output_options
def sites(host: str | None, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List the MX sites known by name with their limits, or say to which site HOST belongs."""
    from danelaw.config import ConfigError
    from danelaw.config.limiting import site_roll

    try:
        known = site_roll(load_config(config_file).sites.file)
    except ConfigError:
        if config_file is not None:
            raise
        known = site_roll(None)
    out = output(ascii_only)
    if host:
        site = known.of_host(host)
        if as_json:
            out.json({"host": host, "site": site})
            return
        out.line(f"{host} belongs to {site}")
        out.next(f"danelaw queue list site:{site}")
        return
    if as_json:
        out.json({"sites": [{"name": one.name, "title": one.title, "limits": one.limits} for one in known.sites]})
        return
    rows = [
        (Symbol.NONE, (one.name, one.title, ", ".join(f"{key} {value}" for key, value in one.limits.items())))
        for one in known.sites
    ]
    out.table(rows, heads=("SITE", "WHO", "LIMITS"))
    out.next("danelaw queue list site:google")
