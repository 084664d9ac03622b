"""`danelaw doctor`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.cli.output import Output, Symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from danelaw.config import Config
    from danelaw.doctor import Finding


@click.command()
@config_option
@output_options
def command(config_file: Path | None, as_json: bool, ascii_only: bool) -> int:
    """Examine this machine, its resolver, its network and the gateway that runs on it, with a fix for each finding.

    Exit status 0 when nothing stops or hurts mail, 1 when something does.
    """
    from danelaw.doctor import Severity

    config = load_config(config_file)
    findings = (*_running(config), *asyncio.run(_examine(config)))
    out = output(ascii_only)
    if as_json:
        out.json({"findings": [finding.to_json() for finding in findings]})
    else:
        show(out, findings)
    return int(any(finding.severity in (Severity.ERROR, Severity.WARNING) for finding in findings))


async def _examine(config: Config) -> Sequence[Finding]:
    from danelaw.doctor import examine
    from danelaw.gateway.settings import resolver_settings
    from danelaw.resolver import Resolver

    resolver = Resolver(resolver_settings(config))
    try:
        return await examine(config, resolver, time.time())
    finally:
        await resolver.close()


def _running(config: Config) -> Sequence[Finding]:
    """What the running gateway itself suffers from; nothing when none runs here."""
    from danelaw.cli.control import ControlError, NoServer, call
    from danelaw.doctor import Finding, Severity

    try:
        return [Finding.from_json(one) for one in call(config.control_socket, "gateway.health", {}, timeout=10.0)]
    except NoServer:
        return []
    except (ControlError, ValueError, KeyError, TypeError) as error:
        what = f"the gateway behind {config.control_socket} could not be asked: {error}"
        return [Finding("gateway", Severity.NOTE, what, getattr(error, "advice", None) or "look at its log")]


def show(out: Output, findings: Sequence[Finding]) -> None:
    """Print findings for a person, the answer first."""
    from danelaw.doctor import Severity

    symbols = {
        Severity.OK: Symbol.VERIFIED,
        Severity.NOTE: Symbol.CLEAR,
        Severity.WARNING: Symbol.ENCRYPTED,
        Severity.ERROR: Symbol.STOPPED,
    }
    errors, warnings = (sum(f.severity is level for f in findings) for level in (Severity.ERROR, Severity.WARNING))
    if errors:
        out.headline(Symbol.STOPPED, f"not fit to carry mail: {_counted(errors, 'fault')} to repair.")
    elif warnings:
        out.headline(Symbol.ENCRYPTED, f"fit to carry mail, with {_counted(warnings, 'thing')} to repair.")
    else:
        out.headline(Symbol.VERIFIED, "fit to carry mail.")
    out.line()
    for finding in findings:
        out.headline(symbols[finding.severity], f"{finding.check}: {finding.what}")
        if finding.fix:
            out.paragraph(f"fix: {finding.fix}", indent=4)
    out.line()
    out.next("repair the first one, then: danelaw doctor" if errors or warnings else "danelaw serve")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
