"""`danelaw quarantine rule add | list | remove`: mail yet to come that is to be held."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.cli.output import Symbol, moment
from danelaw.cli.override import end_of
from danelaw.cli.queue import who
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.quarantine.rules import HoldRule
    from danelaw.state import HoldRuleStore


@click.group(no_args_is_help=True)
def rule() -> None:
    """Hold mail yet to come. A running gateway takes a rule up within a second.

    FILTER knows to, from, client, message-id and size, for example:  from:*@shop.example size>1M.
    """


@rule.command("add")
@click.argument("filter_words", nargs=-1, metavar="[FILTER]...")
@click.option("--subject", default="", metavar="PATTERN", help="The decoded subject too must match; * and ? are wild.")
@click.option("--for", "for_", metavar="DURATION", help="How long the rule holds mail, such as 4h or 7d.")
@click.option("--until", metavar="TIME", help="When it ends: 2026-12-31 or 2026-12-31T18:00:00Z.")
@click.option("--because", "why", default="", metavar="TEXT", help="Why: shown with everything it holds.")
@config_option
@output_options
def add(
    filter_words: tuple[str, ...],
    subject: str,
    for_: str | None,
    until: str | None,
    why: str,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Hold what matches from now on, whoever sends it."""
    from danelaw.quarantine.rules import HoldRule

    now = time.time()
    made = HoldRule.of(
        " ".join(filter_words), why, subject=subject, expires=end_of(for_, until, now), added_at=now, who=who()
    )
    stored = _store(config_file).add(made, now)
    out = output(ascii_only)
    if as_json:
        out.json({"added": _fields(stored, now)})
        return
    end = "until you remove it" if stored.expires is None else f"until {moment(stored.expires, now)}"
    out.headline(Symbol.VERIFIED, f"rule {stored.number} holds mail {end}.")
    out.next("danelaw quarantine list --step rule")


@rule.command("list")
@config_option
@output_options
def list_(config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List the rules, and which of them have ended."""
    now = time.time()
    found = _store(config_file).all(now)
    out = output(ascii_only)
    if as_json:
        out.json({"rules": [_fields(one, now) for one in found]})
        return
    if not found:
        out.headline(Symbol.NONE, "no rule holds mail")
        out.next("danelaw quarantine rule add 'from:*@shop.example' --for 7d --because TICKET")
        return
    rows = []
    for one in found:
        end = "no end" if one.expires is None else moment(one.expires, now)
        subject = f" subject “{one.subject}”" if one.subject else ""
        symbol = Symbol.STOPPED if one.active(now) else Symbol.NONE
        rows.append((symbol, (str(one.number), end, one.who, f"{one.filter.text}{subject}: {one.reason}")))
    out.table(rows, heads=("RULE", "UNTIL", "BY", "WHAT AND WHY"))
    out.next(f"danelaw quarantine rule remove {found[0].number}")


@rule.command("remove")
@click.argument("number", type=int)
@config_option
@output_options
def remove(number: int, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Take a rule back. What it has held stays held."""
    removed = _store(config_file).remove(number)
    if removed is None:
        raise DanelawError(f"there is no rule {number}", advice="danelaw quarantine rule list")
    out = output(ascii_only)
    if as_json:
        out.json({"removed": _fields(removed, time.time())})
        return
    out.headline(Symbol.VERIFIED, f"rule {number} is gone; what it has held stays held.")
    out.next("danelaw quarantine list --step rule")


def _store(config_file: Path | None) -> HoldRuleStore:
    from danelaw.state import FILE_NAME, HoldRuleStore, StateDatabase

    path = load_config(config_file).spool.directory / FILE_NAME
    if not path.parent.is_dir():
        raise DanelawError(
            f"the spool {path.parent} does not exist yet", advice="start the gateway once: danelaw serve"
        )
    return HoldRuleStore(StateDatabase(path))


def _fields(one: HoldRule, now: float) -> dict[str, Any]:
    def instant(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    return {
        "number": one.number,
        "filter": one.filter.text,
        "subject": one.subject,
        "reason": one.reason,
        "expires": None if one.expires is None else instant(one.expires),
        "active": one.active(now),
        "added_at": instant(one.added_at),
        "who": one.who,
    }
