"""`danelaw rules`: rules without code, which there are, what is wrong with them, and why one did what to a message."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.cli.recorded_message import envelope_options, given_of, recorded, show_unknown

if TYPE_CHECKING:
    from danelaw.cli.output import Output, Symbol
    from danelaw.config import Config
    from danelaw.config.ruling import RuleTable
    from danelaw.rules import At, Explained, Rule
    from danelaw.scripting.recording.recorded import Recorded


@click.group(no_args_is_help=True)
def command() -> None:
    """List your rules ([[rule]]), check them, or say why they did what to a message.

    Rules are asked in the order of their numbers, before all scripts: those about recipients at RCPT, all others when
    the message is whole. A change of the configuration holds after `danelaw config check` and a reload.
    """


@command.command("list")
@config_option
@output_options
def list_(config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List all rules in the order in which they are asked."""
    config = load_config(config_file)
    found = in_order(config)
    out = output(ascii_only)
    if as_json:
        out.json({"rules": [_listed(table) for table in found]})
        return
    if not found:
        out.line("There are no rules.")
        out.next("danelaw config check   after a [[rule]] in the configuration")
        return
    out.table([(_state(table), _cells(table)) for table in found], heads=("AT", "RULE", "DOES", "OWNER", "WHEN"))
    out.next("danelaw rules explain ID|FILE.eml")


@command.command("check")
@config_option
@output_options
@click.pass_context
def check(context: click.Context, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Say what is odd about the rules: some that can never be asked, have expired, or have one name twice.

    Exit status: 0 nothing odd, 1 something. What cannot be a rule at all is an error of `danelaw config check`.
    """
    from danelaw.cli.output import Symbol

    found = oddities(load_config(config_file))
    out = output(ascii_only)
    if as_json:
        out.json({"odd": [{"rule": name, "reason": reason} for name, reason in found]})
    elif found:
        out.headline(
            Symbol.ENCRYPTED, f"{len(found)} thing{'s are' if len(found) != 1 else ' is'} odd about the rules."
        )
        out.table([(Symbol.ENCRYPTED, row) for row in found], heads=("RULE", "WHAT"))
        out.next("danelaw rules list")
    else:
        out.headline(Symbol.VERIFIED, "Every rule can be asked.")
        out.next("danelaw rules explain ID|FILE.eml")
    context.exit(1 if found else 0)


@command.command("explain")
@click.argument("what", metavar="ID | FILE.eml")
@envelope_options
@config_option
@output_options
def explain(
    what: str, client: str | None, helo: str | None, sender: str | None, recipients: tuple[str, ...],
    user: str | None, listener: str | None, config_file: Path | None, as_json: bool, ascii_only: bool,
) -> None:  # fmt: skip
    """Judge a message that waits, or a file, by the rules as they are now: each condition, what was found, which rule
    decides. What is no longer known of the message is said.
    """
    from danelaw.gateway.policy_parts import rules_of

    config = load_config(config_file)
    given = given_of(config, client, helo, sender, recipients, user, listener)
    message = recorded(what, config, given)
    rules = rules_of(config)
    answers = explanations(rules, message)
    out = output(ascii_only)
    if as_json:
        out.json(_object(message, answers))
        return
    _show(out, message, answers)


def in_order(config: Config) -> list[RuleTable]:
    """The tables as they are asked: about recipients first, then about messages, each by their numbers."""
    return sorted(config.rule, key=lambda table: (table.rule().at.value != "recipient", table.order))


def oddities(config: Config, now: float | None = None) -> list[tuple[str, str]]:
    """What no check of a single rule can find; `now` is POSIX seconds."""
    from danelaw.rules import Act

    moment = time.time() if now is None else now
    found: list[tuple[str, str]] = []
    ended: dict[At, str] = {}
    seen: set[str] = set()
    for table in in_order(config):
        rule = table.rule()
        if rule.name in seen:
            found.append((rule.name, "another rule has this name, too"))
        seen.add(rule.name)
        if not table.enabled:
            continue
        if rule.expires is not None and rule.expires <= moment:
            found.append((rule.name, "its time is over; remove it"))
            continue
        if rule.at in ended:
            found.append((rule.name, f"it is never asked: {ended[rule.at]} has no condition and comes before it"))
        elif not rule.when.given and rule.unless is None and (rule.stop or rule.act not in (Act.NONE, Act.ACCEPT)):
            ended[rule.at] = rule.name
        if rule.act is Act.NONE and not rule.changes.given and not rule.stop:
            found.append((rule.name, "it does nothing"))
    return found


def explanations(rules: list[Rule], message: Recorded) -> list[tuple[str, tuple[Explained, ...]]]:
    """What rules say about each recipient, and then about the message, with what it is about."""
    from danelaw.rules import At
    from danelaw.rules import explain as explained
    from danelaw.scripting.library.offline import offline_library

    library = offline_library(lambda: message.received_at)
    found = []
    if any(rule.at is At.RECIPIENT for rule in rules):
        for recipient in message.recipients:
            context = message.recipient_context(recipient, message.version, library)
            found.append((str(recipient), explained(rules, context)))
    if any(rule.at is At.MESSAGE for rule in rules):
        found.append(("", explained(rules, message.context(message.version, library))))
    return found


def _does(rule: Rule) -> str:
    """What a rule does, in words."""
    parts = [] if rule.act.value == "none" else [rule.act.value]
    parts += [name.replace("_", " ") for name in sorted(rule.changes.given)]
    if rule.to:
        parts.append("to " + ", ".join(rule.to))
    return ", ".join(parts) or "nothing"


def _state(table: RuleTable) -> Symbol:
    from danelaw.cli.output import Symbol

    if not table.enabled:
        return Symbol.NONE
    expires = table.rule().expires
    return Symbol.STOPPED if expires is not None and expires <= time.time() else Symbol.VERIFIED


def _cells(table: RuleTable) -> list[str]:
    rule = table.rule()
    when = ", ".join(sorted(rule.when.given)) or "always"
    if rule.unless is not None:
        when += f"; unless {', '.join(sorted(rule.unless.given))}"
    if not table.enabled:
        when += " (switched off)"
    elif rule.expires is not None:
        when += f" (until {time.strftime('%Y-%m-%d %H:%M', time.localtime(rule.expires))})"
    return [rule.at.value, rule.name, _does(rule), rule.owner, when + (f"; {rule.comment}" if rule.comment else "")]


def _listed(table: RuleTable) -> dict[str, Any]:
    rule = table.rule()
    return {
        "name": rule.name, "at": rule.at.value, "order": rule.order, "does": _does(rule), "stop": rule.stop,
        "when": sorted(rule.when.given), "unless": [] if rule.unless is None else sorted(rule.unless.given),
        "enabled": table.enabled, "expires": rule.expires, "owner": rule.owner, "comment": rule.comment,
    }  # fmt: skip


def _show(out: Output, message: Recorded, answers: list[tuple[str, tuple[Explained, ...]]]) -> None:
    from danelaw.cli.output import Symbol

    deciding = [one for _, found in answers for one in found if one.decides]
    if not answers:
        out.headline(Symbol.NONE, "There are no rules.")
    elif deciding:
        words = "; ".join(dict.fromkeys(f"{one.rule.name} decides: {_does(one.rule)}" for one in deciding))
        out.headline(Symbol.ENCRYPTED, f"{message.name}: {words}.")
    else:
        out.headline(Symbol.VERIFIED, f"{message.name}: no rule decides; it goes on to the scripts.")
    out.line(f"  from {message.reverse_path or '<>'} to {', '.join(message.recipients) or 'nobody'}, "
             f"client {message.client.address}")  # fmt: skip
    for about, found in answers:
        out.line(f"  About recipient {about}:" if about else "  About the message:")
        for one in found:
            _show_rule(out, one)
    for finding in message.said:
        out.paragraph(f"It was then judged so: {finding.step} {finding.result}: {finding.reason}")
    show_unknown(out, message)
    out.next(f"danelaw policy shell {message.name}")


def _show_rule(out: Output, one: Explained) -> None:
    from danelaw.cli.output import Symbol

    words = f"applies: {_does(one.rule)}" if one.applies else "does not apply"
    if not one.asked:
        words = f"was not asked, since {one.decided_by} had decided; it {'would apply' if one.applies else words}"
    elif one.decides:
        words += ", and decides"
    out.headline(Symbol.STOPPED if one.decides else Symbol.VERIFIED if one.applies else Symbol.CLEAR,
                 f"{one.rule.name} {words}")  # fmt: skip
    rows = [
        (Symbol.NONE, (f"  {each.condition}", "holds" if each.holds else "does not hold", each.found))
        for each in one.because
    ]
    if rows:
        out.table(rows)


def _object(message: Recorded, answers: list[tuple[str, tuple[Explained, ...]]]) -> dict[str, Any]:
    return {
        "message": message.name,
        "from": message.reverse_path,
        "to": list(message.recipients),
        "client": message.client.address,
        "version": message.version,
        "said": [{"step": one.step, "result": one.result, "reason": one.reason} for one in message.said],
        "unknown": list(message.unknown),
        "about": [
            {
                "recipient": about or None,
                "rules": [
                    {
                        "name": one.rule.name, "does": _does(one.rule), "applies": one.applies, "asked": one.asked,
                        "decides": one.decides, "decided_by": one.decided_by or None,
                        "conditions": [each._asdict() for each in one.because],
                    }
                    for one in found
                ],
            }
            for about, found in answers
        ],
    }  # fmt: skip
