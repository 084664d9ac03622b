"""`danelaw quarantine list | show | release | delete | return | forward`.

Rules for mail yet to come are in `danelaw.cli.quarantine_rules`.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from danelaw.cli.options import ask_gateway, config_option, load_config, output, output_options, spool_option
from danelaw.cli.output import Output, Symbol
from danelaw.cli.quarantine_page import show_list, show_message
from danelaw.cli.quarantine_rules import rule
from danelaw.cli.queue import who
from danelaw.errors import DanelawError

F = TypeVar("F", bound=Callable[..., Any])

_DONE = {
    "release": "released; on their way",
    "delete": "deleted, without notice to anybody",
    "return": "returned to their senders",
    "forward": "sent on; the original stays held",
}


@click.group(no_args_is_help=True)
def command() -> None:
    """List, show, release, delete, return or forward held messages.

    FILTER is that of `danelaw queue`, for example:  from:*@shop.example size>1M.  A single message is id:ID, one of its
    recipients id:ID to:anna@example.org. Only what is held is ever touched.
    """


def _place_options(command: F) -> F:
    return spool_option(output_options(command))


def _ask(spool: Path | None, config_file: Path | None, operation: str, arguments: dict[str, Any]) -> Any:
    """Through the control socket, or else from the spool itself."""
    return ask_gateway(
        spool,
        config_file,
        f"quarantine.{operation}",
        arguments,
        lambda directory: _directly(directory, operation, arguments),
    )


def _directly(directory: Path, operation: str, arguments: dict[str, Any]) -> Any:
    from danelaw.spool import SpoolError, shards
    from danelaw.spool import quarantine as held

    now = time.time()
    if operation in held.READING:
        return shards.look_at_held(directory, operation, arguments, now)
    if operation == "forward":
        raise SpoolError("forwarding makes a new message, which the server does", advice="start the server first")
    return shards.act_on_each(
        directory, arguments, lambda spool: list(held.change(spool, operation, arguments, now))[-1]
    )


@command.command("list")
@click.argument("filter_words", nargs=-1, metavar="[FILTER]...")
@click.option("--step", default="", metavar="NAME", help="Only what this step held: a filter's name, rule, operator.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Messages per page.")
@click.option("--after", metavar="ID", default=None, help="Continue after this id.")
@_place_options
def list_(
    filter_words: tuple[str, ...],
    step: str,
    limit: int,
    after: str | None,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """List what is held, oldest first: since when, until when, by which step and why.

    The JSON form is described in docs/schemas/quarantine-list.md.
    """
    words = " ".join(filter_words)
    page = _ask(spool, config_file, "list", {"filter": words, "step": step, "limit": limit, "after": after})
    out = output(ascii_only)
    out.json(page) if as_json else show_list(out, page, words)


@command.command()
@click.argument("message", metavar="ID")
@click.option(
    "--raw",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the message as it is to a new file, readable by you only.",
)
@_place_options
def show(
    message: str,
    raw: Path | None,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Show a held message: why it is held, its header, and of which parts it is made. Nothing of it is opened."""
    out = output(ascii_only)
    if raw is not None:
        octets = _save(raw, lambda offset: _ask(spool, config_file, "raw", {"id": message, "offset": offset}))
        if as_json:
            out.json({"file": str(raw), "octets": octets})
            return
        out.headline(Symbol.NONE, f"{octets} octets written to {raw}. It may be dangerous: do not open it.")
        out.next(f"danelaw quarantine show {message}")
        return
    found = _ask(spool, config_file, "show", {"id": message})
    out.json(found) if as_json else show_message(out, found, time.time())


def _save(file: Path, piece: Callable[[int], dict[str, Any]]) -> int:
    """All pieces of a message to a new file; gives its size."""
    first = piece(0)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DanelawError(f"{file} cannot be written: {error.strerror}", advice="name a file that is new") from None
    written, size = 0, int(first["size"])
    with open(descriptor, "wb") as target:
        data = base64.b64decode(first["data"])
        while data:
            target.write(data)
            written += len(data)
            data = base64.b64decode(piece(written)["data"]) if written < size else b""
    return written


def _act_options(command: F) -> F:
    command = click.argument("filter_words", nargs=-1, metavar="FILTER...")(command)
    command = click.option("--all", "everything", is_flag=True, help="Mean everything that is held.")(command)
    command = click.option("--because", "why", default="", metavar="TEXT", help="The reason, for the log of acts.")(
        command
    )
    return _place_options(command)


def _act(operation: str, summary: str) -> None:
    """One command per act; they differ in their words only."""

    def run(
        filter_words: tuple[str, ...],
        everything: bool,
        why: str,
        spool: Path | None,
        config_file: Path | None,
        as_json: bool,
        ascii_only: bool,
    ) -> None:
        arguments = {"filter": " ".join(filter_words), "all": everything, "who": who(), "why": why}
        result = _ask(spool, config_file, operation, arguments)
        out = output(ascii_only)
        out.json(result) if as_json else _report(out, operation, result)

    run.__doc__ = summary
    command.command(operation, help=summary)(_act_options(run))


def _report(out: Output, operation: str, result: dict[str, int]) -> None:
    count, recipients = result["messages"], result["recipients"]
    if not count:
        out.headline(Symbol.NONE, "nothing held matched; nothing was changed")
    else:
        plural = "" if count == 1 else "s"
        whom = "1 recipient" if recipients == 1 else f"{recipients} recipients"
        out.headline(Symbol.VERIFIED, f"{count} message{plural}, for {whom}: {_DONE[operation]}.")
    if result.get("kept"):
        out.paragraph(f"{result['kept']} stay held: steps that looked at them again said so")
    out.next("danelaw quarantine list")


_act("release", "Send held messages on, through what is left of arrival's steps, for each recipient that matches.")
_act("delete", "Remove held messages for good; nobody is told. Their record stays in history.")
_act("return", "Return held messages to their senders with a notice. Needs the running gateway.")


@command.command()
@click.argument("message", metavar="ID")
@click.option("--to", required=True, metavar="ADDRESS", help="Who is to get it.")
@click.option("--as-is", is_flag=True, help="The message itself with Resent fields, instead of as an attachment.")
@click.option("--because", "why", default="", metavar="TEXT", help="The reason, for the log of acts.")
@_place_options
def forward(
    message: str,
    to: str,
    as_is: bool,
    why: str,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Send a copy of a held message to somebody who is to look at it; the original stays held."""
    arguments = {"id": message, "to": to, "as_is": as_is, "who": who(), "why": why}
    result = _ask(spool, config_file, "forward", arguments)
    out = output(ascii_only)
    out.json(result) if as_json else _report(out, "forward", result)


@command.command("revoke-links")
@config_option
@output_options
def revoke_links(config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Make every link of every digest sent until now worthless. The next digests bring new ones."""
    from danelaw.state import FILE_NAME, DigestStore, StateDatabase

    config = load_config(config_file)
    path = config.spool.directory / FILE_NAME
    if not path.exists():
        raise DanelawError(f"there is no {path}", advice="no gateway has sent a digest from this spool")
    store = DigestStore(StateDatabase(path), config.quarantine.digest.links_last.total_seconds(), os.urandom)
    store.revoke()
    store.close()
    out = output(ascii_only)
    if as_json:
        out.json({"revoked": True})
        return
    out.headline(Symbol.VERIFIED, "no link sent until now works any more.")
    out.next("danelaw quarantine list")


command.add_command(rule)
