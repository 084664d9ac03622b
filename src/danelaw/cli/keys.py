"""`danelaw keys`: keys for end-to-end encryption of an address."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.cli import check_options
from danelaw.cli.network import network, network_options
from danelaw.cli.options import config_option, output, output_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from danelaw.address import Mailbox
    from danelaw.cli.check_options import Routes
    from danelaw.keydiscovery import KeyReport
    from danelaw.pkix import Roots
    from danelaw.resolver import ResolverSettings


@click.group(no_args_is_help=True)
def command() -> None:
    """Find keys that mail to an address can be encrypted to, end to end."""


@command.command("find")
@click.argument("address")
@network_options
@click.option(
    "--roots",
    "roots_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CA.pem",
    help="Public CAs to trust, instead of this machine's.",
)
@click.option("--route", "routes", multiple=True, metavar="A:P=A:P", help="Connect elsewhere, for a lab; repeatable.")
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write each usable key into a file there, named by its fingerprint.",
)
@config_option
@output_options
def find(
    address: str,
    servers: tuple[str, ...],
    anchor_file: Path | None,
    at: str | None,
    roots_file: Path | None,
    routes: tuple[str, ...],
    save: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> int:
    """Look for keys of ADDRESS: OPENPGPKEY and SMIMEA records in signed DNS, and the domain's Web Key Directory.

    Unsigned records are shown and never used. The web server of the domain sees that somebody asks.

    Exit status: 0 a usable key was found, 10 none is published, 60 not all places could be asked.
    """
    from danelaw.cli.keys_page import as_json as shown_as_json
    from danelaw.cli.keys_page import exit_status, headline, rows

    mailbox = check_options.mailbox(address)
    config = check_options.configuration(config_file, usual_place=not servers)
    asked = network(servers, anchor_file, at)
    settings = check_options.resolver_settings(asked, servers, anchor_file, config)
    started = time.monotonic()
    reports = asyncio.run(
        search(
            mailbox,
            settings,
            check_options.roots(roots_file, config),
            asked.clock,
            check_options.routes(routes, config),
        )
    )
    out = output(ascii_only)
    written = _saved(save, reports) if save is not None else []
    if as_json:
        out.json({"address": mailbox.to_text(), **shown_as_json(reports)})
        return exit_status(reports)
    from danelaw.cli.output import duration

    symbol, words = headline(reports)
    out.headline(symbol, f"{mailbox}: {words}   {duration(time.monotonic() - started)}")
    out.line()
    rows(out, reports)
    for path in written:
        out.line(f"  written   {path}")
    out.next(f"danelaw check {mailbox}")
    return exit_status(reports)


async def search(
    mailbox: Mailbox,
    settings: ResolverSettings,
    roots: Roots | None,
    clock: Callable[[], float],
    routes: Routes,
) -> tuple[KeyReport, ...]:
    """Ask every place. Never raises for what DNS, HTTPS or servers do."""
    from danelaw.net.key_search import search_all
    from danelaw.resolver import Resolver

    async with Resolver(settings, clock=clock) as resolver:
        return await search_all(mailbox, resolver=resolver, roots=roots, now=clock(), routes=routes)


def _saved(directory: Path, reports: tuple[KeyReport, ...]) -> list[Path]:
    """Write the usable keys; gives the files."""
    from danelaw.errors import DanelawError

    written = []
    for key in [key for report in reports for key in report.usable]:
        path = directory / f"{key.fingerprint}.{'pgp' if key.kind == 'openpgp' else 'cer'}"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            path.write_bytes(key.octets)
        except OSError as error:
            raise DanelawError(f"{path} cannot be written: {error.strerror}", advice="give another --save") from None
        written.append(path)
    return written
