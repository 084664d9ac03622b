"""`danelaw policy replay`: what a policy says of mail that came some time ago, and what another would have said."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.cli.recorded_message import envelope_options, given_of
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.cli.output import Output
    from danelaw.config import Config
    from danelaw.scripting.loading import LoadedPolicy
    from danelaw.scripting.recording.recorded import Given, Recorded
    from danelaw.scripting.recording.replaying import Replay
    from danelaw.scripting.shadowing.differences import Differences

_MOST_FAULTS = 20
_MOST_SHOWN = 12


@click.command()
@click.argument("paths", nargs=-1, metavar="[FILE.eml | FOLDER | MBOX | ID]…")
@click.option("--history", is_flag=True, help="All mail that waits in the queue, too.")
@click.option("--policy", "policy", metavar="DIR|VERSION", help="Which policy judges; otherwise [policy] directory.")
@click.option("--against", metavar="active|VERSION|DIR", help="Compare with this one, step by step.")
@click.option("--live", is_flag=True, help="Let it look things up: DNS, HTTP GET, directories, SELECT.")
@click.option("--limit", type=click.IntRange(min=1), metavar="NUMBER", help="No more than so many messages.")
@envelope_options
@config_option
@output_options
@click.pass_context
def command(
    context: click.Context, paths: tuple[str, ...], history: bool, policy: str | None, against: str | None, live: bool,
    limit: int | None, client: str | None, helo: str | None, sender: str | None, recipients: tuple[str, ...],
    user: str | None, listener: str | None, config_file: Path | None, as_json: bool, ascii_only: bool,
) -> None:  # fmt: skip
    """Judge recorded mail by rules and hooks, with side effects off; count the verdicts, and list what would differ.

    Nothing is sent, stored, counted or logged. The envelope is that of options, of the stored message, or of Received,
    Return-Path, Delivered-To and X-Envelope fields. Without --live a call that asks somebody fails as if nobody
    answered; shared state is one of its own, which begins empty.

    Exit status: 0 no differences, 1 some (with --against), 2 wrong command line.
    """
    if not paths and not history:
        raise click.UsageError("name files, folders, mboxes or queue ids, or give --history")
    config = load_config(config_file)
    given = given_of(config, client, helo, sender, recipients, user, listener)
    ours = loaded(policy, config)
    theirs = None if against is None else loaded(against, config)
    result = asyncio.run(_replayed(config, ours, theirs, _messages(paths, config, given, history), live, limit))
    out = output(ascii_only)
    if as_json:
        out.json(result)
    else:
        _show(out, result)
    context.exit(1 if result["differences"] and _total(result["differences"]) else 0)


def loaded(text: str | None, config: Config) -> LoadedPolicy:
    """The policy of a folder, of a version or the beginning of one, of `active`, or of the configuration. Raises
    `DanelawError`.
    """
    from danelaw.cli.policy_standing import policies
    from danelaw.scripting.loading import EMPTY, load

    if text is None and config.policy.directory is None:
        return EMPTY
    folder = config.policy.directory if text is None else Path(text)
    if text != "active" and folder is not None and folder.is_dir():
        return load(folder.resolve())
    assert text is not None or folder is not None
    if text is None:
        raise DanelawError(f"{folder} is no directory", advice="make it, or correct [policy] directory")
    with policies(config, read_only=True) as store:
        version = store.standing().active if text == "active" else store.version(text)
        return load(store.shelf.check(version))


def _messages(paths: tuple[str, ...], config: Config, given: Given, history: bool) -> Iterator[Recorded | str]:
    """Each message, or why it cannot be judged."""
    from danelaw.cli.recorded_message import recorded
    from danelaw.scripting.recording.recorded import from_file
    from danelaw.scripting.recording.recordings import checked, recordings

    for text in paths:
        if not Path(text).exists() and "/" not in text and "." not in text:
            yield recorded(text, config, given)
            continue
        for one in recordings(checked(Path(text))):
            if one.fault:
                yield f"{one.name}: {one.fault}"
                continue
            try:
                yield from_file(one.name, one.octets, given, now=time.time())
            except DanelawError as error:
                yield f"{one.name}: {error.reason}"
    if history:
        yield from _waiting(config, given)


def _waiting(config: Config, given: Given) -> Iterator[Recorded | str]:
    from danelaw.queue import Filter
    from danelaw.scripting.recording.recorded import from_stored
    from danelaw.spool.shards import in_each
    from danelaw.spool.view import waiting_page
    from danelaw.spool.whole import whole

    directory, after = config.spool.directory, 0
    while True:
        pages = in_each(directory, lambda connection, after=after: waiting_page(  # type: ignore[misc]
            connection, Filter.from_text(""), time.time(), after, 200))  # fmt: skip
        ids = sorted(one.id_text for page in pages for one in page.messages)
        for ident in ids:
            try:
                yield from_stored(*whole(directory, ident), given)
            except DanelawError as error:  # it was delivered meanwhile
                yield f"{ident}: {error.reason}"
        more = [page.after for page in pages if page.after is not None]
        if not more:
            return
        after = min(more)


async def _replayed(
    config: Config, ours: LoadedPolicy, theirs: LoadedPolicy | None, messages: Iterator[Recorded | str], live: bool,
    limit: int | None,
) -> dict[str, Any]:  # fmt: skip
    from danelaw.gateway.looking import looking
    from danelaw.gateway.policy_parts import rules_of
    from danelaw.scripting.guard import GUARD
    from danelaw.scripting.modes import budget_of
    from danelaw.scripting.recording.replaying import Replay
    from danelaw.scripting.shadowing.differences import Differences

    found, faults = Differences(), list[str]()
    started = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        with contextlib.suppress(ValueError):  # outside the main thread nothing stops a loop without end
            stack.enter_context(GUARD.installed())
        library = await stack.enter_async_context(looking(config)) if live else None
        rules, budget = rules_of(config), budget_of(config.policy)
        one = Replay(ours, rules, budget, library)
        other = None if theirs is None else Replay(theirs, rules, budget, library)
        seen = beyond = 0
        for message in messages:
            if isinstance(message, str):
                beyond += 1
                faults += [message] * (len(faults) < _MOST_FAULTS)
                continue
            try:
                await _judge(message, one, other, found)
            except DanelawError as error:
                beyond += 1
                faults += [f"{message.name}: {error.reason}"] * (len(faults) < _MOST_FAULTS)
                continue
            seen += 1
            if seen == limit:
                break
    return {
        "messages": seen,
        "seconds": round(time.monotonic() - started, 3),
        "unreadable": beyond,
        "faults": faults,
        "policy": _counted(ours, one),
        "against": None if other is None or theirs is None else _counted(theirs, other),
        "differences": None if other is None else found.to_object(),
    }


async def _judge(message: Recorded, one: Replay, other: Replay | None, found: Differences) -> None:
    from danelaw.scripting.recording.replaying import differences

    judged = await one.judge(message)
    if other is not None:
        before = await other.judge(message)
        found.messages += 1
        found.steps += len(judged.steps.keys() & before.steps.keys())
        found.add(differences(before, judged), message.name)


def _counted(policy: LoadedPolicy, replay: Replay) -> dict[str, Any]:
    counts = replay.counts
    return {
        "version": policy.version,
        "verdicts": dict(counts.fates),
        "by": [{"verdict": fate, "hook": hook, "count": count} for (fate, hook), count in counts.by.most_common()],
        "hooks": [
            {"step": step, "hook": hook, "said": said, "count": count}
            for (step, hook, said), count in sorted(counts.hooks.items())
        ],
        "effects": dict(counts.effects.most_common()),
        "refused": dict(counts.refused.most_common()),
    }


def _total(found: dict[str, Any]) -> int:
    return int(sum(group["count"] for group in found["groups"]) + found["beyond"])


def _show(out: Output, result: dict[str, Any]) -> None:
    from danelaw.cli.output import Symbol

    ours, theirs, found = result["policy"], result["against"], result["differences"]
    words = f"{result['messages']} message{'s' * (result['messages'] != 1)} judged by {ours['version']}"
    symbol = Symbol.VERIFIED
    if found is not None:
        total = _total(found)
        symbol = Symbol.ENCRYPTED if total else Symbol.VERIFIED
        words += f" and {theirs['version']}: {total or 'no'} difference{'s' * (total != 1)}"
    out.headline(symbol, words + ".")
    verdicts = sorted({*ours["verdicts"], *(theirs["verdicts"] if theirs else ())})
    rows = [
        (
            Symbol.NONE,
            [name, str(ours["verdicts"].get(name, 0)), *([str(theirs["verdicts"].get(name, 0))] if theirs else []),
             ", ".join(f"{one['hook']} {one['count']}" for one in ours["by"] if one["verdict"] == name)],
        )
        for name in verdicts
    ]  # fmt: skip
    heads = ("VERDICT", ours["version"], *((theirs["version"],) if theirs else ()), "SAID BY")
    if rows:
        out.table(rows, heads=heads)
    if found is not None and found["groups"]:
        groups = [(Symbol.NONE, _cells(group)) for group in found["groups"][:_MOST_SHOWN]]
        out.table(groups, heads=("COUNT", "STEP", "WHAT", theirs["version"], ours["version"], "MESSAGES AND DETAIL"))
        if len(found["groups"]) > _MOST_SHOWN:
            out.line(f"  and {len(found['groups']) - _MOST_SHOWN} more kinds; --json has all")
    for name, count in list(ours["effects"].items())[:_MOST_SHOWN]:
        out.line(f"  not done: {name} ({count} times)")
    for name, count in list(ours["refused"].items())[:_MOST_SHOWN]:
        out.line(f"  not answered: {name} ({count} times); --live would look")
    if result["unreadable"]:
        out.line(f"  {result['unreadable']} could not be judged:")
        for fault in result["faults"]:
            out.paragraph(fault, indent=4)
    named = next((group["messages"][0] for group in (found or {"groups": []})["groups"] if group["messages"]), "")
    out.next(f"danelaw policy shell {named}" if named else "danelaw policy stage --for 10%")


def _cells(group: dict[str, Any]) -> list[str]:
    names, more = group["messages"][:3], group["count"] - 3
    shown = ", ".join(names) + (f" and {more} more" if more > 0 else "")
    detail = f"; {group['detail']}" if group["detail"] else ""
    return [str(group["count"]), group["step"], group["what"], group["active"], group["shadow"], shown + detail]
