"""`danelaw policy stage`: a new version for part of the traffic."""

from __future__ import annotations

import time
from pathlib import Path

import click

from danelaw.cli.options import config_option, load_config, output_options
from danelaw.cli.policy_acts import because_option, say
from danelaw.cli.policy_standing import caller, policies


@click.command()
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--for",
    "portion",
    required=True,
    metavar="PART",
    help="Which part: '10%', client:NETWORK, listener:ADDRESS:PORT, to:DOMAIN, since:TIME, until:TIME, first:NUMBER, "
    "all; several words must all hold.",
)
@click.option("--no-types", is_flag=True, help="Leave types out of the check, which take the longest.")
@click.option("--despite-errors", is_flag=True, help="Also where `danelaw policy check` finds errors.")
@because_option
@config_option
@output_options
def command(
    directory: Path | None,
    portion: str,
    no_types: bool,
    despite_errors: bool,
    because: str,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Copy a policy (DIRECTORY, otherwise [policy] directory) and let it judge part of the traffic.

    It is checked first, as `danelaw policy check` does. A client that falls to it by percentage stays with it; of
    several words of one kind one must hold, of different kinds all. When too many calls of its hooks fail it is
    withdrawn by itself. Exit status 1: errors were found, nothing is staged.
    """
    from danelaw.cli.policy_check import without_errors
    from danelaw.scripting.versioning.portion import Portion
    from danelaw.scripting.versioning.standing import Act

    part = Portion.from_text(portion).to_text()
    config = load_config(config_file)
    with policies(config) as store:
        folder = store.folder(directory)
        if not despite_errors:
            without_errors(folder, types=not no_types)
        now, who = time.time(), caller()
        version = store.keep(folder, now, who)
        act = Act("staged", version, now, who, portion=part, why=because)
        after = store.ledger.change(act, lambda standing: standing.with_staged(version, part))
    words = f"{version} is staged for {part}; {after.active} judges the rest."
    say(config, after, words, "danelaw policy status   then: danelaw policy promote", as_json, ascii_only)
