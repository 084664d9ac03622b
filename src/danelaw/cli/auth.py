"""`danelaw auth`: who really sent this message?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.cli.network import network, network_options, with_or_without_dnssec
from danelaw.cli.options import output, output_options

if TYPE_CHECKING:
    from danelaw.authentication import Transaction, Verdicts
    from danelaw.cli.dkim_file import MessageStream
    from danelaw.cli.network import Network

EXIT_STATUS = {"pass": 0, "none": 0, "fail": 3, "temperror": 4, "permerror": 5}
_FILE = click.Path(dir_okay=False, path_type=Path, allow_dash=True)


@click.command()
@click.argument("file", type=_FILE, metavar="FILE.eml")
@click.option("--ip", "client", required=True, metavar="IP", help="Address of the client that sent it.")
@click.option("--helo", required=True, metavar="NAME", help="What the client said in HELO or EHLO.")
@click.option(
    "--mail-from",
    required=True,
    metavar="ADDR",
    help='What it said in MAIL FROM, "" for the null reverse-path.',
)
@click.option("--receiver", default="unknown", metavar="NAME", help="Our own name, for the field that is written.")
@network_options
@output_options
def command(
    file: Path,
    client: str,
    helo: str,
    mail_from: str,
    receiver: str,
    servers: tuple[str, ...],
    anchor_file: Path | None,
    at: str | None,
    as_json: bool,
    ascii_only: bool,
) -> int:
    """Say who really sent a message: SPF, DKIM, ARC and DMARC with all evidence.

    "policy" of DMARC is the one of p=, sp= and np= that applies to the author's domain, as published; "disposition" is
    what is left of it for this message after the result and t=y. - reads standard input; a file with bare line feeds
    is read as if it had travelled with CRLF. Without --anchor the answers of a resolver that has no DNSSEC count as not
    signed, and that is said.

    Exit status: 0 DMARC pass or none, 3 fail, 4 temperror, 5 permerror.
    """
    from danelaw.authentication import Transaction
    from danelaw.cli.auth_page import as_object, show
    from danelaw.cli.dkim_file import message_stream
    from danelaw.cli.spf import client_address, reverse_path

    transaction = Transaction(client_address(client), helo, reverse_path(mail_from))
    asked = network(servers, anchor_file, at)
    with message_stream(file) as message:
        asked = asyncio.run(with_or_without_dnssec(asked))
        verdicts = asyncio.run(_examined(asked, message, transaction, receiver))
    out = output(ascii_only)
    if as_json:
        out.json(as_object(verdicts, receiver, converted=message.line_feeds, unproved=asked.unproved))
    else:
        show(out, verdicts, receiver, file=str(file), converted=message.line_feeds, unproved=asked.unproved)
    return EXIT_STATUS[verdicts.dmarc.result.value]


async def _examined(asked: Network, message: MessageStream, transaction: Transaction, receiver: str) -> Verdicts:
    from danelaw.authentication import Examination, ExaminationSettings
    from danelaw.resolver import Resolver

    settings = ExaminationSettings(receiver=receiver)
    async with Resolver(asked.settings, clock=asked.clock) as resolver:
        examination = Examination(message.header, transaction, now=asked.clock(), settings=settings)
        for piece in message.pieces():
            examination.update(piece)
        return await resolver.run(examination.inquire())
