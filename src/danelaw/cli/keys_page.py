"""What `danelaw keys find` and `danelaw check ADDRESS` print about keys for end-to-end encryption."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from danelaw.cli.output import Output, Symbol, fingerprint
from danelaw.keydiscovery import FoundKey, KeyReport, KeyState

FOUND, NONE, CANNOT_TELL = 0, 10, 60
_SYMBOLS = {
    KeyState.FOUND: Symbol.VERIFIED,
    KeyState.ABSENT: Symbol.NONE,
    KeyState.UNUSABLE: Symbol.STOPPED,
    KeyState.FAILED: Symbol.STOPPED,
}
_KINDS = {"openpgp": "OpenPGP", "smime": "S/MIME"}


def exit_status(reports: Sequence[KeyReport]) -> int:
    """0 a usable key, 10 certainly none, 60 not all places could be asked."""
    if any(report.usable for report in reports):
        return FOUND
    return CANNOT_TELL if any(report.state is KeyState.FAILED for report in reports) else NONE


def headline(reports: Sequence[KeyReport]) -> tuple[Symbol, str]:
    """The answer in one sentence."""
    status = exit_status(reports)
    if status == FOUND:
        keys = [key for report in reports for key in report.usable]
        kinds = " and ".join(sorted({_KINDS[key.kind] for key in keys}))
        signed = any(key.dns_signed for key in keys)
        who = "signed DNS vouches for the key" if signed else "the domain's web server vouches for the key"
        return Symbol.VERIFIED, f"mail can be encrypted end to end with {kinds}; {who}."
    if status == NONE:
        return Symbol.CLEAR, "no key to encrypt to is published."
    return Symbol.NONE, "cannot tell whether there is a key to encrypt to."


def rows(out: Output, reports: Sequence[KeyReport]) -> None:
    """One row per place, and one below it for each key."""
    table: list[tuple[Symbol, tuple[str, ...]]] = []
    for report in reports:
        table.append((_SYMBOLS[report.state], (report.source.value, report.state.value, report.reason)))
        for key in report.keys:
            table.append((Symbol.NONE, ("", f"  {fingerprint(key.fingerprint.lower())}", _key(key))))
    out.table(table)


def _key(key: FoundKey) -> str:
    """Kind, term and addresses; the reason where it cannot be used."""
    until = "does not expire" if key.expires is None else f"until {_day(key.expires)}"
    words = [_KINDS[key.kind], until, *key.addresses[:3]]
    return ", ".join(words) + ("" if key.usable else f": {key.reason}")


def _day(moment: float) -> str:
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return "an impossible day"


def as_json(reports: Sequence[KeyReport]) -> dict[str, Any]:
    """The member `end_to_end`, as the safety API has it."""
    status = exit_status(reports)
    possible = None if status == CANNOT_TELL else status == FOUND
    return {"possible": possible, "sources": [report.to_json() for report in reports]}
