"""`danelaw policy shadow start | report | stop`: a version that also runs on live mail, and changes nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.cli.policy_acts import because_option, say
from danelaw.cli.policy_standing import caller, policies

if TYPE_CHECKING:
    from danelaw.cli.output import Output

_MOST_IDS = 3


@click.group(no_args_is_help=True)
def command() -> None:
    """Let a version also run on live mail, and see what it would have done otherwise.

    Nothing of what it says or changes is carried out: no note is stored, nothing posted, counted or logged. What the
    library answered the active version it is told too. No client waits for it; where it cannot keep up with its share
    of the processor ([policy] shadow_percent), connections are left out and counted.
    """


@command.command("start")
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--for", "portion", default="all", metavar="PART", help="Which part of the traffic, as for `stage`.")
@click.option("--no-types", is_flag=True, help="Leave types out of the check, which take the longest.")
@because_option
@config_option
@output_options
def start(
    directory: Path | None,
    portion: str,
    no_types: bool,
    because: str,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Copy a policy (DIRECTORY, otherwise [policy] directory) and let it run as a shadow."""
    from danelaw.cli.policy_check import without_errors
    from danelaw.scripting import PolicyError
    from danelaw.scripting.versioning.portion import Portion
    from danelaw.scripting.versioning.standing import Act

    part = Portion.from_text(portion)
    if part.first is not None:
        raise PolicyError("a shadow has no first:NUMBER; stop it when you have seen enough")
    config = load_config(config_file)
    with policies(config) as store:
        folder = store.folder(directory)
        without_errors(folder, types=not no_types)
        now, who = time.time(), caller()
        version = store.keep(folder, now, who)
        act = Act("shadow", version, now, who, portion=part.to_text(), why=because)
        after = store.ledger.change(act, lambda standing: standing.shadowed(version, part.to_text()))
    words = f"{version} runs as a shadow for {part.to_text()}; {after.active} judges all mail."
    say(config, after, words, "danelaw policy shadow report", as_json, ascii_only)


@command.command("stop")
@because_option
@config_option
@output_options
def stop(because: str, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Let no shadow run any more. Its report stays until another one starts, or the gateway ends."""
    from danelaw.scripting.versioning.standing import Act

    config = load_config(config_file)
    with policies(config) as store:
        version = store.standing().shadow
        act = Act("shadow stopped", version, time.time(), caller(), why=because)
        after = store.ledger.change(act, lambda standing: standing.unshadowed())
    say(config, after, f"{version} runs no more.", "danelaw policy shadow report", as_json, ascii_only)


@command.command("report")
@config_option
@output_options
def report(config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List what the shadow would have done otherwise: each verdict, edit, note and recipient, with its messages."""
    from danelaw.cli.control import call

    found = call(load_config(config_file).control_socket, "policy.shadow", {})
    out = output(ascii_only)
    if as_json:
        out.json(found)
        return
    show(out, found)


def show(out: Output, report: dict[str, Any]) -> None:
    """Print the report of a shadow."""
    from danelaw.cli.output import Symbol

    found, version = report["found"], report["version"]
    total = sum(group["count"] for group in found["groups"]) + found["beyond"]
    state = "runs" if report["runs"] else "ran"
    seen = f"{found['messages']} messages, {found['steps']} steps compared"
    many = "no difference" if not total else f"{total} difference{'s' * (total != 1)}"
    symbol = Symbol.ENCRYPTED if total or found["failed"] else Symbol.VERIFIED
    out.headline(symbol, f"{many}: {version} {state} as a shadow for {report['part']}; {seen}.")
    if found["dropped"]:
        out.line(f"  {found['dropped']} connections were not followed: there was no time for them.")
    if found["failed"]:
        out.line(f"  {found['failed']} steps failed in the shadow: danelaw policy status")
    if found["groups"]:
        rows = [(Symbol.NONE, _cells(group)) for group in found["groups"]]
        out.table(rows, heads=("COUNT", "STEP", "WHAT", "NOW", "SHADOW", "MESSAGES AND DETAIL"))
    if found["beyond"]:
        out.line(f"  and {found['beyond']} more in groups that were too many to keep")
    if found["effects"]:
        out.line("  It would also have done what the active version has not:")
        for effect, count in found["effects"].items():
            out.line(f"    {count} times {effect}")
    ids = [name for group in found["groups"] for name in group["messages"] if "@" not in name and " " not in name]
    out.next(f"danelaw explain {ids[0]}" if ids else "danelaw policy status")


def _cells(group: dict[str, Any]) -> list[str]:
    names, more = group["messages"][:_MOST_IDS], len(group["messages"]) - _MOST_IDS
    shown = ", ".join(names) + (f" and {more} more" if more > 0 else "")
    detail = f"; {group['detail']}" if group["detail"] else ""
    return [str(group["count"]), group["step"], group["what"], group["active"], group["shadow"], shown + detail]
