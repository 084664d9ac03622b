"""`danelaw serve`."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.cli.options import config_option, load_config
from danelaw.cli.output import Output

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.gateway import Gateway


@click.command()
@config_option
def command(config_file: Path | None) -> None:
    """Run the gateway until SIGTERM. SIGHUP re-reads certificates, overrides and the log file.

    At start the checks of `danelaw doctor` run beside it and their findings are logged, each with its fix.
    """
    from danelaw.cli.config import remarks_on
    from danelaw.gateway import run

    config = load_config(config_file)
    out = Output.detect(stream=sys.stderr)
    for remark in remarks_on(config):
        out.paragraph(f"note: {remark}")
    run(config, _started)


def _started(gateway: Gateway) -> None:
    """Say where it listens, and examine the surroundings without holding mail up."""
    where = ", ".join(gateway.addresses)
    out = Output.detect(stream=sys.stderr)
    out.line(f"danelaw accepts mail on {where}; spool {gateway.config.spool.directory}.")
    out.next("danelaw send --help   or, from another terminal:  danelaw queue list")
    if gateway.config.doctor.at_start:
        gateway.background(_examine(gateway))


async def _examine(gateway: Gateway) -> None:
    from danelaw.doctor import Severity, examine

    config: Config = gateway.config
    for finding in await examine(config, gateway.parts.resolver, time.time()):
        if finding.check.startswith("resolver"):
            continue  # the resolver's own probe, which goes on while the gateway runs, says these
        if finding.severity in (Severity.ERROR, Severity.WARNING):
            tell = gateway.log.error if finding.severity is Severity.ERROR else gateway.log.warning
            tell("doctor", check=finding.check, reason=finding.what, advice=finding.fix)
        await asyncio.sleep(0)
