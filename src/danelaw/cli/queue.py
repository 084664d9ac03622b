"""`danelaw queue list | show | retry | hold | release | fail | drop | reroute | purge`.

`suspend | resume | suspensions | sites` are in `danelaw.cli.suspending`.

With a running gateway the control socket answers; without one the spool is opened directly: to look, read-only; to
change something, under the lock that keeps a gateway from starting meanwhile.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from danelaw.cli import suspending
from danelaw.cli.group_page import KINDS, show_groups
from danelaw.cli.options import ask_gateway, output, output_options, spool_option
from danelaw.cli.output import Output, Symbol, duration, moment, relative, size
from danelaw.errors import DanelawError

F = TypeVar("F", bound=Callable[..., Any])

_SYMBOLS = {
    "delivered": Symbol.VERIFIED,
    "waiting": Symbol.STOPPED,
    "held": Symbol.STOPPED,
    "returned": Symbol.STOPPED,
    "dropped": Symbol.NONE,
}
_DONE = {
    "hold": "held",
    "release": "released; tried at once",
    "retry": "due now",
    "fail": "returned to their senders",
    "drop": "dropped, without notice to anybody",
    "reroute": "sent another way; tried at once",
}


@click.group()
def command() -> None:
    """List, show, hold, release, retry, return or drop waiting messages.

    FILTER names messages, for example:  to:*@example.org state:waiting age>2h not reason:"greylisted".
    Fields: to from host site tenant job demand client user message-id reason state priority id age size tries; and, or,
    not.
    """


def _place_options(command: F) -> F:
    return spool_option(output_options(command))


def _ask(spool: Path | None, config_file: Path | None, operation: str, arguments: dict[str, Any]) -> Any:
    """Through the control socket, or else from the spool itself."""
    return ask_gateway(
        spool,
        config_file,
        f"queue.{operation}",
        arguments,
        lambda directory: _directly(directory, operation, arguments),
    )


def _directly(directory: Path, operation: str, arguments: dict[str, Any]) -> Any:
    from danelaw.spool import operations, shards

    now = time.time()
    if operation in operations.READING:
        return shards.look(directory, operation, arguments, now)
    return shards.act_on_each(directory, arguments, lambda spool: operations.operate(spool, operation, arguments, now))


@command.command("list")
@click.argument("filter_words", nargs=-1, metavar="[FILTER]...")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Messages per page, or groups."
)
@click.option("--after", metavar="ID", default=None, help="Continue after this id.")
@click.option("--finished", is_flag=True, help="Delivered, returned and dropped mail, from history.")
@click.option(
    "--group-by", "by", type=click.Choice(KINDS), default=None, help="Add messages up instead of listing them."
)
@_place_options
def list_messages(
    filter_words: tuple[str, ...],
    limit: int,
    after: str | None,
    finished: bool,
    by: str | None,
    spool: Path | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """List messages, oldest first: waiting and held ones, or with --finished those of history.

    With --group-by: how many messages, recipients and octets, the oldest, and the next try, for each next hop, domain,
    sender, reason, state or demand. The JSON forms are described in docs/schemas/queue-list.md and queue-groups.md.
    """
    words = " ".join(filter_words)
    if by is not None:
        if after is not None:
            raise DanelawError("groups have no pages", advice="use --limit to see more of them")
        out = output(ascii_only)
        found = _ask(spool, config_file, "group", {"filter": words, "by": by, "limit": limit, "finished": finished})
        out.json(found) if as_json else show_groups(out, found)
        return
    page = _ask(spool, config_file, "list", {"filter": words, "limit": limit, "after": after, "finished": finished})
    out = output(ascii_only)
    out.json(page) if as_json else show_page(out, page, words)


def show_page(out: Output, page: dict[str, Any], words: str) -> None:
    """Print a page of messages; `words` is the filter that named them."""
    messages, now = page["messages"], page["now"]
    if not messages:
        kind = "finished message" if page["finished"] else "message waits or is held that"
        out.headline(Symbol.NONE, f"no {kind} matches" if page["filter"] else f"no {kind.removesuffix(' that')}")
        out.next("danelaw queue list --finished" if not page["finished"] else "danelaw queue list")
        return
    rows = [(_SYMBOLS[row["state"]], _cells(row, now)) for row in messages]
    out.table(rows, heads=("ID", "AGE", "STATE", "FROM", "TO", "WHY"))
    out.line()
    if page["after"]:
        out.next(f"danelaw queue list{' ' + repr(words) if words else ''} --after {page['after']}")
    else:
        out.next(f"danelaw queue show {messages[0]['id']}")


def _cells(row: dict[str, Any], now: float) -> list[str]:
    recipients = row["recipients"]
    more = f" +{len(recipients) - 1}" if len(recipients) > 1 else ""
    first = next((r for r in recipients if r["state"] == row["state"]), recipients[0])
    why = (
        first.get("limit")
        or first["reason"]
        or first["reply"]
        or ("not tried yet" if row["state"] == "waiting" else "")
    )
    if row["next_try"] is not None and first["tries"]:
        why += f"; next try {relative(max(row['next_try'], now), now)}"
    return [row["id"], duration(row["age"]), row["state"], row["from"] or "<>", first["to"] + more, why]


@command.command()
@click.argument("message", metavar="ID")
@_place_options
def show(message: str, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Show one message: its envelope, its recipients, and every try."""
    found = _ask(spool, config_file, "show", {"id": message})
    out = output(ascii_only)
    if as_json:
        out.json(found)
        return
    now = time.time()
    _show_envelope(out, found, now)
    for recipient in found["recipients"]:
        due = f"; next try {moment(recipient['next_try'], now)}" if recipient["next_try"] else ""
        said = recipient["reason"] or recipient["reply"] or "nothing yet"
        limit = f"; waits for {recipient['limit']}" if recipient.get("limit") else ""
        out.paragraph(f"{recipient['to']}: {recipient['state']} via {recipient['host']}, {said}{due}{limit}")
    for queue in found["queues"]:
        if queue["asleep_until"]:
            out.paragraph(f"queue {queue['key']} sleeps until {moment(queue['asleep_until'], now)}: {queue['reason']}")
    for number, attempt in enumerate(found["attempts"], 1):
        where = " ".join(word for word in (attempt["host"] or attempt["destination"], attempt["address"]) if word)
        what = ", ".join(w for w in (attempt["protection"], attempt["tls_version"], attempt["reason"]) if w)
        out.paragraph(f"try {number}  {moment(attempt['time'], now)}  {where}: {attempt['outcome']}; {what}")
    out.next(f"danelaw explain {found['id']}")


def _show_envelope(out: Output, found: dict[str, Any], now: float) -> None:
    sender = found["from"] or "<> (a notice)"
    out.headline(_SYMBOLS[found["state"]], f"{found['state'].upper()}: {found['id']} from {sender}")
    client = found["client"]
    out.paragraph(
        f"received {moment(found['received_at'], now)} from {client['address'] or 'this machine'} {client['helo']}, "
        f"{client['tls'] or 'clear text'}; {size(found['size'])}; Message-ID {found['message_id'] or 'none'}"
    )
    if found["expires_at"]:
        out.paragraph(f"returned to the sender {moment(found['expires_at'], now)} if not delivered")
    wishes = [word for word in ("requiretls", "tls_required_no", "smtputf8") if found[word]]
    if wishes:
        out.paragraph("sender's demands: " + ", ".join(wishes))


def _act_options(command: F) -> F:
    command = click.argument("filter_words", nargs=-1, metavar="FILTER...")(command)
    command = click.option("--all", "everything", is_flag=True, help="Mean every message.")(command)
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
        next_hop: str = "",
    ) -> None:
        arguments = {"filter": " ".join(filter_words), "all": everything, "who": who(), "why": why}
        if next_hop:
            arguments["next_hop"] = next_hop
        result = _ask(spool, config_file, operation, arguments)
        out = output(ascii_only)
        if as_json:
            out.json(result)
            return
        _report(out, operation, result)

    run.__doc__ = summary
    decorated = _act_options(run)
    if operation == "reroute":
        via = click.option(
            "--via", "next_hop", required=True, metavar="NEXTHOP", help="example.org or [relay.example]:25"
        )
        decorated = via(decorated)
    command.command(operation, help=summary)(decorated)


def _report(out: Output, operation: str, result: dict[str, int]) -> None:
    count, recipients, skipped = result["messages"], result["recipients"], result["skipped"]
    if not count:
        out.headline(Symbol.NONE, "no message matched; nothing was changed")
        out.next("danelaw queue list")
        return
    plural = "" if count == 1 else "s"
    out.headline(Symbol.VERIFIED, f"{count} message{plural}, {recipients} of their recipients: {_DONE[operation]}.")
    if skipped:
        out.paragraph(f"{skipped} recipients were being delivered at this moment and were left alone")
    out.next("danelaw queue list" + (" --finished" if operation in ("fail", "drop") else ""))


_act("hold", "Stop trying messages until they are released. Held mail does not expire.")
_act("release", "Let held messages go; they are tried at once.")
_act("retry", "Try waiting messages now, and wake their queues.")
_act("fail", "Return messages to their senders with a notice, now. Needs the running gateway.")
_act("drop", "Remove messages for good; nobody is told. Their record stays in history.")
_act("reroute", "Send messages to another next hop.")


@command.command()
@click.argument("address")
@click.option("--because", "why", default="", metavar="TEXT", help="The reason, for the log of acts.")
@_place_options
def purge(
    address: str, why: str, spool: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool
) -> None:
    """Forget one person: ADDRESS in history, tries and evidence. Waiting mail is not touched."""
    if "@" not in address:
        raise DanelawError(f"'{address}' is no address", advice="danelaw queue purge anna@example.org --because TICKET")
    result = _ask(spool, config_file, "purge", {"address": address, "who": who(), "why": why})
    out = output(ascii_only)
    if as_json:
        out.json(result)
        return
    out.headline(Symbol.VERIFIED, f"forgot {result['messages']} finished messages and {result['attempts']} tries.")
    if result["still_waiting"]:
        out.paragraph(f"{result['still_waiting']} messages of this address still wait; purge again when they are gone")
        out.next(f"danelaw queue list 'to:{address} or from:{address}'")
    else:
        out.next("danelaw queue list --finished")


for _command in (suspending.suspend, suspending.resume, suspending.suspensions, suspending.sites):
    command.add_command(_command)


def who() -> str:
    """The account that runs the command, for the log of acts."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
