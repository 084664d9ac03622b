"""`danelaw policy`: what an operator's Python does, and how it is changed while mail flows.

A sub-command is a line in `COMMANDS`: its name, the module and function that hold it, and one line of help.
"""

from __future__ import annotations

import importlib
from typing import NamedTuple

import click


class Entry(NamedTuple):
    """A sub-command: `danelaw.cli.<module>`, the name of the click command in it, and its line in the overview."""

    module: str
    name: str
    summary: str


COMMANDS: dict[str, Entry] = {
    "check": Entry("policy_check", "command", "Find mistakes: syntax, names, types, blocking calls, failing tests."),
    "test": Entry("policy_test", "command", "Run the policy's tests offline; say which hooks and lines they reach."),
    "replay": Entry("policy_replay", "command", "Judge recorded mail; list what another policy would have said."),
    "shell": Entry("policy_shell", "command", "A Python prompt with a recorded message as hooks see it."),
    "trace": Entry("policy_trace", "command", "Watch hooks at work: what is asked, said, called, and not asked."),
    "stage": Entry("policy_stage", "command", "Let a new version judge part of the traffic."),
    "promote": Entry("policy_acts", "promote", "Let the staged version, or another, judge everything."),
    "rollback": Entry("policy_acts", "rollback", "Go back to the version before."),
    "withdraw": Entry("policy_acts", "withdraw", "End the trial of the staged version."),
    "shadow": Entry("policy_shadow", "command", "Let a version also run, changing nothing, and report differences."),
    "status": Entry("policy_status", "command", "Say which versions run, and what each hook does."),
    "list": Entry("policy_list", "list_", "List the versions there are copies of, and what was done."),
    "show": Entry("policy_list", "show", "Print the files of a version."),
    "diff": Entry("policy_list", "diff", "Compare two versions, or a version with a folder."),
}


class Commands(click.Group):
    """A click group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All sub-commands, in the order of the overview."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and give a sub-command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        found = getattr(importlib.import_module(f"danelaw.cli.{entry.module}"), entry.name)
        assert isinstance(found, click.Command)
        found.name = cmd_name
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, without importing a single command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.group(cls=Commands, no_args_is_help=True)
def command() -> None:
    """Check, stage, promote and roll back your Python policy while mail flows.

    What runs is always a stored copy, with a version that is the digest of its files. The folder of the configuration
    ([policy] directory) is where you write; nothing in it has an effect until you stage and promote it.
    """
