"""Rules as hooks of `danelaw.policy`: the same contexts, changes and verdicts as scripts have, asked before them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from danelaw.policy import (
    Accept,
    Address,
    Copy,
    Defer,
    Discard,
    FailurePolicy,
    Finding,
    Handling,
    Hold,
    Hook,
    Queue,
    Redirect,
    Reject,
)
from danelaw.policy.verdicts import MessageVerdict
from danelaw.rules.judging import judge
from danelaw.rules.rule import Act, At, Changes, Rule

if TYPE_CHECKING:
    from danelaw.policy import MailContext, MessageContext, RecipientContext

NAME = "rules"
FIRST = -1_000_000
"""The order of rules among hooks: before all scripts."""


def hooks_of(
    rules: Iterable[Rule], matched: Callable[[Rule, MailContext], None] = lambda rule, context: None
) -> tuple[Hook, ...]:
    """The hooks that ask these rules, in their order: none, one, or one for recipients and one for messages.

    `matched` is told of each rule that applies.
    """
    in_order = sorted(rules, key=lambda rule: rule.order)
    found = []
    for at, point, ask in ((At.RECIPIENT, "rcpt_to", _about_recipient), (At.MESSAGE, "end_of_data", _about_message)):
        chosen = tuple(rule for rule in in_order if rule.at is at)
        if chosen:
            found.append(_hook(point, f"{NAME}_{at.value}", ask, chosen, matched))
    return tuple(found)


def _hook(
    point: str,
    name: str,
    ask: Callable[..., Any],
    rules: tuple[Rule, ...],
    matched: Callable[[Rule, MailContext], None],
) -> Hook:
    def asked(context: Any) -> Any:
        return ask(rules, context, matched)

    return Hook(point=point, name=name, function=asked, module=NAME, order=FIRST, on_failure=FailurePolicy.DEFER)


def _about_recipient(
    rules: tuple[Rule, ...], context: RecipientContext, matched: Callable[[Rule, MailContext], None]
) -> Accept | Reject | Defer | Redirect | None:
    for rule in rules:
        if not judge(rule, context).applies:
            continue
        matched(rule, context)
        context.tags.update(rule.changes.tag)
        verdict = _refusal(rule)
        if verdict is not None:
            return verdict
        if rule.act is Act.REDIRECT:
            return Redirect(rule.to)
        if rule.stop:
            return Accept()
    return None


def _about_message(
    rules: tuple[Rule, ...], context: MessageContext, matched: Callable[[Rule, MailContext], None]
) -> MessageVerdict:
    copies: list[str] = []
    for rule in rules:
        if not judge(rule, context).applies:
            continue
        matched(rule, context)
        context.findings += (finding(rule),)
        change(context, rule.changes)
        copies += rule.changes.copy_to
        verdict = _verdict(rule)
        if verdict is not None:
            return _with_copies(verdict, copies, context)
        if rule.stop:
            return _with_copies(Accept(), copies, context)
    return _with_copies(None, copies, context)


def finding(rule: Rule) -> Finding:
    """That a rule applies, for the rules behind it and for `explain`."""
    return Finding(NAME, rule.act.value, f"{rule.name}: {rule.text}" if rule.text else rule.name)


def _refusal(rule: Rule) -> Reject | Defer | None:
    if rule.act is Act.REJECT:
        return Reject(rule.words, rule.code or 550, rule.status or "5.7.1")
    if rule.act is Act.DEFER:
        return Defer(rule.words, rule.code or 451, rule.status or "4.7.1")
    return None


def _verdict(rule: Rule) -> Reject | Defer | Discard | Hold | Redirect | None:
    match rule.act:
        case Act.DISCARD:
            return Discard(rule.words)
        case Act.HOLD:
            return Hold(f"{rule.name}: {rule.text}" if rule.text else f"rule {rule.name}", rule.retention)
        case Act.REDIRECT:
            return Redirect(rule.to)
        case _:
            return _refusal(rule)


def _with_copies(verdict: MessageVerdict, copies: list[str], context: MessageContext) -> MessageVerdict:
    """Copies go out beside the message whatever becomes of it, unless it is refused: then it is the client's."""
    if not copies or isinstance(verdict, Reject | Defer):
        return verdict
    to = tuple(Address(one) for one in dict.fromkeys(copies))
    if isinstance(verdict, Discard):
        return Queue((Copy(to),))
    hold = verdict if isinstance(verdict, Hold) else None
    own = verdict.to if isinstance(verdict, Redirect) else tuple(context.recipients)
    return Queue((Copy(own, hold=hold), Copy(to)))


def change(context: MessageContext, changes: Changes) -> None:
    """Carry out what a rule changes. Raises `danelaw.message.MessageError` for fields that cannot be."""
    if not changes.given:
        return
    for name in changes.remove_header:
        context.mail.remove(name)
    for name, text in changes.set_header.items():
        context.mail.set(name, text)
    for name, text in changes.add_header.items():
        context.mail.add(name, text)
    subject = context.mail.subject
    if changes.subject_prefix and not subject.startswith(changes.subject_prefix):
        context.mail.set("Subject", f"{changes.subject_prefix}{subject}")
    if changes.footer:
        context.mail.add_text(changes.footer)
    context.tags.update(changes.tag)
    chosen = Handling(
        changes.next_hop, changes.demand, changes.tenant, changes.job, changes.priority, changes.expires_in
    )
    if not chosen.is_usual:
        context.handling = context.handling.overlaid(chosen)
