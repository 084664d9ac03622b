"""`danelaw policy trace start | show | stop`: hooks at work on live mail."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options

if TYPE_CHECKING:
    from danelaw.cli.output import Output, Symbol
    from danelaw.config import Config

_MOST_SHOWN = 200


@click.group(no_args_is_help=True)
def command() -> None:
    """Write down for a while what hooks and rules are asked about, what they say and call, and which are not asked.

    The trace of a message is stored with it, so that `danelaw explain ID` shows it later too.
    """


@command.command("start")
@click.option("--for", "for_", default="10m", metavar="DURATION", help="How long, such as 10m or 2h; at most a day.")
@click.option(
    "--address", default="", metavar="ADDR", help="Mail from or to this address (*@example.org, example.org)."
)
@click.option("--client", default="", metavar="NET", help="Clients of this network.")
@click.option("--message", default="", metavar="ID", help="Deliveries of this message.")
@config_option
@output_options
def start(
    for_: str, address: str, client: str, message: str, config_file: Path | None, as_json: bool, ascii_only: bool
) -> None:
    """Trace from now on, in all workers. What is given must all hold; with nothing given everything is traced."""
    import ipaddress

    from danelaw.config.values import parse_duration

    try:
        seconds = parse_duration(for_).total_seconds()
        if client:
            client = str(ipaddress.ip_network(client, strict=False))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    until = time.time() + min(seconds, 86400.0)
    arguments = {"act": "start", "until": until, "address": address, "client": client, "message": message}
    found = _asked(load_config(config_file), arguments)
    out = output(ascii_only)
    if as_json:
        out.json(found)
        return
    _headline(out, found)
    out.next("danelaw policy trace show")


@command.command("stop")
@config_option
@output_options
def stop(config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Trace nothing more. What was traced can be shown until another trace begins."""
    found = _asked(load_config(config_file), {"act": "stop"})
    out = output(ascii_only)
    if as_json:
        out.json(found)
        return
    _headline(out, found)
    out.next("danelaw policy trace show")


@command.command("show")
@click.option("--message", default="", metavar="ID", help="Only what belongs to this message.")
@click.option("--hook", default="", metavar="NAME", help="Only this hook.")
@config_option
@output_options
def show(message: str, hook: str, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Show what was traced, oldest first: each hook, what it said and why, its calls of the library with their time."""
    found = _asked(load_config(config_file), {"act": "show"})
    found["lines"] = [
        line for line in found["lines"] if message in ("", line["message"]) and hook in ("", line["hook"])
    ]
    out = output(ascii_only)
    if as_json:
        out.json(found)
        return
    _headline(out, found)
    show_lines(out, found["lines"][-_MOST_SHOWN:])
    if len(found["lines"]) > _MOST_SHOWN:
        out.line(f"  and {len(found['lines']) - _MOST_SHOWN} earlier ones; --json has all")
    _show_idle(out, found)
    ids = [line["message"] for line in found["lines"] if line["message"]]
    out.next(f"danelaw explain {ids[-1]}" if ids else "danelaw policy trace show")


def _show_idle(out: Output, found: dict[str, Any]) -> None:
    """Which hooks nobody asked about all that was traced, and why."""
    spoken = {(line["version"], line["step"]): line["hook"] for line in found["lines"] if line.get("not_asked")}
    for version, step, name in found["idle"]:
        before = spoken.get((version, step))
        why = f"{before} had the last word" if before else f"nothing that was traced came to {step}"
        out.paragraph(f"never asked: {step} {name} of {version}, {why}", hang=2)


def show_lines(out: Output, lines: list[dict[str, Any]]) -> None:
    """Lines of a trace, for a person."""
    client = None
    for line in lines:
        if "more" in line:
            out.line(f"  and {line['more']} more, for which there was no room")
            continue
        if line["client"] != client or line["step"] == "connect":
            client = line["client"]
            out.line(f"  client {client}, version {line['version']}")
        _show_line(out, line)


def _show_line(out: Output, line: dict[str, Any]) -> None:
    when = time.strftime("%H:%M:%S", time.localtime(line["at"]))
    words = f": {line['words']}" if line["words"] else ""
    about = f" about {line['about']}" if line["about"] else ""
    ident = f" [{line['message']}]" if line["message"] else ""
    out.headline(
        _symbol(line["outcome"]),
        f"{when} {line['step']} {line['hook']}{about}{ident}: {_outcome(line['outcome'])}{words}"
        f" ({line['seconds'] * 1000:.1f} ms)",
    )
    for call in line.get("calls", ()):
        out.paragraph(
            f"{call['name']}({call['arguments']}) {'raised' if call['failed'] else 'gave'} {call['result']}"
            f" ({call['seconds'] * 1000:.1f} ms)",
            indent=6, hang=2,
        )  # fmt: skip
    for rule in line.get("rules", ()):
        applies = "applies" if rule["applies"] else "does not apply"
        out.paragraph(f"rule {rule['rule']} {applies}" + (f": {rule['because']}" if rule["because"] else ""), indent=6,
                      hang=2)  # fmt: skip
    if line.get("not_asked"):
        out.paragraph(f"not asked, since {line['hook']} had the last word: {', '.join(line['not_asked'])}", indent=6)


def _outcome(word: str) -> str:
    return {
        "none": "nothing to say",
        "resting": "not asked, it failed too often and rests",
    }.get(word, word)


def _symbol(outcome: str) -> Symbol:
    from danelaw.cli.output import Symbol

    return {"none": Symbol.NONE, "accept": Symbol.VERIFIED, "failed": Symbol.STOPPED, "resting": Symbol.STOPPED}.get(
        outcome, Symbol.ENCRYPTED
    )


def _headline(out: Output, found: dict[str, Any]) -> None:
    from danelaw.cli.output import Symbol, duration

    wanted, count = found["wanted"], len(found["lines"])
    words = f"{count} call{'s' * (count != 1)} traced"
    if wanted is None:
        out.headline(Symbol.NONE, f"{words}; nothing is traced now.")
        return
    parts = [f"{name} {wanted[name]}" for name in ("address", "client", "message") if wanted[name]]
    left = duration(max(0.0, wanted["until"] - time.time()))
    out.headline(Symbol.ENCRYPTED, f"{words}; tracing {', '.join(parts) or 'everything'} for {left} more.")
    if found["dropped"]:
        out.line(f"  {found['dropped']} older ones had to go: there were too many")


def _asked(config: Config, arguments: dict[str, Any]) -> dict[str, Any]:
    from danelaw.cli.control import call

    found: dict[str, Any] = call(config.control_socket, "policy.trace", arguments)
    return found
