"""`danelaw explain`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from danelaw.cli.explain_page import show, show_proofs
from danelaw.cli.options import ask_gateway, load_config, output, output_options, spool_option


@click.command()
@click.argument("what", metavar="ID | MESSAGE-ID | ADDRESS | DOMAIN")
@click.option("--dns", "with_proofs", is_flag=True, help="Show the recorded DNS answers, and derive the verdict again.")
@spool_option
@output_options
def command(
    what: str, with_proofs: bool, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool
) -> None:
    """Say what happened to a message and why.

    Takes a queue id, a Message-ID, an address or a domain; of several messages that fit it explains the newest
    that waits. The JSON form is described in docs/schemas/explain.md.
    """
    arguments = {"what": what, "proofs": with_proofs}
    found = ask_gateway(
        spool, config_file, "explain", arguments, lambda directory: _directly(directory, what, with_proofs)
    )
    out = output(ascii_only)
    if as_json:
        out.json(found)
        return
    show(out, found)
    if with_proofs:
        show_proofs(out, found, _anchors(spool, config_file))


def _directly(directory: Path, what: str, with_proofs: bool) -> dict[str, Any]:
    from danelaw.outbound.explanation import explained

    return explained(directory, what, time.time(), with_proofs=with_proofs)


def _anchors(spool: Path | None, config_file: Path | None) -> Any:
    from danelaw.gateway.settings import trust_anchors

    return trust_anchors(load_config(config_file).resolver.anchor_file if spool is None or config_file else None)
