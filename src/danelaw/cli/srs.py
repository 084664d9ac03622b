"""`danelaw srs`: what an address becomes when its mail is forwarded, and whom a rewritten one stands for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.srs import Rewriter


@click.group(no_args_is_help=True)
def command() -> None:
    """Rewrite a sender's address as forwarding does ([srs]), or lead a rewritten one back."""


@command.command("forward")
@click.argument("address")
@config_option
@output_options
def forward(address: str, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Say under which address mail of ADDRESS would be forwarded today."""
    from danelaw.address import Mailbox

    rewritten = _rewriter(config_file).forward(Mailbox.from_text(address), _today())
    out = output(ascii_only)
    if as_json:
        out.json({"address": address, "forwarded_as": rewritten.to_text()})
        return
    out.line(rewritten.to_text())
    out.next(f"danelaw srs reverse {rewritten}")


@command.command("reverse")
@click.argument("address")
@config_option
@output_options
def reverse(address: str, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Say whom a rewritten ADDRESS stands for. Exit status 1 for one that is forged, expired, or not ours."""
    from danelaw.address import Mailbox

    back = _rewriter(config_file).reverse(Mailbox.from_text(address), _today())
    out = output(ascii_only)
    if as_json:
        out.json({"address": address, "stands_for": back.to_text()})
        return
    out.line(back.to_text())


def _rewriter(config_file: Path | None) -> Rewriter:
    from danelaw.frontdoor.rewriting import rewriter_of

    found = rewriter_of(load_config(config_file).srs)
    if found is None:
        raise DanelawError("the configuration has no [srs]", advice='set [srs] domain and keys = ["srs.key"]')
    return found


def _today() -> int:
    from danelaw.srs.rewriter import SECONDS_PER_DAY

    return int(time.time()) // SECONDS_PER_DAY
