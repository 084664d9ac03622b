"""How `danelaw auth` shows its verdicts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from danelaw.arc import ChainStatus
from danelaw.authentication import Action, DispositionSettings, Verdicts, disposition
from danelaw.authres import UnwritableField
from danelaw.cli.network import UNPROVED
from danelaw.cli.output import Output, Symbol
from danelaw.dmarc import DMARCEvaluation, DMARCResult, Found, Policy, PolicyTag
from danelaw.dnsdata import DNSSECStatus, weakest

Row = tuple[Symbol, tuple[str, ...]]

_GOOD = ("pass",)
_OPEN = ("none", "neutral", "softfail", "policy")
_CONVERTED = "The file has bare line feeds; it was read as it travels, with CRLF."
_HEADLINES = {
    DMARCResult.PASS: (Symbol.VERIFIED, "pass: {domain} stands behind this message."),
    DMARCResult.FAIL: (Symbol.STOPPED, "fail: nothing shows that this message comes from {domain}."),
    DMARCResult.NONE: (Symbol.CLEAR, "none: {domain} publishes no DMARC record to go by."),
    DMARCResult.TEMPERROR: (Symbol.STOPPED, "temperror: whether {domain} stands behind it cannot be decided now."),
    DMARCResult.PERMERROR: (Symbol.STOPPED, "permerror: DMARC is not possible for this message."),
}
_MOST_AUTHORS = 5
_ACTIONS = {
    Action.ACCEPT: "takes it",
    Action.QUARANTINE: "holds it for an operator",
    Action.DEFER: "asks the client to come again",
    Action.REFUSE: "refuses it",
}


def as_object(verdicts: Verdicts, receiver: str, *, converted: bool, unproved: bool) -> dict[str, Any]:
    """The JSON form: that of the verdicts, the field a receiver would write, and what it would do by default."""
    decision = disposition(verdicts, DispositionSettings(), 0.0)
    return verdicts.as_object() | {
        "authentication_results": _field(verdicts, receiver),
        "decision": {
            "action": decision.action.value,
            "cause": decision.cause.value,
            "reason": decision.reason,
            "override": decision.override.value if decision.override is not None else None,
        },
        "line_feeds_converted": converted,
        "resolver_without_dnssec": unproved,
    }


def show(out: Output, verdicts: Verdicts, receiver: str, *, file: str, converted: bool, unproved: bool) -> None:
    """Print the answer, a row per verdict, the way to the policy, and what a receiver does."""
    dmarc = verdicts.dmarc
    symbol, headline = _HEADLINES[dmarc.result]
    out.headline(symbol, headline.format(domain=dmarc.domain or "the author"))
    out.paragraph(_from(verdicts), hang=2)
    out.paragraph(f"why: {dmarc.reason}", hang=2)
    if dmarc.policy is not None and dmarc.applied is not None and dmarc.policy_tag is not None:
        out.paragraph(_policy(dmarc, dmarc.policy, dmarc.applied, dmarc.policy_tag))
    out.paragraph(_decided(verdicts), hang=2)
    if converted:
        out.paragraph(_CONVERTED)
    if unproved:
        out.paragraph(UNPROVED)
    out.line()
    out.table(list(_rows(verdicts)), heads=("METHOD", "RESULT", "DOMAIN", "DNSSEC", "WHY"))
    if dmarc.trace:
        out.line()
        out.table([_step(found) for found in dmarc.trace], heads=("LOOKED AT", "DNSSEC", "RECORD"))
    for fault in dmarc.record.faults if dmarc.record is not None else ():
        out.paragraph(f"ignored in the record: {fault}")
    field = _field(verdicts, receiver)
    if field is not None:
        out.line()
        for line in field.splitlines():
            out.line("  " + line.replace("\t", "  "))
    out.line()
    out.next(_next(verdicts, file))


def _from(verdicts: Verdicts) -> str:
    """Whom a reader sees, and who handed it in."""
    said, mailboxes = verdicts.transaction, verdicts.authors.mailboxes
    shown = ", ".join(f"{one.display_name} <{one.address}>".strip() for one in mailboxes[:_MOST_AUTHORS])
    more = f" and {len(mailboxes) - _MOST_AUTHORS} more" if len(mailboxes) > _MOST_AUTHORS else ""
    envelope = f"<{said.mail_from}>" if said.mail_from else "<>, the null reverse-path,"
    return f"from: {shown or 'nobody'}{more}; handed in as {envelope} by {said.ip} ({said.helo or 'no name'})"


def _decided(verdicts: Verdicts) -> str:
    """What danelaw does with it, without saying again why DMARC ended as it did."""
    decision = disposition(verdicts, DispositionSettings(), 0.0)
    _, repeated, more = decision.reason.partition(verdicts.dmarc.reason)
    reason = more.removeprefix("; ") if repeated else decision.reason
    if verdicts.dmarc.result is DMARCResult.TEMPERROR and not reason and decision.action is Action.ACCEPT:
        reason = "what cannot be decided applies no policy"
    return f"by default danelaw {_ACTIONS[decision.action]}" + (f": {reason}" if reason else "")


def _policy(dmarc: DMARCEvaluation, policy: Policy, applied: Policy, tag: PolicyTag) -> str:
    words = f"policy: {policy.value} ({tag.value}= of {dmarc.policy_domain}"
    words += f", lowered to {applied.value} by t=y)" if dmarc.testing else ")"
    if dmarc.organizational_domain:
        words += f"; Organizational Domain: {dmarc.organizational_domain}"
    return words + ("; the author's domain does not exist" if dmarc.exists is False else "")


def _rows(verdicts: Verdicts) -> Iterator[Row]:
    for method, spf in (("SPF MAIL", verdicts.spf), ("SPF HELO", verdicts.helo)):
        yield _row(method, spf.result.value, spf.domain, spf.dnssec, spf.reason)
    for verdict in verdicts.signatures:
        domain = f"{verdict.domain} (s={verdict.selector})" if verdict.selector else verdict.domain
        yield _row("DKIM", verdict.result.value, domain, verdict.dnssec, verdict.reason)
    more = len(verdicts.dkim.verdicts) - len(verdicts.signatures)
    if more:
        yield Symbol.NONE, ("DKIM", "", "", "", f"and {more} more signatures; --json shows them")
    if not verdicts.dkim.verdicts:
        yield _row("DKIM", "none", "", None, "the message has no signature")
    arc = verdicts.arc
    if arc.status is not ChainStatus.NONE:
        yield _row("ARC", arc.status.value, ", ".join(arc.sealers[-1:]), weakest(verdicts.seal_answers), arc.reason)
    dmarc = verdicts.dmarc
    for one in dmarc.identifiers[:20]:
        if one.aligned is not None:
            aligned = "aligned" if one.aligned else "not aligned"
            symbol = Symbol.VERIFIED if one.aligned and one.authenticated else Symbol.CLEAR
            yield symbol, (f"  {one.method.upper()}", aligned, one.domain, "", one.note)
    yield _row("DMARC", dmarc.result.value, dmarc.domain, dmarc.dnssec, "as said above")


def _row(method: str, result: str, domain: str, dnssec: DNSSECStatus | None, why: str) -> Row:
    symbol = Symbol.VERIFIED if result in _GOOD else Symbol.CLEAR if result in _OPEN else Symbol.STOPPED
    return symbol, (method, result, domain, dnssec.value if dnssec is not None else "", why)


def _step(found: Found) -> Row:
    status = found.answer.status.value if found.answer is not None else ""
    symbol = Symbol.STOPPED if found.failed else Symbol.NONE if found.record is None else Symbol.VERIFIED
    words = found.record.to_text() if found.record is not None else found.note
    return symbol, (f"_dmarc.{found.domain}", status, words)


def _field(verdicts: Verdicts, receiver: str) -> str | None:
    try:
        return verdicts.to_authentication_results(receiver).to_bytes(utf8=True).decode()
    except UnwritableField:
        return None


def _next(verdicts: Verdicts, file: str) -> str:
    failed = next((answer for answer in verdicts.answers if answer.failed), None)
    if failed is not None:
        name, _, rdtype = str(failed.question).partition(" ")
        return f"danelaw dns {name.removesuffix('.')} {rdtype}"
    domain = verdicts.dmarc.policy_domain or verdicts.dmarc.domain
    if verdicts.fault:
        return f"danelaw message {shlex.quote(file)}"
    return f"danelaw dns _dmarc.{domain} TXT" if domain else "danelaw auth --help"
