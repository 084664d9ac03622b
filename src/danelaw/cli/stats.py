"""`danelaw stats`: own mail by protection, day after day."""

from __future__ import annotations

import time
from pathlib import Path

import click

from danelaw.cli.options import load_config, output, output_options, seconds, spool_option

_WAYS = ("day", "domain", "provider", "protection", "tls")


@click.command()
@click.option("--since", default="30d", show_default=True, metavar="TIME", help="How far back, up to 400d.")
@click.option("--by", type=click.Choice(_WAYS), default="day", show_default=True, help="What a line stands for.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=40, show_default=True, help="Lines at most.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@spool_option
@output_options
def command(
    since: str,
    by: str,
    limit: int,
    as_csv: bool,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Say how own mail was protected, over time: by day, domain, provider, protection or TLS version.

    Counted are recipients that a server took; tries that sent nothing are told apart. Days are those of UTC; today
    counts as far as it is. All shards and workers are added up, with or without a running gateway.

    The JSON form is described in docs/schemas/stats.md.
    """
    from danelaw.adoption.traffic import Traffic, day_of
    from danelaw.cli.stats_page import csv_lines, show
    from danelaw.config.limiting import site_roll
    from danelaw.spool.shards import in_each
    from danelaw.spool.traffic import traffic_since

    back = seconds(since, "--since")
    if as_csv and as_json:
        raise click.UsageError("give --csv or --json, not both")
    config = load_config(config_file) if spool is None else None
    directory = config.spool.directory if config is not None else spool
    assert directory is not None
    site_of = site_roll(config.sites.file if config is not None else None).of_host
    now = time.time()
    first = day_of(now - back) + 1
    traffic = Traffic(by)
    for rows in in_each(directory, lambda connection: traffic_since(connection, first, now, site_of)):
        traffic.add(rows)
    out = output(ascii_only)
    if as_json:
        out.json(traffic.to_json())
    elif as_csv:
        for line in csv_lines(traffic):
            click.echo(line, nl=False)
    else:
        show(out, traffic, since, limit)
