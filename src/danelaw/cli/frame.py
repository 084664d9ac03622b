"""The frame of the command line: which commands exist, grouped by job, loaded when used."""

from __future__ import annotations

import difflib
import importlib
from typing import NamedTuple

import click


class Verb(NamedTuple):
    """A command as the overview shows it; the module `danelaw.cli.<name>` holds the rest."""

    job: str
    summary: str


COMMANDS: dict[str, Verb] = {
    "serve": Verb("run", "Run the gateway."),
    "config": Verb("run", "Check the configuration; show what applies to a destination."),
    "doctor": Verb("run", "Examine this machine, its resolver and its network, with a fix for each finding."),
    "top": Verb("look", "Watch the gateway work: traffic, protection, destinations, limits."),
    "explain": Verb("look", "Say what happened to a message and why."),
    "verify": Verb("look", "Say whether a receipt holds, on any machine, from the root key alone."),
    "log": Verb("look", "Verify the hash-chained log of tries; print the head that stands for it."),
    "replay": Verb("look", "Judge recorded tries again; say which verdicts this version would change."),
    "stats": Verb("look", "Say how own mail was protected, over time, by domain or provider."),
    "queue": Verb("look", "List, add up, show, hold, release, retry, return or drop waiting messages."),
    "quarantine": Verb("look", "List, show, release, delete, return or forward held messages; rules that hold mail."),
    "reports": Verb("look", "List, show, take in or send reports about mail: DMARC, TLS."),
    "notices": Verb("look", "Show the delivery notices that senders get, in every language, cause by cause."),
    "bounce": Verb("look", "Say what a server's reply means, and what is done about it."),
    "survey": Verb("look", "Say how securely many domains can be reached, and who could change that."),
    "check": Verb("look", "Say how mail to a domain or address would be protected. Sends nothing."),
    "keys": Verb("look", "Find keys that mail to an address can be encrypted to, end to end."),
    "advise": Verb("look", "Say which customers' domains your MX's TLSA records protect, and why not the others."),
    "publish": Verb("look", "Say what you should publish in DNS, and what is missing there."),
    "notify": Verb("look", "Draft the note to a broken destination's postmaster, with evidence. Sends nothing."),
    "watch": Verb("look", "Destinations that were verified for long and prove less now; a destination's history."),
    "dns": Verb("look", "Look up a name and say what its signatures prove."),
    "auth": Verb("look", "Say who really sent a message: SPF, DKIM, ARC and DMARC together."),
    "spf": Verb("look", "Say whether a client may use a domain (SPF), term by term."),
    "dkim": Verb("look", "Verify the signatures of a message, sign one, make keys."),
    "filter": Verb("look", "Show a message to the configured filters; ask whether they work."),
    "message": Verb("look", "Show the fields and parts of a message, and what is odd about it."),
    "override": Verb("change", "Set, list or remove your own rule for a destination."),
    "trust": Verb("look", "List trust groups and their members; look whether they keep what they promised."),
    "pins": Verb("change", "Propose overrides from own history, apply those you reviewed; they lapse by themselves."),
    "policy": Verb("change", "Check, stage, promote or roll back your Python policy; see what its hooks do."),
    "rules": Verb("look", "List your rules without code, check them, say why they did what to a message."),
    "alias": Verb("look", "Say whether a recipient exists and whom it stands for."),
    "srs": Verb("look", "Rewrite a forwarded sender's address, or lead one back."),
    "greylist": Verb("change", "List what greylisting remembers, let a network pass, forget."),
    "safety": Verb("change", "Make tokens for the safety API, and ask it how safe an address is."),
    "user": Verb("change", "Add, list, remove or check users who may log in and send."),
    "state": Verb("change", "List, show, set or clear what policy scripts share across workers."),
    "cache": Verb("change", "List, show or clear the caches of policy scripts."),
    "tlsa": Verb("change", "Print the TLSA records that match a certificate or key."),
    "send": Verb("test", "Hand a message to a server, for trying."),
    "lab": Verb("test", "Run an internet in a box on this machine."),
    "demo": Verb("test", "Show every protection and attack once, on this machine."),
}
_JOBS = {"run": "Run", "look": "Look", "change": "Change", "test": "Test"}


class Commands(click.Group):
    """A click group whose commands are imported by name on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the order of the overview."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import `danelaw.cli.<cmd_name>` and give its `command`."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"danelaw.cli.{cmd_name}")
        command = module.command
        assert isinstance(command, click.Command)
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Like click's, but an unknown verb is answered with the nearest known one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1, cutoff=0.5)
            hint = f"did you mean: danelaw {near[0]}" if near else "all commands: danelaw --help"
            raise click.UsageError(f'there is no command "{args[0]}"; {hint}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, grouped by job, without importing a single command."""
        for job, title in _JOBS.items():
            with formatter.section(title):
                formatter.write_dl([(name, verb.summary) for name, verb in COMMANDS.items() if verb.job == job])
