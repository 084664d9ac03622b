"""`danelaw top`: the running gateway at a glance, once a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from danelaw.cli.options import output, output_options, spool_and_socket, spool_option
from danelaw.errors import DanelawError

_PATIENCE_SECONDS = 10.0


@click.command()
@click.option("--once", is_flag=True, help="Print one picture and end; so it is too where output is no terminal.")
@click.option("--match", default="", metavar="TEXT", help="Only destinations with TEXT in their name.")
@spool_option
@output_options
def command(
    once: bool, match: str, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool
) -> None:
    """Watch the running gateway: traffic, queue, protection, times, limits, and destination by destination.

    Keys: q quit, p pause, s sort, / filter, enter what waits for a destination and why. Rates are of the last ten
    seconds. The JSON form is described in docs/schemas/top.md.
    """
    directory, socket = spool_and_socket(spool, config_file)

    def ask(operation: str, arguments: Mapping[str, Any]) -> Any:
        from danelaw.cli.control import NoServer, call

        try:
            return call(socket, operation, arguments, timeout=_PATIENCE_SECONDS)
        except NoServer:
            raise DanelawError(
                f"no gateway runs on {directory}",
                advice="danelaw serve; what waits on its disk:  danelaw queue list --group-by next-hop",
            ) from None

    first = ask("top", {"match": match})
    out = output(ascii_only)
    if as_json or once or not (sys.stdout.isatty() and sys.stdin.isatty()):
        found = _settled(first, lambda: ask("top", {"match": match}))
        if as_json:
            out.json(found)
            return
        from danelaw.cli.top_page import show

        show(out, found)
        return
    from danelaw.cli.top_screen import TopScreen

    TopScreen(ask, first, match=match, utf8=out.utf8, colour=out.colour).run()


def _settled(first: dict[str, Any], again: Any) -> dict[str, Any]:
    """A destination's rate is the difference of two looks: where nobody has looked before, take a second one."""
    if all(row["per_second"] is not None for row in first["destinations"]["rows"]) and first["destinations"]["rows"]:
        return first
    if not first["destinations"]["known"]:
        return first
    time.sleep(1.0)
    found: dict[str, Any] = again()
    return found
