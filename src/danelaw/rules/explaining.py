"""Why rules made of a message what they did: each asked in its order, every condition looked at, also those behind one
that does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from danelaw.policy import MessageContext
from danelaw.rules.asking import change, finding
from danelaw.rules.judging import Judged, judge
from danelaw.rules.rule import Act, At, Rule

if TYPE_CHECKING:
    from danelaw.policy import MailContext


class Explained(NamedTuple):
    """A rule about one message or recipient. `asked` is False where a rule before it had decided already, whose name is
    `decided_by`; `decides` where this one did.
    """

    rule: Rule
    applies: bool
    because: tuple[Judged, ...]
    asked: bool = True
    decides: bool = False
    decided_by: str = ""


def explain(rules: Iterable[Rule], context: MailContext) -> tuple[Explained, ...]:
    """All rules for the moment of this context, in the order of asking. What rules that apply change is changed in the
    context, as it was when they were asked: rules behind them see it. Raises `danelaw.message.MessageError` for a
    change that cannot be made.
    """
    at = At.MESSAGE if isinstance(context, MessageContext) else At.RECIPIENT
    found = []
    decided_by = ""
    for rule in sorted((one for one in rules if one.at is at), key=lambda one: one.order):
        judged = judge(rule, context, everything=True)
        if decided_by:
            found.append(Explained(rule, judged.applies, judged.because, False, False, decided_by))
            continue
        decides = judged.applies and (rule.act not in (Act.NONE, Act.ACCEPT) or rule.stop)
        found.append(Explained(rule, judged.applies, judged.because, True, decides))
        if judged.applies:
            if isinstance(context, MessageContext):
                context.findings += (finding(rule),)
                change(context, rule.changes)
            else:
                context.tags.update(rule.changes.tag)
        if decides:
            decided_by = rule.name
    return tuple(found)
