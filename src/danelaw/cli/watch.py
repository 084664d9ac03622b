"""`danelaw watch`: destinations that were verified for long and prove less now, and a destination's history."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from danelaw.cli.network import parse_time
from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.errors import DanelawError

F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:
    from collections.abc import Iterator

    from danelaw.cli.output import Output
    from danelaw.config import Config
    from danelaw.state.watching import WatchStore
    from danelaw.watch import History, Span, Weakening


def at_option(command: F) -> F:
    """`--at`, given to the command as POSIX seconds `now`."""
    return click.option(
        "--at",
        "now",
        metavar="TIME",
        callback=lambda _, __, text: time.time() if text is None else parse_time(text),
        help="As of this time, such as 2026-11-23T10:00:00Z.  [default: now]",
    )(command)


@click.group(no_args_is_help=True)
def command() -> None:
    """Watch how well destinations prove themselves.

    A running gateway looks every [watch] interval, writes "weakened" into its log and counts it. These commands read
    what it found; they work without a gateway too.
    """


@command.command("list")
@click.option("--since", metavar="DURATION", help="Also what is over again since then, such as 30d.")
@at_option
@config_option
@output_options
def list_(since: str | None, now: float, config_file: Path | None, as_json: bool, ascii_only: bool) -> int:
    """List destinations that prove less than they did. Exit status 10 when there are any, else 0."""

    config = load_config(config_file)
    today = int(now // 86400)
    with open_store(config) as store:
        found = store.events(since=today - days_of(since) if since is not None else today + 1)
    out = output(ascii_only)
    if as_json:
        out.json({"schema": "danelaw/watch-list/1", "events": [_event(one, ended) for one, ended in found]})
    elif not found:
        out.line("No destination proves less than it did.")
        out.next("danelaw pins plan > plan.toml")
    else:
        _print_events(out, found)
        out.next(f"danelaw watch history {found[0][0].destination}")
    return 10 if any(ended is None for _, ended in found) else 0


@command.command()
@click.argument("domain")
@at_option
@config_option
@output_options
def history(domain: str, now: float, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Show how mail to DOMAIN was protected, run by run, and what weakened."""
    from danelaw.address import Domain

    name = Domain.from_text(domain).ascii
    config = load_config(config_file)
    with open_store(config) as store:
        past, events = store.history(name), store.events(name)
        seen = store.observation(name, int(now // 86400))
    if not past.spans and seen is None:
        raise DanelawError(
            f"no mail to {name} is remembered", advice="danelaw watch look, to take in what was recorded"
        )
    if seen is not None:
        past = past.with_day(seen)
    out = output(ascii_only)
    if as_json:
        out.json(
            {
                "schema": "danelaw/watch-history/1",
                "destination": name,
                "spans": [_span(one) for one in past.spans],
                "events": [_event(one, ended) for one, ended in events],
            }
        )
        return
    _print_history(out, past, events)


@command.command()
@at_option
@config_option
@output_options
def look(now: float, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Take in what was recorded until now, as a running gateway does by itself."""
    from danelaw.gateway.watcher import look as take_in
    from danelaw.gateway.watcher import rules_of

    config = load_config(config_file)
    with open_store(config, create=True) as store:
        found = take_in(store, config.spool.directory, now, rules_of(config))
    out = output(ascii_only)
    if as_json:
        out.json({"weakened": [_event(one, None) for one in found.weakened],
                  "strengthened": [one.destination for one in found.recovered]})  # fmt: skip
        return
    out.line(
        f"{len(found.weakened)} destinations prove less than they did, {len(found.recovered)} are as before again."
    )
    out.next("danelaw watch list")


@contextlib.contextmanager
def open_store(config: Config, *, create: bool = False) -> Iterator[WatchStore]:
    """What was found so far. Raises `DanelawError` where there is nothing yet."""
    from danelaw.state.watching import FILE_NAME, WatchStore

    path = config.spool.directory / FILE_NAME
    if not create and not path.exists():
        raise DanelawError("nothing was looked at yet", advice="danelaw watch look, or wait for the running gateway")
    with contextlib.closing(WatchStore(path, read_only=not create)) as store:
        yield store


def days_of(text: str) -> int:
    """Whole days of `30d`."""
    from danelaw.config import parse_duration

    try:
        return int(parse_duration(text).total_seconds() // 86400)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _print_events(out: Output, found: list[tuple[Weakening, int | None]]) -> None:
    from danelaw.cli.output import Symbol
    from danelaw.watch.plan import day_text

    rows = []
    for one, ended in found:
        before = f"{one.before.value}, {one.days} days, {one.messages} messages"
        until = "" if ended is None else f"; as before again since {day_text(ended)}"
        symbol = Symbol.ENCRYPTED if ended is None else Symbol.NONE
        rows.append((symbol, (one.destination, day_text(one.day), before, one.after.value, one.kind.words + until)))
    out.table(rows, heads=("DESTINATION", "SINCE", "BEFORE", "NOW", "WHAT WENT AWAY"))


def _print_history(out: Output, past: History, events: list[tuple[Weakening, int | None]]) -> None:
    from danelaw.cli.output import Symbol
    from danelaw.tlspolicy import Protection
    from danelaw.watch.plan import day_text

    standing = past.standing
    if standing is not None:
        out.headline(
            Symbol.VERIFIED,
            f"{past.destination}: verified by {standing.level.value}"
            f"{'' if standing.level is Protection.DANE else ' or better'} on all {standing.days} days with mail since "
            f"{day_text(standing.first)}, {standing.messages} messages.",
        )
    else:
        last = past.spans[-1]
        out.headline(Symbol.ENCRYPTED, f"{past.destination}: {last.level.value} since {day_text(last.first)}.")
    out.line()
    rows = []
    for span in past.spans:
        words = []
        if span.others:
            words.append(f"{span.others} went with less by somebody's own wish")
        if span.stopped:
            words.append(f"a server was left out {span.stopped} times, last {day_text(span.last_stop)}")
        symbol = Symbol.VERIFIED if span.level.verified else Symbol.ENCRYPTED
        if span.level in (Protection.NOTHING_SENT, Protection.CLEAR):
            symbol = Symbol.STOPPED if span.level is Protection.NOTHING_SENT else Symbol.CLEAR
        when = f"{day_text(span.first)} to {day_text(span.last)}"
        hosts = ", ".join(span.hosts[:2]) + (f" +{len(span.hosts) - 2}" if len(span.hosts) > 2 else "")
        rows.append(
            (
                symbol,
                (
                    when,
                    span.level.value,
                    "1 day" if span.days == 1 else f"{span.days} days",
                    f"{span.messages}",
                    "; ".join((hosts, *words)),
                ),
            )
        )
    out.table(rows, heads=("WHEN", "PROTECTED BY", "WITH MAIL", "MESSAGES", "SERVERS"))
    for one, ended in events:
        until = f" It was as before again on {day_text(ended)}." if ended is not None else ""
        out.line()
        out.paragraph(f"{day_text(one.day)}: {one.before.value} became {one.after.value}: {one.kind.words}.{until}")
        out.paragraph(f"DNS then: {one.facts}")
    out.next(f"danelaw check {past.destination}")


def _event(one: Weakening, ended: int | None) -> dict[str, Any]:
    """The form of docs/schemas/watch.md."""
    from danelaw.watch.plan import day_text

    return {
        "destination": one.destination,
        "day": day_text(one.day),
        "kind": one.kind.value,
        "before": one.before.value,
        "after": one.after.value,
        "since": day_text(one.since),
        "days": one.days,
        "messages": one.messages,
        "hosts": list(one.hosts),
        "facts": one.facts,
        "ended": day_text(ended) if ended is not None else None,
    }


def _span(one: Span) -> dict[str, Any]:
    from danelaw.watch.plan import day_text

    return {
        "first": day_text(one.first),
        "last": day_text(one.last),
        "days": one.days,
        "messages": one.messages,
        "protection": one.level.value,
        "hosts": list(one.hosts),
        "others": one.others,
        "stopped": one.stopped,
        "last_stop": day_text(one.last_stop) if one.stopped else None,
    }
