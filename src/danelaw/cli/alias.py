"""`danelaw alias`: what the map files say of a recipient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options

if TYPE_CHECKING:
    from danelaw.address import Mailbox
    from danelaw.aliases import Aliases
    from danelaw.config import Config


@click.command()
@click.argument("address", required=False)
@config_option
@output_options
def command(address: str | None, config_file: Path | None, as_json: bool, ascii_only: bool) -> int:
    """Say whether ADDRESS exists and whom it stands for; without ADDRESS, read all map files and say what is wrong.

    Exit status 1 for a recipient that would be refused. Nobody else is asked: a next hop or a directory may know more.
    """
    from danelaw.address import Mailbox
    from danelaw.frontdoor import map_files

    config = load_config(config_file)
    aliases = map_files(config).current(0.0)
    out = output(ascii_only)
    if address is None:
        if as_json:
            out.json({"entries": len(aliases)})
        else:
            out.line(f"{len(aliases)} entr{'y' if len(aliases) == 1 else 'ies'}, no fault.")
            out.next("danelaw alias ADDRESS")
        return 0
    found = _found(config, aliases, Mailbox.from_text(address))
    if as_json:
        out.json(found)
    else:
        for line in _lines(found):
            out.line(line)
    return int(found["verdict"] == "refused")


def _found(config: Config, aliases: Aliases, mailbox: Mailbox) -> dict[str, Any]:
    from danelaw.address import Domain
    from danelaw.config.ways import Ways

    entry = aliases.find(mailbox)
    if entry is not None:
        expansion = aliases.expand(mailbox, config.aliases.most)
        return {
            "address": mailbox.to_text(),
            "verdict": "known" if expansion.complete else "refused",
            "entry": entry.key,
            "where": f"{entry.file}:{entry.line}",
            "stands_for": [one.to_text() for one in expansion.mailboxes],
        }
    own = Ways(config).own(mailbox.domain.ascii) if isinstance(mailbox.domain, Domain) else None
    if own is None:
        verdict = "not-ours"
    elif own.verify != "none":
        verdict = f"ask-{own.verify}"
    elif own.recipients is not None and mailbox.localpart.content.lower() != "postmaster":
        verdict = "refused"
    else:
        verdict = "accepted"
    return {"address": mailbox.to_text(), "verdict": verdict, "entry": None, "where": None, "stands_for": []}


def _lines(found: dict[str, Any]) -> list[str]:
    address = found["address"]
    if found["where"] is None:
        return {
            "not-ours": [f"{address} is in no domain of ours, and no map file has it."],
            "refused": [f"{address} is in no map file: 550 5.1.1."],
            "accepted": [f"{address} is in no map file, and its domain has none: accepted."],
        }.get(found["verdict"], [f"{address} is in no map file: {found['verdict'].replace('ask-', 'asked by ')}."])
    place = f"({found['entry']}, {found['where']})"
    if found["verdict"] == "refused":
        return [f"{address} leads to too many, or to itself: 550 5.4.6 {place}."]
    if found["stands_for"] == [address]:
        return [f"{address} is a mailbox {place}."]
    return [f"{address} stands for {place}:", *(f"  {one}" for one in found["stands_for"])]
