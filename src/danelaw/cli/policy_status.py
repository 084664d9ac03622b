"""`danelaw policy status`: which versions run, and what each hook does."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.cli.policy_standing import Policies, policies, running
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from danelaw.cli.output import Output, Symbol
    from danelaw.scripting.versioning.standing import Act, Standing

HEADS = ("HOOK", "STEP", "VERSION", "CALLS", "FAILED", "RUNNING", "PENDING", "MEAN", "LONGEST", "LAST FAILURE")


@click.command()
@config_option
@output_options
def command(config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Say which version judges which mail, since when and by whose act, and what each hook does.

    Numbers are of all workers since they began; MEAN and LONGEST are the time from the call of a hook to its verdict.
    """
    config = load_config(config_file)
    with policies(config, read_only=True) as store:
        standing, acts = store.standing(), store.ledger.acts(1000)
        folder = _folder_version(store)
        taken = store.ledger.taken(standing.trial) if "first:" in standing.portion else None
    found = running(config)
    out = output(ascii_only)
    if as_json:
        out.json({"standing": asdict(standing), "folder": folder, "taken": taken, "running": found})
        return
    _show(out, standing, acts, folder, taken, found)


def _show(
    out: Output, standing: Standing, acts: list[Act], folder: str | None, taken: int | None,
    found: dict[str, Any] | None,
) -> None:  # fmt: skip
    from danelaw.cli.output import Symbol

    most = "all mail" if not standing.staged else "all mail but what the staged version gets"
    broken = found is not None and any(not one["usable"] for one in found["workers"])
    if broken:
        out.headline(Symbol.STOPPED, f"{standing.active} cannot be used: all mail is deferred.")
    else:
        out.headline(Symbol.VERIFIED, f"{standing.active} judges {most}{_since(acts, standing.active)}.")
    if standing.staged:
        of = "" if taken is None else f"; {taken} connections taken"
        out.line(f"  STAGED   {standing.staged} for {standing.portion}{of}{_since(acts, standing.staged, 'staged')}")
    if standing.shadow:
        out.line(f"  SHADOW   {standing.shadow} for {standing.shadow_portion}{_since(acts, standing.shadow, 'shadow')}")
    if standing.previous:
        out.line(f"  BEFORE   {standing.previous}")
    if folder is not None and folder not in (standing.active, standing.staged):
        out.line(f"  FOLDER   has other files than what runs ({folder})")
    _workers(out, standing, found)
    if found is not None and found["hooks"]:
        out.line()
        show_hooks(out, found["hooks"])
        out.line()
    out.next(_following(standing, folder))


def show_hooks(out: Output, hooks: Sequence[dict[str, Any]]) -> None:
    """The table of hooks, with what each does."""
    out.table([(symbol(one), cells(one)) for one in hooks], heads=HEADS)


def symbol(hook: dict[str, Any]) -> Symbol:
    """At a glance: left alone since it fails, has failed, works, was never asked."""
    from danelaw.cli.output import Symbol

    if hook["resting"]:
        return Symbol.STOPPED
    if hook["failures"]:
        return Symbol.ENCRYPTED
    return Symbol.VERIFIED if hook["calls"] else Symbol.NONE


def cells(hook: dict[str, Any]) -> list[str]:
    """A hook under `HEADS`."""
    mean = hook["seconds"] / hook["calls"] if hook["calls"] else 0.0
    numbers = [str(hook[name]) for name in ("calls", "failures", "running", "pending")]
    why = ("left alone for a while: " if hook["resting"] else "") + hook["last_failure"]
    return [hook["hook"], hook["step"], hook["version"][:7], *numbers, _time(mean), _time(hook["longest"]), why]


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds >= 0.001 else f"{seconds * 1e6:.0f} us"


def _since(acts: list[Act], version: str, what: str = "") -> str:
    """When and by whom a version came to where it is: by an act of this kind, else by one that made it active."""
    from danelaw.cli.output import moment

    kinds = (what,) if what else ("installed", "promoted", "rolled back")
    act = next((one for one in acts if one.version == version and one.what in kinds), None)
    if act is None:
        return ""
    why = f": {act.why}" if act.why else ""
    return f", {act.what} {moment(act.at, time.time())} by {act.who}{why}"


def _workers(out: Output, standing: Standing, found: dict[str, Any] | None) -> None:
    if found is None:
        out.line("  RUNNING  no gateway runs at the moment")
        return
    late = [one for one in found["workers"] if one["serial"] < standing.serial]
    for one in late:
        out.line(f"  RUNNING  process {one['pid']} still runs {one['active']}")
    for one in found["workers"]:
        for version, reason in one["troubles"]:
            out.line(f"  RUNNING  process {one['pid']} cannot use {version}: {reason}")
    if found["silent"]:
        out.line(f"  RUNNING  {found['silent']} workers do not answer")


def _folder_version(store: Policies) -> str | None:
    from danelaw.scripting.loading import policy_files, version_of

    try:
        folder = store.folder(None)
        return version_of(folder, policy_files(folder))
    except DanelawError:
        return None


def _following(standing: Standing, folder: str | None) -> str:
    if standing.staged:
        return "danelaw policy promote   or: danelaw policy withdraw"
    if folder is not None and folder != standing.active:
        return f"danelaw policy diff {standing.active}"
    return "danelaw policy list"
