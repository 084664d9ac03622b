"""`danelaw cache`: the caches of policy, in every worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from danelaw.cli.options import ask_gateway, output, output_options, spool_option
from danelaw.cli.output import Symbol
from danelaw.errors import DanelawError


@click.group(no_args_is_help=True)
def command() -> None:
    """List, show or clear the caches of policy scripts. Each worker has its own; numbers are those of all together."""


@command.command("list")
@spool_option
@output_options
def list_(spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List all caches, their sizes and how often they had the answer."""
    found = _ask(spool, config_file, "list", {})
    out = output(ascii_only)
    if as_json:
        out.json(found)
        return
    if not found["caches"]:
        out.line("There are no caches: policy declares none.")
        return
    rows = [(Symbol.STOPPED if one["failures"] else Symbol.NONE, _cache(one)) for one in found["caches"]]
    out.table(
        rows,
        heads=("CACHE", "ENTRIES", "OCTETS", "CALLS", "HITS", "STALE", "JOINED", "FAILED", "EVICTED", "UNDER WAY"),
    )
    out.next("danelaw cache show CACHE")


@command.command("show")
@click.argument("name", metavar="CACHE")
@click.option("--match", default="", metavar="TEXT", help="Only keys that contain it.")
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 1000), help="Entries of each worker.")
@spool_option
@output_options
def show(
    name: str, match: str, most: int, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool
) -> None:
    """Show the entries of CACHE, those used last first."""
    found = _ask(spool, config_file, "show", {"name": name, "match": match, "most": most})
    out = output(ascii_only)
    if as_json:
        out.json(found)
        return
    if found["entries"]:
        rows = [
            (
                Symbol.STOPPED if one["failed"] else Symbol.NONE,
                (one["key"], one["value"], f"{one['fresh_for']:.0f} s" if one["fresh_for"] else "stale"),
            )
            for one in found["entries"]
        ]
        out.table(rows, heads=("KEY", "VALUE", "FRESH FOR"))
    else:
        out.line(f"{name} holds nothing{' like that' if match else ''}.")
    out.next(f"danelaw cache clear {name} KEY")


@command.command("clear")
@click.argument("name", metavar="CACHE")
@click.argument("key", required=False)
@click.option("--all", "everything", is_flag=True, help="Every entry.")
@click.option("--because", "why", default="", metavar="TEXT", help="The reason, for the log.")
@spool_option
@output_options
def clear(
    name: str,
    key: str | None,
    everything: bool,
    why: str,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Forget KEY, as `show` prints it, or with --all every entry: the next call computes anew."""
    if (key is None) is not everything:
        raise click.UsageError("name the KEY, or say --all")
    gone = _ask(spool, config_file, "clear", {"name": name, "key": key, "why": why})
    out = output(ascii_only)
    if as_json:
        out.json(gone)
        return
    number = gone["cleared"]
    if number:
        out.headline(Symbol.VERIFIED, f"{number} entr{'y' if number == 1 else 'ies'} forgotten.")
    else:
        out.headline(Symbol.NONE, "there is no such entry; nothing was changed")
    out.next(f"danelaw cache show {name}")


def _cache(one: dict[str, Any]) -> tuple[str, ...]:
    calls = one["hits"] + one["misses"] + one["stale"] + one["joined"]

    def share(number: int) -> str:
        return f"{number / calls:.0%}" if calls else ""

    return (
        one["name"], str(one["entries"]), str(one["octets"]), str(calls), share(one["hits"]), share(one["stale"]),
        share(one["joined"]), str(one["failures"]), str(one["evicted"]), str(one["in_flight"]),
    )  # fmt: skip


def _ask(spool: Path | None, config_file: Path | None, name: str, arguments: dict[str, Any]) -> Any:
    def absent(directory: Path) -> Any:
        raise DanelawError(f"no gateway runs on {directory}; caches live in its processes", advice="danelaw serve")

    return ask_gateway(spool, config_file, f"cache.{name}", arguments, absent)
