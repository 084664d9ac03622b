"""The page of `danelaw publish plan`."""

from __future__ import annotations

from collections.abc import Sequence

from danelaw.cli.output import Output, Symbol
from danelaw.publication import PlannedRecord, State, Wanted, sts_policy

_SYMBOLS = {
    State.PRESENT: Symbol.VERIFIED,
    State.MISSING: Symbol.STOPPED,
    State.DIFFERS: Symbol.STOPPED,
    State.STALE: Symbol.ENCRYPTED,
    State.UNSIGNED: Symbol.ENCRYPTED,
    State.OPTIONAL: Symbol.NONE,
    State.UNKNOWN: Symbol.ENCRYPTED,
}


def show(out: Output, wanted: Wanted, records: Sequence[PlannedRecord]) -> None:
    """The answer, each record with its state and why, and the lines to publish."""
    to_do = [record for record in records if record.is_to_do]
    unknown = [record for record in records if record.state is State.UNKNOWN]
    names = f"{len(wanted.hosts)} MX host{_s(wanted.hosts)} and {len(wanted.domains)} domain{_s(wanted.domains)}"
    if to_do:
        words = f"{len(to_do)} of {len(records)} records for {names} are missing or should change."
        out.headline(Symbol.STOPPED, words)
    elif unknown:
        out.headline(Symbol.ENCRYPTED, f"{len(unknown)} of {len(records)} records for {names} cannot be looked up now.")
    else:
        out.headline(Symbol.VERIFIED, f"DNS has everything your configuration calls for: {names}.")
    out.line()
    out.table(
        [
            (_SYMBOLS[one.state], (one.owner.removesuffix("."), one.purpose, one.state.value, one.reason))
            for one in records
        ],
        heads=("NAME", "FOR", "STATE", "WHY"),
    )
    lines = [record for record in to_do if record.line]
    if lines:
        out.line()
        out.line("to publish:")
        for record in lines:
            for now in record.replaced:
                out.line(f"  ; in place of {record.owner} IN {record.rdtype} {now}")
            out.line(f"  {record.line}")
    for record in to_do:
        if not record.line and record.now and record.state is State.DIFFERS:
            out.paragraph(f"to change: {record.owner} IN {record.rdtype} {record.now[0]}", indent=0, hang=2)
    if any(one.purpose == "MTA-STS" and one.is_to_do for one in records):
        out.line()
        out.line("to serve at https://mta-sts.DOMAIN/.well-known/mta-sts.txt, as text/plain:")
        for text in sts_policy(wanted).to_text().splitlines():
            out.line(f"  {text}")
    out.next("danelaw publish plan   (again, once it is published)" if to_do else f"danelaw check '[{_first(wanted)}]'")


def _first(wanted: Wanted) -> str:
    return wanted.hosts[0].name.ascii


def _s(things: Sequence[object]) -> str:
    return "" if len(things) == 1 else "s"
