"""`danelaw state`: what policy shares across workers: counters, rates, sets, values, semaphores."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import ask_gateway, output, output_options, spool_option
from danelaw.cli.output import Symbol, moment
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.cli.output import Output

_BECAUSE = click.option("--because", "why", default="", metavar="TEXT", help="The reason, for the log.")


@click.group(no_args_is_help=True)
def command() -> None:
    """List, show, set or clear what policy scripts share across workers.

    A SPACE holds KEYs of one kind: counter, rate, set, value or semaphore.
    """


@command.command("list")
@spool_option
@output_options
def list_(spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List all spaces, how full they are, and how many calls were answered without asking the store.

    Without a running gateway: as it was saved last.
    """
    found = _ask(spool, config_file, "list", {})
    out = output(ascii_only)
    if as_json:
        out.json(found)
        return
    share = found["octets"] / found["most_octets"]
    out.line(f"{len(found['spaces'])} spaces, {found['octets']} of {found['most_octets']} octets ({share:.0%})")
    rows = [(Symbol.STOPPED if one["refused"] else Symbol.NONE, _space(one)) for one in found["spaces"]]
    if rows:
        out.table(rows, heads=("SPACE", "KIND", "MODE", "KEYS", "OCTETS", "CALLS", "LOCAL", "REFUSED", "FORGOTTEN"))
    out.next("danelaw state show SPACE")


@command.command("show")
@click.argument("space")
@click.argument("key", required=False)
@click.option("--match", default="", metavar="TEXT", help="Only keys that contain it.")
@click.option("--after", default="", metavar="MEMBER", help="Of a set's KEY: members behind this one.")
@click.option("--most", default=100, show_default=True, type=click.IntRange(1, 1000), help="Keys or members.")
@spool_option
@output_options
def show(
    space: str,
    key: str | None,
    match: str,
    after: str,
    most: int,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Show what the keys of SPACE hold, or everything about one KEY."""
    found = _ask(spool, config_file, "show", {"space": space, "key": key, "match": match, "after": after, "most": most})
    out = output(ascii_only)
    if as_json:
        out.json(found)
        return
    if not found["keys"]:
        out.line(f"{space} holds nothing{' there' if key or match else ''}.")
        out.next("danelaw state list")
        return
    now = time.time()
    rows = [(Symbol.NONE, (one["key"], _holds(found["kind"], one), _end(one, now))) for one in found["keys"]]
    out.table(rows, heads=("KEY", _HEADS[found["kind"]], "UNTIL"))
    for one in found["keys"]:
        _details(out, one, now)
    if key is None and found["matching"] > len(found["keys"]):
        out.line(f"{found['matching'] - len(found['keys'])} more; ask for them with --match or --most")
    out.next(f"danelaw state clear {space} KEY")


@command.command("set")
@click.argument("space")
@click.argument("key")
@click.argument("value")
@click.option("--for", "length", default=None, metavar="TIME", help="How long it stays: 30m, 4h, 2d. Absent: for ever.")
@_BECAUSE
@spool_option
@output_options
def set_(
    space: str,
    key: str,
    value: str,
    length: str | None,
    why: str,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Set a counter's KEY to a number, a value's to JSON, or add the member VALUE to a set's."""
    from danelaw.config import parse_duration

    try:
        seconds = None if length is None else parse_duration(length).total_seconds()
    except ValueError as error:
        raise click.UsageError(f"--for: {error}") from None
    arguments = {"space": space, "key": key, "value": value, "expires": seconds, "why": why}
    made = _ask(spool, config_file, "set", arguments)
    out = output(ascii_only)
    if as_json:
        out.json(made)
        return
    out.headline(Symbol.VERIFIED, f"{space} {key}: set.")
    out.next(f"danelaw state show {space} '{key}'")


@command.command("clear")
@click.argument("space")
@click.argument("key", required=False)
@click.argument("member", required=False)
@click.option("--all", "everything", is_flag=True, help="Every key of SPACE.")
@_BECAUSE
@spool_option
@output_options
def clear(
    space: str,
    key: str | None,
    member: str | None,
    everything: bool,
    why: str,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Forget KEY, one MEMBER of a set's KEY, or with --all everything in SPACE; a semaphore's holders lose it."""
    if (key is None) is not everything:
        raise click.UsageError("name the KEY, or say --all")
    gone = _ask(spool, config_file, "clear", {"space": space, "key": key, "member": member, "why": why})
    out = output(ascii_only)
    if as_json:
        out.json(gone)
        return
    what = "key" if member is None else "member"
    if gone["cleared"]:
        out.headline(Symbol.VERIFIED, f"{gone['cleared']} {what}{'' if gone['cleared'] == 1 else 's'} forgotten.")
    else:
        out.headline(Symbol.NONE, f"there is no such {what}; nothing was changed")
    out.next(f"danelaw state show {space}")


def _ask(spool: Path | None, config_file: Path | None, name: str, arguments: dict[str, Any]) -> Any:
    def directly(directory: Path) -> Any:
        from danelaw.gateway.shared_file import read
        from danelaw.shared import inspection

        if name in inspection.CHANGING:
            raise DanelawError(
                f"no gateway runs on {directory}; only a running one changes shared state",
                advice="danelaw serve, then try again",
            )
        now = time.time()
        return inspection.perform(read(directory, lambda: now), name, arguments, now, now)

    return ask_gateway(spool, config_file, f"state.{name}", arguments, directly)


_HEADS = {"counter": "TOTAL", "rate": "TAKEN", "set": "MEMBERS", "value": "VALUE", "semaphore": "HELD"}


def _space(one: dict[str, Any]) -> tuple[str, ...]:
    local, asked = one.get("local", 0), one.get("asked", 0)
    share = f"{local / (local + asked):.0%}" if local + asked else ""
    limit = f" {one['limit']}" + (f"/{one['span']:g}s" if one["kind"] == "rate" else "") if one["limit"] else ""
    return (
        one["name"], one["kind"] + limit, one["mode"], f"{one['used_keys']} of {one['keys']}", str(one["octets"]),
        str(local + asked), share, str(one["refused"]), str(one["forgotten"]),
    )  # fmt: skip


def _holds(kind: str, one: dict[str, Any]) -> str:
    match kind:
        case "rate":
            return f"{one['taken']} of {one['limit']}"
        case "semaphore":
            return f"{one['held']} of {one['limit']}" + (f", {one['waiting']} waiting" if one["waiting"] else "")
        case "set":
            return str(one["size"])
        case _:
            return str(one["total"] if kind == "counter" else one["value"])


def _end(one: dict[str, Any], now: float) -> str:
    return "" if one.get("expires") is None else moment(one["expires"], now)


def _details(out: Output, one: dict[str, Any], now: float) -> None:
    for member in one.get("members", ()):
        out.line(f"  {member['member']}" + (f"  until {moment(member['expires'], now)}" if member["expires"] else ""))
    for lease in one.get("holders", ()):
        out.line(f"  {one['key']}: {lease['holder'] or 'this process'} until {moment(lease['until'], now)}")
