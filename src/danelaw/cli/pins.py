"""`danelaw pins`: propose overrides from own history, apply those that were reviewed. They lapse by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.cli.override import fields_of, store_of
from danelaw.cli.watch import at_option, days_of, open_store
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.cli.output import Output
    from danelaw.config import Config
    from danelaw.state import OverrideStore
    from danelaw.tlspolicy import Override
    from danelaw.watch import Proposal, Wanted

_MOST_SHOWN = 10
_CERTIFICATE_DAYS = 7


@click.group(no_args_is_help=True)
def command() -> None:
    """Insist on protection that a destination has always had: plan, review, apply; each pin ends by itself.

    A pin is an override with evidence. While it holds, mail to the destination waits rather than go with less, also
    when its TLSA records or its MTA-STS policy are taken away.
    """


@command.command()
@click.option("--since", default="30d", show_default=True, metavar="DURATION", help="The past that counts.")
@click.option(
    "--for", "for_", default="90d", show_default=True, metavar="DURATION", help="How long a pin holds at most."
)
@click.option("--days", type=click.IntRange(1), default=7, show_default=True, help="Least days with mail.")
@click.option("--messages", type=click.IntRange(1), default=10, show_default=True, help="Least messages.")
@click.option("--only", metavar="DOMAIN", help="Only this destination, and why not if not.")
@at_option
@config_option
@output_options
def plan(
    since: str,
    for_: str,
    days: int,
    messages: int,
    only: str | None,
    now: float,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Write a plan of pins to standard output, for review. Changes nothing.

    Proposed is a destination only if all its mail in this time was verified, no server had to be left out lately, and
    there is enough of it; never one with an override. A pin lasts no longer than what it rests on was observed.
    """
    from danelaw.watch import Wanted
    from danelaw.watch.plan import to_text

    config = load_config(config_file)
    wanted = Wanted(window=days_of(since), days=days, messages=messages, holds=days_of(for_))
    proposals, passed_over = _propose(config, wanted, now, only)
    out = output(ascii_only)
    if as_json:
        fields = [_fields(one) for one in proposals]
        left_out = [{"destination": name, "reason": reason} for name, reason in passed_over[:1000]]
        out.json({"schema": "danelaw/pins-plan/1", "pins": fields, "passed_over": left_out})
        return
    for line in to_text(proposals, now).splitlines():
        out.line(line)
    _beside(proposals, passed_over)


def _propose(
    config: Config, wanted: Wanted, now: float, only: str | None
) -> tuple[list[Proposal], list[tuple[str, str]]]:
    """Proposals, and who was passed over and why."""
    from danelaw.address import Domain
    from danelaw.watch import proposal_of

    today = int(now // 86400)
    overrides = store_of(config, create=False)
    proposals: list[Proposal] = []
    passed_over: list[tuple[str, str]] = []
    with open_store(config) as store:
        weak = {one.destination for one in store.open_events()}
        if only is not None:
            histories = iter([store.history(Domain.from_text(only).ascii)])
        else:
            histories = store.histories(today - wanted.window)
        for history in histories:
            seen = store.observation(history.destination, today)
            past = history if seen is None else history.with_day(seen)
            found, reason = proposal_of(past, today, wanted)
            if found is not None:
                reason = _objection(found, overrides, weak, now)
            if found is not None and not reason:
                proposals.append(found)
            else:
                passed_over.append((history.destination, reason))
    ending = _ending(config, proposals, now)
    passed_over += [(one.destination, ending[one.destination]) for one in proposals if one.destination in ending]
    return [one for one in proposals if one.destination not in ending], passed_over


def _objection(found: Proposal, overrides: OverrideStore, weak: set[str], now: float) -> str:
    """What besides its history speaks against a pin, in words."""
    from danelaw.address import Domain, DomainError

    try:
        domain = Domain.from_text(found.destination)
    except DomainError:
        return "it is no domain but a host set by you"
    set_already = overrides.effective(domain, now).override
    if set_already is not None:
        return f"it has an override: {set_already.tls.value}"
    if found.destination in weak:
        return "it proves less than it did: danelaw watch list"
    return ""


def _ending(config: Config, proposals: list[Proposal], now: float) -> dict[str, str]:
    """Who insists on a certificate that ends soon and is not renewed yet, with the words for it."""
    from danelaw.outbound.pinning import ENDS_SOON, certificate_ends
    from danelaw.spool.shards import in_each

    by_certificate = {one.destination for one in proposals if one.tls.value == "verify"}
    if not by_certificate:
        return {}
    ends: dict[str, float] = {}
    since = now - _CERTIFICATE_DAYS * 86400
    for part in in_each(config.spool.directory, lambda one: certificate_ends(one, by_certificate, since)):
        for name, end in part.items():
            ends[name] = max(end, ends.get(name, 0.0))
    return {
        name: f"its certificate ends in {max(0.0, end - now) / 86400:.0f} days and is not renewed yet"
        for name, end in ends.items()
        if end < now + ENDS_SOON
    }


def _beside(proposals: list[Proposal], passed_over: list[tuple[str, str]]) -> None:
    """On standard error, so that standard output is the plan alone."""
    stopped = sum(one.stopped for one in proposals)
    counted = f"{_pins(len(proposals))} proposed, {_destinations(len(passed_over))} passed over"
    click.echo(f"{counted}. Nothing was changed.", err=True)
    if proposals:
        words = f"{stopped} messages" if stopped else "no message"
        click.echo(f"Had they been in force, {words} of the past would have waited.", err=True)
    for name, reason in passed_over[:_MOST_SHOWN]:
        click.echo(f"  {name}: {reason}", err=True)
    if len(passed_over) > _MOST_SHOWN:
        click.echo(f"  … and {len(passed_over) - _MOST_SHOWN} more (--json)", err=True)
    click.echo("next: danelaw pins plan > plan.toml, review it, then danelaw pins apply plan.toml", err=True)


def _pins(count: int) -> str:
    return "1 pin" if count == 1 else f"{count} pins"


def _destinations(count: int) -> str:
    return "1 destination" if count == 1 else f"{count} destinations"


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@at_option
@config_option
@output_options
def apply(file: Path, now: float, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Set the pins of a reviewed plan as overrides. A running gateway takes them up within a second.

    A destination that got an override meanwhile, or that weakened since, is left out and named.
    """
    from danelaw.state.overrides import SOURCE
    from danelaw.watch.plan import MAX_FILE, from_text

    config = load_config(config_file)
    raw = file.read_bytes()
    if len(raw) > MAX_FILE:
        raise DanelawError(f"{file} is larger than {MAX_FILE >> 20} MiB", advice="split the plan")
    try:
        pins = from_text(raw.decode("utf-8"), now, SOURCE)
    except UnicodeDecodeError:
        raise DanelawError(f"{file} is not UTF-8", advice="save the plan as UTF-8") from None
    with open_store(config) as store:
        weak = {one.destination for one in store.open_events()}
    overrides = store_of(config, create=True)
    taken = {one.destination for one in overrides.all(now) if one.active(now)}
    applied: list[Override] = []
    left_out: list[tuple[str, str]] = []
    for pin in pins:
        name = pin.override.destination
        if name in taken:
            left_out.append((name, "it has an override"))
        elif name in weak:
            left_out.append((name, "it proves less than it did: danelaw watch list"))
        else:
            overrides.add(pin.override, now)
            applied.append(pin.override)
    _say_applied(output(ascii_only), applied, left_out, now, as_json)


def _say_applied(
    out: Output, applied: list[Override], left_out: list[tuple[str, str]], now: float, as_json: bool
) -> None:
    if as_json:
        named = [{"destination": name, "reason": reason} for name, reason in left_out]
        out.json({"applied": [fields_of(one, now) for one in applied], "left_out": named})
        return
    out.line(f"{_pins(len(applied))} set, {_destinations(len(left_out))} left out.")
    for name, reason in left_out[:_MOST_SHOWN]:
        out.paragraph(f"{name}: {reason}")
    out.next("danelaw pins list")


@command.command("list")
@at_option
@config_option
@output_options
def list_(now: float, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List pins that hold, when each ends, and its evidence; for some weeks also those that lapsed."""
    from danelaw.cli.output import Symbol, moment
    from danelaw.watch.plan import MARK

    overrides = store_of(load_config(config_file), create=False).all(now)
    found = [one for one in overrides if one.because.startswith(MARK)]
    out = output(ascii_only)
    if as_json:
        out.json({"pins": [fields_of(one, now) for one in found]})
        return
    if not found:
        out.line("No pin is set.")
        out.next("danelaw pins plan > plan.toml")
        return
    rows = []
    for one in found:
        assert one.expires is not None
        end = moment(one.expires, now) if one.active(now) else f"lapsed {moment(one.expires, now)}"
        symbol = Symbol.VERIFIED if one.active(now) else Symbol.NONE
        rows.append((symbol, (one.destination, one.tls.value, end, one.because.removeprefix(MARK))))
    out.table(rows, heads=("DESTINATION", "INSISTS ON", "UNTIL", "BECAUSE"))
    out.next(f"danelaw override remove {found[0].destination}   to let one go early")


def _fields(one: Proposal) -> dict[str, Any]:
    """The form of docs/schemas/watch.md."""
    from danelaw.watch.plan import day_text, evidence

    return {
        "destination": one.destination,
        "tls": one.tls.value,
        "until": day_text(one.until),
        "protection": one.level.value,
        "since": day_text(one.since),
        "days": one.days,
        "messages": one.messages,
        "hosts": list(one.hosts),
        "would_have_stopped": one.stopped,
        "because": evidence(one),
    }
