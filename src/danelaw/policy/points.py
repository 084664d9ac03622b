"""The steps of a mail's life at which a policy may speak, each declared once: name, context, verdicts, meaning.

Documentation, checks, the test runner, HTTP hooks and isolated processes all read this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from danelaw.policy import contexts, verdicts


class FailurePolicy(Enum):
    """What follows when a hook raises, takes too long, or is switched off: `defer` never lets anything pass
    unexamined, `ignore` goes on as if it had said nothing.
    """

    DEFER = "defer"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class HookPoint:
    """One hook: when it is asked, with which context, and which verdicts it may give. `says` is one sentence."""

    name: str
    context: type[contexts.Context]
    verdicts: tuple[type, ...]
    says: str
    on_failure: FailurePolicy = FailurePolicy.DEFER


_REFUSALS = (verdicts.Accept, verdicts.Reject, verdicts.Defer, verdicts.Disconnect)

POINTS: dict[str, HookPoint] = {
    point.name: point
    for point in (
        HookPoint("connect", contexts.ConnectContext, _REFUSALS, "A client has connected and waits for the greeting."),
        HookPoint(
            "proxy",
            contexts.CommandContext,
            (verdicts.Reject, verdicts.Defer, verdicts.Disconnect),
            "A command line has come; it is asked about before it is looked at.",
        ),
        HookPoint("helo", contexts.HeloContext, _REFUSALS, "The client has said EHLO or HELO."),
        HookPoint("auth", contexts.AuthContext, _REFUSALS, "The client wants to authenticate: Accept lets it."),
        HookPoint("mail_from", contexts.MailContext, _REFUSALS, "A transaction begins."),
        HookPoint(
            "rcpt_to", contexts.RecipientContext, (*_REFUSALS, verdicts.Redirect), "One more recipient is named."
        ),
        HookPoint(
            "end_of_data",
            contexts.MessageContext,
            (
                verdicts.Accept,
                verdicts.Reject,
                verdicts.Defer,
                verdicts.Discard,
                verdicts.Hold,
                verdicts.Redirect,
                verdicts.Queue,
            ),
            "The message is whole; what is said here decides its fate.",
        ),
        HookPoint(
            "disconnect",
            contexts.DisconnectContext,
            (),
            "The client has gone.",
            FailurePolicy.IGNORE,
        ),
        HookPoint(
            "pre_delivery",
            contexts.DeliveryContext,
            (verdicts.Accept, verdicts.Route, verdicts.Carry, verdicts.Defer, verdicts.Reject, verdicts.Hold),
            "A message is about to be tried at its next hop.",
        ),
        HookPoint(
            "post_delivery",
            contexts.AttemptContext,
            (verdicts.Amend,),
            "A try has ended; what follows from it may be changed.",
            FailurePolicy.IGNORE,
        ),
        HookPoint(
            "report",
            contexts.ReportContext,
            (verdicts.Accept, verdicts.Discard),
            "A report about our mail has come in and been read.",
            FailurePolicy.IGNORE,
        ),
        HookPoint("timer", contexts.TimerContext, (), "The time the hook asked for has come.", FailurePolicy.IGNORE),
    )
}
