"""`danelaw policy promote | rollback | withdraw`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.cli.policy_standing import caller, followers, policies

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.scripting.versioning.standing import Standing


def because_option(command: Any) -> Any:
    """`--because TEXT`."""
    return click.option("--because", default="", metavar="TEXT", help="Why, for whoever reads the history.")(command)


@click.command()
@click.argument("version", required=False)
@because_option
@config_option
@output_options
def promote(version: str | None, because: str, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Let the staged version judge everything, or another stored VERSION (its beginning will do).

    Connections that are open go on with the version they began with; every message is judged by one version.
    """
    from danelaw.scripting import PolicyError
    from danelaw.scripting.versioning.standing import Act

    config = load_config(config_file)
    with policies(config) as store:
        act = Act("promoted", "", time.time(), caller(), why=because)
        try:
            staged = store.standing().staged
        except PolicyError:
            if not version:
                raise
            staged = ""
        if not version and not staged:
            raise PolicyError("nothing is staged", advice="danelaw policy stage --for 10%, or promote a VERSION")
        chosen = store.version(version or staged)
        _must_load(store.shelf.check(chosen))
        act = Act("promoted", chosen, act.at, act.who, why=because)
        try:
            after = store.ledger.change(act, lambda standing: standing.promoted(chosen))
        except PolicyError:
            if _is_readable(store.ledger):
                raise
            after = store.ledger.begin_anew(act)
    say(config, after, f"{chosen} judges all mail now.", "danelaw policy status", as_json, ascii_only)


@click.command()
@click.argument("version", required=False)
@because_option
@config_option
@output_options
def rollback(version: str | None, because: str, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Go back to the version before, or to another stored VERSION. What is staged is withdrawn too.

    Mail in the queue that was judged by the version you leave goes on with the one you go back to.
    """
    from danelaw.scripting.versioning.standing import Act

    config = load_config(config_file)
    with policies(config) as store:
        before = store.standing()
        wanted = store.version(version) if version else ""
        target = before.rolled_back(wanted).active
        _must_load(store.shelf.check(target))
        act = Act("rolled back", target, time.time(), caller(), why=because)
        after = store.ledger.change(act, lambda standing: standing.rolled_back(target))
    words = f"{target} judges all mail again, in place of {before.active}."
    say(config, after, words, f"danelaw policy diff {target} {before.active}", as_json, ascii_only)


@click.command()
@because_option
@config_option
@output_options
def withdraw(because: str, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """End the trial of the staged version: the active one judges everything."""
    from danelaw.scripting.versioning.standing import Act

    config = load_config(config_file)
    with policies(config) as store:
        staged = store.standing().withdrawn().revoked[-1]
        act = Act("withdrawn", staged, time.time(), caller(), why=because)
        after = store.ledger.change(act, lambda standing: standing.withdrawn())
    words = f"{staged} judges nothing more; {after.active} judges all mail."
    say(config, after, words, "danelaw policy status", as_json, ascii_only)


def _must_load(copy: Path) -> None:
    """What cannot be loaded must not judge anything. Raises `PolicyError`."""
    from danelaw.cli.policy_check import examine
    from danelaw.scripting import PolicyError

    checked = examine(copy, types=False)
    if checked.version is None:
        first = checked.errors[0]
        raise PolicyError(f"{copy.name} cannot be loaded: {first.place}: {first.text}", advice="danelaw policy list")


def _is_readable(ledger: Any) -> bool:
    from danelaw.scripting import PolicyError

    try:
        return ledger.standing() is not None
    except PolicyError:
        return False


def say(config: Config, standing: Standing, words: str, following: str, as_json: bool, ascii_only: bool) -> None:
    """Say what was done, once the running gateway follows, and what may be typed next."""
    from dataclasses import asdict

    from danelaw.cli.output import Symbol

    out = output(ascii_only)
    follow = followers(config, standing)
    if as_json:
        out.json(asdict(standing) | {"followers": follow.to_object()})
        return
    out.headline(Symbol.VERIFIED, words)
    follow.say(out)
    out.next(following)
