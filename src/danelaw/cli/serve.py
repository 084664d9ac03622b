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
@click.option("--only-load", is_flag=True, hidden=True, help="Load program and configuration, and end.")
def command(config_file: Path | None, only_load: bool) -> None:
    """Run the gateway until SIGTERM.

    SIGHUP re-reads certificates, overrides and the log file. With [server] workers it re-reads everything: each worker
    is replaced by a new one, and no client is turned away. SIGUSR2 then replaces the program itself in the same way,
    after an upgrade.

    At start the checks of `danelaw doctor` run beside it and their findings are logged, each with its fix.
    """
    from danelaw.cli.config import remarks_on

    config = load_config(config_file)
    if config.server.worker_count:
        from danelaw.gateway.supervisor import supervise

        if only_load:
            return
        _remark(remarks_on(config))
        supervise(config, lambda where: _say(where, config), _examined)
        return
    from danelaw.gateway import run

    if only_load:
        return
    _remark(remarks_on(config))
    run(config, _started)


def _remark(remarks: list[str]) -> None:
    out = Output.detect(stream=sys.stderr)
    for remark in remarks:
        out.paragraph(f"note: {remark}")


def _say(where: list[str], config: Config) -> None:
    """Say where it listens."""
    out = Output.detect(stream=sys.stderr)
    out.line(f"danelaw accepts mail on {', '.join(where)}; spool {config.spool.directory}.")
    out.next("danelaw send --help   or, from another terminal:  danelaw queue list")


def _started(gateway: Gateway) -> None:
    _say(gateway.addresses, gateway.config)
    _examined(gateway)


def _examined(gateway: Gateway) -> None:
    """Examine the surroundings without holding mail up."""
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
