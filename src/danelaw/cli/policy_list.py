"""`danelaw policy list | show | diff`."""

from __future__ import annotations

import difflib
import time
from dataclasses import asdict
from pathlib import Path

import click

from danelaw.cli.options import ascii_option, config_option, load_config, output, output_options
from danelaw.cli.policy_standing import Policies, policies
from danelaw.errors import DanelawError

_MOST_SHOWN = 20


@click.command("list")
@config_option
@output_options
def list_(config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List the stored versions, the newest first, and what was done with them, by whom and why."""
    from danelaw.cli.output import Symbol, moment

    now = time.time()
    with policies(load_config(config_file), read_only=True) as store:
        standing, copies = store.standing(), store.shelf.versions()
        stored, acts = store.ledger.stored(), store.ledger.acts(_MOST_SHOWN)
    out = output(ascii_only)
    if as_json:
        out.json(
            {
                "standing": asdict(standing),
                "versions": [{**one._asdict(), "copy": one.version in copies} for one in stored],
                "acts": [asdict(one) for one in acts],
            }
        )
        return
    roles = {standing.shadow: "shadow", standing.staged: "staged", standing.active: "active"}
    rows = []
    for one in stored:
        role = roles.get(one.version, "") if one.version in copies else "copy missing"
        symbol = Symbol.VERIFIED if role == "active" else Symbol.STOPPED if role == "copy missing" else Symbol.NONE
        rows.append((symbol, (one.version, role, moment(one.at, now), one.who, one.origin)))
    out.table(rows, heads=("VERSION", "ROLE", "STORED", "BY", "FROM"))
    if acts:
        out.line()
        done = [
            (
                Symbol.NONE,
                (moment(act.at, now), act.who, act.what, act.version, " ".join((act.portion, act.why)).strip()),
            )
            for act in acts
        ]
        out.table(done, heads=("WHEN", "WHO", "DID", "VERSION", "WHY"))
    out.next(f"danelaw policy show {standing.active}")


@click.command()
@click.argument("version")
@click.argument("file", required=False)
@config_option
@output_options
def show(version: str, file: str | None, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Print the files of a stored VERSION (its beginning will do), or one FILE of it."""
    from danelaw.scripting import PolicyError

    with policies(load_config(config_file), read_only=True) as store:
        chosen = store.version(version)
        files = _texts(store.shelf.check(chosen))
    if file is not None:
        if file not in files:
            raise PolicyError(f"{chosen} has no file {file}", advice=f"danelaw policy show {chosen}")
        files = {file: files[file]}
    out = output(ascii_only)
    if as_json:
        out.json({"version": chosen, "files": files})
        return
    for name, text in files.items():
        out.line(f"# {chosen} {name}")
        for line in text.splitlines():
            out.line(line)
        out.line()
    out.next(f"danelaw policy diff {chosen}")


@click.command()
@click.argument("one")
@click.argument("other", required=False)
@config_option
@ascii_option
def diff(one: str, other: str | None, config_file: Path | None, ascii_only: bool) -> None:
    """Compare a stored version ONE with OTHER: a version, or a folder (otherwise [policy] directory)."""
    with policies(load_config(config_file), read_only=True) as store:
        before, after = _side(store, one), _side(store, other)
    out = output(ascii_only)
    changed = 0
    for name in sorted(before.keys() | after.keys()):
        lines = difflib.unified_diff(
            before.get(name, "").splitlines(), after.get(name, "").splitlines(), name, name, lineterm=""
        )
        for line in lines:
            changed += 1
            out.line(line)
    if not changed:
        out.line("They have the same text in all files.")
    out.next("danelaw policy status" if not changed else "danelaw policy stage --for 10%")


def _side(store: Policies, text: str | None) -> dict[str, str]:
    if text is None or "/" in text or Path(text).is_dir():
        return _texts(store.folder(Path(text) if text else None))
    return _texts(store.shelf.check(store.version(text)))


def _texts(directory: Path) -> dict[str, str]:
    from danelaw.scripting.loading import policy_files

    try:
        return {
            path.relative_to(directory).as_posix(): path.read_text("utf-8", "replace")
            for path in policy_files(directory)
        }
    except OSError as error:
        raise DanelawError(f"{directory} cannot be read: {error.strerror}") from None
