"""`danelaw verify`: whether a receipt holds, on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import output, output_options
from danelaw.cli.output import Output, Symbol
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.receipt import Trust, Verification

_FILE = click.Path(dir_okay=False, path_type=Path)
_STATES = {
    "delivered": "DELIVERED to",
    "waiting": "WAITING for",
    "held": "HELD for",
    "returned": "RETURNED, not delivered to",
    "dropped": "DROPPED by an operator, for",
}
_WEAK = {"encrypted only": Symbol.ENCRYPTED, "host-only DANE": Symbol.ENCRYPTED, "clear text": Symbol.CLEAR}


@click.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=_FILE)
@click.option("--anchor", "anchor_file", type=_FILE, metavar="FILE",
              help="Trust anchors in zone-file form, in place of the root's built-in keys.")  # fmt: skip
@click.option("--roots", "roots_file", type=_FILE, metavar="FILE",
              help="Public CAs you trust (PEM); otherwise trust in a CA is the gateway's word.")  # fmt: skip
@click.option("--signer", "signer_file", type=_FILE, metavar="FILE",
              help="The gateway's public key (PEM, Ed25519): the receipt must be signed by it.")  # fmt: skip
@click.option("--head", metavar="HEX", help="A head of the gateway's log that you kept: every try must lead to it.")
@output_options
def command(
    files: tuple[Path, ...], anchor_file: Path | None, roots_file: Path | None, signer_file: Path | None,
    head: str | None, as_json: bool, ascii_only: bool,
) -> int:  # fmt: skip
    """Verify receipts that `danelaw explain --proof` wrote, from the root key alone.

    Needs no network, no configuration and no spool. DNSSEC signatures are checked as of the times in the receipt.
    Exit status: 0 when everything holds, 1 when a receipt is refused. The file is described in docs/receipts.md.
    """
    from danelaw.receipt import MOST_OCTETS, verify

    trust = _trust(anchor_file, roots_file, signer_file, head)
    out, holds, shown = output(ascii_only), True, []
    for file in files:
        found = verify(_octets(file, MOST_OCTETS), trust)
        holds &= found.holds
        if as_json:
            shown.append({"file": str(file), **_plain(found)})
        elif len(files) == 1:
            _show(out, found, file, "built in" if anchor_file is None else str(anchor_file))
        else:
            _line(out, found, file)
    if as_json:
        out.json({"schema": "danelaw/verify/1", "holds": holds, "receipts": shown})
    elif len(files) > 1:
        out.next(f"danelaw verify {files[0]}   for all that one states")
    return 0 if holds else 1


def _octets(file: Path, most: int) -> bytes:
    """At most one octet more than can be verified. Raises `DanelawError`."""
    try:
        with file.open("rb") as stream:
            return stream.read(most + 1)
    except OSError as error:
        raise DanelawError(f"{file} cannot be read: {error.strerror}") from None


def _trust(anchors: Path | None, roots: Path | None, signer: Path | None, head: str | None) -> Trust:
    from danelaw.dnssec import TrustAnchors
    from danelaw.pkix import Roots
    from danelaw.receipt import Trust, signer_of

    if head is not None and (len(head) != 64 or set(head.lower()) - set("0123456789abcdef")):
        raise click.UsageError("--head takes the 64 hexadecimal digits that danelaw log head prints")
    return Trust(
        anchors=TrustAnchors.root() if anchors is None else TrustAnchors.from_text(_octets(anchors, 1 << 20).decode()),
        roots=None if roots is None else Roots.from_file(roots),
        signer=None if signer is None else signer_of(_octets(signer, 1 << 16)),
        head=None if head is None else bytes.fromhex(head),
    )


def _plain(found: Verification) -> dict[str, Any]:
    """docs/schemas/verify.md."""
    receipt = found.receipt
    return {
        "holds": found.holds,
        "refusals": [{"where": one.where, "kind": one.kind.value, "reason": one.reason} for one in found.refusals],
        "message": None if receipt is None else {
            "id": receipt.envelope.id,
            "received_at": receipt.envelope.received_at,
            "from": receipt.envelope.sender,
            "recipients": [
                {"number": one.number, "to": one.to, "state": one.state} for one in receipt.envelope.recipients
            ],
        },
        "tries": [
            {"time": one.time, "host": one.host, "outcome": one.outcome, "protection": one.protection}
            for one in found.attempts
        ],
        "statements": [
            {"where": one.where, "rests_on": one.ground.value, "text": one.text}
            for one in (found.statements if found.holds else ())
        ],
        "signed_by_signer": found.signed,
        "reaches_head": found.reaches_head,
        "written_by": None if receipt is None else receipt.written_by,
        "written_at": None if receipt is None else receipt.written_at,
    }  # fmt: skip


def _show(out: Output, found: Verification, file: Path, anchors: str) -> None:
    if not found.holds:
        out.headline(Symbol.STOPPED, f"REFUSED: {file} does not show what it claims.")
        out.table([(Symbol.NONE, (one.where, one.kind.value, one.reason)) for one in found.refusals[:20]])
        if len(found.refusals) > 20:
            out.line(f"  and {len(found.refusals) - 20} more")
        out.next("ask who gave it to you for a new one:  danelaw explain ID --proof FILE")
        return
    _headline(out, found)
    receipt = found.receipt
    assert receipt is not None
    out.line(f"  written by {receipt.written_by}, root key: {anchors}, {_signature(found)}")
    for ground in dict.fromkeys(one.ground for one in sorted(found.statements, key=_strength)):
        out.line()
        out.line(f"  {ground.value}")
        rows = [(Symbol.NONE, ("  " + one.where, one.text)) for one in found.statements if one.ground is ground]
        out.table(rows)
    out.line()
    out.paragraph(
        "Signatures were checked as of the times in the receipt, which rest on the gateway's word themselves."
    )
    out.next(f"danelaw verify {file} --json")


def _line(out: Output, found: Verification, file: Path) -> None:
    """One of many receipts."""
    if found.holds:
        _headline(out, found, f"{file}: ")
    else:
        first = found.refusals[0]
        out.headline(Symbol.STOPPED, f"{file}: REFUSED, {first.kind.value}: {first.reason}")


def _strength(one: Any) -> int:
    from danelaw.receipt import Ground

    return list(Ground).index(one.ground)


def _signature(found: Verification) -> str:
    if found.signed:
        return "signed by the key you gave"
    if found.receipt is not None and found.receipt.signature is not None:
        return f"signed by the key {found.receipt.signature[0].hex()} (whose, --signer would check)"
    return "not signed"


def _headline(out: Output, found: Verification, lead: str = "") -> None:
    """The outcome of the recipient it went worst for."""
    assert found.receipt is not None
    worst = min(
        found.receipt.envelope.recipients, key=lambda one: list(reversed(_STATES)).index(one.state), default=None
    )
    if worst is None:
        out.headline(Symbol.NONE, f"{lead}HOLDS: of a message without recipients.")
        return
    last = next((one for one in reversed(found.attempts) if worst.number in one.recipients), None)
    text = f"{lead}HOLDS: {_STATES[worst.state]} {worst.to or f'recipient {worst.number}'}"
    symbol = Symbol.STOPPED
    if worst.state == "delivered" and last is not None and last.protection == "handed over":
        symbol, text = Symbol.NONE, f"{text}, handed over to {last.host}"
    elif worst.state == "delivered" and last is not None:
        symbol = _WEAK.get(last.protection, Symbol.VERIFIED)
        text += f", protected by: {last.protection}"
    elif last is not None:
        text += f": {last.reason}"
    out.headline(symbol, text.rstrip(".") + ".")
