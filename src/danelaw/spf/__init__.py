"""Sender Policy Framework: may this client use that domain in HELO or MAIL FROM? (RFC 7208, RFC 8616 §4)

A domain lists in one TXT record who sends for it. The record is a row of terms read from left to right: mechanisms
("ip4:192.0.2.0/24", "mx", "include:_spf.example.net") that match the client's address or not, each with a qualifier
that says what a match means (`+` pass, `-` fail, `~` softfail, `?` neutral), and modifiers ("redirect=", "exp="). The
first match decides; without one the result is neutral.

    lookup = evaluate(Request.mail_from(ip, "anna@example.org", "mx.example.org"), receiver="mx.example.net", now=…)
    evaluation = await resolver.run(lookup)
    evaluation.result, evaluation.reason, evaluation.dnssec, evaluation.trace

Nothing here touches the network: the look-up yields batches of questions and is sent answers. DNS that fails or does
not verify gives temperror, never none or fail, with the exceptions named in `evaluate`. All limits of RFC 7208 §4.6.4
are in `Limits`; elapsed time belongs to who drives the look-up. Records are parsed once and remembered by their text.
Everything published is kept harmless: an explanation is printable US-ASCII of limited length and is shown with its
author's name in front (`Evaluation.explains`).

Public names: `evaluate`, `Request`, `Evaluation`, `SPFResult`, `Identity`, `Step`, `Limits`, `USUAL_LIMITS`; `Record`,
`RecordError`, `select`, `MAX_RECORD_SIZE`; `MacroString`; the terms `Directive`, `Qualifier`, `All`, `Include`, `A`,
`MX`, `PTR`, `IP4`, `IP6`, `Exists`, `Redirect`, `Explanation`, `UnknownModifier`.
"""

from danelaw.spf.errors import RecordError
from danelaw.spf.evaluate import evaluate
from danelaw.spf.limits import MAX_RECORD_SIZE, USUAL_LIMITS, Limits
from danelaw.spf.macro import MacroString
from danelaw.spf.record import Record, select
from danelaw.spf.request import Request
from danelaw.spf.result import Evaluation, Identity, SPFResult, Step
from danelaw.spf.terms import (
    IP4,
    IP6,
    MX,
    PTR,
    A,
    All,
    Directive,
    Exists,
    Explanation,
    Include,
    Qualifier,
    Redirect,
    UnknownModifier,
)

__all__ = [
    "IP4",
    "IP6",
    "MAX_RECORD_SIZE",
    "MX",
    "PTR",
    "USUAL_LIMITS",
    "A",
    "All",
    "Directive",
    "Evaluation",
    "Exists",
    "Explanation",
    "Identity",
    "Include",
    "Limits",
    "MacroString",
    "Qualifier",
    "Record",
    "RecordError",
    "Redirect",
    "Request",
    "SPFResult",
    "Step",
    "UnknownModifier",
    "evaluate",
    "select",
]
