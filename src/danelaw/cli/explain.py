"""`danelaw explain`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from danelaw.cli.explain_page import show, show_proofs
from danelaw.cli.options import ask_gateway, load_config, output, output_options, spool_and_socket, spool_option


@click.command()
@click.argument("what", metavar="ID | MESSAGE-ID | ADDRESS | DOMAIN")
@click.option("--dns", "with_proofs", is_flag=True, help="Show the recorded DNS answers, and derive the verdict again.")
@click.option("--proof", "receipt_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write a receipt, which danelaw verify checks anywhere.")  # fmt: skip
@click.option("--omit-addresses", is_flag=True, help="With --proof: without sender, recipients and Message-ID.")
@click.option("--sign-with", "key_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="With --proof: sign it with this Ed25519 key (PEM).")  # fmt: skip
@spool_option
@output_options
def command(
    what: str, with_proofs: bool, receipt_file: Path | None, omit_addresses: bool, key_file: Path | None,
    spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool,
) -> None:  # fmt: skip
    """Say what happened to a message and why.

    Takes a queue id, a Message-ID, an address or a domain; of several messages that fit it explains the newest that
    waits. With --proof it writes a receipt instead (docs/receipts.md). The JSON form is described in
    docs/schemas/explain.md.
    """
    if receipt_file is not None:
        from danelaw.cli.explain_proof import write_receipt

        directory, _ = spool_and_socket(spool, config_file)
        write_receipt(
            output(ascii_only), directory, what, receipt_file,
            omit_addresses=omit_addresses, key_file=key_file, as_json=as_json,
        )  # fmt: skip
        return
    if omit_addresses or key_file is not None:
        raise click.UsageError("--omit-addresses and --sign-with go with --proof FILE")
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
